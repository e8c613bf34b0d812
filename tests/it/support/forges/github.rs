//! GitHub: `docs.github.com/en/rest`, version 2022-11-28: pulls, issues, statuses, checks, git refs, commits.

use serde_json::{Value, json};

use super::world::{BOT, MILESTONE, Pull, State, World, time};
use super::{Asked, Reply, Seen, json as reply, texts};

pub(super) fn answer(world: &mut World, seen: &Seen, asked: &Asked) -> Reply {
    if !seen.header("accept").starts_with("application/vnd.github") {
        return reply(415, &json!({"message": "Unsupported 'Accept' header"}));
    }
    if seen.header("x-github-api-version") != "2022-11-28" {
        return reply(400, &json!({"message": "unknown API version"}));
    }
    let (method, path) = asked.route();
    let ["api", "v3", "repos", "fleet", "apps", rest @ ..] = path.as_slice() else {
        return missing();
    };
    match (method, rest) {
        ("GET", ["pulls"]) => list(world, asked),
        ("POST", ["pulls"]) => open(world, asked),
        (_, ["pulls", number, rest @ ..]) => one(world, asked, method, number, rest),
        (_, ["issues", number, rest @ ..]) => issue(world, asked, method, number, rest),
        ("GET", ["milestones"]) => reply(
            200,
            &json!([{"number": 3, "title": MILESTONE, "state": "open"}]),
        ),
        ("GET", ["commits", id, "status"]) if world.commits.contains_key(*id) => {
            reply(200, &statuses(&world.checks(id)))
        }
        ("GET", ["commits", id, "check-runs"]) if world.commits.contains_key(*id) => {
            reply(200, &runs(&world.checks(id)))
        }
        ("GET", ["git", "ref", "heads", name @ ..]) => match world.branches.get(&name.join("/")) {
            Some(id) => reply(
                200,
                &json!({"ref": format!("refs/heads/{}", name.join("/")), "object": {"type": "commit", "sha": id}}),
            ),
            None => missing(),
        },
        ("DELETE", ["git", "refs", "heads", name @ ..]) => {
            match world.branches.remove(&name.join("/")) {
                Some(_) => Reply::new(204, ""),
                None => reply(422, &json!({"message": "Reference does not exist"})),
            }
        }
        ("GET", ["compare", range]) => compare(world, asked, range),
        _ => missing(),
    }
}

fn missing() -> Reply {
    reply(
        404,
        &json!({"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}),
    )
}

fn invalid(error: &Value) -> Reply {
    reply(
        422,
        &json!({"message": "Validation Failed", "errors": [error]}),
    )
}

fn list(world: &World, asked: &Asked) -> Reply {
    let head = asked.query("head").split_once(':');
    let (Some(("fleet", head)), "all") = (head, asked.query("state")) else {
        return invalid(&json!(
            "this fake lists the pulls of all states of one `owner:branch`"
        ));
    };
    let found = world.between(head, asked.query("base"));
    let mut listed: Vec<Value> = found.iter().map(|pull| shown(pull, false)).collect();
    // One from a fork of the same name.
    if let Some(mut fork) = listed.first().cloned() {
        fork["number"] = json!(9_999);
        fork["head"]["repo"]["id"] = json!(8);
        listed.insert(0, fork);
    }
    reply(200, &Value::Array(listed))
}

fn open(world: &mut World, asked: &Asked) -> Reply {
    let mut pull = Pull::draft(
        &asked.text("head"),
        &asked.text("base"),
        &asked.text("title"),
        &asked.text("body"),
    );
    pull.draft = asked.body["draft"] == json!(true);
    match world.open(pull) {
        Ok(number) => reply(
            201,
            &shown(world.pull(&number.to_string()).expect("it is there"), true),
        ),
        Err(words) if words.contains("already exists") => {
            let message = format!(
                "A pull request already exists for fleet:{}.",
                asked.text("head")
            );
            invalid(&json!({"resource": "PullRequest", "code": "custom", "message": message}))
        }
        Err(_) => invalid(&json!({"resource": "PullRequest", "field": "head", "code": "invalid"})),
    }
}

fn one(world: &mut World, asked: &Asked, method: &str, number: &str, rest: &[&str]) -> Reply {
    let known = ["jane", BOT];
    let Some(pull) = world.pull(number) else {
        return missing();
    };
    let id = pull.number;
    match (method, rest) {
        ("GET", []) => reply(200, &shown(pull, true)),
        ("PATCH", []) => {
            for (field, place) in [
                ("title", &mut pull.title),
                ("body", &mut pull.body),
                ("base", &mut pull.base),
            ] {
                if let Some(text) = asked.body[field].as_str() {
                    *place = text.to_owned();
                }
            }
            if asked.text("state") == "closed" {
                world.close(id, BOT);
            }
            reply(200, &shown(world.pull(number).expect("it is there"), true))
        }
        ("POST", ["requested_reviewers"]) => {
            let asked_for = asked.texts("reviewers");
            if asked_for.iter().any(|name| !known.contains(&name.as_str())) {
                let words = "Reviews may only be requested from collaborators.";
                return reply(422, &json!({"message": words}));
            }
            pull.reviewers.extend(asked_for);
            reply(201, &shown(pull, true))
        }
        ("PUT", ["merge"]) => {
            if !["merge", "squash", "rebase"].contains(&asked.text("merge_method").as_str()) {
                return invalid(&json!("merge_method"));
            }
            let (draft, head) = (pull.draft, pull.head_commit.clone());
            if asked.text("sha") != head {
                let words = "Head branch was modified. Review and try the merge again.";
                return reply(409, &json!({"message": words}));
            }
            match world.merge(id, draft) {
                Ok(()) => reply(
                    200,
                    &json!({"sha": "0".repeat(40), "merged": true, "message": "Pull Request successfully merged"}),
                ),
                Err(words) => reply(
                    405,
                    &json!({"message": format!("Pull Request is not mergeable: {words}")}),
                ),
            }
        }
        _ => missing(),
    }
}

fn issue(world: &mut World, asked: &Asked, method: &str, number: &str, rest: &[&str]) -> Reply {
    let Some(pull) = world.pull(number) else {
        return missing();
    };
    let issue = |pull: &Pull| {
        let people: Vec<Value> = pull
            .assignees
            .iter()
            .map(|name| json!({"login": name}))
            .collect();
        let closed_by = pull.closed_by.as_ref().map(|name| json!({"login": name}));
        json!({"number": pull.number, "assignees": people, "closed_by": closed_by})
    };
    match (method, rest) {
        ("GET", []) => reply(200, &issue(pull)),
        ("PATCH", []) => {
            pull.milestone = (asked.body["milestone"] == json!(3)).then(|| MILESTONE.to_owned());
            reply(200, &issue(pull))
        }
        ("PUT", ["labels"]) => {
            pull.labels = texts(&asked.body["labels"]);
            reply(200, &labels(pull))
        }
        ("POST", ["comments"]) => {
            pull.comments.push(asked.text("body"));
            reply(201, &json!({"id": 1, "body": asked.text("body")}))
        }
        ("POST", ["assignees"]) => {
            // Who may not be assigned is passed over without a word.
            let wanted = texts(&asked.body["assignees"]);
            pull.assignees
                .extend(wanted.into_iter().filter(|name| name == "jane"));
            reply(201, &issue(pull))
        }
        _ => missing(),
    }
}

fn labels(pull: &Pull) -> Value {
    pull.labels.iter().enumerate().map(|(id, name)| {
        json!({"id": id, "node_id": "MDU6", "url": "https://api.github.com/x", "name": name, "color": "f29513", "default": false, "description": null})
    }).collect()
}

/// Checks whose names begin with `run` are check runs, all others statuses.
fn statuses(checks: &[(String, String)]) -> Value {
    let statuses: Vec<_> = checks
        .iter()
        .filter(|(name, _)| !name.starts_with("run"))
        .collect();
    let any = |state: &str| statuses.iter().any(|(_, known)| known == state);
    let state = match () {
        () if any("failure") || any("error") => "failure",
        () if any("pending") || statuses.is_empty() => "pending",
        () => "success",
    };
    let all: Vec<Value> = statuses
        .iter()
        .map(|(name, state)| json!({"context": name, "state": state}))
        .collect();
    json!({"state": state, "total_count": all.len(), "statuses": all})
}

fn runs(checks: &[(String, String)]) -> Value {
    let runs = checks.iter().filter(|(name, _)| name.starts_with("run"));
    let runs: Vec<Value> = runs
        .map(|(name, state)| match state.as_str() {
            "pending" => json!({"name": name, "status": "in_progress", "conclusion": null}),
            state => json!({"name": name, "status": "completed", "conclusion": state}),
        })
        .collect();
    json!({"total_count": runs.len(), "check_runs": runs})
}

/// The oldest come first, page by page.
fn compare(world: &World, asked: &Asked, range: &str) -> Reply {
    let range = range
        .split_once("...")
        .and_then(|(from, to)| world.range(from, to));
    let Some(mut commits) = range else {
        return missing();
    };
    commits.reverse();
    let number = |name: &str, or: usize| asked.query(name).parse().unwrap_or(or);
    let (size, page) = (number("per_page", 30), number("page", 1));
    let shown: Vec<Value> = commits.iter().skip((page - 1) * size).take(size).map(|commit| {
        json!({"sha": commit.id, "html_url": format!("https://github.example/commit/{}", commit.id),
            "commit": {"message": commit.message, "author": {"name": "Jane", "email": "j@example.com", "date": "2026-01-01T00:00:00Z"}}})
    }).collect();
    reply(
        200,
        &json!({"status": "ahead", "total_commits": commits.len(), "commits": shown, "files": []}),
    )
}

fn shown(pull: &Pull, whole: bool) -> Value {
    let repo = json!({"id": 7, "name": "apps", "full_name": "fleet/apps", "url": "https://api.github.com/repos/fleet/apps"});
    let open = pull.state == State::Open;
    json!({
        "id": 1000 + pull.number, "number": pull.number, "url": "https://api.github.com/x", "node_id": "MDEx",
        "html_url": format!("https://github.example/fleet/apps/pull/{}", pull.number),
        "state": if open { "open" } else { "closed" }, "locked": false, "title": pull.title, "body": pull.body,
        "labels": labels(pull), "draft": pull.draft,
        "created_at": time(pull.created), "updated_at": time(pull.created), "closed_at": pull.closed.map(time),
        "merged_at": pull.closed.filter(|_| pull.state == State::Merged).map(time),
        "merge_commit_sha": pull.merge_commit.clone().unwrap_or_else(|| "f".repeat(40)),
        "mergeable": if whole && open { json!(true) } else { Value::Null },
        "head": {"label": format!("fleet:{}", pull.head), "ref": pull.head, "sha": pull.head_commit, "repo": repo},
        "base": {"label": format!("fleet:{}", pull.base), "ref": pull.base, "sha": "0".repeat(40), "repo": repo},
    })
}
