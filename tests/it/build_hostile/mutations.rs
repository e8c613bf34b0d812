//! The stored cases, damaged.

use super::{CASES, Case, Files, SEED, case, say};
use std::path::Path;

/// Numbers from a seed: the same seed gives the same trees.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("a size fits 64 bits");
        usize::try_from(self.roll() % bound).expect("it is below a size")
    }

    fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }
}

/// What means something in YAML, in a kustomization, or in one of its expressions.
const PIECES: &[&[u8]] = &[
    b"- ",
    b"? ",
    b": ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"&a ",
    b"*a",
    b"<<: *a\n",
    b"!!str ",
    b"!!binary ",
    b"|\n",
    b">-\n",
    b"'",
    b"\"",
    b"#",
    b"%YAML 1.1\n",
    b"---\n",
    b"...\n",
    b"\t",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc2\x85",
    b"~",
    b"null",
    b"0777",
    b"1e999",
    b".inf",
    b"2024-01-01",
    b"$patch: delete\n",
    b"$patch: replace\n",
    b"$retainKeys",
    b"$(A)",
    b"(a*)*",
    b"[^",
    b".*",
    b"../",
    b"/",
    b"resources: [.]\n",
    b"components: [..]\n",
    b"namePrefix: x\n",
    b"namespace: y\n",
    b"kind: List\nitems:\n",
    b"metadata: {name: a}\n",
    b"name: ",
    b"create: true",
    b"index: -1",
    b"delimiter: ''",
    b"\\u0000",
    b"\xf0\x9f\x98\x80",
];

pub(super) fn cases() -> Vec<Case> {
    let seed = number(SEED).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(1, |since| u64::from(since.subsec_nanos()) | 1)
    });
    let count = number(CASES).unwrap_or(6_000);
    say(&format!("{SEED}={seed}"));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/kustomize");
    let mut folders: Vec<_> = std::fs::read_dir(golden)
        .expect("the cases can be listed")
        .map(|entry| entry.expect("the cases can be listed").path())
        .collect();
    folders.sort();
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    (0..count)
        .map(|_| {
            let folder = folders[dice.below(folders.len())].clone();
            let seed = dice.roll() | 1;
            let name = format!(
                "{} {seed}",
                folder.file_name().unwrap_or_default().display()
            );
            case(name, move || damaged(&folder, &mut Dice(seed)))
        })
        .collect()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn damaged(folder: &Path, dice: &mut Dice) -> Files {
    let mut tree = crate::build::read_tree(folder).0;
    tree.retain(|path, _| !path.starts_with("expected."));
    let paths: Vec<String> = tree.keys().cloned().collect();
    for _ in 0..=dice.below(4) {
        let path = &paths[dice.below(paths.len())];
        let other = tree[&paths[dice.below(paths.len())]].clone();
        let bytes = tree.get_mut(path).expect("it is one of them");
        damage(bytes, &other, dice);
    }
    tree
}

fn damage(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    match dice.below(9) {
        0 => bytes.truncate(at),
        1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        2 => {
            bytes.splice(at..at, dice.pick(PIECES).iter().copied());
        }
        3 => {
            let pieces = dice.pick(PIECES).repeat(1 + dice.below(2_000));
            bytes.splice(at..at, pieces);
        }
        4 => {
            let end = at + dice.below(bytes.len() - at + 1);
            let chunk = bytes[at..end].repeat(1 + dice.below(20));
            bytes.splice(at..at, chunk);
        }
        5 => {
            let end = at + dice.below(bytes.len() - at + 1);
            bytes.drain(at..end);
        }
        6 => {
            let from = dice.below(other.len() + 1);
            bytes.splice(at..at, other[from..].iter().copied());
        }
        7 => {
            let noise: Vec<u8> = (0..dice.below(400))
                .map(|_| dice.roll().to_le_bytes()[0])
                .collect();
            bytes.splice(at..at, noise);
        }
        _ => {
            // Two lines change places, so that fields come to objects they do not belong to.
            let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            if lines.len() > 1 {
                let (one, two) = (dice.below(lines.len()), dice.below(lines.len()));
                lines.swap(one, two);
                *bytes = lines.concat();
            }
        }
    }
}
