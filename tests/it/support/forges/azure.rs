//! Azure DevOps: `learn.microsoft.com/en-us/rest/api/azure/devops`, version 7.0: git, policy, core.

use serde_json::{Value, json};

use super::world::{BOT, PERSON, Pull, State, World, time};
use super::{Asked, Reply, json as reply};

/// The id of the one person besides the bot.
const JANE: &str = "d6245f20-2af8-44f4-9451-8107cb2767db";
const PROJECT: &str = "My Team";
const PROJECT_ID: &str = "a7573007-bbb3-4341-b726-0c4148a07853";
const BUILD_POLICY: &str = "0609b952-1397-4640-95ec-e00a01b2c241";
const REVIEW_POLICY: &str = "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd";

pub(super) fn answer(world: &mut World, asked: &Asked) -> Reply {
    let (method, path) = asked.route();
    // What was not released with 7.0 wants to be asked for as a preview.
    let preview = path
        .iter()
        .any(|part| ["labels", "teams", "evaluations"].contains(part));
    if asked.query("api-version") != if preview { "7.0-preview" } else { "7.0" } {
        return error(
            400,
            "The requested version of the resource is under preview, or none was supplied",
        );
    }
    match (method, path.as_slice()) {
        ("GET", ["fleet", "_apis", "projects", PROJECT, "teams"]) => {
            reply(200, &list(&[json!({"id": "team", "name": "Everybody"})]))
        }
        (
            "GET",
            [
                "fleet",
                "_apis",
                "projects",
                PROJECT,
                "teams",
                "team",
                "members",
            ],
        ) => {
            let jane = json!({"identity": {"id": JANE, "displayName": PERSON, "uniqueName": "jane@example.com"}});
            reply(200, &list(&[jane]))
        }
        ("GET", ["fleet", PROJECT, "_apis", "policy", "evaluations"]) => evaluations(world, asked),
        (
            _,
            [
                "fleet",
                PROJECT,
                "_apis",
                "git",
                "repositories",
                "apps",
                rest @ ..,
            ],
        ) => repository(world, asked, method, rest),
        _ => error(404, "TF200016: The following project does not exist"),
    }
}

fn error(status: u16, words: &str) -> Reply {
    reply(
        status,
        &json!({"$id": "1", "message": words, "typeKey": "GitException"}),
    )
}

fn list(values: &[Value]) -> Value {
    json!({"count": values.len(), "value": values})
}

fn repository(world: &mut World, asked: &Asked, method: &str, rest: &[&str]) -> Reply {
    match (method, rest) {
        ("GET", ["pullrequests"]) => search(world, asked),
        ("POST", ["pullrequests"]) => open(world, asked),
        (_, ["pullrequests", number, rest @ ..]) => one(world, asked, method, number, rest),
        ("GET", ["commits", id, "statuses"]) if world.commits.contains_key(*id) => {
            let checks = world.checks(id);
            let statuses = checks
                .iter()
                .filter(|(name, _)| !name.starts_with("policy"));
            let statuses: Vec<Value> = statuses
                .map(|(name, state)| json!({"state": state, "context": {"name": name}}))
                .collect();
            reply(200, &list(&statuses))
        }
        ("POST", ["refs"]) => refs(world, asked),
        ("POST", ["commitsbatch"]) => {
            let version = |field: &str| {
                asked.body[field]["version"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            let Some(commits) = world.range(&version("compareVersion"), &version("itemVersion"))
            else {
                return error(
                    404,
                    "TF401175: The version descriptor could not be resolved",
                );
            };
            let most = asked.body["$top"].as_u64().unwrap_or(100) as usize;
            let commits: Vec<Value> = commits.iter().take(most).map(|commit| {
                json!({"commitId": commit.id, "comment": commit.message, "author": {"name": "Jane"},
                    "remoteUrl": format!("https://dev.azure.example/commit/{}", commit.id)})
            }).collect();
            reply(200, &list(&commits))
        }
        _ => error(404, "The resource cannot be found."),
    }
}

fn search(world: &World, asked: &Asked) -> Reply {
    let wanted = |pull: &&Pull| {
        let (head, base) = (
            asked.query("searchCriteria.sourceRefName"),
            asked.query("searchCriteria.targetRefName"),
        );
        let is = |filter: &str, branch: &str| {
            filter.is_empty() || filter == format!("refs/heads/{branch}")
        };
        let status = asked.query("searchCriteria.status");
        (status == "all" || pull.state == State::Open)
            && is(head, &pull.head)
            && is(base, &pull.base)
    };
    let found = world.pulls.iter().rev().filter(wanted);
    let listed: Vec<Value> = found
        .map(|pull| {
            let mut shown = shown(pull);
            // A list cuts descriptions.
            shown["description"] = json!(pull.body.chars().take(10).collect::<String>());
            shown
        })
        .collect();
    reply(200, &list(&listed))
}

/// Branch policies: a build, whose state is that of the check `policy`, and one that a person has to meet.
fn evaluations(world: &World, asked: &Asked) -> Reply {
    let artifact = asked.query("artifactId");
    let number = artifact.strip_prefix(&format!("vstfs:///CodeReview/CodeReviewId/{PROJECT_ID}/"));
    let pull = number.and_then(|number| {
        world
            .pulls
            .get(number.parse::<usize>().ok()?.checked_sub(1)?)
    });
    let Some(pull) = pull else {
        return error(400, "no such artifact");
    };
    let checks = world.checks(&pull.head_commit);
    let evaluation = |kind: &str, status: &str| json!({"status": status, "configuration": {"isEnabled": true, "isBlocking": true, "type": {"id": kind, "displayName": "x"}}});
    let mut found = vec![evaluation(REVIEW_POLICY, "queued")];
    let builds = checks.iter().filter(|(name, _)| name.starts_with("policy"));
    found.extend(builds.map(|(_, state)| evaluation(BUILD_POLICY, state)));
    reply(200, &list(&found))
}

fn refs(world: &mut World, asked: &Asked) -> Reply {
    let update = &asked.body[0];
    let text = |field: &str| update[field].as_str().unwrap_or_default().to_owned();
    let name = text("name");
    let Some(branch) = name
        .strip_prefix("refs/heads/")
        .filter(|_| text("newObjectId") == "0".repeat(40))
    else {
        return error(400, "this fake only deletes branches");
    };
    let status = match world.branches.get(branch) {
        Some(tip) if *tip == text("oldObjectId") => "succeeded",
        Some(_) => "staleOldObjectId",
        None => "nonExistentRef",
    };
    if status == "succeeded" {
        world.branches.remove(branch);
    }
    reply(
        200,
        &list(&[json!({"name": name, "success": status == "succeeded", "updateStatus": status})]),
    )
}

fn open(world: &mut World, asked: &Asked) -> Reply {
    let branch = |field: &str| {
        asked
            .text(field)
            .strip_prefix("refs/heads/")
            .map(str::to_owned)
    };
    let (Some(head), Some(base)) = (branch("sourceRefName"), branch("targetRefName")) else {
        return error(400, "TF401184: a ref name must start with refs/heads/");
    };
    if asked.text("description").encode_utf16().count() > 4_000 {
        return error(
            400,
            "Invalid argument value.\r\nParameter name: A description for a pull request must not be longer than 4000 characters.",
        );
    }
    let mut pull = Pull::draft(
        &head,
        &base,
        &asked.text("title"),
        &asked.text("description"),
    );
    pull.draft = asked.body["isDraft"] == json!(true);
    let labels = asked.body["labels"].as_array().cloned().unwrap_or_default();
    pull.labels = labels
        .iter()
        .filter_map(|label| label["name"].as_str().map(str::to_owned))
        .collect();
    match world.open(pull) {
        Ok(number) => reply(
            201,
            &shown(world.pull(&number.to_string()).expect("it is there")),
        ),
        Err(words) if words.contains("already exists") => error(
            409,
            "TF401179: An active pull request for the source and target branch already exists.",
        ),
        Err(words) => error(400, &format!("TF401398: {words}")),
    }
}

fn one(world: &mut World, asked: &Asked, method: &str, number: &str, rest: &[&str]) -> Reply {
    let Some(pull) = world.pull(number) else {
        return error(404, "TF401180: The requested pull request was not found.");
    };
    match (method, rest) {
        ("GET", []) => reply(200, &shown(pull)),
        ("PATCH", []) => update(world, asked, number),
        ("PUT", ["reviewers", JANE]) if asked.body["vote"] == json!(0) => {
            pull.reviewers.push(PERSON.to_owned());
            reply(200, &json!({"id": JANE, "displayName": PERSON, "vote": 0}))
        }
        ("GET", ["labels"]) => {
            let labels: Vec<Value> = pull.labels.iter().map(|name| label(name)).collect();
            reply(200, &list(&labels))
        }
        ("POST", ["labels"]) => {
            pull.labels.push(asked.text("name"));
            reply(200, &label(&asked.text("name")))
        }
        ("DELETE", ["labels", id]) => {
            pull.labels.retain(|name| format!("label-{name}") != **id);
            Reply::new(200, "")
        }
        ("POST", ["threads"]) => {
            // One that is open may hold up the merge.
            if asked.text("status") != "closed" {
                return error(400, "this fake wants threads that hold up nothing");
            }
            let text = asked.body["comments"][0]["content"]
                .as_str()
                .unwrap_or_default();
            pull.comments.push(text.to_owned());
            reply(200, &json!({"id": 1}))
        }
        _ => error(404, "The resource cannot be found."),
    }
}

fn update(world: &mut World, asked: &Asked, number: &str) -> Reply {
    let pull = world.pull(number).expect("it was looked up");
    let id = pull.number;
    if let Some(title) = asked.body["title"].as_str() {
        pull.title = title.to_owned();
    }
    if let Some(text) = asked.body["description"].as_str() {
        pull.body = text.to_owned();
    }
    if let Some(base) = asked.body["targetRefName"].as_str() {
        pull.base = base.trim_start_matches("refs/heads/").to_owned();
    }
    let strategies = ["noFastForward", "squash", "rebase", "rebaseMerge"];
    let strategy = asked.body["completionOptions"]["mergeStrategy"]
        .as_str()
        .unwrap_or_default();
    match asked.text("status").as_str() {
        "abandoned" => world.close(id, BOT),
        "completed" if !strategies.contains(&strategy) => return error(400, "no merge strategy"),
        "completed" => {
            let (draft, head) = (pull.draft, pull.head_commit.clone());
            if asked.body["lastMergeSourceCommit"]["commitId"] != json!(head) {
                return error(
                    409,
                    "TF401192: The source branch has been updated. Please refresh and try again.",
                );
            }
            if let Err(words) = world.merge(id, draft) {
                return error(400, words);
            }
        }
        _ => {}
    }
    reply(200, &shown(world.pull(number).expect("it is there")))
}

fn label(name: &str) -> Value {
    json!({"id": format!("label-{name}"), "name": name, "active": true})
}

fn shown(pull: &Pull) -> Value {
    let closed_by = pull
        .closed_by
        .as_ref()
        .map(|name| json!({"id": JANE, "displayName": name, "uniqueName": name}));
    json!({
        "pullRequestId": pull.number, "title": pull.title, "description": pull.body, "isDraft": pull.draft,
        "status": match pull.state { State::Open => "active", State::Merged => "completed", State::Closed => "abandoned" },
        "mergeStatus": "succeeded", "sourceRefName": format!("refs/heads/{}", pull.head),
        "targetRefName": format!("refs/heads/{}", pull.base), "creationDate": time(pull.created), "closedDate": pull.closed.map(time),
        "lastMergeSourceCommit": {"commitId": pull.head_commit}, "lastMergeCommit": pull.merge_commit.as_ref().map(|id| json!({"commitId": id})),
        "labels": pull.labels.iter().map(|name| label(name)).collect::<Vec<_>>(), "closedBy": closed_by,
        "repository": {"id": "r", "name": "apps", "project": {"id": PROJECT_ID, "name": PROJECT}},
    })
}
