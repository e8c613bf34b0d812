//! A unified diff of two texts, as `git diff` prints it.
//!
//! Invariant: applied to the old text, the diff gives the new text. Takes time and memory linear in the texts times the number
//! of changed lines, and beyond [`WORK_LIMIT`] shows the whole middle as replaced. What is absent: colour, and the heading that
//! git guesses behind `@@`.

use std::fmt::Write;

/// Lines of context around a change.
const CONTEXT: usize = 3;
/// Steps of the comparison after which a shorter diff is not looked for.
const WORK_LIMIT: usize = 4_000_000;

/// One line of both texts, the old or the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Keep,
    Remove,
    Add,
}

/// Shows what turns `old` into `new`, with `--- a/path` and `+++ b/path`; empty when they are equal.
pub fn unified_diff(path: &str, old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let steps = compare(&old, &new);
    let mut out = String::new();
    for (side, sign) in [("a", "---"), ("b", "+++")] {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{sign} {}", file_name(side, path));
    }
    for hunk in hunks(&steps) {
        write_hunk(&mut out, &old, &new, &hunk, &steps);
    }
    out
}

/// Quotes a name as git does when it has characters that would confuse a reader of the diff.
fn file_name(side: &str, path: &str) -> String {
    let plain = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    if path.bytes().all(plain) {
        let end = if path.contains(' ') { "\t" } else { "" };
        return format!("{side}/{path}{end}");
    }
    let mut quoted = format!("\"{side}/");
    for byte in path.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b'\n' => quoted.push_str("\\n"),
            b'\r' => quoted.push_str("\\r"),
            b'\t' => quoted.push_str("\\t"),
            byte if plain(byte) => quoted.push(char::from(byte)),
            byte => quoted.push_str(&format!("\\{byte:03o}")),
        }
    }
    quoted.push('"');
    quoted
}

/// The steps from the old lines to the new ones: as few changes as there can be, within the limit.
fn compare(old: &[&str], new: &[&str]) -> Vec<Step> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = old[head..]
        .iter()
        .rev()
        .zip(new[head..].iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let old_middle = &old[head..old.len() - tail];
    let new_middle = &new[head..new.len() - tail];
    let mut steps = vec![Step::Keep; head];
    match shortest(old_middle, new_middle) {
        Some(middle) => steps.extend(removals_first(middle)),
        None => {
            steps.extend(std::iter::repeat_n(Step::Remove, old_middle.len()));
            steps.extend(std::iter::repeat_n(Step::Add, new_middle.len()));
        }
    }
    steps.extend(std::iter::repeat_n(Step::Keep, tail));
    steps
}

/// Myers' greedy search for the shortest edit script. `None` when it takes too long.
fn shortest(old: &[&str], new: &[&str]) -> Option<Vec<Step>> {
    let (n, m) = (old.len() as isize, new.len() as isize);
    let most = n + m;
    // `reach[k]`: the furthest old line on diagonal k; `rounds` keeps it before each round, to walk back.
    let mut reach = vec![0isize; 2 * most as usize + 2];
    let at = |k: isize| (k + most) as usize;
    let mut rounds: Vec<Vec<isize>> = Vec::new();
    let mut work = 0;
    for d in 0..=most {
        work += d as usize + 1;
        if work > WORK_LIMIT {
            return None;
        }
        rounds.push(reach[at(-d).saturating_sub(1)..(at(d) + 2).min(reach.len())].to_vec());
        for k in (-d..=d).step_by(2) {
            let down = k == -d || (k != d && reach[at(k - 1)] < reach[at(k + 1)]);
            let mut x = if down {
                reach[at(k + 1)]
            } else {
                reach[at(k - 1)] + 1
            };
            while x < n && x - k < m && old[x as usize] == new[(x - k) as usize] {
                x += 1;
            }
            reach[at(k)] = x;
            if x >= n && x - k >= m {
                return Some(walk_back(&rounds, d, (n, m), most));
            }
        }
    }
    None
}

fn walk_back(
    rounds: &[Vec<isize>],
    d: isize,
    (mut x, mut y): (isize, isize),
    most: isize,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for d in (0..=d).rev() {
        // A round keeps the diagonals from -d-1 (or the lowest there is) on.
        let lowest = ((most - d) as usize).saturating_sub(1) as isize - most;
        let reach = |k: isize| rounds[d as usize][(k - lowest) as usize];
        let k = x - y;
        let (before_x, before_y) = if d == 0 {
            (0, 0)
        } else {
            let down = k == -d || (k != d && reach(k - 1) < reach(k + 1));
            let before = if down { k + 1 } else { k - 1 };
            (reach(before), reach(before) - before)
        };
        while x > before_x && y > before_y {
            steps.push(Step::Keep);
            (x, y) = (x - 1, y - 1);
        }
        if d > 0 {
            steps.push(if x == before_x {
                Step::Add
            } else {
                Step::Remove
            });
            (x, y) = (before_x, before_y);
        }
    }
    steps.reverse();
    steps
}

/// Within each run of changes, the removed lines come before the added ones.
fn removals_first(steps: Vec<Step>) -> Vec<Step> {
    let mut ordered = Vec::with_capacity(steps.len());
    for run in steps.chunk_by(|a, b| (*a == Step::Keep) == (*b == Step::Keep)) {
        let removed = run.iter().filter(|step| **step == Step::Remove).count();
        if run.first() == Some(&Step::Keep) {
            ordered.extend_from_slice(run);
        } else {
            ordered.extend(std::iter::repeat_n(Step::Remove, removed));
            ordered.extend(std::iter::repeat_n(Step::Add, run.len() - removed));
        }
    }
    ordered
}

/// The ranges of steps that are shown: changes with their context, joined where contexts meet.
fn hunks(steps: &[Step]) -> Vec<std::ops::Range<usize>> {
    let mut hunks: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, _) in steps
        .iter()
        .enumerate()
        .filter(|(_, step)| **step != Step::Keep)
    {
        let start = at.saturating_sub(CONTEXT);
        let end = (at + 1 + CONTEXT).min(steps.len());
        match hunks.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => hunks.push(start..end),
        }
    }
    hunks
}

fn write_hunk(
    out: &mut String,
    old: &[&str],
    new: &[&str],
    hunk: &std::ops::Range<usize>,
    steps: &[Step],
) {
    let count =
        |steps: &[Step], without: Step| steps.iter().filter(|step| **step != without).count();
    let shown = &steps[hunk.clone()];
    let (mut a, mut b) = (
        count(&steps[..hunk.start], Step::Add),
        count(&steps[..hunk.start], Step::Remove),
    );
    let _ = writeln!(
        out,
        "@@ -{} +{} @@",
        extent(a, count(shown, Step::Add)),
        extent(b, count(shown, Step::Remove))
    );
    for step in shown {
        let (sign, line) = match step {
            Step::Keep => (' ', old[a]),
            Step::Remove => ('-', old[a]),
            Step::Add => ('+', new[b]),
        };
        a += usize::from(*step != Step::Add);
        b += usize::from(*step != Step::Remove);
        out.push(sign);
        out.push_str(line);
        if !line.ends_with('\n') {
            out.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// `first,count` of a hunk's lines, from 1; without the count when it is 1, and on the line before when it is 0.
fn extent(before: usize, count: usize) -> String {
    match count {
        0 => format!("{before},0"),
        1 => format!("{}", before + 1),
        _ => format!("{},{count}", before + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_no_diff() {
        assert_eq!(unified_diff("a", "x\n", "x\n"), "");
    }

    #[test]
    fn a_changed_line_is_shown_with_its_context() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n";
        let expected =
            "--- a/d/f.yaml\n+++ b/d/f.yaml\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n";
        assert_eq!(unified_diff("d/f.yaml", old, new), expected);
    }

    #[test]
    fn a_missing_last_newline_is_shown() {
        let expected = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n";
        assert_eq!(unified_diff("f", "a", "b"), expected);
        let expected = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n";
        assert_eq!(unified_diff("f", "a\n", "a"), expected);
    }

    #[test]
    fn an_empty_side_is_line_zero() {
        assert_eq!(
            unified_diff("f", "", "a\n"),
            "--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+a\n"
        );
        assert_eq!(
            unified_diff("f", "a\nb\n", ""),
            "--- a/f\n+++ b/f\n@@ -1,2 +0,0 @@\n-a\n-b\n"
        );
    }

    #[test]
    fn a_file_name_cannot_forge_diff_lines() {
        let diff = unified_diff("a\n+++ b/x", "1\n", "2\n");
        assert!(
            diff.starts_with("--- \"a/a\\n+++ b/x\"\n+++ \"b/a\\n+++ b/x\"\n"),
            "{diff}"
        );
        assert!(unified_diff("a b", "1\n", "2\n").starts_with("--- a/a b\t\n"));
        assert!(unified_diff("é", "1\n", "2\n").starts_with("--- \"a/\\303\\251\"\n"));
    }

    #[test]
    fn texts_without_a_common_line_are_quickly_replaced() {
        let lines = |from: usize| {
            (from..from + 20_000)
                .map(|n| format!("{n}\n"))
                .collect::<String>()
        };
        let diff = unified_diff("f", &lines(0), &lines(20_000));
        assert_eq!(diff.lines().count(), 40_003);
    }
}
