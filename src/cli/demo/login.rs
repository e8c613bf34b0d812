//! A login that is made for one run of the demo and forgotten with it.
//!
//! Invariant: the password is random and leaves the process only as an `Authorization` header to its
//! own servers. It keeps others on the same machine from writing to what the demo may apply to a
//! cluster.

use crate::adapters::git::Auth;
use crate::domain::redact::Secret;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;
use std::io;

/// The user name of every run.
const USER: &str = "demo";

/// User name and password of one run.
#[derive(Clone, Debug)]
pub(super) struct Login {
    password: Secret,
}

/// What nobody without the login may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guarded {
    /// Anything but `GET` and `HEAD`.
    Writes,
    /// Everything.
    Everything,
}

impl Login {
    /// A new password.
    pub(super) fn random() -> io::Result<Self> {
        Ok(Self {
            password: Secret::new(random_hex(16)?),
        })
    }

    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> Secret {
        let pair = format!("{USER}:{}", self.password.expose());
        Secret::new(format!("Basic {}", STANDARD.encode(pair)))
    }

    /// The login as the Git engine takes it.
    pub(super) fn for_git(&self) -> Auth {
        Auth::Basic {
            user: USER.to_owned(),
            password: self.password.clone(),
        }
    }

    /// Lets a server ask for the login.
    pub(super) fn guard(&self, router: Router, guarded: Guarded) -> Router {
        let guard = Guard {
            expected: self.header(),
            guarded,
        };
        router.layer(from_fn_with_state(guard, check))
    }
}

/// `bytes` random bytes in hexadecimal digits.
///
/// # Errors
/// When the operating system has no randomness to give.
pub(super) fn random_hex(bytes: usize) -> io::Result<String> {
    let mut random = vec![0; bytes];
    let provider = rustls::crypto::ring::default_provider();
    let filled = provider.secure_random.fill(&mut random);
    filled.map_err(|_| io::Error::other("the operating system gives no random numbers"))?;
    Ok(random.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[derive(Clone, Debug)]
struct Guard {
    expected: Secret,
    guarded: Guarded,
}

impl Guard {
    fn admits(&self, method: &Method, headers: &HeaderMap) -> bool {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let given = headers.get(header::AUTHORIZATION);
        (reads && self.guarded == Guarded::Writes)
            || given.map(HeaderValue::as_bytes) == Some(self.expected.expose().as_bytes())
    }
}

async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if guard.admits(request.method(), request.headers()) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"highwater demo\"")];
    (StatusCode::UNAUTHORIZED, challenge).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(guarded: Guarded) -> (Login, Guard) {
        let login = Login::random().expect("there is randomness");
        let expected = login.header();
        (login, Guard { expected, guarded })
    }

    #[test]
    fn a_stranger_may_read_an_open_server_and_nothing_else() {
        let none = HeaderMap::new();
        let (_, open) = guard(Guarded::Writes);
        assert!(open.admits(&Method::GET, &none) && open.admits(&Method::HEAD, &none));
        assert!(!open.admits(&Method::PUT, &none) && !open.admits(&Method::POST, &none));
        let (_, closed) = guard(Guarded::Everything);
        assert!(!closed.admits(&Method::GET, &none));
    }

    #[test]
    fn the_login_opens_only_its_own_server() {
        let ((login, own), (_, other)) = (guard(Guarded::Everything), guard(Guarded::Everything));
        let value = HeaderValue::from_str(login.header().expose()).expect("base64 fits a header");
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
        assert!(own.admits(&Method::POST, &headers));
        assert!(!other.admits(&Method::POST, &headers));
    }

    #[test]
    fn a_debug_print_shows_no_password() {
        let (login, guard) = guard(Guarded::Everything);
        let shown = format!("{login:?} {guard:?}");
        assert!(!shown.contains(login.password.expose().as_str()), "{shown}");
    }
}
