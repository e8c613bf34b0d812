use super::*;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Takes deliveries at `/hook/known` and remembers their bodies.
#[derive(Clone, Default)]
struct Known(Arc<Mutex<Vec<Delivery>>>);

impl Hook for Known {
    type Receiver = ();

    fn admit(&self, path: &str) -> Result<(), Answer> {
        match path {
            "/hook/known" => Ok(()),
            "/hook/busy" => Err(Answer::wait(Duration::from_millis(1_500))),
            _ => Err(Answer::status(404)),
        }
    }

    async fn deliver(&self, (): (), delivery: Delivery) -> Answer {
        self.0.lock().expect("nobody panics").push(delivery);
        Answer::status(200)
    }
}

async fn server() -> (Known, String) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port is found");
    let address = listener.local_addr().expect("it is bound").to_string();
    let hook = Known::default();
    tokio::spawn(serve(listener, hook.clone(), std::future::pending()));
    (hook, address)
}

/// What comes back for the bytes of a request, until the server closes the connection.
async fn answer_to(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(request).await.expect("it is sent");
    let mut answer = Vec::new();
    // The server may close before it has read all.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).to_lowercase()
}

fn post(path: &str, fields: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n{body}").into_bytes()
}

#[tokio::test]
async fn a_delivery_arrives_with_its_fields_and_the_connection_ends() {
    let (hook, address) = server().await;
    let answer = answer_to(
        &address,
        &post(
            "/hook/known",
            "X-Signature: a\r\nContent-Length: 4\r\n",
            "body",
        ),
    )
    .await;
    assert!(
        answer.starts_with("http/1.1 200") && answer.contains("connection: close"),
        "{answer}"
    );
    let chunked = post(
        "/hook/known",
        "Transfer-Encoding: chunked\r\n",
        "3\r\nbod\r\n1\r\ny\r\n0\r\n\r\n",
    );
    assert!(
        answer_to(&address, &chunked)
            .await
            .starts_with("http/1.1 200")
    );
    let delivered = hook.0.lock().expect("nobody panics").clone();
    assert_eq!(delivered.len(), 2);
    assert!(delivered.iter().all(|delivery| delivery.body == b"body"));
    assert_eq!(delivered[0].headers.get("x-signature"), "a");
}

#[tokio::test]
async fn a_path_that_is_nobodys_is_told_nothing_and_its_body_is_not_read() {
    let (hook, address) = server().await;
    // The body never comes, and the answer does.
    let unknown = answer_to(
        &address,
        &post("/hook/other", "Content-Length: 1000000\r\n", ""),
    )
    .await;
    let (head, body) = unknown.split_once("\r\n\r\n").expect("there is an answer");
    assert!(
        head.starts_with("http/1.1 404") && body.is_empty(),
        "{unknown}"
    );
    for path in [
        "/",
        "/hook/",
        "/hook/known/",
        "/hook/known?x=y",
        "/hook/../hook/known",
        "/hook/%6bnown",
    ] {
        let answer = answer_to(&address, &post(path, "Content-Length: 0\r\n", "")).await;
        assert!(answer.starts_with("http/1.1 404"), "{path}: {answer}");
    }
    assert!(hook.0.lock().expect("nobody panics").is_empty());
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_whether_it_says_so_or_not() {
    let (hook, address) = server().await;
    let told = post(
        "/hook/known",
        &format!("Content-Length: {}\r\n", LARGEST_BODY + 1),
        "",
    );
    assert!(answer_to(&address, &told).await.starts_with("http/1.1 413"));
    let size = LARGEST_BODY + 1;
    let untold = post(
        "/hook/known",
        "Transfer-Encoding: chunked\r\n",
        &format!("{size:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(size)),
    );
    let client = reqwest_like(&address, untold).await;
    assert!(
        client.is_empty() || client.starts_with("http/1.1 413"),
        "{client}"
    );
    let longest = post(
        "/hook/known",
        &format!("Content-Length: {LARGEST_BODY}\r\n"),
        &"x".repeat(LARGEST_BODY),
    );
    assert!(
        answer_to(&address, &longest)
            .await
            .starts_with("http/1.1 200")
    );
    let delivered = hook.0.lock().expect("nobody panics");
    assert_eq!(
        delivered
            .iter()
            .map(|delivery| delivery.body.len())
            .collect::<Vec<_>>(),
        [LARGEST_BODY]
    );
}

/// Sends and reads at the same time, since the server answers before it has read all.
async fn reqwest_like(address: &str, request: Vec<u8>) -> String {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let (mut read, mut write) = stream.into_split();
    let sender = tokio::spawn(async move {
        let _ = write.write_all(&request).await;
    });
    let mut answer = Vec::new();
    let _ = read.read_to_end(&mut answer).await;
    sender.abort();
    String::from_utf8_lossy(&answer).to_lowercase()
}

#[tokio::test]
async fn a_sender_of_cloud_events_may_ask_first_where_there_is_somebody() {
    let (hook, address) = server().await;
    let ask = |path: &str| {
        format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: x\r\nWebHook-Request-Origin: eventgrid.azure.net\r\n\r\n"
        )
    };
    let answer = answer_to(&address, ask("/hook/known").as_bytes()).await;
    assert!(
        answer.starts_with("http/1.1 200")
            && answer.contains("webhook-allowed-origin: eventgrid.azure.net\r\n"),
        "{answer}"
    );
    assert!(
        answer_to(&address, ask("/hook/other").as_bytes())
            .await
            .starts_with("http/1.1 404")
    );
    assert!(
        hook.0.lock().expect("nobody panics").is_empty(),
        "it was no delivery"
    );
}

#[tokio::test]
async fn whoever_comes_too_often_is_told_when_to_come_again() {
    let (_, address) = server().await;
    let answer = answer_to(&address, &post("/hook/busy", "Content-Length: 0\r\n", "")).await;
    assert!(
        answer.starts_with("http/1.1 429") && answer.contains("retry-after: 2\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn nonsense_is_answered_or_cut_off_and_the_server_goes_on() {
    let (_, address) = server().await;
    for nonsense in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"GET\r\n\r\n",
        b"POST /hook/known HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let mut request = nonsense.to_vec();
        request.extend_from_slice(b"\r\n\r\n");
        let answer = answer_to(&address, &request).await;
        assert!(
            answer.is_empty() || answer.starts_with("http/1.1 4"),
            "{answer}"
        );
    }
    let answer = answer_to(&address, &post("/hook/known", "Content-Length: 0\r\n", "")).await;
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
}
