//! Who may name whom: layers downward only, siblings never.

use super::facts::Facts;
use super::references::Target;
use super::{Finding, expect_none, modules, words};

/// The layers, lowest first. What stands in `lib.rs` and `main.rs` may name them all.
const LAYERS: [&str; 5] = ["domain", "api", "adapters", "controllers", "cli"];

/// The siblings that every adapter may name: which TLS provider is used, and how an HTTP client is built and an
/// answer bounded, is decided once. They name no adapter but each other.
const SHARED_ADAPTERS: [&str; 2] = ["outbound", "tls"];

/// Paths that lead into a higher layer.
fn upward(facts: &Facts) -> Vec<Finding> {
    let Some(own) = rank(facts.layer()) else {
        return Vec::new();
    };
    found(facts, |target| match target.first().map(String::as_str) {
        None | Some("*") => Some("names the whole crate, so nobody sees which layer".to_owned()),
        Some(layer) if rank(layer).is_some_and(|rank| rank > own) => Some(format!(
            "`{}` names `{}`, a higher layer",
            facts.layer(),
            target.join("::")
        )),
        Some(_) => None,
    })
}

/// Paths from one adapter into another.
fn between_adapters(facts: &Facts) -> Vec<Finding> {
    let [layer, own, ..] = facts.module.as_slice() else {
        return Vec::new();
    };
    if layer != "adapters" {
        return Vec::new();
    }
    found(facts, |target| {
        let other = match target.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["adapters", other, ..] => other,
            ["adapters"] => "*",
            _ => return None,
        };
        (other != own && !SHARED_ADAPTERS.contains(&other))
            .then(|| format!("adapter `{own}` names adapter `{other}`"))
    })
}

/// Paths into the folder of a kind from outside it. `controllers/mod.rs` starts the kinds, and the
/// command line calls what they do; the kinds and what they share do not know each other.
fn between_kinds(facts: &Facts, kinds: &[&str]) -> Vec<Finding> {
    let [layer, own, ..] = facts.module.as_slice() else {
        return Vec::new();
    };
    if layer != "controllers" {
        return Vec::new();
    }
    found(facts, |target| match target {
        [layer, kind, ..] if layer == "controllers" && kind != own => kinds
            .contains(&kind.as_str())
            .then(|| format!("controller module `{own}` names controller `{kind}`")),
        _ => None,
    })
}

/// The folders of the controllers: one for each kind.
fn kinds(sources: &[Facts]) -> Vec<&str> {
    let folders = sources.iter().filter(|facts| {
        facts.module.len() == 2 && facts.layer() == "controllers" && facts.file.ends_with("/mod.rs")
    });
    folders.map(|facts| facts.module[1].as_str()).collect()
}

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|known| *known == layer)
}

fn found(facts: &Facts, judge: impl Fn(&[String]) -> Option<String>) -> Vec<Finding> {
    let inside = facts
        .references
        .iter()
        .filter_map(|reference| match &reference.target {
            Target::Inside(path) => Some((reference.line, judge(path)?)),
            Target::Outside(_) => None,
        });
    inside
        .map(|(line, words)| Finding {
            file: facts.file.clone(),
            line,
            words,
        })
        .collect()
}

#[test]
fn layers_name_only_lower_layers() {
    expect_none(
        modules::sources().iter().flat_map(upward).collect(),
        "domain <- api <- adapters <- controllers <- cli: move what is needed down, or pass it in as an argument",
    );
}

#[test]
fn every_module_belongs_to_a_layer() {
    let strays = modules::sources().iter().filter(|facts| {
        !facts.module.is_empty() && rank(facts.layer()).is_none() && facts.file.starts_with("src/")
    });
    let strays = strays.map(|facts| Finding {
        file: facts.file.clone(),
        line: 1,
        words: "stands in no layer".to_owned(),
    });
    expect_none(
        strays.collect(),
        "move it into one of src/{domain,api,adapters,controllers,cli}",
    );
}

#[test]
fn adapters_do_not_know_each_other() {
    expect_none(
        modules::sources()
            .iter()
            .flat_map(between_adapters)
            .collect(),
        "let the caller bring the two together: what one adapter yields is an argument of the other (only `outbound` and `tls` are shared)",
    );
}

#[test]
fn controllers_do_not_know_each_other() {
    let kinds = kinds(modules::sources());
    assert!(
        kinds.len() >= 5,
        "only {kinds:?} were found under src/controllers"
    );
    let sources = modules::sources().iter();
    expect_none(
        sources
            .flat_map(|facts| between_kinds(facts, &kinds))
            .collect(),
        "move what both need beside the kinds' folders, or into a lower layer",
    );
}

#[test]
fn upward_paths_are_found_however_they_are_written() {
    let judge = |text: &str| {
        words(&upward(&Facts::planted("src/api/words.rs", text)))
            .join("; ")
            .to_owned()
    };
    assert_eq!(
        judge("use crate::cli::run;"),
        "`api` names `cli::run`, a higher layer"
    );
    assert_eq!(
        judge("use crate::{domain::tags, adapters::{git, tls}};"),
        "`api` names `adapters::git`, a higher layer; `api` names `adapters::tls`, a higher layer"
    );
    for hidden in [
        "use super::super::cli;",
        "fn a() { crate::controllers::start(); }",
        "fn a(_: crate::adapters::git::Git) {}",
        "mod tests { use super::super::super::cli; }",
        "fn a() { tracing::info!(x = crate::cli::x()); }",
        "#[cfg(test)] mod tests { use crate::cli::output; }",
        "use crate::*;",
        "use crate as root;",
    ] {
        assert_ne!(judge(hidden), "", "{hidden}");
    }
    for fine in [
        "use crate::domain::tags::TagSet;",
        "use super::common;",
        "use cli::x;",
        "/// [`crate::cli::run`]\nstruct A;",
    ] {
        assert_eq!(judge(fine), "", "{fine}");
    }
}

#[test]
fn siblings_are_found_however_they_are_written() {
    let judge = |text: &str| between_adapters(&Facts::planted("src/adapters/git/push.rs", text));
    for hidden in [
        "use crate::adapters::registry::Client;",
        "use super::super::registry;",
        "use crate::adapters; fn a() { adapters::cluster::apply(); }",
        "use crate::adapters::{tls, metrics};",
    ] {
        assert_eq!(
            judge(hidden).len().min(1),
            1,
            "{hidden}: {:?}",
            judge(hidden)
        );
    }
    for fine in [
        "use crate::adapters::tls;",
        "use super::pack;",
        "use crate::adapters::git::refs;",
    ] {
        assert_eq!(judge(fine), [], "{fine}");
    }
    let kinds = ["image_policy", "image_update"];
    let plan = |text: &str| {
        between_kinds(
            &Facts::planted("src/controllers/image_update/plan.rs", text),
            &kinds,
        )
    };
    assert_eq!(
        words(&plan("use super::super::image_policy::plan;")),
        ["controller module `image_update` names controller `image_policy`"]
    );
    assert_eq!(
        plan("use crate::controllers::report::Report; use super::fetch;"),
        []
    );
}
