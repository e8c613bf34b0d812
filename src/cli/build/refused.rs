//! The flags of `kubectl kustomize` that start other programs.
//!
//! Invariant: none of them is ignored. What is absent: running anything.

use crate::cli::failure::Failure;
use clap::Args;

/// What is known, and refused.
#[derive(Debug, Default, Args)]
pub(super) struct Refused {
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_helm: Option<bool>,
    #[arg(long, hide = true)]
    helm_command: Option<String>,
    #[arg(long, hide = true)]
    helm_api_versions: Vec<String>,
    #[arg(long, hide = true)]
    helm_kube_version: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    helm_debug: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_alpha_plugins: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    network: Option<bool>,
    #[arg(long, hide = true)]
    network_name: Option<String>,
    #[arg(long, hide = true)]
    mount: Vec<String>,
    #[arg(short, long, hide = true)]
    env: Vec<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    as_current_user: Option<bool>,
}

const HELM: &str = "render the chart once with `helm template`, keep what it prints beside the \
kustomization and name it in `resources`; or let a HelmRelease install the chart";
const FUNCTIONS: &str = "run the plugin or function once, keep what it prints beside the \
kustomization and name it in `resources`";

impl Refused {
    /// Refuses the first flag that asks for something.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let yes = |flag: Option<bool>| flag == Some(true);
        let flags = [
            ("--enable-helm", yes(self.enable_helm), HELM),
            ("--helm-command", self.helm_command.is_some(), HELM),
            (
                "--helm-api-versions",
                !self.helm_api_versions.is_empty(),
                HELM,
            ),
            (
                "--helm-kube-version",
                self.helm_kube_version.is_some(),
                HELM,
            ),
            ("--helm-debug", yes(self.helm_debug), HELM),
            (
                "--enable-alpha-plugins",
                yes(self.enable_alpha_plugins),
                FUNCTIONS,
            ),
            ("--network", yes(self.network), FUNCTIONS),
            ("--network-name", self.network_name.is_some(), FUNCTIONS),
            ("--mount", !self.mount.is_empty(), FUNCTIONS),
            ("--env", !self.env.is_empty(), FUNCTIONS),
            ("--as-current-user", yes(self.as_current_user), FUNCTIONS),
        ];
        match flags.into_iter().find(|(_, used, _)| *used) {
            Some((flag, _, hint)) => {
                let message = format!("`{flag}` is refused: a build starts no other program");
                Err(Failure::new(message).with_hint(hint))
            }
            None => Ok(()),
        }
    }
}
