//! What highwater itself writes into the body of a pull request.
//!
//! ```text
//! Updates `ghcr.io/acme/app` from `1.0.0` to `1.1.0`.
//!
//! - digest: `sha256:...`
//! - why: `1.1.0` is the highest version in `1.x` of 14 candidates (policy `app`)
//! - source: [`https://github.com/acme/app`](...) at `0123456789ab`
//! - changes: [`111111111111...222222222222`](...)
//! ```
//!
//! Invariant: it ends where a line does, and is never longer than asked for; what strangers wrote stands
//! in code spans. What is absent: the marker, and asking for what is told here.

use super::forge::ComparedCommit;
use super::link::Source;
use super::markdown::{code, link, sentence};
use crate::domain::change::{Change, ChangeReport};
use crate::domain::image::ImageRef;
use crate::domain::object::ObjectKey;
use std::collections::{BTreeMap, BTreeSet};
use url::Url;

/// Most changed places that are listed.
const MOST_PLACES: usize = 200;
/// Most old values of one policy that are told.
const MOST_OLD: usize = 5;
/// The longest value that is shown, in characters.
const LONGEST_VALUE: usize = 200;
/// How much is kept free for the last words, in bytes.
const LAST_WORDS: usize = 600;

/// What becomes of the image of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageChange {
    /// The policy.
    pub policy: String,
    /// The image's name.
    pub name: String,
    /// What stood there: tags, or whole references where the name was another.
    pub from: Vec<String>,
    /// The tag.
    pub to: String,
    /// The digest, when the policy has one.
    pub digest: Option<String>,
    /// The image that was there, where it is one.
    pub previous: Option<ImageRef>,
    /// Why the policy selects it.
    pub why: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where an image comes from, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// What the new image says.
    pub source: Option<Source>,
    /// The page that compares it with the old one.
    pub compare: Option<Url>,
    /// What changed in between, the newest first.
    pub commits: Vec<ComparedCommit>,
}

/// What a body tells.
#[derive(Clone, Debug)]
pub struct Body<'a> {
    /// The automation.
    pub automation: &'a ObjectKey,
    /// Every changed place.
    pub report: &'a ChangeReport,
    /// The images.
    pub images: &'a [ImageChange],
}

/// What becomes of each policy's image, as far as the report and the selections tell.
pub fn image_changes(
    report: &ChangeReport,
    selected: &BTreeMap<String, ImageRef>,
) -> Vec<ImageChange> {
    let mut by_policy: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in &report.changes {
        by_policy
            .entry(policy(&change.setter))
            .or_default()
            .push(change);
    }
    let each = by_policy.into_iter().filter_map(|(policy, changes)| {
        let image = selected.get(policy)?;
        let from: BTreeSet<String> = changes
            .iter()
            .filter_map(|change| old(change, image))
            .collect();
        Some(ImageChange {
            policy: policy.to_owned(),
            name: image.name.clone(),
            from: from.into_iter().take(MOST_OLD).collect(),
            to: image.tag.clone(),
            digest: image.digest.clone(),
            previous: changes.iter().find_map(|change| previous(change, image)),
            ..ImageChange::default()
        })
    });
    each.collect()
}

/// The policy's name in a setter `namespace:name[:part]`.
fn policy(setter: &str) -> &str {
    setter.split(':').nth(1).unwrap_or(setter)
}

fn part(change: &Change) -> Option<&str> {
    change.setter.split(':').nth(2)
}

/// What stood in a place, without the name of the image where that stays.
fn old(change: &Change, image: &ImageRef) -> Option<String> {
    let old = change.old.as_str();
    match part(change) {
        Some("name") => None,
        Some(_) => Some(old.to_owned()),
        None => {
            let rest = old.strip_prefix(image.name.as_str());
            let version = rest.and_then(|rest| rest.strip_prefix([':', '@']));
            Some(version.unwrap_or(old).to_owned())
        }
    }
}

/// The image that stood in a place, if one can be made of it.
fn previous(change: &Change, image: &ImageRef) -> Option<ImageRef> {
    let (name, tag, digest) = match part(change) {
        Some("tag") => (image.name.as_str(), change.old.as_str(), None),
        Some(_) => return None,
        None => {
            let (rest, digest) = match change.old.split_once('@') {
                Some((rest, digest)) => (rest, Some(digest)),
                None => (change.old.as_str(), None),
            };
            // A colon before the last slash is a port's.
            let at = rest.rfind('/').map_or(0, |at| at + 1);
            let colon = at + rest[at..].rfind(':')?;
            (&rest[..colon], &rest[colon + 1..], digest)
        }
    };
    let whole = !name.is_empty() && !tag.is_empty();
    whole.then(|| ImageRef {
        name: name.to_owned(),
        tag: tag.to_owned(),
        digest: digest.map(str::to_owned),
    })
}

/// Writes the body, of at most `longest` bytes.
pub fn body(told: &Body<'_>, longest: usize) -> String {
    let mut page = Page {
        text: String::new(),
        room: longest.saturating_sub(LAST_WORDS),
        full: false,
    };
    for image in told.images {
        page.image(image);
    }
    page.places(told.report);
    page.commits(told.images);
    let mut text = page.text;
    if page.full {
        text.push_str("\nThere is more than the forge takes; the commit has it all.\n");
    }
    text.push_str(&last_words(told.automation));
    // Only a limit that is smaller than the last words gets here with more.
    crop(text, longest)
}

fn last_words(automation: &ObjectKey) -> String {
    format!(
        "\n---\nhighwater keeps this up to date (automation {}). Close it, and this version is skipped until you \
         reopen it or a newer one comes. Commit to its branch, and highwater leaves it to you.\n",
        code(&automation.to_string(), LONGEST_VALUE)
    )
}

/// A text that is cut at the end of a line.
fn crop(mut text: String, longest: usize) -> String {
    if text.len() <= longest {
        return text;
    }
    let mut end = longest;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.truncate(text.rfind('\n').map_or(0, |at| at + 1));
    text
}

/// A text that grows by lines while there is room.
struct Page {
    text: String,
    room: usize,
    full: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.full |= self.text.len() + line.len() + 1 > self.room;
        if !self.full {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    fn image(&mut self, image: &ImageChange) {
        let name = code(&image.name, LONGEST_VALUE);
        let from: Vec<String> = image
            .from
            .iter()
            .map(|old| code(old, LONGEST_VALUE))
            .collect();
        let from = match from.is_empty() {
            true => String::new(),
            false => format!(" from {}", from.join(", ")),
        };
        self.line(&format!(
            "Updates {name}{from} to {}.",
            code(&image.to, LONGEST_VALUE)
        ));
        self.line("");
        if let Some(digest) = &image.digest {
            self.line(&format!("- digest: {}", code(digest, LONGEST_VALUE)));
        }
        let policy = code(&image.policy, LONGEST_VALUE);
        match &image.why {
            Some(why) => self.line(&format!(
                "- why: {} (policy {policy})",
                sentence(why, 2 * LONGEST_VALUE)
            )),
            None => self.line(&format!("- policy: {policy}")),
        }
        if let Some(source) = &image.origin.source {
            let at = source
                .revision
                .as_ref()
                .map(|revision| format!(" at {}", code(revision, 40)));
            let page = link(source.page.as_str(), &source.page);
            self.line(&format!("- source: {page}{}", at.unwrap_or_default()));
        }
        if let Some(compare) = &image.origin.compare {
            self.line(&format!("- changes: {}", link("compare", compare)));
        }
        self.line("");
    }

    fn places(&mut self, report: &ChangeReport) {
        let files = report.files().len();
        let (file, place) = (plural(files, "file"), plural(report.changes.len(), "place"));
        self.line(&format!("Changes {place} in {file}:"));
        self.line("");
        let mut listed = 0;
        for file in report.by_file() {
            for (object, changes) in file.objects {
                for change in changes {
                    if listed == MOST_PLACES {
                        let left = report.changes.len() - listed;
                        self.line(&format!("- and {} more", plural(left, "place")));
                        return;
                    }
                    let object = object
                        .map(|object| format!(" {}", code(&object.to_string(), LONGEST_VALUE)));
                    let field = match change.field.as_str() {
                        "" => String::new(),
                        field => format!(", {}", code(field, LONGEST_VALUE)),
                    };
                    let (path, line) = (code(file.file, LONGEST_VALUE), change.line);
                    self.line(&format!(
                        "- {path} line {line}:{}{field}",
                        object.unwrap_or_default()
                    ));
                    listed += 1;
                }
            }
        }
    }

    fn commits(&mut self, images: &[ImageChange]) {
        for image in images
            .iter()
            .filter(|image| !image.origin.commits.is_empty())
        {
            let count = image.origin.commits.len();
            self.line("");
            let (commits, name) = (plural(count, "commit"), code(&image.name, LONGEST_VALUE));
            self.line(&format!("{commits} in {name} between the two:"));
            self.line("");
            for commit in &image.origin.commits {
                let id: String = commit.id.chars().take(12).collect();
                let id = match Url::parse(&commit.url) {
                    Ok(url) if matches!(url.scheme(), "https" | "http") => link(&id, &url),
                    _ => code(&id, 40),
                };
                let (summary, author) = (code(&commit.summary, 120), code(&commit.author, 60));
                self.line(&format!("- {id} {summary} by {author}"));
            }
        }
    }
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::object::ObjectId;
    use proptest::prelude::*;

    fn change(setter: &str, old: &str, new: &str, line: usize) -> Change {
        Change {
            file: "apps/web.yaml".to_owned(),
            line,
            object: Some(ObjectId {
                api_version: "apps/v1".to_owned(),
                kind: "Deployment".to_owned(),
                namespace: Some("shop".to_owned()),
                name: "web".to_owned(),
            }),
            field: "spec.template.spec.containers[0].image".to_owned(),
            setter: setter.to_owned(),
            old: old.to_owned(),
            new: new.to_owned(),
        }
    }

    fn selected() -> BTreeMap<String, ImageRef> {
        let image = ImageRef {
            name: "ghcr.io:5000/acme/app".to_owned(),
            tag: "1.1.0".to_owned(),
            digest: Some(format!("sha256:{}", "0".repeat(64))),
        };
        BTreeMap::from([("app".to_owned(), image)])
    }

    fn report(changes: Vec<Change>) -> ChangeReport {
        ChangeReport {
            changes,
            problems: Vec::new(),
        }
    }

    #[test]
    fn what_was_there_is_told_by_tag_where_the_name_stays() {
        let report = report(vec![
            change("apps:app", "ghcr.io:5000/acme/app:1.0.0", "n", 1),
            change("apps:app:tag", "0.9.0", "n", 2),
            change("apps:app:name", "old/name", "n", 3),
            change("apps:app", "docker.io/other:1.0.0", "n", 4),
            change("apps:gone", "x:1", "n", 5),
        ]);
        let images = image_changes(&report, &selected());
        assert_eq!(
            images.len(),
            1,
            "of a policy without a selection nothing is told"
        );
        assert_eq!(images[0].from, ["0.9.0", "1.0.0", "docker.io/other:1.0.0"]);
        let previous = images[0].previous.as_ref().map(ToString::to_string);
        assert_eq!(previous.as_deref(), Some("ghcr.io:5000/acme/app:1.0.0"));
    }

    #[test]
    fn a_body_tells_what_why_where_and_from_where() {
        let changes = vec![change("apps:app", "ghcr.io:5000/acme/app:1.0.0", "n", 14)];
        let report = report(changes);
        let mut images = image_changes(&report, &selected());
        let source = Source::of("https://github.com/acme/app", Some("2222222222")).expect("a page");
        images[0].why = Some("the highest of 2 versions".to_owned());
        images[0].origin = Origin {
            compare: Url::parse("https://github.com/acme/app/compare/1...2").ok(),
            source: Some(source),
            commits: vec![ComparedCommit {
                id: "2222222222222222".to_owned(),
                summary: "fix `it` for @jane".to_owned(),
                author: "Joe".to_owned(),
                url: "https://github.com/acme/app/commit/2".to_owned(),
            }],
        };
        let automation = ObjectKey::new("apps", "fleet");
        let text = body(
            &Body {
                automation: &automation,
                report: &report,
                images: &images,
            },
            60_000,
        );
        let digest = "0".repeat(64);
        let expected = format!(
            "Updates `ghcr.io:5000/acme/app` from `1.0.0` to `1.1.0`.

- digest: `sha256:{digest}`
- why: the highest of 2 versions (policy `app`)
- source: [`https://github.com/acme/app`](https://github.com/acme/app) at `2222222222`
- changes: [`compare`](https://github.com/acme/app/compare/1...2)

Changes 1 place in 1 file:

- `apps/web.yaml` line 14: `Deployment/shop/web`, `spec.template.spec.containers[0].image`

1 commit in `ghcr.io:5000/acme/app` between the two:

- [`222222222222`](https://github.com/acme/app/commit/2) ``fix `it` for @jane`` by `Joe`

---
"
        );
        assert!(text.starts_with(&expected), "{text}");
        assert!(text.contains("(automation `apps/fleet`)"));
    }

    /// A text without its code spans, as CommonMark finds them.
    fn without_code(text: &str) -> String {
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('`') {
            plain.push_str(&rest[..at]);
            let opening = rest[at..].len() - rest[at..].trim_start_matches('`').len();
            let inside = &rest[at + opening..];
            let mut from = 0;
            let end = loop {
                let Some(next) = inside[from..].find('`') else {
                    break inside.len();
                };
                let run = inside[from + next..].len()
                    - inside[from + next..].trim_start_matches('`').len();
                from += next + run;
                if run == opening {
                    break from;
                }
            };
            rest = &inside[end..];
        }
        plain + rest
    }

    proptest! {
        #[test]
        fn a_body_keeps_to_its_limit_and_its_lines_to_code_spans(
            longest in 0_usize..6000,
            count in 0_usize..300,
            old in "\\PC{0,80}|[`<>!@#\\n-]{0,20}",
        ) {
            let changes = (0..count).map(|line| change("apps:app", &old, "n", line)).collect();
            let report = report(changes);
            let mut images = image_changes(&report, &selected());
            for image in &mut images {
                image.why = Some(old.clone());
            }
            let automation = ObjectKey::new("apps", "fleet");
            let text = body(&Body { automation: &automation, report: &report, images: &images }, longest);
            prop_assert!(text.len() <= longest);
            prop_assert!(text.is_empty() || text.ends_with('\n'));
            let plain = without_code(&text);
            prop_assert!(!plain.contains(['<', '>', '@', '!', '#']), "{plain}");
        }
    }
}
