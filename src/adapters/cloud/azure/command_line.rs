//! The login of Azure's command line, and whether a machine has a managed identity at all.
//!
//! Invariant: `az` is started only where the chain has it, with words that no object chose but the resource of a registry or of
//! Azure DevOps, and for ten seconds. What is absent: logging in.

use crate::adapters::cloud::error::CloudError;
use crate::adapters::cloud::program::{Program, ProgramError};
use crate::adapters::cloud::{CloudLogins, Fresh};
use crate::domain::cloud::azure::AzureCloud;
use crate::domain::cloud::azure::chain::{answered, question};
use crate::domain::redact::Secret;
use reqwest::Url;
use std::time::Duration;

/// How long `az` may take, as in Azure's library for Go.
const TIME: Duration = Duration::from_secs(10);
/// How long it may take to learn that there are no metadata, as in Azure's library for Go.
const PROBE_TIME: Duration = Duration::from_secs(1);
/// What helps when it gives no token.
const HINT: &str = "run `az login`, or `az account get-access-token` to see what it says";
/// Where it runs, so that no program of the folder that one happens to be in is taken for it.
const FOLDER: &str = "/bin";

impl CloudLogins {
    /// The token of whoever logged in by Azure's command line.
    pub(super) async fn command_line_token(&self, cloud: &AzureCloud) -> Fresh<Secret> {
        let tenant = self.environment.get("AZURE_TENANT_ID");
        let words = question(cloud.resource(), tenant).ok_or_else(|| CloudError::Setting {
            name: "AZURE_TENANT_ID",
            reason: "it, or the resource of the cloud, cannot be given to `az`".to_owned(),
        })?;
        let program = Program {
            words: &words,
            what: "Azure's command line".to_owned(),
            time: TIME,
            variables: Vec::new(),
            folder: Some(FOLDER),
        };
        let printed = self.environment.run(&program).await;
        let printed = printed.map_err(|problem| CloudError::Program {
            place: program.place(),
            problem,
            hint: HINT,
        })?;
        answered(&printed).map_err(|problem| program.unusable(problem))
    }

    /// Whether anybody answers where a managed identity would be asked for. Anything counts as an answer.
    pub(super) async fn has_metadata(&self, at: &Url) -> bool {
        let Ok(client) = self.clients.local() else {
            return false;
        };
        // Without the header field that tokens need, so that none is given.
        let asked = client.get(at.clone()).timeout(PROBE_TIME).send();
        asked.await.is_ok()
    }
}

/// Whether Azure's command line is not there, so that it is not what a person meant to use.
pub(super) fn is_missing(error: &CloudError) -> bool {
    let problem = match error {
        CloudError::Program { problem, .. } => problem,
        _ => return false,
    };
    *problem == ProgramError::Missing
}
