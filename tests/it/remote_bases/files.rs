//! Files behind a URL, from a server of a few lines.

use super::*;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the server does with a path.
#[derive(Clone)]
enum Page {
    Text(String),
    Status(u16),
    Elsewhere(String),
    /// Takes the request and never answers.
    Silence,
    /// One byte now and then, without end.
    Drip,
}

/// A server of pages.
struct Pages {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Pages {
    fn start(pages: impl IntoIterator<Item = (&'static str, Page)>) -> Self {
        let pages: HashMap<&'static str, Page> = pages.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&asked);
        // The threads end with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, noted) = (pages.clone(), Arc::clone(&noted));
                std::thread::spawn(move || {
                    let path = requested(&stream);
                    noted.lock().expect("no panic before").push(path.clone());
                    let page = pages.get(&*path).cloned().unwrap_or(Page::Status(404));
                    // A client that has gone is no concern of the server.
                    let _ = answer(stream, page);
                });
            }
        });
        Self { address, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic before").clone()
    }
}

/// The path and query of a request.
fn requested(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    lines.find(String::is_empty);
    first.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn answer(mut stream: TcpStream, page: Page) -> std::io::Result<()> {
    let head =
        |status: u16, more: &str| format!("HTTP/1.1 {status} x\r\nconnection: close\r\n{more}\r\n");
    match page {
        Page::Text(text) => {
            let length = format!("content-length: {}\r\n", text.len());
            stream.write_all(head(200, &length).as_bytes())?;
            stream.write_all(text.as_bytes())
        }
        Page::Status(status) => stream.write_all(head(status, "content-length: 0\r\n").as_bytes()),
        Page::Elsewhere(url) => {
            let more = format!("location: {url}\r\ncontent-length: 0\r\n");
            stream.write_all(head(302, &more).as_bytes())
        }
        Page::Silence => {
            std::io::copy(&mut stream, &mut std::io::sink())?;
            Ok(())
        }
        Page::Drip => {
            stream.write_all(head(200, "").as_bytes())?;
            while stream.write_all(b"#").is_ok() {
                std::thread::yield_now();
            }
            Ok(())
        }
    }
}

fn text(text: &str) -> Page {
    Page::Text(text.to_owned())
}

#[test]
fn a_file_behind_a_url_is_read_wherever_a_file_can_stand() {
    let world = World::new();
    let pages = Pages::start([
        ("/map.yaml", text(&map("far"))),
        (
            "/o/r/two.yaml?token=x",
            text(&format!("{}---\n{}", map("one"), map("two"))),
        ),
        (
            "/patch.yaml",
            text(&format!("{}data: {{a: b}}\n", map("far"))),
        ),
        ("/json.yaml", text("- {op: add, path: /data/c, value: d}\n")),
        ("/settings.txt", text("x")),
        ("/all.env", text("E=f\n")),
    ]);
    let kustomization = format!(
        "resources: [\"{}\", \"{}\"]\n\
         patches:\n- path: {}\n- path: {}\n  target: {{kind: ConfigMap, name: far}}\n\
         configMapGenerator:\n- name: made\n  files: [\"{}\", \"key={}\"]\n  envs: [\"{}\"]\n",
        pages.url("/map.yaml"),
        pages.url("/o/r/two.yaml?token=x"),
        pages.url("/patch.yaml"),
        pages.url("/json.yaml"),
        pages.url("/settings.txt"),
        pages.url("/settings.txt"),
        pages.url("/all.env"),
    );
    world.same(&format!("{kustomization}{NOTES}"));
    let built = world.same(&kustomization);
    assert_eq!(built.len(), 4);
    let far = built
        .iter()
        .find(|object| object["metadata"]["name"] == "far")
        .expect("it is there");
    assert_eq!(far["data"], serde_json::json!({"a": "b", "c": "d"}));
}

#[test]
fn a_redirect_is_followed_and_a_circle_of_them_ends() {
    let world = World::new();
    let target = Pages::start([("/map.yaml", text(&map("far")))]);
    let pages = Pages::start([
        ("/old.yaml", Page::Elsewhere(target.url("/map.yaml"))),
        ("/circle.yaml", Page::Elsewhere("/circle.yaml".to_owned())),
    ]);
    let built = world.same(&format!("resources: [\"{}\"]\n", pages.url("/old.yaml")));
    assert_eq!(names(&built), ["far"]);
    let words = world.refused(&format!("resources: [\"{}\"]\n", pages.url("/circle.yaml")));
    assert!(words.contains("too many redirects"), "{words}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let world = World::new();
    let pages = Pages::start([
        ("/broken.yaml", text("a: [\n")),
        ("/o/broken.yaml", text("a: [\n")),
        ("/no-object.yaml", text("a: b\n")),
        ("/failing.yaml", Page::Status(500)),
    ]);
    let refused =
        |field: &str, path: &str| world.refused(&format!("{field}\n- \"{}\"\n", pages.url(path)));
    let words = refused("resources:", "/gone.yaml?token=hunter2");
    assert!(
        words.starts_with("kustomization.yaml:2: `resources[0]`: "),
        "{words}"
    );
    assert!(
        words.ends_with("/gone.yaml` cannot be fetched: the server answered with status 404"),
        "{words}"
    );
    let words = refused("resources:", "/failing.yaml");
    assert!(
        words.ends_with("the server answered with status 500"),
        "{words}"
    );
    let words = refused("patchesStrategicMerge:", "/gone.yaml");
    assert!(
        words.ends_with("the server answered with status 404"),
        "{words}"
    );
    let words = refused("resources:", "/broken.yaml");
    assert!(words.contains("/broken.yaml:"), "{words}");
    let words = refused("resources:", "/no-object.yaml");
    assert!(words.contains("/no-object.yaml:1"), "{words}");
    // With one more part in its path it may be a repository, so that is tried as well.
    let words = refused("resources:", "/o/broken.yaml");
    assert!(
        words.contains("it is no file of objects") && words.contains("and no repository"),
        "{words}"
    );
    let words = refused("resources:", "/o/gone.yaml");
    assert!(
        words.contains("status 404") && words.contains("and no repository"),
        "{words}"
    );
}

#[test]
fn a_file_is_asked_for_once_in_a_build() {
    let world = World::new();
    let pages = Pages::start([("/settings.txt", text("x"))]);
    let url = pages.url("/settings.txt");
    let kustomization =
        format!("configMapGenerator:\n- name: made\n  files: [\"a={url}\", \"b={url}\"]\n");
    assert!(world.ours(&kustomization).is_ok());
    assert_eq!(pages.asked(), ["/settings.txt"]);
}

#[test]
fn a_file_that_is_too_large_or_too_slow_is_given_up() {
    let world = World::new();
    let pages = Pages::start([
        ("/large.yaml", text(&map(&"x".repeat(5_000)))),
        ("/silence.yaml", Page::Silence),
        ("/drip.yaml", Page::Drip),
    ]);
    let refused = |path: &str, limits: RemoteLimits| {
        let kustomization = format!("resources: [\"{}\"]\n", pages.url(path));
        let bases = world.bases().with_limits(limits);
        ours(&kustomization, &bases).expect_err("it is out of bounds")
    };
    let small = RemoteLimits {
        file: 4_000,
        ..RemoteLimits::default()
    };
    let short = RemoteLimits {
        file: u64::MAX,
        file_time: Duration::from_millis(300),
        ..RemoteLimits::default()
    };
    let words = refused("/large.yaml", small);
    assert!(words.ends_with("it has more than 4000 bytes"), "{words}");
    let words = refused("/drip.yaml", small);
    assert!(words.ends_with("it has more than 4000 bytes"), "{words}");
    for path in ["/silence.yaml", "/drip.yaml"] {
        let words = refused(path, short);
        assert!(
            words.ends_with("the server did not answer within 0.3 s"),
            "{words}"
        );
    }
}

#[test]
fn nothing_is_fetched_when_nobody_listens() {
    let world = World::new();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address")
    };
    let words = world.refused(&format!("resources: [\"http://{closed}/x.yaml\"]\n"));
    assert!(
        words.contains("cannot be fetched") && words.contains("refused"),
        "{words}"
    );
}
