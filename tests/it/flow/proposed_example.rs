//! `examples/pull-requests` on a real Gitea, and the pull request that stands in the README as a picture.

use super::proposals::AUTOMATION;
use super::running;
use crate::examples::{assert_stored, original};
use crate::support::fleet::Fleet;
use crate::support::git_http::{git, git_with_input};
use crate::support::gitea::{GiteaRepository, gitea};
use crate::support::picture::{Page, drawn};
use crate::support::process::temporary_folder;
use reqwest::Method;
use serde_json::{Value, json};

const EXAMPLE: &str = "pull-requests";
/// The source of the image `acme/web`: author, message. Dates are fixed, and so are the commits' names.
const COMMITS: [(&str, &str); 3] = [
    ("Jane Doe <jane@example.com>", "web: take orders"),
    ("Joe Bloggs <joe@example.com>", "build: sign images"),
    ("Jane Doe <jane@example.com>", "cart: round prices once"),
];

/// The repository that `acme/web` is built from, beside that of the fleet; its commits in order.
async fn source_of_web(forge: &GiteaRepository) -> Vec<String> {
    let source = forge.sibling("web").await;
    let mut stream = String::new();
    for (count, (author, message)) in COMMITS.iter().enumerate() {
        let (time, length) = (1_767_225_600 + count * 86_400, message.len());
        stream += &format!(
            "commit refs/heads/main\nauthor {author} {time} +0000\ncommitter {author} {time} +0000\ndata {length}\n{message}\n\
             M 100644 inline main.txt\ndata 1\n{count}\n"
        );
    }
    let folder = temporary_folder("web");
    git(&folder, &["init", "--quiet", "--bare", "."]);
    let import = ["fast-import", "--quiet"];
    git_with_input(&folder, &import, stream.as_bytes());
    let login = format!("://{}:{}@", forge.owner, forge.token);
    let url = source.git_url().replace("://", &login);
    git(&folder, &["push", "--quiet", &url, "main"]);
    let commits = git(&folder, &["log", "--reverse", "--format=%H", "main"]);
    commits.lines().map(str::to_owned).collect()
}

/// The images, of which `acme/web` says what it was built from.
async fn push_images(fleet: &Fleet, forge: &GiteaRepository) {
    let commits = source_of_web(forge).await;
    let page = format!("{}/{}/web", forge.server().url(), forge.owner);
    for (tag, revision) in [("1.0.0", &commits[0]), ("1.1.0", &commits[2])] {
        let labels = json!({
            "org.opencontainers.image.source": page,
            "org.opencontainers.image.revision": revision,
        });
        fleet.registry.push_labelled("acme/web", tag, labels).await;
        for image in ["acme/worker", "acme/cache"] {
            fleet.registry.push(image, tag, tag).await;
        }
    }
    for image in ["acme/web", "acme/worker", "acme/cache"] {
        fleet.registry.push(image, "2.0.0-rc.1", "next").await;
    }
}

/// The objects of the example in a namespace of the fleet, with its servers; all but the Kustomization.
async fn apply_example(fleet: &Fleet, forge: &GiteaRepository) {
    let original = original(EXAMPLE);
    let read = |file: &str| {
        let text = std::fs::read_to_string(original.join(file)).expect("it is there");
        text.replace("flux-system", &fleet.namespace)
            .replace("registry.example.com", fleet.registry.address())
            .replace("https://git.example.com/acme/fleet.git", &forge.git_url())
    };
    for file in [
        "apps/kustomization.yaml",
        "apps/shop.yaml",
        "apps/cache.yaml",
    ] {
        forge.commit("main", file, &read(file)).await;
    }
    for file in ["fleet.yaml", "images.yaml", "updates.yaml"] {
        for document in read(&format!("clusters/demo/{file}")).split("---\n") {
            let mut object: Value = serde_saphyr::from_str(document).expect("it is YAML");
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            let name = object["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            match kind.as_str() {
                "Kustomization" => continue,
                "ImageRepository" => {
                    object["spec"]["insecure"] = json!(true);
                    object["spec"]["secretRef"] = json!({"name": "registry"});
                }
                _ => {}
            }
            fleet.apply(&kind, &name, object).await;
        }
    }
}

/// The example at work: what the automation's status says of both pull requests, and who opened them.
async fn proposed(fleet: &Fleet, forge: &GiteaRepository) -> (Value, String) {
    push_images(fleet, forge).await;
    let (bot, token) = forge.collaborator("highwater").await;
    let login = json!({"stringData": {"username": bot, "password": token}});
    fleet.apply("Secret", "fleet-login", login).await;
    apply_example(fleet, forge).await;
    let object = fleet
        .wait(AUTOMATION, "apps", "both are open", |object| {
            let all = object["status"]["pullRequests"].as_array();
            let whole = |pull: &Value| {
                let images = pull["images"].as_object().map_or(0, serde_json::Map::len);
                pull["state"] == "Open" && images == if pull["group"] == "cache" { 1 } else { 2 }
            };
            all.is_some_and(|all| all.len() == 2 && all.iter().all(whole))
        })
        .await;
    (object["status"]["pullRequests"].clone(), bot)
}

/// Compares the pull request of the shop with the one that is stored, and draws it.
fn assert_pictured(fleet: &Fleet, forge: &GiteaRepository, pull: &Value, bot: &str) {
    let page = format!("{}/{}", forge.server().url(), forge.owner);
    let stable = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        text.replace(&page, "https://git.example.com/acme")
            .replace(fleet.registry.address(), "registry.example.com")
            .replace(&fleet.namespace, "flux-system")
            .replace(bot, "highwater")
    };
    let body = stable(&pull["body"]);
    let (shown, hidden) = body.split_once("\n\n<!-- highwater:").expect("a marker");
    assert!(!hidden.contains('\n'), "the marker is one line: {hidden}");
    assert_stored(EXAMPLE, "pull-request.md", &format!("{shown}\n"));
    let author = stable(&pull["user"]["login"]);
    let [base, head] = ["base", "head"].map(|end| stable(&pull[end]["ref"]));
    let labels: Vec<&str> = pull["labels"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|label| label["name"].as_str())
        .collect();
    let picture = drawn(&Page {
        title: pull["title"].as_str().unwrap_or_default(),
        number: 1,
        subtitle: &format!("{author} wants to merge 1 commit into `{base}` from `{head}`"),
        labels: &labels,
        body: shown,
    });
    assert_stored(EXAMPLE, "pull-request.svg", &picture);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_proposes_a_bundle_together_and_the_rest_by_itself() {
    let mut fleet = running("example").await;
    let forge = gitea().repository("example").await;
    let (pulls, bot) = proposed(&fleet, &forge).await;
    for (pull, (group, title, images)) in pulls.as_array().into_iter().flatten().zip([
        ("bundle_shop", "Update the shop", 2),
        ("cache", "Update cache", 1),
    ]) {
        assert_eq!(pull["group"], group);
        let path = format!("pulls/{}", pull["number"]);
        let found = forge.request(Method::GET, &path, &Value::Null).await;
        assert_eq!(
            (&found["title"], &found["labels"][0]["name"]),
            (&json!(title), &json!("images"))
        );
        let body = found["body"].as_str().unwrap_or_default();
        assert_eq!(body.matches("\nUpdates `").count() + 1, images, "{body}");
        if group == "bundle_shop" {
            assert_pictured(&fleet, &forge, &found, &bot);
        }
    }
    fleet.assert_no_panic();
}
