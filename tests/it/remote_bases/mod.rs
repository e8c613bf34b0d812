//! Bases and files behind a URL, built by us and by the real `kubectl kustomize` from the same
//! servers: the real `git http-backend`, and a small one for files.

mod command;
mod entries;
mod files;
mod repositories;

use crate::support::git_http::{
    BareRepository, GitHttp, Point, Seed, ServerAuth, git, git_with_input,
};
use highwater::adapters::git::{GitCache, RemoteBases, RemoteLimits};
use highwater::domain::kustomize::remote::{Remotes, RepositoryUrl};
use highwater::domain::kustomize::{BuildError, Options, build, build_repository, build_with};
use highwater::domain::manifest::{Manifest, parse_documents};
use highwater::domain::outcome::with_causes;
use highwater::domain::tree::MapTree;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A repository behind a server, and a place to build.
struct World {
    folder: TempDir,
    origin: BareRepository,
    server: GitHttp,
}

/// What a build gave, in words or objects.
type Answer = Result<Vec<Value>, String>;

/// What lets every object tell where it comes from and what changed it.
const NOTES: &str = "buildMetadata: [originAnnotations, transformerAnnotations]\n";

/// A ConfigMap in a file.
fn map(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let origin = BareRepository::create(folder.path(), "fleet");
        let server = GitHttp::start(folder.path(), ServerAuth::Open);
        Self {
            folder,
            origin,
            server,
        }
    }

    /// A world whose repository has these files on `main`.
    fn seeded(files: &[(&str, &str)]) -> Self {
        let world = Self::new();
        world.origin.commit("main", "seed", files);
        world
    }

    /// The URL of the repository.
    fn url(&self) -> String {
        self.server.url("fleet")
    }

    /// A kustomization that names these entries, each with the URL in place of `{url}`.
    fn overlay(&self, field: &str, entries: &[&str]) -> String {
        let mut text = format!("{field}:\n");
        for entry in entries {
            let entry = entry.replace("{url}", &self.url());
            text.push_str(&format!("- {entry}\n"));
        }
        text
    }

    fn bases(&self) -> RemoteBases {
        let folder = tempfile::tempdir_in(self.folder.path()).expect("a folder");
        RemoteBases::new(GitCache::open(&folder.keep()).expect("a cache"))
    }

    fn ours(&self, kustomization: &str) -> Answer {
        ours(kustomization, &self.bases())
    }

    fn theirs(&self, kustomization: &str) -> Answer {
        let folder = tempfile::tempdir_in(self.folder.path()).expect("a folder");
        let file = folder.path().join("kustomization.yaml");
        std::fs::write(file, kustomization).expect("the folder is ours");
        kubectl(folder.path(), self.folder.path(), None)
    }

    /// Both build it, and give the same objects.
    #[track_caller]
    fn same(&self, kustomization: &str) -> Vec<Value> {
        let (ours, theirs) = (self.ours(kustomization), self.theirs(kustomization));
        assert!(theirs.is_ok(), "kubectl: {theirs:?}\n{kustomization}");
        assert_eq!(ours, theirs, "{kustomization}");
        theirs.unwrap_or_default()
    }

    /// Both refuse it. Returns our words.
    #[track_caller]
    fn refused(&self, kustomization: &str) -> String {
        let theirs = self.theirs(kustomization);
        assert!(theirs.is_err(), "kubectl: {theirs:?}\n{kustomization}");
        let ours = self.ours(kustomization);
        ours.expect_err("the real program refuses it")
    }
}

fn ours(kustomization: &str, bases: &RemoteBases) -> Answer {
    let remotes = bases.for_build(Duration::from_secs(120));
    ours_with(kustomization, &remotes)
}

fn ours_with(kustomization: &str, remotes: &dyn Remotes) -> Answer {
    let tree = MapTree::from_texts([("kustomization.yaml", kustomization)]);
    let built = build_with(&tree, "", &Options::kubectl(), remotes);
    objects(built.map(|built| built.manifests))
}

fn objects(built: Result<Vec<Manifest>, BuildError>) -> Answer {
    match built {
        Ok(manifests) => Ok(manifests.into_iter().map(|found| found.object).collect()),
        Err(error) => Err(with_causes(&error)),
    }
}

/// What the real program says of a folder. It runs `git`, or what stands in for it in `programs`.
fn kubectl(folder: &Path, home: &Path, programs: Option<&Path>) -> Answer {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = programs.map(Path::to_owned);
    let paths = own.into_iter().chain(std::env::split_paths(&path));
    let output = Command::new(crate::support::programs::kubectl_program())
        .arg("kustomize")
        .arg(folder)
        .env_clear()
        .env("PATH", std::env::join_paths(paths).expect("a search path"))
        .env("HOME", home)
        .env("TMPDIR", home)
        .env("CALLS", folder.join("calls"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .expect("kubectl starts");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let manifests = parse_documents("output", &output.stdout).expect("objects");
    Ok(manifests.into_iter().map(|found| found.object).collect())
}

/// The names of objects, in order.
fn names(objects: &[Value]) -> Vec<&str> {
    let names = objects
        .iter()
        .map(|object| object.pointer("/metadata/name").and_then(Value::as_str));
    names.map(|name| name.expect("a name")).collect()
}
