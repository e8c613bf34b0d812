//! A remote repository: where it is, and with which credentials it is spoken to.
//!
//! Invariant: the URL held here has no user information; what stood there is the [`Auth`].

use super::error::{GitError, quoted};
use super::ssh::SshLogin;
use crate::domain::redact::{SafeUrl, Secret};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// The time one operation may take when nothing else is said: Flux's default.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// The most bytes one answer, and the pack in it, may have when nothing else is said: 2 GiB.
const LIMIT: u64 = 2 << 30;

/// How the client identifies itself to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Anonymously.
    #[default]
    None,
    /// By user name and password, or a token in place of the password.
    Basic {
        /// The user name; may be empty for some token schemes.
        user: String,
        /// The password or token.
        password: Secret,
    },
    /// By an `Authorization: Bearer` header.
    Bearer(Secret),
    /// By a key, at an ssh server that is known.
    Ssh(SshLogin),
}

/// A client certificate and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate chain.
    pub certificate_pem: Vec<u8>,
    /// The private key.
    pub key_pem: Secret<Vec<u8>>,
}

/// An HTTP(S) or SOCKS5 proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// `http://`, `https://` or `socks5://` and an address.
    pub url: SafeUrl,
    /// User name and password, if it wants them.
    pub credentials: Option<(String, Secret)>,
}

/// A remote repository and how to speak to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Remote {
    url: Arc<SafeUrl>,
    ssh_user: String,
    /// The path at an ssh server, where the URL cannot say it.
    ssh_path: Option<String>,
    /// Who one is, where that is not the user name: see [`Remote::known_as`].
    identity: Option<String>,
    pub(super) auth: Auth,
    pub(super) ca_pem: Option<Vec<u8>>,
    pub(super) client_certificate: Option<ClientCertificate>,
    pub(super) proxy: Option<Proxy>,
    pub(super) timeout: Duration,
    pub(super) limit: u64,
    pub(super) whole_history: bool,
}

impl Remote {
    /// A remote at `url`. User information in the URL becomes its authentication.
    ///
    /// # Errors
    /// [`GitError::UnsupportedTransport`] for schemes other than `http`, `https`, `ssh` and `file`.
    pub fn new(url: &SafeUrl) -> Result<Self, GitError> {
        let mut bare = url.as_url().clone();
        if !matches!(bare.scheme(), "http" | "https" | "ssh" | "file") {
            return Err(GitError::UnsupportedTransport {
                url: Arc::new(url.clone()),
                scheme: bare.scheme().to_owned(),
            });
        }
        let (auth, ssh_user) = match (bare.scheme(), user_information(url.as_url())) {
            ("ssh", Auth::Basic { user, .. }) => (Auth::None, user),
            ("ssh", _) => (Auth::None, String::new()),
            (_, auth) => (auth, String::new()),
        };
        // A `file:` URL refuses to be changed, and has nothing to change.
        let _ = bare.set_username("").and_then(|()| bare.set_password(None));
        bare.set_fragment(None);
        let invalid = |_| GitError::Configuration {
            url: Arc::new(url.clone()),
            reason: "the URL is not usable without its user information".to_owned(),
        };
        Ok(Self {
            url: Arc::new(SafeUrl::parse(bare.as_str()).map_err(invalid)?),
            ssh_user,
            ssh_path: None,
            identity: None,
            auth,
            ca_pem: None,
            client_certificate: None,
            proxy: None,
            timeout: DEFAULT_TIMEOUT,
            limit: LIMIT,
            whole_history: false,
        })
    }

    /// A remote that Git writes as `[user@]host:path`, which is one of ssh.
    ///
    /// # Errors
    /// [`GitError::Location`] when it is not of that form.
    pub fn scp(location: &str) -> Result<Self, GitError> {
        let wrong = || GitError::Location(quoted(location.as_bytes()));
        let (server, path) = location.split_once(':').ok_or_else(wrong)?;
        let host = server.rsplit('@').next().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "@.-_".contains(c);
        if host.is_empty()
            || path.is_empty()
            || server.starts_with('-')
            || !server.chars().all(plain)
        {
            return Err(wrong());
        }
        let mut url = url::Url::parse(&format!("ssh://{server}/")).map_err(|_| wrong())?;
        url.set_path(path);
        let url = SafeUrl::parse(url.as_str()).map_err(|_| wrong())?;
        let mut remote = Self::new(&url)?;
        remote.ssh_path = Some(path.to_owned());
        Ok(remote)
    }

    /// Uses these credentials. [`Auth::None`] leaves what the URL held.
    #[must_use]
    pub fn with_auth(mut self, auth: Auth) -> Self {
        if auth != Auth::None {
            self.auth = auth;
        }
        self
    }

    /// Names whom the credentials belong to, where even the user name is another one each time.
    #[must_use]
    pub fn known_as(mut self, identity: &str) -> Self {
        self.identity = Some(identity.to_owned());
        self
    }

    /// Trusts these PEM certificates in addition to the system's.
    #[must_use]
    pub fn with_ca(mut self, pem: Vec<u8>) -> Self {
        self.ca_pem = Some(pem);
        self
    }

    /// Presents a client certificate.
    #[must_use]
    pub fn with_client_certificate(mut self, certificate: ClientCertificate) -> Self {
        self.client_certificate = Some(certificate);
        self
    }

    /// Goes through a proxy instead of what the environment names.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Option<Proxy>) -> Self {
        self.proxy = proxy;
        self
    }

    /// Bounds each operation (listing, fetching, pushing) to this time.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Accepts no answer with more bytes than this.
    #[must_use]
    pub fn with_limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Fetches whole histories instead of single commits, into a cache of its own.
    #[must_use]
    pub fn with_whole_history(mut self, whole: bool) -> Self {
        self.whole_history = whole;
        self
    }

    /// The login that stands in a URL.
    pub fn login_of(url: &url::Url) -> Auth {
        user_information(url)
    }

    /// Whether the server is spoken to over ssh.
    pub fn is_ssh(&self) -> bool {
        self.url.as_url().scheme() == "ssh"
    }

    /// How the client identifies itself.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The URL without user information.
    pub fn url(&self) -> &Arc<SafeUrl> {
        &self.url
    }

    /// The path at an ssh server, where the URL does not say it.
    pub(super) fn ssh_path(&self) -> Option<&str> {
        self.ssh_path.as_deref()
    }

    /// Who asks an ssh server: the user of the URL, or else `git`.
    pub(super) fn ssh_user(&self) -> &str {
        match self.ssh_user.as_str() {
            "" => "git",
            user => user,
        }
    }

    /// The name of the folder that caches this repository for this identity. A renewed password or
    /// token leaves it as it is: each use authenticates anew before anything is read.
    pub(super) fn cache_key(&self) -> String {
        let (kind, user) = match &self.auth {
            Auth::None => ("none", ""),
            Auth::Basic { user, .. } => ("basic", user.as_str()),
            Auth::Bearer(_) => ("bearer", ""),
            Auth::Ssh(_) => ("ssh", self.ssh_user()),
        };
        let user = self.identity.as_deref().unwrap_or(user);
        let history = if self.whole_history { "\nwhole" } else { "" };
        let mut text = format!("{}\n{kind}\n{user}{history}", self.url.as_url());
        if let Some(path) = &self.ssh_path {
            text += &format!("\n{path}");
        }
        hex(&Sha256::digest(text.as_bytes())[..16])
    }

    /// Whether the server is this machine.
    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(self.url.as_url())
    }

    /// What the shape of the HTTP client depends on: remotes that agree in it share connections.
    pub(super) fn client_key(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(self.ca_pem.as_deref().unwrap_or_default());
        if let Some(certificate) = &self.client_certificate {
            part(&certificate.certificate_pem);
            part(certificate.key_pem.expose());
        }
        part(if self.is_loopback() {
            b"direct"
        } else {
            b"proxy"
        });
        if let Some(proxy) = &self.proxy {
            part(proxy.url.as_url().as_str().as_bytes());
            if let Some((user, password)) = &proxy.credentials {
                part(user.as_bytes());
                part(password.expose().as_bytes());
            }
        }
        hex(&hash.finalize())
    }
}

/// Whether the host of a URL is this machine.
pub(super) fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn user_information(url: &url::Url) -> Auth {
    let decode = |text: &str| {
        let pairs = text.replace('+', "%2B");
        url::form_urlencoded::parse(pairs.as_bytes())
            .next()
            .map(|(key, _)| key.into_owned())
            .unwrap_or_default()
    };
    match (url.username(), url.password()) {
        ("", None) => Auth::None,
        (user, password) => Auth::Basic {
            user: decode(user),
            password: Secret::new(decode(password.unwrap_or_default())),
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(url: &str) -> Remote {
        Remote::new(&SafeUrl::parse(url).expect("a URL")).expect("a supported scheme")
    }

    #[test]
    fn user_information_moves_from_the_url_into_the_authentication() {
        let remote = remote("https://b%40t:p%2Bq+r%3D@git.example.com/x.git");
        assert_eq!(
            remote.url().as_url().as_str(),
            "https://git.example.com/x.git"
        );
        let expected = Auth::Basic {
            user: "b@t".to_owned(),
            password: Secret::new("p+q+r=".to_owned()),
        };
        assert_eq!(remote.auth, expected);
        let token = Auth::Bearer(Secret::new("t".to_owned()));
        assert_eq!(remote.clone().with_auth(Auth::None).auth, expected);
        assert_eq!(remote.with_auth(token.clone()).auth, token);
    }

    #[test]
    fn a_transport_that_is_not_spoken_is_refused_with_its_name() {
        let url = SafeUrl::parse("git://git.example.com/x.git").expect("a URL");
        let error = Remote::new(&url).expect_err("it is not spoken");
        assert_eq!(
            error.to_string(),
            "transport `git` is not spoken: `git://git.example.com/x.git` should be of `https`, `http`, `ssh` or `file`"
        );
    }

    #[test]
    fn the_user_of_an_ssh_url_is_no_password_and_git_when_there_is_none() {
        let named = remote("ssh://bot:hunter2@git.example.com/x.git");
        assert_eq!((named.ssh_user(), &named.auth), ("bot", &Auth::None));
        assert_eq!(remote("ssh://git.example.com/x.git").ssh_user(), "git");
    }

    #[test]
    fn the_cache_belongs_to_url_and_identity_but_not_to_the_password() {
        let basic = |user: &str, password: &str| {
            remote("https://git.example.com/x").with_auth(Auth::Basic {
                user: user.to_owned(),
                password: Secret::new(password.to_owned()),
            })
        };
        assert_eq!(basic("a", "1").cache_key(), basic("a", "2").cache_key());
        assert_ne!(basic("a", "1").cache_key(), basic("b", "1").cache_key());
        let anonymous = remote("https://git.example.com/x");
        assert_ne!(basic("", "").cache_key(), anonymous.cache_key());
        let rotating = |user: &str| basic(user, "1").known_as("cloud").cache_key();
        assert_eq!(rotating("a"), rotating("b"));
        let other = remote("https://git.example.com/y");
        assert_ne!(other.cache_key(), anonymous.cache_key());
    }

    #[test]
    fn a_debug_print_shows_no_secret() {
        let remote = remote("https://bot:hunter2@git.example.com/x");
        assert!(!format!("{remote:?}").contains("hunter2"));
    }
}
