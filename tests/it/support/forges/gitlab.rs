//! GitLab: `docs.gitlab.com/api/merge_requests`, `users`, `milestones`, `commits`, `branches`, `notes`.

use serde_json::{Value, json};

use super::world::{BOT, MILESTONE, Pull, State, World, time};
use super::{Asked, Reply, json as reply};

const PROJECT: &str = "fleet/team/apps";

pub(super) fn answer(world: &mut World, asked: &Asked) -> Reply {
    let (method, path) = asked.route();
    let ["api", "v4", rest @ ..] = path.as_slice() else {
        return missing("404 Not Found");
    };
    match (method, rest) {
        ("GET", ["users"]) => {
            let name = asked.query("username");
            let found = if world.knows(name) {
                json!([user(name)])
            } else {
                json!([])
            };
            reply(200, &found)
        }
        ("GET", ["projects", PROJECT]) => reply(
            200,
            &json!({"id": 7, "path_with_namespace": PROJECT, "merge_method": "ff"}),
        ),
        (_, ["projects", PROJECT, rest @ ..]) => project(world, asked, method, rest),
        _ => missing("404 Project Not Found"),
    }
}

fn missing(words: &str) -> Reply {
    reply(404, &json!({"message": words}))
}

fn user(name: &str) -> Value {
    json!({"id": if name == BOT { 1 } else { 2 }, "username": name, "name": name, "state": "active", "web_url": format!("https://gitlab.example/{name}")})
}

fn project(world: &mut World, asked: &Asked, method: &str, rest: &[&str]) -> Reply {
    match (method, rest) {
        ("GET", ["milestones"]) => {
            let found = asked.query("title") == MILESTONE && asked.query("state") == "active";
            let milestone = json!([{"id": 12, "iid": 3, "title": MILESTONE, "state": "active"}]);
            reply(200, &if found { milestone } else { json!([]) })
        }
        ("GET", ["merge_requests"]) => {
            if asked.query("state") != "all" || asked.query("order_by") != "created_at" {
                return reply(
                    400,
                    &json!({"error": "this fake lists all of them, by age"}),
                );
            }
            let found = world.between(asked.query("source_branch"), asked.query("target_branch"));
            // One from a fork, whose branch has the same name.
            let mut listed: Vec<Value> = found.iter().map(shown).collect();
            if let Some(mut fork) = listed.first().cloned() {
                fork["iid"] = json!(9_999);
                fork["source_project_id"] = json!(8);
                listed.insert(0, fork);
            }
            reply(200, &Value::Array(listed))
        }
        ("POST", ["merge_requests"]) => open(world, asked),
        (_, ["merge_requests", number, rest @ ..]) => one(world, asked, method, number, rest),
        (_, ["repository", rest @ ..]) => repository(world, asked, method, rest),
        _ => missing("404 Not Found"),
    }
}

fn open(world: &mut World, asked: &Asked) -> Reply {
    let mut pull = Pull::draft(
        &asked.text("source_branch"),
        &asked.text("target_branch"),
        &asked.text("title"),
        &asked.text("description"),
    );
    pull.labels = labels(&asked.text("labels"));
    let people = |field: &str| -> Vec<String> {
        let ids = asked.body[field].as_array().cloned().unwrap_or_default();
        ids.iter()
            .map(|id| {
                if *id == json!(1) {
                    BOT.to_owned()
                } else {
                    "jane".to_owned()
                }
            })
            .collect()
    };
    pull.reviewers = people("reviewer_ids");
    pull.assignees = people("assignee_ids");
    pull.milestone = (asked.body["milestone_id"] == json!(12)).then(|| MILESTONE.to_owned());
    match world.open(pull) {
        Ok(number) => {
            let pull = world.pull(&number.to_string()).expect("it was opened");
            reply(201, &shown(pull))
        }
        Err(words) if words.contains("already exists") => {
            let words = format!(
                "Another open merge request already exists for this source branch: !{words}"
            );
            reply(409, &json!({"message": [words]}))
        }
        Err(words) => reply(400, &json!({"message": {"base": [words]}})),
    }
}

fn labels(text: &str) -> Vec<String> {
    text.split(',')
        .filter(|label| !label.is_empty())
        .map(str::to_owned)
        .collect()
}

fn one(world: &mut World, asked: &Asked, method: &str, number: &str, rest: &[&str]) -> Reply {
    let Some(pull) = world.pull(number) else {
        return missing("404 Merge request Not Found");
    };
    let draft = pull.title.starts_with("Draft:");
    match (method, rest) {
        ("GET", []) => reply(200, &shown(pull)),
        ("PUT", []) => {
            if let Some(title) = asked.body["title"].as_str() {
                pull.title = title.to_owned();
            }
            if let Some(text) = asked.body["description"].as_str() {
                pull.body = text.to_owned();
            }
            if let Some(base) = asked.body["target_branch"].as_str() {
                pull.base = base.to_owned();
            }
            if let Some(text) = asked.body["labels"].as_str() {
                pull.labels = labels(text);
            }
            let number = pull.number;
            if asked.text("state_event") == "close" {
                world.close(number, BOT);
            }
            reply(
                200,
                &shown(world.pull(&number.to_string()).expect("it is there")),
            )
        }
        ("POST", ["notes"]) => {
            pull.comments.push(asked.text("body"));
            reply(
                201,
                &json!({"id": 301, "body": asked.text("body"), "system": false}),
            )
        }
        ("PUT", ["merge"]) => {
            let (number, head) = (pull.number, pull.head_commit.clone());
            if asked.text("sha") != head {
                let words = "SHA does not match HEAD of source branch";
                return reply(409, &json!({"message": words}));
            }
            match world.merge(number, draft) {
                Ok(()) => reply(
                    200,
                    &shown(world.pull(&number.to_string()).expect("it is there")),
                ),
                Err(_) => reply(405, &json!({"message": "405 Method Not Allowed"})),
            }
        }
        _ => missing("404 Not Found"),
    }
}

fn repository(world: &mut World, asked: &Asked, method: &str, rest: &[&str]) -> Reply {
    match (method, rest) {
        ("GET", ["commits"]) => {
            let range = asked.query("ref_name").split_once("..");
            let found = range
                .and_then(|(from, to)| world.range(from, to))
                .unwrap_or_default();
            let most = asked.query("per_page").parse().unwrap_or(20);
            let commits: Vec<Value> = found.iter().take(most).map(|commit| {
                json!({"id": commit.id, "title": commit.message.lines().next(), "message": commit.message,
                    "author_name": "Jane", "web_url": format!("https://gitlab.example/-/commit/{}", commit.id)})
            }).collect();
            reply(200, &Value::Array(commits))
        }
        ("GET", ["commits", id]) if world.commits.contains_key(*id) => {
            let status = pipeline(&world.checks(id));
            let last = status.map(|status| json!({"id": 8, "sha": id, "status": status}));
            reply(
                200,
                &json!({"id": id, "title": "x", "author_name": "Jane", "web_url": "https://gitlab.example/x",
                "status": status, "last_pipeline": last}),
            )
        }
        ("GET", ["branches", name]) if world.branches.contains_key(*name) => reply(
            200,
            &json!({"name": name, "protected": false, "commit": {"id": world.branches[*name]}}),
        ),
        ("DELETE", ["branches", name]) if world.branches.remove(*name).is_some() => {
            Reply::new(204, "")
        }
        _ => missing("404 Not Found"),
    }
}

/// The status of the pipeline that has these jobs.
fn pipeline(checks: &[(String, String)]) -> Option<&'static str> {
    let any = |state: &str| checks.iter().any(|(_, known)| known == state);
    match () {
        () if checks.is_empty() => None,
        () if any("failed") => Some("failed"),
        () if any("running") => Some("running"),
        () => Some("success"),
    }
}

fn shown(pull: &Pull) -> Value {
    let open = pull.state == State::Open;
    let closed = pull.state == State::Closed;
    json!({
        "id": 100 + pull.number, "iid": pull.number, "project_id": 7, "title": pull.title, "description": pull.body,
        "state": match pull.state { State::Open => "opened", State::Merged => "merged", State::Closed => "closed" },
        "created_at": time(pull.created), "updated_at": time(pull.created),
        "merged_at": pull.closed.filter(|_| !open && !closed).map(time),
        "closed_at": pull.closed.filter(|_| closed).map(time),
        "closed_by": pull.closed_by.as_deref().map(user),
        "source_branch": pull.head, "target_branch": pull.base, "source_project_id": 7, "target_project_id": 7,
        "labels": pull.labels, "draft": pull.title.starts_with("Draft:"), "sha": pull.head_commit,
        "merge_status": "can_be_merged", "detailed_merge_status": if open { "mergeable" } else { "not_open" },
        "merge_commit_sha": pull.merge_commit, "squash_commit_sha": null, "has_conflicts": false,
        "reviewers": pull.reviewers.iter().map(|name| user(name)).collect::<Vec<_>>(),
        "web_url": format!("https://gitlab.example/{PROJECT}/-/merge_requests/{}", pull.number),
    })
}
