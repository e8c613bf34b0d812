//! The stored templates: one a line in `tests/golden/template`, with `⏎` for a line's end.

use super::data::standard;
use super::{Rendering, assert_same};
use std::path::Path;

fn stored() -> Vec<Rendering> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/template");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    files.sort();
    let data = standard();
    let mut renderings = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("it is a text");
        let lines = text.lines().filter(|line| !line.is_empty());
        renderings.extend(lines.map(|line| Rendering {
            text: line.replace('⏎', "\n"),
            data: data.clone(),
        }));
    }
    renderings
}

#[test]
fn every_stored_template_renders_as_in_go() {
    let renderings = stored();
    assert!(renderings.len() >= 300, "{}", renderings.len());
    let rendered = assert_same(&renderings);
    assert!(
        rendered * 2 > renderings.len(),
        "only {rendered} of {} are rendered",
        renderings.len()
    );
}
