//! Files in Git that no one should have committed: each is named, and the files beside it get their update.

use super::fleet;
use crate::support::fleet::{Fleet, condition, message};
use crate::support::git_http::Seed;

/// 100 MB.
const LARGE: usize = 100_000_000;

/// A folder with one bad file and one good one.
struct Bad {
    folder: &'static str,
    content: Vec<u8>,
    /// What the automation must say of the file; `None` when it can do its work.
    automation: Option<&'static str>,
    /// What the Kustomization must say of the file; `None` when it is no manifest to it.
    kustomization: Option<&'static str>,
}

/// A ConfigMap of any content with a marked value.
fn marked(marker: &str, name: &str, data: &str) -> Vec<u8> {
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  tag: 1.0.0 {}\n{data}",
        marker.replace("\"}", ":tag\"}")
    );
    text.into_bytes()
}

fn large(marker: &str) -> Vec<u8> {
    let mut content = marked(marker, "large", "");
    let line = format!("  # {}\n", "x".repeat(120));
    while content.len() < LARGE {
        content.extend_from_slice(line.as_bytes());
    }
    content
}

fn deep(marker: &str) -> Vec<u8> {
    let data = format!("  deep: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    marked(marker, "deep", &data)
}

/// Ten levels of ten aliases each.
fn bomb(marker: &str) -> Vec<u8> {
    let mut data = "bomb0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        data += &format!("bomb{level}: &a{level} [{aliases}]\n");
    }
    marked(marker, "bomb", &data)
}

fn binary(marker: &str) -> Vec<u8> {
    let mut content = b"\x7fELF\x02\x01\x01\0\0\xff\xfe\n".to_vec();
    content.extend_from_slice(&marked(marker, "binary", ""));
    content
}

fn cases(marker: &str) -> [Bad; 4] {
    let case = |folder, content, automation, kustomization| Bad {
        folder,
        content,
        automation,
        kustomization,
    };
    [
        case("large", large(marker), Some("bytes"), Some("bytes")),
        case(
            "deep",
            deep(marker),
            Some("nested too deeply"),
            Some("limit"),
        ),
        case("bomb", bomb(marker), None, Some("alias")),
        case("binary", binary(marker), Some("binary"), Some("UTF-8")),
    ]
}

/// Commits `<folder>/<folder>.yaml`, and beside it a good file that is marked too.
fn commit(fleet: &Fleet, bad: &Bad) {
    let folder = bad.folder;
    let good = marked(&fleet.marker("app"), &format!("good-{folder}"), "");
    let path = |name: &str| format!("{folder}/{name}.yaml");
    let (bad_path, good_path) = (path(folder), path("good"));
    let entries = [
        Seed::File(&bad_path, &bad.content),
        Seed::File(&good_path, &good),
    ];
    fleet
        .repository
        .commit_entries("main", &format!("Add {folder}"), &entries);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_are_named_and_hold_up_no_others() {
    let mut fleet = fleet("bad-files").await;
    fleet.start(&[]);
    fleet.settled_application("app").await;
    let cases = cases(&fleet.marker("app"));
    for bad in &cases {
        commit(&fleet, bad);
        let folder = bad.folder;
        fleet
            .apply(
                "ImageUpdateAutomation",
                folder,
                fleet.automation("app", folder),
            )
            .await;
    }
    fleet.request("GitRepository", "app").await;
    for bad in &cases {
        let kustomization = fleet.kustomization("app", bad.folder);
        fleet
            .apply("Kustomization", bad.folder, kustomization)
            .await;
    }
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    for bad in &cases {
        assert_good_file_updated(&fleet, bad).await;
        assert_automation(&fleet, bad).await;
        assert_kustomization(&fleet, bad).await;
    }
    fleet.publish("app", "1.2.0").await;
    fleet.deployed("app", "1.2.0").await;
    fleet.repository.fsck();
    fleet.assert_no_panic();
}

async fn assert_good_file_updated(fleet: &Fleet, bad: &Bad) {
    let good = format!("{}/good.yaml", bad.folder);
    fleet
        .until(&format!("{good} has its update"), || {
            fleet.repository.show("main", &good).contains("tag: 1.1.0 ")
        })
        .await;
    let file = format!("{0}/{0}.yaml", bad.folder);
    if bad.automation.is_some() {
        let size = fleet.repository.show("main", &file).len();
        let intact = String::from_utf8_lossy(&bad.content).len();
        assert_eq!(size, intact, "{file} is as it was");
    } else {
        let now = fleet.repository.show("main", &file);
        let before = String::from_utf8_lossy(&bad.content);
        assert_eq!(now, before.replace("tag: 1.0.0", "tag: 1.1.0"));
    }
}

async fn assert_automation(fleet: &Fleet, bad: &Bad) {
    let object = fleet.ready("ImageUpdateAutomation", bad.folder).await;
    let applied = condition(&object, "MarkersApplied");
    let words = applied["message"].as_str().unwrap_or_default();
    match bad.automation {
        Some(expected) => {
            assert_eq!(applied["status"], "False", "{}", bad.folder);
            let file = format!("{}.yaml", bad.folder);
            assert!(
                words.contains(&file) && words.contains(expected),
                "{}: {words}",
                bad.folder
            );
            assert!(!words.contains("good.yaml"), "{words}");
        }
        None => assert_ne!(applied["status"], "False", "{}: {words}", bad.folder),
    }
}

async fn assert_kustomization(fleet: &Fleet, bad: &Bad) {
    let Some(expected) = bad.kustomization else {
        return;
    };
    let words = fleet
        .not_ready("Kustomization", bad.folder, "BuildFailed")
        .await;
    let file = format!("{}.yaml", bad.folder);
    assert!(
        words.contains(&file) && words.contains(expected),
        "{}: {words}",
        bad.folder
    );
    assert!(words.len() < 1_000, "{}: {words}", bad.folder);
    let object = fleet.get("Kustomization", bad.folder).await;
    assert!(!message(&object.unwrap_or_default()).is_empty());
}
