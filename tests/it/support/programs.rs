//! Which programs the tests run, and where they are: built from the pinned modules in `tests/servers`, or the developer's own.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::build::{Recipe, cache_folder, module_folder, try_go_build, try_go_build_by};

/// The programs of a control plane.
pub struct ControlPlanePrograms {
    /// The store behind the API server.
    pub etcd: PathBuf,
    /// kube-apiserver.
    pub api_server: PathBuf,
    /// kube-controller-manager.
    pub controller_manager: PathBuf,
    /// kubectl; the pinned one is kustomize v5.8.1 too.
    pub kubectl: PathBuf,
}

/// The control plane of `KUBEBUILDER_ASSETS` when that is set (what it lacks is built), else the pinned one.
pub fn control_plane_programs() -> Result<ControlPlanePrograms, String> {
    Ok(ControlPlanePrograms {
        etcd: asset("etcd")
            .map_or_else(|| Ok(built("etcd", "")?.join("server")), Ok::<_, String>)?,
        api_server: kubernetes("kube-apiserver")?,
        controller_manager: kubernetes("kube-controller-manager")?,
        kubectl: kubernetes("kubectl")?,
    })
}

/// The real kubectl, for tests that need no control plane. `kubectl kustomize` of the pinned one is kustomize v5.8.1.
pub fn kubectl_program() -> PathBuf {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    once(&FOUND, || pinned_kubernetes("kubectl"))
}

/// The real distribution registry.
pub fn registry_program() -> PathBuf {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    once(&FOUND, || Ok(built("registry", "")?.join("registry")))
}

/// A Git forge: its program, and the folder of its templates and texts.
pub struct GiteaProgram {
    /// gitea.
    pub program: PathBuf,
    /// What it reads at run time.
    pub assets: PathBuf,
}

/// The real Gitea. It keeps its data in SQLite, which is C.
pub fn gitea_program() -> Result<GiteaProgram, String> {
    let (name, path) = ("gitea", "code.gitea.io/gitea");
    let module = module(name);
    let version = pinned_version(&module, path)?;
    let recipe = Recipe {
        linker_flags: &format!("-X main.Version={}", version.trim_start_matches('v')),
        tags: "sqlite,sqlite_unlock_notify",
    };
    let built = try_go_build_by(&cache_folder(), &module, name, recipe)?;
    Ok(GiteaProgram {
        program: built.join(name),
        assets: module_folder(&module, path)?,
    })
}

/// The program that ends what the tests start.
pub fn supervisor_program() -> PathBuf {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    once(&FOUND, || Ok(built("supervisor", "")?.join("supervisor")))
}

/// Failure is remembered too: a hundred tests must not try the same hopeless build one after another.
fn once(
    found: &OnceLock<Result<PathBuf, String>>,
    find: impl FnOnce() -> Result<PathBuf, String>,
) -> PathBuf {
    found
        .get_or_init(find)
        .clone()
        .unwrap_or_else(|problem| panic!("{problem}"))
}

fn kubernetes(program: &str) -> Result<PathBuf, String> {
    asset(program).map_or_else(|| pinned_kubernetes(program), Ok)
}

fn pinned_kubernetes(program: &str) -> Result<PathBuf, String> {
    let version = pinned_version(&module("kubernetes"), "k8s.io/kubernetes")?;
    Ok(built(
        "kubernetes",
        &format!("-X k8s.io/component-base/version.gitVersion={version}"),
    )?
    .join(program))
}

fn asset(program: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("KUBEBUILDER_ASSETS").filter(|value| !value.is_empty())?;
    Some(Path::new(&folder).join(program)).filter(|path| path.is_file())
}

fn built(name: &str, linker_flags: &str) -> Result<PathBuf, String> {
    try_go_build(&cache_folder(), &module(name), name, linker_flags)
}

fn module(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/servers")
        .join(name)
}

/// The version that the `require` line of a go.mod pins.
fn pinned_version(module: &Path, path: &str) -> Result<String, String> {
    let manifest =
        std::fs::read_to_string(module.join("go.mod")).map_err(|error| error.to_string())?;
    let mut lines = manifest
        .lines()
        .map(|line| line.trim().trim_start_matches("require "));
    lines
        .find_map(|line| {
            line.strip_prefix(path)?
                .strip_prefix(' ')?
                .split_whitespace()
                .next()
        })
        .map(str::to_owned)
        .ok_or_else(|| {
            format!(
                "`{}` pins no version of `{path}`",
                module.join("go.mod").display()
            )
        })
}
