//! Bitbucket Cloud: `developer.atlassian.com/cloud/bitbucket/rest`: pullrequests, refs, commits, commit-statuses, users.

use serde_json::{Value, json};

use super::world::{BOT, Pull, State, World, time};
use super::{Asked, Reply, json as reply};

/// The one account besides the bot's.
const JANE: &str = "{504c3b62-8120-4f0c-a7bc-87800b9d6f70}";

pub(super) fn answer(world: &mut World, asked: &Asked) -> Reply {
    let (method, path) = asked.route();
    match (method, path.as_slice()) {
        ("GET", ["2.0", "users", who]) if ["jane", JANE].contains(who) => reply(
            200,
            &json!({"type": "user", "uuid": JANE, "nickname": "jane", "display_name": "Jane"}),
        ),
        (_, ["2.0", "repositories", "fleet", "apps", rest @ ..]) => {
            repository(world, asked, method, rest)
        }
        _ => missing("Resource not found"),
    }
}

fn error(status: u16, words: &str) -> Reply {
    reply(
        status,
        &json!({"type": "error", "error": {"message": words}}),
    )
}

fn missing(words: &str) -> Reply {
    error(404, words)
}

fn repository(world: &mut World, asked: &Asked, method: &str, rest: &[&str]) -> Reply {
    match (method, rest) {
        ("GET", ["pullrequests"]) => list(world, asked),
        ("POST", ["pullrequests"]) => open(world, asked),
        (_, ["pullrequests", number, rest @ ..]) => one(world, asked, method, number, rest),
        ("GET", ["refs", "branches", name]) => match world.branches.get(*name) {
            Some(id) => reply(
                200,
                &json!({"type": "branch", "name": name, "target": {"hash": id}}),
            ),
            None => missing("Branch not found"),
        },
        ("DELETE", ["refs", "branches", name]) => match world.branches.remove(*name) {
            Some(_) => Reply::new(204, ""),
            None => missing("Branch not found"),
        },
        ("GET", ["commit", short]) => match world.commits.keys().find(|id| id.starts_with(short)) {
            Some(id) => reply(200, &json!({"type": "commit", "hash": id})),
            None => missing("Commit not found"),
        },
        ("GET", ["commit", id, "statuses"]) if world.commits.contains_key(*id) => {
            // One on each page.
            let checks = world.checks(id);
            let page: usize = asked.query("page").parse().unwrap_or(1);
            let values: Vec<Value> = checks
                .iter()
                .skip(page - 1)
                .take(1)
                .map(|(name, state)| json!({"key": name, "state": state}))
                .collect();
            let next = format!(
                "{}/2.0/repositories/fleet/apps/commit/{id}/statuses?page={}",
                asked.root,
                page + 1
            );
            let mut shown = json!({"pagelen": 1, "page": page, "values": values});
            if page < checks.len() {
                shown["next"] = json!(next);
            }
            reply(200, &shown)
        }
        ("GET", ["commits"]) => match world.range(asked.query("exclude"), asked.query("include")) {
            Some(commits) => {
                let most = asked.query("pagelen").parse().unwrap_or(30);
                let values: Vec<Value> = commits.iter().take(most).map(|commit| {
                    json!({"type": "commit", "hash": commit.id, "message": commit.message, "author": {"raw": "Jane <j@example.com>"},
                        "links": {"html": {"href": format!("https://bitbucket.example/commits/{}", commit.id)}}})
                }).collect();
                reply(200, &json!({"pagelen": most, "values": values}))
            }
            None => missing("Commit not found"),
        },
        _ => missing("Resource not found"),
    }
}

fn list(world: &World, asked: &Asked) -> Reply {
    let states: Vec<&str> = asked
        .query
        .iter()
        .filter(|(name, _)| name == "state")
        .map(|(_, state)| state.as_str())
        .collect();
    let names: Vec<&str> = asked.query("q").split('"').collect();
    let [
        "source.branch.name = ",
        head,
        " AND destination.branch.name = ",
        base,
        "",
    ] = names.as_slice()
    else {
        return error(400, "Invalid query");
    };
    // Without them, only open ones are listed.
    if states != ["OPEN", "MERGED", "DECLINED", "SUPERSEDED"] || asked.query("pagelen") != "50" {
        return error(400, "Invalid pagelen or state");
    }
    let values: Vec<Value> = world.between(head, base).iter().map(shown).collect();
    reply(
        200,
        &json!({"pagelen": 50, "page": 1, "size": values.len(), "values": values}),
    )
}

fn open(world: &mut World, asked: &Asked) -> Reply {
    let branch = |end: &str| {
        asked.body[end]["branch"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let mut pull = Pull::draft(
        &branch("source"),
        &branch("destination"),
        &asked.text("title"),
        &asked.text("description"),
    );
    pull.draft = asked.body["draft"] == json!(true);
    match world.open(pull) {
        Ok(number) => reply(
            201,
            &shown(world.pull(&number.to_string()).expect("it is there")),
        ),
        Err(words) if words.contains("already exists") => {
            error(409, &format!("A pull request {words}"))
        }
        Err(words) => error(400, &words),
    }
}

fn one(world: &mut World, asked: &Asked, method: &str, number: &str, rest: &[&str]) -> Reply {
    let Some(pull) = world.pull(number) else {
        return missing("Pull request not found");
    };
    let id = pull.number;
    let open = pull.state == State::Open;
    match (method, rest) {
        ("GET", []) => reply(200, &shown(pull)),
        ("PUT", []) if open => {
            let Some(title) = asked.body["title"].as_str() else {
                return error(400, "title is required");
            };
            pull.title = title.to_owned();
            if let Some(text) = asked.body["description"].as_str() {
                pull.body = text.to_owned();
            }
            if let Some(base) = asked.body["destination"]["branch"]["name"].as_str() {
                pull.base = base.to_owned();
            }
            let people = asked.body["reviewers"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            pull.reviewers = people
                .iter()
                .filter(|one| one["uuid"] == JANE)
                .map(|_| "jane".to_owned())
                .collect();
            reply(200, &shown(pull))
        }
        ("POST", ["comments"]) => {
            let text = asked.body["content"]["raw"].as_str().unwrap_or_default();
            pull.comments.push(text.to_owned());
            reply(201, &json!({"id": 1, "content": {"raw": text}}))
        }
        ("POST", ["decline"]) if open => {
            world.close(id, BOT);
            reply(200, &shown(world.pull(number).expect("it is there")))
        }
        ("POST", ["merge"]) => {
            let strategies = [
                "merge_commit",
                "squash",
                "fast_forward",
                "rebase_fast_forward",
            ];
            if !strategies.contains(&asked.text("merge_strategy").as_str()) {
                return error(400, "Invalid merge strategy");
            }
            let draft = pull.draft;
            match world.merge(id, draft) {
                Ok(()) => reply(200, &shown(world.pull(number).expect("it is there"))),
                Err(words) => error(400, words),
            }
        }
        _ => error(400, "This pull request is already closed."),
    }
}

fn shown(pull: &Pull) -> Value {
    let end = |branch: &str, commit: &str| {
        // Commits are abbreviated.
        json!({"branch": {"name": branch}, "commit": {"type": "commit", "hash": &commit[..12]}, "repository": {"full_name": "fleet/apps"}})
    };
    let reviewers: Vec<Value> = pull
        .reviewers
        .iter()
        .map(|name| json!({"uuid": JANE, "nickname": name}))
        .collect();
    json!({
        "type": "pullrequest", "id": pull.number, "title": pull.title, "description": pull.body, "draft": pull.draft,
        "state": match pull.state { State::Open => "OPEN", State::Merged => "MERGED", State::Closed => "DECLINED" },
        "source": end(&pull.head, &pull.head_commit), "destination": end(&pull.base, &"0".repeat(40)),
        "merge_commit": pull.merge_commit.as_ref().map(|id| json!({"hash": &id[..12]})),
        "closed_by": pull.closed_by.as_ref().map(|name| json!({"nickname": name, "display_name": "Somebody"})),
        "reviewers": reviewers, "created_on": time(pull.created), "updated_on": time(pull.closed.unwrap_or(pull.created)),
        "links": {"html": {"href": format!("https://bitbucket.example/fleet/apps/pull-requests/{}", pull.number)}},
    })
}
