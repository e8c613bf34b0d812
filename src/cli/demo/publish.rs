//! Pushing an image as any build would: blobs, then a manifest under a tag.
//!
//! The images hold one file that names the version; nothing runs them. What is absent: several
//! platforms, and everything else a real build needs.

use super::login::Login;
use super::registry::digest_of;
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::net::SocketAddr;
use thiserror::Error;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Why an image was not pushed.
#[derive(Debug, Error)]
pub(super) enum PublishError {
    #[error("the image could not be packed")]
    Pack(#[from] io::Error),
    #[error("the registry of the demo does not answer")]
    Unreachable(#[from] reqwest::Error),
    #[error("the registry of the demo answered `{0}` to a push")]
    Refused(StatusCode),
}

/// Pushes to one registry.
pub(super) struct Publisher {
    client: Client,
    registry: SocketAddr,
    login: Login,
}

impl Publisher {
    pub(super) fn new(registry: SocketAddr, login: Login) -> Result<Self, PublishError> {
        crate::adapters::tls::install_provider();
        // A proxy of the environment does not lead to this machine's loopback.
        let client = Client::builder().no_proxy().build()?;
        Ok(Self {
            client,
            registry,
            login,
        })
    }

    /// Pushes a small image; returns the digest of its manifest.
    pub(super) async fn push(&self, repository: &str, tag: &str) -> Result<String, PublishError> {
        let file = format!("{repository} {tag}\n");
        let tar = archive("version.txt", file.as_bytes())?;
        let layer = compressed(&tar)?;
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {"Labels": {"org.opencontainers.image.version": tag}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(&tar)]},
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config), "layers": [descriptor(LAYER, &layer)],
        });
        self.blob(repository, layer).await?;
        self.blob(repository, config).await?;
        self.manifest(repository, tag, manifest.to_string().into_bytes())
            .await
    }

    async fn blob(&self, repository: &str, bytes: Vec<u8>) -> Result<(), PublishError> {
        let digest = digest_of(&bytes);
        let begun = self.request(Method::POST, &format!("/v2/{repository}/blobs/uploads/"));
        let begun = accepted(begun.send().await?)?;
        let location = begun
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let location = location.ok_or(PublishError::Refused(begun.status()))?;
        let upload = self
            .request(Method::PUT, location)
            .query(&[("digest", &digest)]);
        accepted(upload.body(bytes).send().await?)?;
        Ok(())
    }

    async fn manifest(
        &self,
        repository: &str,
        tag: &str,
        bytes: Vec<u8>,
    ) -> Result<String, PublishError> {
        let digest = digest_of(&bytes);
        let put = self.request(Method::PUT, &format!("/v2/{repository}/manifests/{tag}"));
        accepted(
            put.header(CONTENT_TYPE, MANIFEST)
                .body(bytes)
                .send()
                .await?,
        )?;
        Ok(digest)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.registry);
        self.client
            .request(method, url)
            .header(AUTHORIZATION, self.login.header().expose())
    }
}

fn accepted(response: Response) -> Result<Response, PublishError> {
    match response.status() {
        status if status.is_success() => Ok(response),
        status => Err(PublishError::Refused(status)),
    }
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": digest_of(bytes), "size": bytes.len()})
}

fn archive(name: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut entry = tar::Header::new_gnu();
    entry.set_size(bytes.len() as u64);
    entry.set_mode(0o644);
    builder.append_data(&mut entry, name, bytes)?;
    builder.into_inner()
}

fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::super::login::Guarded;
    use super::super::registry;
    use super::super::server::Server;
    use super::*;
    use crate::adapters::registry::{Access, RegistryClient};
    use crate::domain::image::ImageName;
    use std::time::Duration;

    async fn registry() -> (Server, Login) {
        let login = Login::random().expect("there is randomness");
        let router = login.guard(registry::router(), Guarded::Writes);
        (
            Server::start(router).await.expect("loopback is there"),
            login,
        )
    }

    #[tokio::test]
    async fn what_is_pushed_is_found_on_all_pages_and_by_its_digest() {
        let (server, login) = registry().await;
        let publisher = Publisher::new(server.address(), login).expect("a client");
        let mut digest = String::new();
        let tags: Vec<String> = (0..20).map(|number| format!("1.0.{number}")).collect();
        for tag in &tags {
            digest = publisher
                .push("acme/app", tag)
                .await
                .expect("the registry takes it");
        }
        let image = ImageName::parse(&format!("{}/acme/app", server.address())).expect("a name");
        let access = Access::anonymous(Duration::from_secs(20));
        let client = RegistryClient::new();
        let listing = client
            .list_tags(&image, &access, &|_| true)
            .await
            .expect("a list");
        assert_eq!((listing.tags.len(), listing.pages), (20, 3));
        let found = client
            .resolve_digest(&image, "1.0.19", &access)
            .await
            .expect("a digest");
        assert_eq!(found, digest);
    }

    #[tokio::test]
    async fn a_push_without_the_login_is_refused() {
        let (server, _) = registry().await;
        let stranger = Login::random().expect("there is randomness");
        let publisher = Publisher::new(server.address(), stranger).expect("a client");
        let refused = publisher
            .push("acme/app", "1.0.0")
            .await
            .expect_err("it is a stranger");
        assert!(
            matches!(refused, PublishError::Refused(StatusCode::UNAUTHORIZED)),
            "{refused}"
        );
    }
}
