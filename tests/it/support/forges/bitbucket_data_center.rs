//! Bitbucket Data Center: `developer.atlassian.com/server/bitbucket/rest`: pull-requests, commits, build status, branch utils.

use serde_json::{Value, json};

use super::world::{BOT, PERSON, Pull, State, World};
use super::{Asked, Reply, Seen, json as reply};

pub(super) fn answer(world: &mut World, seen: &Seen, asked: &Asked) -> Reply {
    let (method, path) = asked.route();
    if method != "GET" && seen.header("x-atlassian-token") != "no-check" {
        return error(403, "XSRF check failed");
    }
    match (method, path.as_slice()) {
        ("GET", ["rest", "build-status", "1.0", "commits", id]) => statuses(world, asked, id),
        (
            "DELETE",
            [
                "rest",
                "branch-utils",
                "1.0",
                "projects",
                "FLEET",
                "repos",
                "apps",
                "branches",
            ],
        ) => {
            let name = asked.text("name");
            let Some(name) = name.strip_prefix("refs/heads/") else {
                return error(400, "The branch must be a full ref");
            };
            match world.branches.get(name) {
                Some(tip) if *tip == asked.text("endPoint") => {
                    world.branches.remove(name);
                    Reply::new(204, "")
                }
                Some(_) => error(400, "The branch's end point is not the expected one"),
                None => error(400, "The branch does not exist"),
            }
        }
        (
            _,
            [
                "rest",
                "api",
                "1.0",
                "projects",
                "FLEET",
                "repos",
                "apps",
                rest @ ..,
            ],
        ) => repository(world, asked, method, rest),
        _ => error(404, "Repository does not exist"),
    }
}

fn error(status: u16, words: &str) -> Reply {
    reply(
        status,
        &json!({"errors": [{"context": null, "message": words, "exceptionName": "com.atlassian.bitbucket.Exception"}]}),
    )
}

/// Two on each page.
fn statuses(world: &World, asked: &Asked, id: &str) -> Reply {
    let checks = world.checks(id);
    let start: usize = asked.query("start").parse().unwrap_or(0);
    let values: Vec<Value> = checks
        .iter()
        .skip(start)
        .take(2)
        .map(|(name, state)| json!({"key": name, "state": state}))
        .collect();
    let more = start + 2 < checks.len();
    reply(
        200,
        &json!({"size": values.len(), "values": values, "isLastPage": !more, "nextPageStart": more.then_some(start + 2)}),
    )
}

fn repository(world: &mut World, asked: &Asked, method: &str, rest: &[&str]) -> Reply {
    match (method, rest) {
        ("GET", ["pull-requests"]) => {
            let head = asked
                .query("at")
                .strip_prefix("refs/heads/")
                .unwrap_or_default();
            let outgoing = asked.query("direction") == "OUTGOING" && asked.query("state") == "ALL";
            if !outgoing || asked.query("order") != "NEWEST" {
                return error(400, "this fake lists what leaves a branch");
            }
            let mine = world.pulls.iter().rev().filter(|pull| pull.head == head);
            let values: Vec<Value> = mine.map(shown).collect();
            reply(
                200,
                &json!({"size": values.len(), "limit": 100, "isLastPage": true, "values": values, "start": 0}),
            )
        }
        ("POST", ["pull-requests"]) => open(world, asked),
        (_, ["pull-requests", number, rest @ ..]) => one(world, asked, method, number, rest),
        ("GET", ["commits"]) => commits(world, asked),
        _ => error(404, "No such resource"),
    }
}

fn commits(world: &World, asked: &Asked) -> Reply {
    let until = asked.query("until");
    let most = asked.query("limit").parse().unwrap_or(25);
    let found = match until.strip_prefix("refs/heads/") {
        Some(branch) => world
            .branches
            .get(branch)
            .map(|id| vec![world.commits[id].clone()]),
        None => world.range(asked.query("since"), until),
    };
    let Some(found) = found else {
        return error(404, "Commit does not exist in repository 'apps'.");
    };
    let values: Vec<Value> = found.iter().take(most).map(|commit| {
        json!({"id": commit.id, "displayId": &commit.id[..11], "message": commit.message, "author": {"name": "Jane", "emailAddress": "j@example.com"}})
    }).collect();
    reply(
        200,
        &json!({"size": values.len(), "isLastPage": true, "values": values}),
    )
}

fn open(world: &mut World, asked: &Asked) -> Reply {
    let end = |name: &str| {
        let end = &asked.body[name];
        let here =
            end["repository"]["slug"] == "apps" && end["repository"]["project"]["key"] == "FLEET";
        let branch = end["id"]
            .as_str()
            .unwrap_or_default()
            .strip_prefix("refs/heads/");
        branch.filter(|_| here).map(str::to_owned)
    };
    let (Some(head), Some(base)) = (end("fromRef"), end("toRef")) else {
        return error(400, "A ref and its repository are required.");
    };
    let mut pull = Pull::draft(
        &head,
        &base,
        &asked.text("title"),
        &asked.text("description"),
    );
    pull.draft = asked.body["draft"] == json!(true);
    match world.open(pull) {
        Ok(number) => reply(
            201,
            &shown(world.pull(&number.to_string()).expect("it is there")),
        ),
        Err(words) if words.contains("already exists") => error(
            409,
            "Only one pull request may be open for a given source and target branch",
        ),
        Err(words) => error(404, &words),
    }
}

fn one(world: &mut World, asked: &Asked, method: &str, number: &str, rest: &[&str]) -> Reply {
    let Some(pull) = world.pull(number) else {
        return error(404, "No pull request exists with this ID");
    };
    let (id, version) = (pull.number, pull.version);
    let current = asked.query("version") == version.to_string();
    let stale = || {
        error(
            409,
            "You are attempting to modify a pull request based on out-of-date information.",
        )
    };
    match (method, rest) {
        ("GET", []) => reply(200, &shown(pull)),
        ("GET", ["merge"]) => reply(
            200,
            &json!({"canMerge": true, "conflicted": false, "outcome": "CLEAN", "vetoes": []}),
        ),
        ("GET", ["activities"]) => {
            let declined = pull
                .closed_by
                .as_ref()
                .map(|name| json!({"id": 2, "action": "DECLINED", "user": {"name": name}}));
            let opened = json!({"id": 1, "action": "OPENED", "user": {"name": BOT}});
            let values: Vec<Value> = declined.into_iter().chain([opened]).collect();
            reply(200, &json!({"values": values, "isLastPage": true}))
        }
        ("POST", ["participants"]) => {
            let name = asked.body["user"]["name"].as_str().unwrap_or_default();
            if name != PERSON || asked.text("role") != "REVIEWER" {
                return error(404, &format!("{name} is not a user"));
            }
            pull.version += 1;
            pull.reviewers.push(name.to_owned());
            reply(200, &json!({"user": {"name": name}, "role": "REVIEWER"}))
        }
        ("POST", ["comments"]) => {
            pull.comments.push(asked.text("text"));
            reply(201, &json!({"id": 1, "text": asked.text("text")}))
        }
        ("PUT", []) if asked.body["version"] == json!(version) => put(pull, asked),
        ("PUT", []) => stale(),
        ("POST", ["decline" | "merge"]) if !current => stale(),
        ("POST", ["decline"]) => {
            world.close(id, BOT);
            reply(200, &shown(world.pull(number).expect("it is there")))
        }
        ("POST", ["merge"]) => {
            if !["no-ff", "squash", "rebase-ff-only"].contains(&asked.text("strategyId").as_str()) {
                return error(400, "Unknown merge strategy");
            }
            let draft = pull.draft;
            match world.merge(id, draft) {
                Ok(()) => reply(200, &shown(world.pull(number).expect("it is there"))),
                Err(words) => error(409, words),
            }
        }
        _ => error(404, "No such resource"),
    }
}

/// What a PUT leaves out is lost.
fn put(pull: &mut Pull, asked: &Asked) -> Reply {
    pull.version += 1;
    pull.title = asked.text("title");
    pull.body = asked.text("description");
    let people = asked.body["reviewers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    pull.reviewers = people
        .iter()
        .filter_map(|one| one["user"]["name"].as_str().map(str::to_owned))
        .collect();
    if let Some(base) = asked.body["toRef"]["id"].as_str() {
        pull.base = base.trim_start_matches("refs/heads/").to_owned();
    }
    reply(200, &shown(pull))
}

fn shown(pull: &Pull) -> Value {
    let end = |branch: &str, commit: &str| {
        json!({"id": format!("refs/heads/{branch}"), "displayId": branch, "latestCommit": commit,
            "repository": {"slug": "apps", "id": 7, "project": {"key": "FLEET", "id": 1}}})
    };
    let merged = pull
        .merge_commit
        .as_ref()
        .map(|id| json!({"id": id, "displayId": &id[..11]}));
    let reviewers: Vec<Value> = pull
        .reviewers
        .iter()
        .map(|name| json!({"user": {"name": name}, "approved": false}))
        .collect();
    json!({
        "id": pull.number, "version": pull.version, "title": pull.title, "description": pull.body, "draft": pull.draft,
        "state": match pull.state { State::Open => "OPEN", State::Merged => "MERGED", State::Closed => "DECLINED" },
        "open": pull.state == State::Open, "createdDate": pull.created * 1000, "closedDate": pull.closed.map(|at| at * 1000),
        "fromRef": end(&pull.head, &pull.head_commit), "toRef": end(&pull.base, &"0".repeat(40)), "reviewers": reviewers,
        "properties": {"mergeCommit": merged},
        "links": {"self": [{"href": format!("https://bitbucket.example/projects/FLEET/repos/apps/pull-requests/{}", pull.number)}]},
    })
}
