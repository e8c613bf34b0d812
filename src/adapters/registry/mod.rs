//! The OCI registry client: tag lists and digests over the distribution API.
//!
//! Invariants: a tag list is whole or an error, never a part; a secret goes only to the registry it
//! was given for and to the token server which that registry names over https (or on its own
//! host); nothing a registry answers can exhaust memory or time; one client serves the whole process, and
//! what it remembers (tokens, challenges, connections) is never shared between requests that
//! differ in credentials, trust or proxy. What is absent: pulling and pushing content,
//! cloud logins.

mod access;
mod answer;
mod body;
mod budget;
mod connection;
mod credential_helper;
mod digest;
mod endpoint;
mod error;
mod flights;
mod listing;
mod origin;
mod progress;
mod scan;
mod session;
mod spent;
mod tag_page;
mod token;
mod token_cache;

pub use access::{Access, ClientCertificate, Fingerprint, Proxy, Tls};
pub use credential_helper::{CredentialHelper, CredentialHelperError};
pub use error::{AnswerProblem, ErrorClass, RegistryError, Words};
pub use flights::{Freshness, LONGEST_SHARED};
pub use listing::{Limits, Listing};
pub use scan::Scan;
pub use spent::{Observer, Occurrence, Spent};

use crate::domain::image::ImageName;
use crate::domain::registry_settings::RegistrySettings;
use budget::Budgets;
use connection::Connections;
use endpoint::Endpoints;
use flights::Flights;
use listing::Wanted;
use progress::{Bounds, Progress};
use session::{Session, Shared};
use spent::Meter;
use std::future::Future;
use std::time::Instant;
use token_cache::TokenCache;

/// The client of every registry. Share one per process: it holds connections and tokens.
#[derive(Default)]
pub struct RegistryClient {
    connections: Connections,
    endpoints: Endpoints,
    tokens: TokenCache,
    budgets: Budgets,
    flights: Flights,
    limits: Limits,
    observer: Option<Observer>,
}

impl RegistryClient {
    /// A client with the default [`Limits`].
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A client that gives up on lists beyond other bounds.
    pub fn with_limits(limits: Limits) -> Self {
        crate::adapters::tls::install_provider();
        Self {
            limits,
            ..Self::default()
        }
    }

    /// The same client, that asks each registry no more than the settings allow.
    #[must_use]
    pub fn with_settings(self, settings: RegistrySettings) -> Self {
        Self {
            budgets: Budgets::new(settings),
            ..self
        }
    }

    /// The same client, that tells somebody of everything that happens.
    #[must_use]
    pub fn with_observer(self, observer: Observer) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    /// Every tag of an image for which `keep` says yes, from all pages.
    ///
    /// `keep` sees each tag once per page on which it stands; what it drops costs no memory.
    /// `access.timeout` spans the whole: finding the scheme, authentication and all pages.
    ///
    /// # Errors
    /// [`RegistryError`]; then there is no list at all, also when only the last page failed.
    pub async fn list_tags(
        &self,
        image: &ImageName,
        access: &Access,
        keep: &(dyn Fn(&str) -> bool + Send + Sync),
    ) -> Result<Listing, RegistryError> {
        let meter = Meter::new(image.registry(), self.observer.as_ref());
        self.within(image, access, &meter, async |session| {
            let wanted = self.wanted(image, keep);
            let mut progress = Progress::new(Instant::now());
            listing::list(session, wanted, &mut progress, None).await?;
            Ok(progress.finish().0)
        })
        .await
    }

    /// The digest a tag points to now, `sha256:<hex>`; of an index, the index's own.
    ///
    /// It asks with HEAD, which registries do not count as a pull. Where that gives no digest, the manifest is read only if the
    /// settings of the registry say so.
    ///
    /// # Errors
    /// [`RegistryError`], with [`ErrorClass::NotFound`] when the tag is gone.
    pub async fn resolve_digest(
        &self,
        image: &ImageName,
        tag: &str,
        access: &Access,
    ) -> Result<String, RegistryError> {
        let meter = Meter::new(image.registry(), self.observer.as_ref());
        self.within(image, access, &meter, async |session| {
            digest::resolve(session, image, tag).await
        })
        .await
    }

    /// What is read of an image's list.
    fn wanted<'a>(&'a self, image: &'a ImageName, keep: progress::Keep<'a>) -> Wanted<'a> {
        let settings = self.budgets.settings().of(image.registry());
        let bounds = Bounds {
            limits: &self.limits,
            tags: settings.tags,
            page_size: settings.page_size,
        };
        Wanted {
            image,
            bounds,
            keep,
        }
    }

    /// Runs one operation against the registry of an image, all of it within the timeout.
    async fn within<T>(
        &self,
        image: &ImageName,
        access: &Access,
        meter: &Meter<'_>,
        operation: impl AsyncFnOnce(&mut Session<'_>) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let untimed = self.untimed(image, access, meter, operation);
        let outcome = timed(access, image.registry(), untimed).await;
        self.doubt(access, image.registry(), &outcome);
        outcome
    }

    /// Forgets what is known of a registry after an error that casts doubt on it.
    fn doubt<T>(&self, access: &Access, registry: &str, outcome: &Result<T, RegistryError>) {
        if !outcome.as_ref().is_err_and(RegistryError::doubts_endpoint) {
            return;
        }
        if let Ok((key, _)) = self.connections.get(access, registry) {
            self.endpoints.forget(key, registry);
        }
    }

    /// The same without the timeout.
    async fn untimed<T>(
        &self,
        image: &ImageName,
        access: &Access,
        meter: &Meter<'_>,
        operation: impl AsyncFnOnce(&mut Session<'_>) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let registry = image.registry();
        let (key, client) = self.connections.get(access, registry)?;
        let endpoint = self.endpoints.get(key, registry);
        let base = endpoint.base(&client, registry, access.insecure).await?;
        let shared = Shared {
            tokens: &self.tokens,
            budgets: &self.budgets,
            meter,
        };
        let mut session = Session::new(client, key, &endpoint, base, image, access, shared);
        operation(&mut session).await
    }
}

/// Ends an operation that takes longer than the access allows.
async fn timed<T>(
    access: &Access,
    registry: &str,
    operation: impl Future<Output = Result<T, RegistryError>>,
) -> Result<T, RegistryError> {
    tokio::time::timeout(access.timeout, operation)
        .await
        .unwrap_or_else(|_| {
            Err(RegistryError::Timeout {
                host: registry.to_owned(),
                after: access.timeout,
            })
        })
}
