//! The registry client against the real registry, and against one that misbehaves.
//!
//! `certificates/` holds an authority made with openssl for these tests, whose key is gone, with a server
//! certificate for loopback and a client certificate, all good from 2020 to 2120. `helpers/` holds
//! programs in the place of docker's credential helpers.

mod budgets;
mod credential_helpers;
mod digests;
mod facts;
mod hostile;
mod listing;
mod logins;
mod real;
mod scans;
pub(crate) mod tls;
mod validators;

use highwater::adapters::registry::{Access, Listing, RegistryClient, RegistryError};
use highwater::domain::docker_config::Credentials;
use highwater::domain::image::ImageName;
use highwater::domain::redact::Secret;
use std::time::Duration;

/// Long enough for a loaded machine; no test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

fn anonymous() -> Access {
    Access::anonymous(PATIENCE)
}

fn login(username: &str, password: &str) -> Access {
    Access {
        credentials: Credentials::Basic {
            username: username.to_owned(),
            password: Secret::new(password.to_owned()),
        },
        ..anonymous()
    }
}

async fn list(image: &ImageName, access: &Access) -> Result<Listing, RegistryError> {
    RegistryClient::new()
        .list_tags(image, access, &|_| true)
        .await
}

/// The tags of a listing in descending order, joined by blanks.
fn shown(listing: &Listing) -> String {
    listing.tags.iter().collect::<Vec<_>>().join(" ")
}
