//! Which files of a source stay out of its artifact: `.gitignore` syntax, Flux's order of rules.
//!
//! A rule matches a path when it matches the path itself or a folder above it, and the last rule
//! that matches decides. So `!/deploy/prod` brings back what `/*` took away, which Git's own rule
//! ("a file below an excluded folder cannot be re-included") would not; Flux does it, and sources
//! rely on it. Without any `!` the answers are Git's. What is absent: reading the files.

mod wildmatch;

use wildmatch::Wildcard;

/// What belongs to version control, never to an artifact.
const VERSION_CONTROL: &[&str] = &[".git/", ".gitignore", ".gitmodules", ".gitattributes"];

/// What stays out as long as nobody writes a rule of their own.
const DEFAULTS: &[&str] = &[
    "*.jpg",
    "*.jpeg",
    "*.gif",
    "*.png",
    "*.wmv",
    "*.flv",
    "*.tar.gz",
    "*.zip",
    ".github/",
    ".circleci/",
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".drone.yml",
    "cloudbuild.yaml",
    "codeship-services.yml",
    "codeship-steps.yml",
    "**/.goreleaser.yml",
    "**/.sops.yaml",
    "**/.flux.yaml",
];

/// The name of the files that hold rules.
pub const IGNORE_FILE: &str = ".sourceignore";

/// Rules that say which paths stay out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoreRules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// The folder the rule was written for, empty for the root, else with a `/` at its end.
    base: String,
    brings_back: bool,
    folders_only: bool,
    /// Whether the pattern is about the path below the base, or about a name anywhere below it.
    whole_path: bool,
    pattern: Wildcard,
}

impl IgnoreRules {
    /// The rules of a source: those of version control; then the texts of its `.sourceignore` files
    /// with the folder of each (empty for the root), in the order they are found by walking down;
    /// then `spec.ignore`. When none of these texts holds a rule, Flux's defaults stand in.
    pub fn for_source(files: &[(String, String)], specification: Option<&str>) -> Self {
        let mut own: Vec<Rule> = Vec::new();
        for (folder, text) in files {
            own.extend(parse(text, folder));
        }
        own.extend(parse(specification.unwrap_or_default(), ""));
        let fallback = if own.is_empty() { DEFAULTS } else { &[] };
        let mut rules: Vec<Rule> = VERSION_CONTROL
            .iter()
            .chain(fallback)
            .filter_map(|line| rule(line, ""))
            .collect();
        rules.append(&mut own);
        Self(rules)
    }

    /// Rules from one text, for the root, and nothing else.
    pub fn from_text(text: &str) -> Self {
        Self(parse(text, ""))
    }

    /// Whether the path stays out. `path` is relative, `/`-separated and normalised.
    pub fn excludes(&self, path: &str, is_directory: bool) -> bool {
        self.0
            .iter()
            .rev()
            .find(|rule| rule.applies(path, is_directory))
            .is_some_and(|rule| !rule.brings_back)
    }
}

impl Rule {
    fn applies(&self, path: &str, is_directory: bool) -> bool {
        let Some(below) = path.strip_prefix(&self.base) else {
            return false;
        };
        let folders = below.match_indices('/').map(|(at, _)| (&below[..at], true));
        folders
            .chain([(below, is_directory)])
            .any(|(part, is_directory)| self.matches(part, is_directory))
    }

    fn matches(&self, path: &str, is_directory: bool) -> bool {
        if self.folders_only && !is_directory {
            return false;
        }
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        let subject = if self.whole_path { path } else { name };
        self.pattern.matches(subject)
    }
}

fn parse(text: &str, folder: &str) -> Vec<Rule> {
    let base = match folder {
        "" => String::new(),
        folder => format!("{folder}/"),
    };
    text.lines().filter_map(|line| rule(line, &base)).collect()
}

fn rule(line: &str, base: &str) -> Option<Rule> {
    if line.starts_with('#') || line.trim().is_empty() {
        return None;
    }
    let (brings_back, line) = match line.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let line = without_trailing_spaces(line);
    let (folders_only, line) = match line.strip_suffix('/') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    if line.is_empty() {
        return None;
    }
    Some(Rule {
        base: base.to_owned(),
        brings_back,
        folders_only,
        whole_path: line.contains('/'),
        pattern: Wildcard::new(line.strip_prefix('/').unwrap_or(line)),
    })
}

/// Cuts trailing spaces unless the first of them is escaped.
fn without_trailing_spaces(line: &str) -> &str {
    let cut = line.trim_end_matches(' ');
    let escapes = cut.len() - cut.trim_end_matches('\\').len();
    if escapes % 2 == 1 && cut.len() < line.len() {
        &line[..=cut.len()]
    } else {
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(files: &[(&str, &str)], specification: Option<&str>) -> IgnoreRules {
        let files: Vec<(String, String)> = files
            .iter()
            .map(|(folder, text)| ((*folder).to_owned(), (*text).to_owned()))
            .collect();
        IgnoreRules::for_source(&files, specification)
    }

    #[test]
    fn the_defaults_stand_in_only_when_nobody_wrote_a_rule() {
        let comment = "# nothing\n\n   \n";
        for rules in [source(&[], None), source(&[("", comment)], Some(comment))] {
            for path in [
                "logo.png",
                "a/b/release.tar.gz",
                ".github/workflows/ci.yml",
                "x/.sops.yaml",
                ".gitignore",
                ".git/config",
            ] {
                assert!(rules.excludes(path, false), "{path}");
            }
            assert!(!rules.excludes("apps/web.yaml", false));
            assert!(!rules.excludes(".github", false));
            assert!(rules.excludes(".github", true));
        }
        let rules = source(&[], Some("*.txt"));
        assert!(!rules.excludes("logo.png", false));
        assert!(rules.excludes("a.txt", false));
        assert!(rules.excludes(".gitmodules", false));
    }

    #[test]
    fn a_rule_counts_in_its_folder_and_below() {
        let rules = source(&[("", "/a.yaml"), ("apps", "b.yaml\n/c.yaml")], None);
        assert!(rules.excludes("a.yaml", false));
        assert!(!rules.excludes("apps/a.yaml", false));
        assert!(rules.excludes("apps/x/b.yaml", false));
        assert!(!rules.excludes("b.yaml", false));
        assert!(!rules.excludes("apps-other/b.yaml", false));
        assert!(rules.excludes("apps/c.yaml", false));
        assert!(!rules.excludes("apps/x/c.yaml", false));
    }

    #[test]
    fn the_specification_has_the_last_word() {
        let rules = source(&[("", "*.yaml")], Some("!keep.yaml"));
        assert!(rules.excludes("a.yaml", false));
        assert!(!rules.excludes("x/keep.yaml", false));
    }

    #[test]
    fn everything_but_one_folder_as_flux_documents_it() {
        let rules = source(&[], Some("# all\n/*\n!/deploy\n/deploy/**/*.md\n"));
        assert!(rules.excludes("src", true));
        assert!(rules.excludes("src/main.rs", false));
        assert!(!rules.excludes("deploy", true));
        assert!(!rules.excludes("deploy/app/web.yaml", false));
        assert!(rules.excludes("deploy/app/README.md", false));
        let deeper = source(&[], Some("/*\n!/deploy/prod\n"));
        assert!(deeper.excludes("deploy/test/a.yaml", false));
        assert!(!deeper.excludes("deploy/prod/a.yaml", false));
    }

    #[test]
    fn escapes_and_trailing_spaces_follow_git() {
        let rules = IgnoreRules::from_text("\\#a\n\\!b\nc   \nd\\ \ne\\\\  \r\n/\n!\n");
        for path in ["#a", "!b", "c", "d ", "e\\"] {
            assert!(rules.excludes(path, false), "`{path}`");
        }
        for path in ["a", "b", "c ", "d", "anything"] {
            assert!(!rules.excludes(path, false), "`{path}`");
        }
    }
}
