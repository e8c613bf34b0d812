//! The OCI registry client: tag lists, digests and times of images over the distribution API.
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
mod catalogue;
mod connection;
mod credential_helper;
mod digest;
mod endpoint;
mod error;
mod facts;
mod flights;
mod image_memory;
mod labels;
mod listing;
mod manifest;
mod origin;
mod progress;
mod scan;
mod session;
mod spent;
mod tag_page;
mod token;
mod token_cache;

pub use access::{Access, ClientCertificate, Fingerprint, Proxy, Tls};
pub use catalogue::Catalogue;
pub use credential_helper::{CredentialHelper, CredentialHelperError};
pub use error::{AnswerProblem, ErrorClass, RegistryError, Words};
pub use facts::{ImageFacts, Known};
pub use flights::{Freshness, LONGEST_SHARED};
pub use labels::ImageLabels;
pub use listing::{Limits, Listing};
pub use scan::Scan;
pub use spent::{Observer, Occurrence, Spent};

use crate::domain::image::ImageName;
use crate::domain::registry_settings::RegistrySettings;
use budget::Budgets;
use connection::Connections;
use endpoint::Endpoints;
use flights::Flights;
use image_memory::ImageMemory;
use jiff::Timestamp;
use listing::Wanted;
use progress::{Bounds, Progress};
use reqwest::Url;
use session::{Session, Shared};
use spent::Meter;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::io;
use std::path::Path;
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
    images: ImageMemory,
    catalogues: HashMap<String, catalogue::Place>,
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
            catalogues: catalogue::known(),
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

    /// The same client, which keeps in `folder` what images say of themselves, and so reads each once, restarts or not.
    ///
    /// # Errors
    /// When a file there cannot be read or written.
    pub fn with_memory(self, folder: &Path) -> io::Result<Self> {
        Ok(Self {
            images: ImageMemory::open(folder)?,
            ..self
        })
    }

    /// The same client, which finds the push times of a registry's tags in a catalogue at `base`, as those of Docker Hub and `quay.io`.
    #[must_use]
    pub fn with_catalogue(mut self, registry: &str, catalogue: Catalogue, base: Url) -> Self {
        let place = catalogue::Place { catalogue, base };
        self.catalogues.insert(registry.to_owned(), place);
        self
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

    /// What the registry says of the image that a tag points to now: digest, platforms and times.
    ///
    /// It asks with HEAD, and reads the manifest, and the image's configuration where no annotation tells the creation time, once for
    /// each digest: what they say cannot change. Of an image for several platforms the configuration of one is read.
    ///
    /// # Errors
    /// [`RegistryError`], with [`ErrorClass::NotFound`] when the tag is gone.
    pub async fn facts(
        &self,
        image: &ImageName,
        tag: &str,
        access: &Access,
        known: Known<'_>,
    ) -> Result<ImageFacts, RegistryError> {
        let meter = Meter::new(image.registry(), self.observer.as_ref());
        self.within(image, access, &meter, async |session| {
            facts::of_tag(session, image, tag, known, &self.images).await
        })
        .await
    }

    /// Where the image that a tag or a digest means says it comes from.
    ///
    /// It reads the manifest, of an index that of one image too, and the configuration where no annotation tells.
    ///
    /// # Errors
    /// [`RegistryError`], with [`ErrorClass::NotFound`] when it is gone.
    pub async fn labels(
        &self,
        image: &ImageName,
        reference: &str,
        access: &Access,
    ) -> Result<ImageLabels, RegistryError> {
        let meter = Meter::new(image.registry(), self.observer.as_ref());
        let what = format!("{} at {reference}", image.canonical());
        self.within(image, access, &meter, async |session| {
            labels::of(session, &what, reference).await
        })
        .await
    }

    /// When these tags were pushed, as far as the registry tells: with its tag list, as Google's do, or in the catalogue of Docker Hub
    /// or Quay, which is asked without a login. Other registries tell it with each manifest, or not at all.
    ///
    /// # Errors
    /// [`RegistryError`]; then nothing is known of any tag.
    pub async fn push_times(
        &self,
        image: &ImageName,
        access: &Access,
        wanted: &HashSet<&str>,
    ) -> Result<HashMap<String, Timestamp>, RegistryError> {
        let limit = self.limits.page_bytes;
        let Some(place) = self.catalogues.get(image.registry()) else {
            let uploads =
                async |session: &mut Session<'_>| facts::uploads(session, image, limit).await;
            let meter = Meter::new(image.registry(), self.observer.as_ref());
            return self.within(image, access, &meter, uploads).await;
        };
        let public = Access {
            proxy: access.proxy.clone(),
            ..Access::anonymous(access.timeout)
        };
        let host = place.base.host_str().unwrap_or_default();
        let (_, client) = self.connections.get(&public, host)?;
        let asked = catalogue::push_times(&client, place, image, wanted, limit);
        timed(&public, host, asked).await
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
