//! A registry that answers as a test tells it to: for what a well-behaved registry cannot be made to do.
//!
//! It is a real server on loopback, so what is tested is what goes over the wire. Every request is
//! kept, so that a test can say what was sent, and above all what was not.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use highwater::domain::image::ImageName;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::ready;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET`, `HEAD`, `POST`.
    pub method: String,
    /// Path and query; for a proxy the whole URL.
    pub target: String,
    /// Header fields by lower-case name.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: String,
}

impl Seen {
    /// One header field, empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// One parameter of the query, decoded; empty when it is not there.
    pub fn query(&self, name: &str) -> String {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(known, _)| known == name)
            .map_or_else(String::new, |(_, value)| value.into_owned())
    }
}

/// An answer.
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: ReplyBody,
}

/// How the answer's body is sent.
enum ReplyBody {
    Whole(Vec<u8>),
    /// This byte again and again.
    Endless(u8),
    /// This text, and then neither more nor an end.
    Stuck(&'static str),
    /// This text, and then the connection breaks.
    Broken(&'static str),
}

impl Reply {
    /// A status with a body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: ReplyBody::Whole(body.into()),
        }
    }

    /// 200 with JSON.
    pub fn json(value: &serde_json::Value) -> Self {
        Self::new(200, value.to_string()).header("content-type", "application/json")
    }

    /// 200 with a page of tags.
    pub fn tags<T: AsRef<str>>(name: &str, tags: &[T]) -> Self {
        let tags: Vec<_> = tags.iter().map(AsRef::as_ref).collect();
        Self::json(&json!({"name": name, "tags": tags}))
    }

    /// An error in the distribution API's form.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(&json!({"errors": [{"code": code, "message": message}]})).status(status)
    }

    /// 200 with a body that never ends.
    pub fn endless(byte: u8) -> Self {
        Self::with_body(ReplyBody::Endless(byte))
    }

    /// 200 with a body that stops without ending.
    pub fn stuck(text: &'static str) -> Self {
        Self::with_body(ReplyBody::Stuck(text))
    }

    /// 200 with a body that breaks off.
    pub fn broken(text: &'static str) -> Self {
        Self::with_body(ReplyBody::Broken(text))
    }

    /// The same with another status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with one more header field.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn with_body(body: ReplyBody) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body,
        }
    }

    fn into_response(self) -> Response {
        let body = match self.body {
            ReplyBody::Whole(bytes) => Body::from(bytes),
            ReplyBody::Endless(byte) => {
                let chunk = Bytes::from(vec![byte; 64 * 1024]);
                Body::from_stream(stream::repeat_with(move || {
                    Ok::<_, Infallible>(chunk.clone())
                }))
            }
            ReplyBody::Stuck(text) => Body::from_stream(
                stream::once(ready(Ok::<_, Infallible>(text))).chain(stream::pending()),
            ),
            ReplyBody::Broken(text) => {
                // The pause lets the server send what it has before it closes the connection.
                let break_off = async {
                    tokio::task::yield_now().await;
                    Err(io::Error::other("the fake breaks off"))
                };
                Body::from_stream(stream::once(ready(Ok(text))).chain(stream::once(break_off)))
            }
        };
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(body).expect("the test's fields are valid")
    }
}

type Answer = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A running fake. A plain one ends with the test's runtime, one with TLS when the process ends.
pub struct FakeRegistry {
    address: SocketAddr,
    state: Arc<Shared>,
}

struct Shared {
    answer: Box<Answer>,
    seen: Mutex<Vec<Seen>>,
}

impl Shared {
    fn answer(&self, seen: Seen) -> Reply {
        let reply = (self.answer)(&seen);
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(seen);
        reply
    }
}

impl FakeRegistry {
    /// Starts one on a free port of loopback, over plain http.
    pub async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let state = shared(answer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let router = Router::new()
            .fallback(handle)
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, state }
    }

    /// Starts one that speaks TLS. It answers one request per connection, with whole bodies only.
    pub fn start_tls(
        config: ServerConfig,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let state = shared(answer);
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let (config, served) = (Arc::new(config), Arc::clone(&state));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, state) = (Arc::clone(&config), Arc::clone(&served));
                // A handshake that fails is the client's to report.
                std::thread::spawn(move || serve_tls(stream, config, &state));
            }
        });
        Self { address, state }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The name of an image in it.
    pub fn image(&self, repository: &str) -> ImageName {
        ImageName::parse(&format!("{}/{repository}", self.address)).expect("a valid image name")
    }

    /// Every request so far whose target begins so, in order.
    pub fn seen(&self, target: &str) -> Vec<Seen> {
        let all = self
            .state
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .filter(|seen| seen.target.starts_with(target))
            .cloned()
            .collect()
    }
}

fn shared(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Arc<Shared> {
    // Whoever installs it first wins, and all install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Arc::new(Shared {
        answer: Box::new(answer),
        seen: Mutex::default(),
    })
}

async fn handle(State(state): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let seen = Seen {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: headers.collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    state.answer(seen).into_response()
}

fn serve_tls(stream: TcpStream, config: Arc<ServerConfig>, state: &Shared) -> io::Result<()> {
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let mut seen = Seen {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        headers: HashMap::new(),
        body: String::new(),
    };
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        let value = value.trim().to_owned();
        seen.headers.insert(name.to_ascii_lowercase(), value);
    }
    let reply = state.answer(seen);
    let ReplyBody::Whole(body) = reply.body else {
        return Err(io::Error::other("only whole bodies go over TLS"));
    };
    let mut head = format!(
        "HTTP/1.1 {} Fake\r\nconnection: close\r\ncontent-length: {}\r\n",
        reply.status,
        body.len()
    );
    for (name, value) in reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let stream = stream.get_mut();
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n")?;
    stream.write_all(&body)?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// The behaviour of a registry that wants tokens, with its token server in the same place.
///
/// `tokens` says what the token server answers; `content` what the registry answers to whoever
/// shows `Bearer <token>` where `accepted` says yes.
pub fn wants_tokens(
    tokens: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    accepted: impl Fn(&str) -> bool + Send + Sync + 'static,
    content: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| {
        if seen.target.starts_with("/token") {
            return tokens(seen);
        }
        let shown = seen.header("authorization").strip_prefix("Bearer ");
        if shown.is_some_and(&accepted) {
            return content(seen);
        }
        let host = seen.header("host");
        let challenge = format!(
            r#"Bearer realm="http://{host}/token",service="fake registry",scope="repository:x:pull""#
        );
        Reply::error(401, "UNAUTHORIZED", "authentication required")
            .header("www-authenticate", challenge)
    }
}
