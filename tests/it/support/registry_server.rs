//! The real distribution registry on loopback over plain http, with its content in memory, and pushes to it as a client makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use futures::{StreamExt, stream};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::build::tail;
use super::process::{Supervised, poll, temporary_folder};
use super::programs::registry_program;

/// The user of [`RegistryServer::with_password`].
pub const USER: &str = "fleet";
/// The password of [`USER`]; the space is there because clients that forget to encode are common.
pub const PASSWORD: &str = "correct horse";
/// bcrypt of [`PASSWORD`] with the least cost: the registry computes it for each request.
const PASSWORD_HASH: &str = "$2a$04$oq.XH0OTvlYkNejOkFnb3.Hx1EScoG1zPbZ.byj3lJCQQ68VNyOUS";

const START_LIMIT: Duration = Duration::from_secs(60);
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A running registry; it ends, with its content, when the value is dropped.
pub struct RegistryServer {
    address: String,
    wants: Wants,
    client: Client,
    folder: PathBuf,
    server: Supervised,
}

/// What a registry wants of whoever asks.
enum Wants {
    Nothing,
    Password,
    /// A token; with the one here a test pushes.
    Token {
        configuration: Value,
        push: String,
    },
}

impl RegistryServer {
    /// A registry that is open to all.
    pub fn start() -> Self {
        Self::start_with(Wants::Nothing, None)
    }

    /// A registry that is open to all, and posts what happens in it to `url`, with `token` as `Authorization`.
    pub fn notifying(url: &str, token: &str) -> Self {
        Self::start_with(Wants::Nothing, Some((url, token)))
    }

    /// A registry that wants [`USER`] and [`PASSWORD`] (basic) for everything.
    pub fn with_password() -> Self {
        Self::start_with(Wants::Password, None)
    }

    /// A registry that wants tokens, as `configuration` says; with the token `push` a test pushes.
    pub fn with_tokens(configuration: Value, push: String) -> Self {
        let token = Wants::Token {
            configuration,
            push,
        };
        Self::start_with(token, None)
    }

    fn start_with(wants: Wants, notified: Option<(&str, &str)>) -> Self {
        // Whoever installs it first wins, and all install the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = temporary_folder("registry");
        let log = folder.join("log");
        write_configuration(&folder, &wants, notified);
        let mut command = Command::new(registry_program());
        command
            .arg("serve")
            .arg(folder.join("config.yml"))
            .env("HOME", &folder)
            .current_dir(&folder);
        let mut server = Supervised::start_logged(&command, &log);
        let text = || fs::read_to_string(&log).unwrap_or_default();
        let address = poll(START_LIMIT, || match server.exited() {
            Some(status) => panic!("the registry ended with {status}\n{}", tail(&text())),
            None => listening_address(&text()),
        });
        let address =
            address.unwrap_or_else(|| panic!("the registry does not listen\n{}", tail(&text())));
        let client = Client::builder()
            .no_proxy()
            .build()
            .expect("a client without options can be built");
        Self {
            address,
            wants,
            client,
            folder,
            server,
        }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The name of an image without a tag: `127.0.0.1:PORT/repository`.
    pub fn image(&self, repository: &str) -> String {
        format!("{}/{repository}", self.address)
    }

    /// Everything the registry has logged, one line per request among it.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Stops answering without closing the port, until [`RegistryServer::thaw`]: a registry that hangs.
    pub fn freeze(&mut self) {
        self.server.signal("STOP");
    }

    /// Answers again.
    pub fn thaw(&mut self) {
        self.server.signal("CONT");
    }

    /// Pushes an image (one layer, a config, an OCI manifest) and returns the manifest's digest. Another seed makes another image.
    pub async fn push(&self, repository: &str, tag: &str, seed: &str) -> String {
        let manifest = self.push_image(repository, seed, "linux", "amd64").await;
        self.put_manifest(repository, tag, MANIFEST, &manifest)
            .await
    }

    /// Pushes an OCI index over one image for each platform (`linux/amd64`), and returns the index's digest.
    pub async fn push_index(
        &self,
        repository: &str,
        tag: &str,
        seed: &str,
        platforms: &[&str],
    ) -> String {
        let mut manifests = Vec::new();
        for platform in platforms {
            let (system, architecture) = platform
                .split_once('/')
                .expect("a platform is `os/architecture`");
            let manifest = self
                .push_image(repository, seed, system, architecture)
                .await;
            let digest = self
                .put_manifest(repository, &digest(&manifest), MANIFEST, &manifest)
                .await;
            manifests.push(json!({
                "mediaType": MANIFEST, "digest": digest, "size": manifest.len(),
                "platform": {"os": system, "architecture": architecture},
            }));
        }
        let index = bytes(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}));
        self.put_manifest(repository, tag, INDEX, &index).await
    }

    /// Pushes an image whose configuration says when it was built, and returns the manifest's digest.
    #[allow(
        dead_code,
        reason = "the memory benchmark needs no times, the tests do"
    )]
    pub async fn push_created(&self, repository: &str, tag: &str, created: &str) -> String {
        let extra = json!({"created": created});
        let image = self.push_image_with(repository, tag, "linux", "amd64", extra);
        let manifest = image.await;
        self.put_manifest(repository, tag, MANIFEST, &manifest)
            .await
    }

    /// Pushes an image with labels in its configuration, and returns its digest.
    #[allow(
        dead_code,
        reason = "the memory benchmark needs no labels, the tests do"
    )]
    pub async fn push_labelled(&self, repository: &str, tag: &str, labels: Value) -> String {
        let extra = json!({"config": {"Labels": labels}});
        let image = self.push_image_with(repository, tag, "linux", "amd64", extra);
        let manifest = image.await;
        self.put_manifest(repository, tag, MANIFEST, &manifest)
            .await
    }

    /// Pushes one image under many tags, and returns its digest.
    pub async fn push_tags(&self, repository: &str, tags: &[String], seed: &str) -> String {
        let manifest = self.push_image(repository, seed, "linux", "amd64").await;
        stream::iter(tags)
            .for_each_concurrent(16, |tag| async {
                self.put_manifest(repository, tag, MANIFEST, &manifest)
                    .await;
            })
            .await;
        digest(&manifest)
    }

    /// Removes a tag; what it pointed at stays.
    pub async fn delete_tag(&self, repository: &str, tag: &str) {
        let answer = self
            .send(self.request(Method::DELETE, &format!("{repository}/manifests/{tag}")))
            .await;
        assert_eq!(
            answer.status(),
            StatusCode::ACCEPTED,
            "the registry deletes `{repository}:{tag}`"
        );
    }

    /// A request for `http://ADDRESS/v2/PATH`, with the password if there is one.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.authorize(
            self.client
                .request(method, format!("http://{}/v2/{path}", self.address)),
        )
    }

    fn authorize(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.wants {
            Wants::Nothing => request,
            Wants::Password => request.basic_auth(USER, Some(PASSWORD)),
            Wants::Token { push, .. } => request.bearer_auth(push),
        }
    }

    async fn send(&self, request: RequestBuilder) -> Response {
        request.send().await.expect("the registry answers")
    }

    /// Pushes the blobs of an image and returns the manifest, which is yet to be put.
    async fn push_image(
        &self,
        repository: &str,
        seed: &str,
        system: &str,
        architecture: &str,
    ) -> Vec<u8> {
        let nothing = json!({});
        self.push_image_with(repository, seed, system, architecture, nothing)
            .await
    }

    /// [`RegistryServer::push_image`] with more fields in the configuration.
    async fn push_image_with(
        &self,
        repository: &str,
        seed: &str,
        system: &str,
        architecture: &str,
        extra: Value,
    ) -> Vec<u8> {
        let layer = layer(seed);
        let mut config = json!({
            "architecture": architecture, "os": system, "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        });
        for (field, value) in extra.as_object().into_iter().flatten() {
            config[field] = value.clone();
        }
        let config = bytes(&config);
        self.put_blob(repository, &layer).await;
        self.put_blob(repository, &config).await;
        let descriptor = |kind: &str, blob: &[u8]| json!({"mediaType": kind, "digest": digest(blob), "size": blob.len()});
        bytes(&json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config), "layers": [descriptor(LAYER, &layer)],
        }))
    }

    async fn put_blob(&self, repository: &str, blob: &[u8]) {
        let begun = self
            .send(self.request(Method::POST, &format!("{repository}/blobs/uploads/")))
            .await;
        assert_eq!(
            begun.status(),
            StatusCode::ACCEPTED,
            "the registry takes an upload to `{repository}`"
        );
        let location = begun.headers()[header::LOCATION]
            .to_str()
            .expect("a location is text");
        let mut url = begun.url().join(location).expect("a location is a URL");
        url.query_pairs_mut().append_pair("digest", &digest(blob));
        let put = self
            .client
            .put(url)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(blob.to_vec());
        let done = self.send(self.authorize(put)).await;
        assert_eq!(
            done.status(),
            StatusCode::CREATED,
            "the registry keeps a blob of `{repository}`"
        );
    }

    async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        kind: &str,
        manifest: &[u8],
    ) -> String {
        let put = self.request(Method::PUT, &format!("{repository}/manifests/{reference}"));
        let answer = self
            .send(
                put.header(header::CONTENT_TYPE, kind)
                    .body(manifest.to_vec()),
            )
            .await;
        assert_eq!(
            answer.status(),
            StatusCode::CREATED,
            "the registry keeps the manifest of `{repository}:{reference}`"
        );
        let kept = answer.headers()["docker-content-digest"]
            .to_str()
            .expect("a digest is text")
            .to_owned();
        assert_eq!(kept, digest(manifest), "the registry has what was sent");
        kept
    }
}

impl Drop for RegistryServer {
    fn drop(&mut self) {
        self.server.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A docker config.json that holds [`USER`] and [`PASSWORD`] for `registry`: the content of a `kubernetes.io/dockerconfigjson` Secret.
pub fn docker_config(registry: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    json!({"auths": {registry: {"auth": pair}}}).to_string()
}

fn write_configuration(folder: &Path, wants: &Wants, notified: Option<(&str, &str)>) {
    let passwords = folder.join("htpasswd");
    let mut configuration = json!({
        "version": "0.1",
        "log": {"level": "info", "formatter": "text"},
        "storage": {"inmemory": {}, "delete": {"enabled": true}, "maintenance": {"uploadpurging": {"enabled": false}}},
        "http": {"addr": "127.0.0.1:0", "secret": "tests"},
    });
    match wants {
        Wants::Nothing => {}
        Wants::Password => {
            configuration["auth"] = json!({"htpasswd": {"realm": "tests", "path": passwords}});
            fs::write(&passwords, format!("{USER}:{PASSWORD_HASH}\n")).expect("the folder is ours");
        }
        Wants::Token {
            configuration: token,
            ..
        } => {
            configuration["auth"] = json!({"token": token});
        }
    }
    if let Some((url, token)) = notified {
        configuration["notifications"] = json!({"endpoints": [{
            "name": "tests", "url": url, "headers": {"Authorization": [token]},
            "timeout": "5s", "threshold": 5, "backoff": "1s",
        }]});
    }
    // JSON is YAML.
    fs::write(folder.join("config.yml"), configuration.to_string()).expect("the folder is ours");
}

fn listening_address(log: &str) -> Option<String> {
    let after = log.split_once("listening on ")?.1;
    let end = after.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))?;
    Some(after[..end].to_owned())
}

/// A tar archive with one file that holds the seed.
fn layer(seed: &str) -> Vec<u8> {
    let mut entry = tar::Header::new_ustar();
    entry.set_size(seed.len() as u64);
    entry.set_mode(0o644);
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_data(&mut entry, "seed", seed.as_bytes())
        .expect("memory can be written");
    archive.into_inner().expect("memory can be written")
}

fn bytes(document: &Value) -> Vec<u8> {
    document.to_string().into_bytes()
}

fn digest(content: &[u8]) -> String {
    let hex: String = Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}
