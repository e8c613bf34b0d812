//! The artifact store: archives judged by the real `tar`, ignore rules by `git check-ignore`, and
//! the file server over real sockets.

use crate::support::git_http::{BareRepository, Seed, git, try_git};
use highwater::adapters::artifacts::{
    Artifact, ArtifactError, ArtifactKey, ArtifactStore, ArtifactTree, FetchError, Limits,
    ReadError, fetch_artifact, serve,
};
use highwater::adapters::git::{GitCache, Remote, Snapshot};
use highwater::domain::git_ref::CheckoutRef;
use highwater::domain::ignore::IgnoreRules;
use highwater::domain::redact::SafeUrl;
use highwater::domain::tree::{EntryKind, FileTree, MapTree, TreeError};
use jiff::Timestamp;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

struct World {
    folder: TempDir,
    store: ArtifactStore,
}

fn world() -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let store = ArtifactStore::open(&folder.path().join("data"), "source-controller.flux.svc.")
        .expect("a store");
    World { folder, store }
}

fn key(name: &str) -> ArtifactKey {
    ArtifactKey {
        kind: "gitrepository".to_owned(),
        namespace: "apps".to_owned(),
        name: name.to_owned(),
    }
}

fn now() -> Timestamp {
    "2026-11-23T04:05:06Z".parse().expect("a time")
}

impl World {
    fn archive(&self, stem: &str, tree: &dyn FileTree, ignore: Option<&str>) -> Artifact {
        self.store
            .archive(&key("fleet"), "main@sha1:abc", stem, tree, ignore, now())
            .expect("it is archived")
    }

    fn bytes(&self, artifact: &Artifact) -> Vec<u8> {
        std::fs::read(self.folder.path().join("data").join(&artifact.path)).expect("an archive")
    }

    /// What the real `tar` lists.
    fn listing(&self, artifact: &Artifact, long: bool) -> Vec<String> {
        let output = Command::new("tar")
            .arg(if long { "-tvzf" } else { "-tzf" })
            .arg(self.folder.path().join("data").join(&artifact.path))
            .args(["--numeric-owner", "--full-time"])
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .output()
            .expect("tar runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

fn snapshot(folder: &Path, entries: &[Seed<'_>]) -> Snapshot {
    let origin = BareRepository::create(folder, "fleet");
    origin.commit_entries("main", "seed", entries);
    let cache = GitCache::open(&folder.join("cache")).expect("a cache");
    let url = SafeUrl::parse(&origin.url()).expect("a URL");
    let remote = Remote::new(&url).expect("a supported scheme");
    let main = CheckoutRef::Branch("main".to_owned());
    cache.fetch(&remote, &main).expect("it is fetched").snapshot
}

// ---- archives ---------------------------------------------------------------------------------

#[test]
fn the_real_tar_sees_fluxs_layout() {
    let world = world();
    let long = format!("deep/{}/{}/file.yaml", "d".repeat(90), "e".repeat(90));
    let longer = format!("deep/{}.yaml", "f".repeat(150));
    let tree = snapshot(
        world.folder.path(),
        &[
            Seed::File("b.yaml", b"bb\n"),
            Seed::Executable("a/run.sh", b"#!/bin/sh\n"),
            Seed::File("a.yaml", b"a\n"),
            Seed::File("a/z.yaml", b"z\n"),
            Seed::Link("link.yaml", "a.yaml"),
            Seed::File("logo.png", b"png"),
            Seed::File(".github/ci.yml", b"ci"),
            Seed::File(&long, b"long\n"),
            Seed::File(&longer, b"longer\n"),
        ],
    );
    let artifact = world.archive("abc", &tree, None);
    assert_eq!(artifact.path, "gitrepository/apps/fleet/abc.tar.gz");
    assert_eq!(
        artifact.url,
        "http://source-controller.flux.svc./gitrepository/apps/fleet/abc.tar.gz"
    );
    let bytes = world.bytes(&artifact);
    assert_eq!(artifact.size, bytes.len() as u64);
    let digest: String = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(artifact.digest, format!("sha256:{digest}"));
    let folder = |path: &str| format!("drwxr-x--- 0/0               0 1970-01-01 00:00:00 {path}");
    let file = |mode: &str, size: usize, path: &str| {
        format!("{mode} 0/0 {size:>15} 1970-01-01 00:00:00 {path}")
    };
    let (plain, executable) = ("-rw-------", "-rwx------");
    assert_eq!(
        world.listing(&artifact, true),
        [
            folder("."),
            folder("a"),
            file(executable, 10, "a/run.sh"),
            file(plain, 2, "a/z.yaml"),
            file(plain, 2, "a.yaml"),
            file(plain, 3, "b.yaml"),
            folder("deep"),
            folder(&format!("deep/{}", "d".repeat(90))),
            folder(&format!("deep/{}/{}", "d".repeat(90), "e".repeat(90))),
            file(plain, 5, &long),
            file(plain, 7, &longer),
        ]
    );
}

#[test]
fn folders_have_no_slash_at_their_end_in_the_archive() {
    let world = world();
    let artifact = world.archive("abc", &MapTree::from_texts([("a/b.yaml", "b\n")]), None);
    let bytes = world.bytes(&artifact);
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
    let names: Vec<String> = archive
        .entries()
        .expect("an archive")
        .map(|entry| String::from_utf8_lossy(&entry.expect("an entry").path_bytes()).into_owned())
        .collect();
    assert_eq!(names, [".", "a", "a/b.yaml"]);
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let (first, second) = (world(), world());
    let files = [("a.yaml", "a\n"), ("b/c.yaml", "c\n")];
    let one = first.archive("1", &MapTree::from_texts(files), None);
    let two = second.archive("2", &MapTree::from_texts(files), None);
    assert_eq!(one.digest, two.digest);
    assert_eq!(first.bytes(&one), second.bytes(&two));
    let other = first.archive("3", &MapTree::from_texts([("a.yaml", "b\n")]), None);
    assert_ne!(one.digest, other.digest);
}

#[test]
fn ignore_files_and_the_specification_keep_files_out() {
    let world = world();
    let tree = MapTree::from_texts([
        (".sourceignore", "*.txt\n"),
        ("a.txt", ""),
        ("a.yaml", ""),
        ("logo.png", ""),
        ("apps/.hidden/.sourceignore", "!*.md"),
        ("apps/.hidden/x.md", ""),
        ("apps/.sourceignore", "*.md\n!keep.txt\n"),
        ("apps/keep.txt", ""),
        ("apps/note.md", ""),
        ("note.md", ""),
        ("secret/key.yaml", ""),
        (".gitignore", ""),
    ]);
    let names = |ignore| -> Vec<String> {
        let artifact = world.archive("abc", &tree, ignore);
        world.listing(&artifact, false)
    };
    assert_eq!(
        names(Some("/secret/\n")),
        [
            ".",
            ".sourceignore",
            "a.yaml",
            "apps",
            "apps/.hidden",
            "apps/.hidden/.sourceignore",
            "apps/.hidden/x.md",
            "apps/.sourceignore",
            "apps/keep.txt",
            "logo.png",
            "note.md",
        ]
    );
    assert!(names(None).contains(&"secret/key.yaml".to_owned()));
    // The rules have the last word over the files' ones.
    assert!(names(Some("!a.txt")).contains(&"a.txt".to_owned()));
}

#[test]
fn an_archive_is_replaced_when_the_rules_change() {
    let world = world();
    let tree = MapTree::from_texts([("a.yaml", "a\n"), ("b.yaml", "b\n")]);
    let first = world.archive("abc", &tree, None);
    let second = world.archive("abc", &tree, Some("b.yaml"));
    assert_eq!(first.path, second.path);
    assert_ne!(first.digest, second.digest);
    assert_eq!(world.listing(&second, false), [".", "a.yaml"]);
}

#[test]
fn damage_is_noticed_and_removed() {
    let world = world();
    let artifact = world.archive("abc", &MapTree::from_texts([("a.yaml", "a\n")]), None);
    assert!(world.store.verify(&artifact).expect("it can be read"));
    let path = world.folder.path().join("data").join(&artifact.path);
    let mut bytes = world.bytes(&artifact);
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).expect("it can be written");
    assert!(!world.store.verify(&artifact).expect("it can be read"));
    assert!(!path.exists());
    assert!(!world.store.verify(&artifact).expect("absence is no error"));
}

#[test]
fn a_tree_that_cannot_be_read_leaves_nothing_behind() {
    struct Broken;
    impl FileTree for Broken {
        fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
            Err(TreeError::NotFound(path.to_owned()))
        }
        fn entries(&self, _: &str) -> Result<Vec<highwater::domain::tree::TreeEntry>, TreeError> {
            Ok(vec![highwater::domain::tree::TreeEntry {
                name: "a.yaml".to_owned(),
                kind: EntryKind::File,
            }])
        }
        fn kind(&self, _: &str) -> Option<EntryKind> {
            None
        }
    }
    let world = world();
    let error = world
        .store
        .archive(&key("fleet"), "r", "abc", &Broken, None, now())
        .expect_err("the file cannot be read");
    assert!(matches!(error, ArtifactError::Tree(_)), "{error:?}");
    let folder = world.folder.path().join("data/gitrepository/apps/fleet");
    assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), 0);
}

#[test]
fn old_archives_go_and_recent_ones_stay() {
    let world = world();
    let tree = MapTree::from_texts([("a.yaml", "a\n")]);
    for stem in ["0", "1", "2"] {
        world.archive(stem, &tree, None);
    }
    let current = world.archive("3", &tree, None);
    let folder = world.folder.path().join("data/gitrepository/apps/fleet");
    std::fs::write(folder.join(".unfinished-x"), b"half").expect("a file");
    for (name, seconds) in [
        ("0.tar.gz", 300),
        ("1.tar.gz", 40),
        ("2.tar.gz", 20),
        ("3.tar.gz", 999),
        (".unfinished-x", 30),
    ] {
        let file = std::fs::File::options().write(true).open(folder.join(name));
        let time = SystemTime::from(now()) - Duration::from_secs(seconds);
        file.expect("it exists").set_modified(time).expect("a time");
    }
    let collect = |now| {
        let removed = world.store.collect_garbage(&key("fleet"), &current, now);
        let mut names: Vec<String> = removed.expect("it works");
        names.sort_unstable();
        names
    };
    // 2 is recent and within the two that are kept; 1 is recent but the third; 0 is old.
    let path = |name: &str| format!("gitrepository/apps/fleet/{name}");
    assert_eq!(collect(now()), [path("0.tar.gz"), path("1.tar.gz")]);
    let later = now() + Duration::from_secs(60);
    assert_eq!(collect(later), [path(".unfinished-x"), path("2.tar.gz")]);
    assert!(world.store.verify(&current).expect("it can be read"));
    let gone = key("nothing");
    let removed = world.store.collect_garbage(&gone, &current, now());
    assert!(removed.expect("it works").is_empty());
}

#[test]
fn the_archives_of_a_deleted_object_go() {
    let world = world();
    let artifact = world.archive("abc", &MapTree::from_texts([("a.yaml", "a\n")]), None);
    world
        .store
        .remove(&key("fleet"))
        .expect("it can be removed");
    world
        .store
        .remove(&key("fleet"))
        .expect("nothing is fine, too");
    assert!(!world.store.verify(&artifact).expect("it can be read"));
}

#[test]
fn keys_and_paths_never_lead_out_of_the_store() {
    let world = world();
    std::fs::write(world.folder.path().join("outside"), b"x").expect("a file");
    for name in ["../../../../outside", "..", "/etc", "", "a/b", "."] {
        let error = world.store.remove(&key(name)).expect_err("refused");
        assert!(matches!(error, ArtifactError::Path(_)), "{error:?}");
    }
    let limits = Limits::default();
    for path in ["../outside", "/etc/passwd", "", "a/../../outside"] {
        let error = world
            .store
            .tree(path, "sha256:x", &limits)
            .expect_err("refused");
        assert!(matches!(error, ArtifactError::Path(_)), "{path}: {error:?}");
        let url = format!("http://source-controller.flux.svc./{path}");
        assert_eq!(world.store.path_of_url(&url), None);
    }
    assert!(world.folder.path().join("outside").exists());
}

// ---- reading ----------------------------------------------------------------------------------

#[test]
fn an_archive_reads_back_as_the_tree_it_was_made_of() {
    let world = world();
    let tree = snapshot(
        world.folder.path(),
        &[
            Seed::File("a/b.yaml", b"b\n"),
            Seed::Executable("run.sh", b"#!/bin/sh\n"),
            Seed::File("a/c/d.yaml", b"d\n"),
        ],
    );
    let artifact = world.archive("abc", &tree, None);
    let path = world
        .store
        .path_of_url(&artifact.url)
        .expect("it is a URL of the store");
    let read = world
        .store
        .tree(&path, &artifact.digest, &Limits::default())
        .expect("it can be read");
    for folder in ["", "a", "a/c"] {
        assert_eq!(read.entries(folder), tree.entries(folder));
    }
    assert_eq!(read.kind("run.sh"), Some(EntryKind::Executable));
    assert_eq!(read.read("a/c/d.yaml"), Ok(b"d\n".to_vec()));
    let wrong = format!("sha256:{}", "0".repeat(64));
    let error = world
        .store
        .tree(&path, &wrong, &Limits::default())
        .expect_err("another digest");
    assert!(
        matches!(error, ArtifactError::Read(ReadError::Digest { .. })),
        "{error:?}"
    );
    let error = world
        .store
        .tree("x/y.tar.gz", &wrong, &Limits::default())
        .expect_err("absent");
    assert!(
        matches!(error, ArtifactError::Read(ReadError::NotFound(_))),
        "{error:?}"
    );
}

fn packed(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    build(&mut builder);
    let tar = builder.into_inner().expect("memory can be written");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).expect("memory can be written");
    gzip.finish().expect("memory can be written")
}

fn entry(kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header
}

/// Appends an entry whose name the writer of the `tar` crate would refuse.
fn append_raw(builder: &mut tar::Builder<Vec<u8>>, name: &[u8], bytes: &[u8]) {
    let mut header = entry(tar::EntryType::Regular, bytes.len() as u64);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_cksum();
    builder
        .append(&header, bytes)
        .expect("memory can be written");
}

#[test]
fn archives_of_other_tools_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("in/sub")).expect("a folder");
    let long = format!("sub/{}.yaml", "n".repeat(160));
    for (path, text) in [("a.yaml", "a\n"), (long.as_str(), "long\n")] {
        std::fs::write(folder.path().join("in").join(path), text).expect("a file");
    }
    for format in ["gnu", "ustar", "pax"] {
        let long = if format == "ustar" {
            "sub/short.yaml"
        } else {
            long.as_str()
        };
        std::fs::write(folder.path().join("in/sub/short.yaml"), "long\n").expect("a file");
        let status = Command::new("tar")
            .current_dir(folder.path())
            .args([
                "-czf",
                "out.tar.gz",
                "--format",
                format,
                "-C",
                "in",
                "a.yaml",
                long,
            ])
            .args(["--transform", "s,^,./,"])
            .status()
            .expect("tar runs");
        assert!(status.success());
        let bytes = std::fs::read(folder.path().join("out.tar.gz")).expect("an archive");
        let tree = ArtifactTree::from_tar_gz(&bytes, None, &Limits::default()).expect(format);
        assert_eq!(tree.read("a.yaml"), Ok(b"a\n".to_vec()));
        assert_eq!(tree.read(long), Ok(b"long\n".to_vec()));
    }
}

fn small() -> Limits {
    Limits {
        archive: 1 << 20,
        total: 1 << 20,
        entries: 100,
        timeout: Duration::from_secs(10),
    }
}

#[test]
fn hostile_archives_are_refused() {
    let limits = small();
    let read = |bytes: &[u8]| ArtifactTree::from_tar_gz(bytes, None, &limits);
    for name in [
        b"../evil".as_slice(),
        b"a/../../evil",
        b"/etc/evil",
        b"\xff\xfe",
    ] {
        let bytes = packed(|builder| append_raw(builder, name, b"x"));
        let error = read(&bytes).expect_err("it leads out");
        assert!(matches!(error, ReadError::Entry { .. }), "{error:?}");
    }
    for kind in [
        tar::EntryType::Symlink,
        tar::EntryType::Link,
        tar::EntryType::Char,
        tar::EntryType::Fifo,
    ] {
        let bytes = packed(|builder| {
            let mut header = entry(kind, 0);
            header.set_link_name("/etc/passwd").expect("a link");
            builder
                .append_data(&mut header, "link", &b""[..])
                .expect("memory can be written");
        });
        let error = read(&bytes).expect_err("no plain file");
        assert!(matches!(error, ReadError::Entry { .. }), "{error:?}");
    }
}

#[test]
fn archives_that_unpack_to_too_much_are_refused() {
    let limits = small();
    let read = |bytes: &[u8]| ArtifactTree::from_tar_gz(bytes, None, &limits);
    let many = packed(|builder| {
        for number in 0..101 {
            let mut header = entry(tar::EntryType::Regular, 0);
            let name = format!("{number}");
            builder
                .append_data(&mut header, name, &b""[..])
                .expect("memory can be written");
        }
    });
    assert!(matches!(
        read(&many),
        Err(ReadError::TooLarge {
            what: "entries",
            ..
        })
    ));
    let bomb = packed(|builder| {
        let zeros = vec![0; 64 << 20];
        let mut header = entry(tar::EntryType::Regular, zeros.len() as u64);
        builder
            .append_data(&mut header, "zeros", &zeros[..])
            .expect("memory can be written");
    });
    assert!(bomb.len() < 1 << 20);
    assert!(matches!(
        read(&bomb),
        Err(ReadError::TooLarge { what: "bytes", .. })
    ));
    let folders = packed(|builder| {
        // A folder with a size: its bytes are skipped, but they are unpacked.
        let zeros = vec![0; 8 << 20];
        let mut header = entry(tar::EntryType::Directory, zeros.len() as u64);
        builder
            .append_data(&mut header, "zeros", &zeros[..])
            .expect("memory can be written");
        append_raw(builder, b"after", b"x");
    });
    assert!(matches!(
        read(&folders),
        Err(ReadError::TooLarge { what: "bytes", .. })
    ));
}

#[test]
fn cut_archives_and_other_digests_are_refused() {
    let limits = small();
    let read = |bytes: &[u8]| ArtifactTree::from_tar_gz(bytes, None, &limits);
    let whole = packed(|builder| append_raw(builder, b"a.yaml", &[b'x'; 5000]));
    assert!(read(&whole).is_ok());
    assert!(matches!(
        read(&whole[..whole.len() / 2]),
        Err(ReadError::Archive(_))
    ));
    assert!(matches!(
        read(b"no gzip at all"),
        Err(ReadError::Archive(_))
    ));
    let error = ArtifactTree::from_tar_gz(&whole, Some("md5:00"), &limits).expect_err("md5");
    assert!(matches!(error, ReadError::DigestForm(_)), "{error:?}");
}

// ---- the server -------------------------------------------------------------------------------

struct Served {
    world: World,
    artifact: Artifact,
    base: String,
    client: reqwest::Client,
}

async fn served() -> Served {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let world = world();
    let artifact = world.archive("abc", &MapTree::from_texts([("a.yaml", "a\n")]), None);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(serve(
        listener,
        world.folder.path().join("data"),
        std::future::pending(),
    ));
    Served {
        world,
        artifact,
        base,
        client: reqwest::Client::new(),
    }
}

#[tokio::test]
async fn archives_are_served_with_their_headers() {
    let served = served().await;
    let url = format!("{}/{}", served.base, served.artifact.path);
    let answer = served.client.get(&url).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let headers = answer.headers().clone();
    assert_eq!(headers["content-length"], served.artifact.size.to_string());
    assert_eq!(headers["content-type"], "application/gzip");
    assert!(
        headers["last-modified"]
            .to_str()
            .expect("text")
            .ends_with(" GMT")
    );
    let body = answer.bytes().await.expect("a body");
    assert_eq!(body.to_vec(), served.world.bytes(&served.artifact));
    let head = served.client.head(&url).send().await.expect("an answer");
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-length"], headers["content-length"]);
    assert_eq!(head.headers()["etag"], headers["etag"]);
    for (name, value) in [
        ("if-none-match", "etag"),
        ("if-modified-since", "last-modified"),
    ] {
        let request = served.client.get(&url).header(name, &headers[value]);
        assert_eq!(
            request.send().await.expect("an answer").status(),
            304,
            "{name}"
        );
    }
    let other = served.client.get(&url).header("if-none-match", "\"other\"");
    assert_eq!(other.send().await.expect("an answer").status(), 200);
    let post = served.client.post(&url).send().await.expect("an answer");
    assert_eq!(post.status(), 405);
    // The readiness probe of Flux's own Deployment asks for this.
    let root = served
        .client
        .get(format!("{}/", served.base))
        .send()
        .await
        .expect("an answer");
    assert_eq!(root.status(), 200);
    assert!(root.bytes().await.expect("a body").is_empty());
}

#[tokio::test]
async fn nothing_but_archives_is_served() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let served = served().await;
    std::fs::write(served.world.folder.path().join("outside"), b"secret").expect("a file");
    std::fs::write(served.world.folder.path().join("data/.hidden"), b"secret").expect("a file");
    let address = served.base.strip_prefix("http://").expect("a URL");
    for path in [
        "/../outside",
        "/gitrepository/../../outside",
        "/%2e%2e/outside",
        "/..%2foutside",
        "/gitrepository/%2e%2e/%2e%2e/outside",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/.hidden",
        "/gitrepository",
        "/gitrepository/apps/fleet/",
        "/%00",
        "/%zz",
        "/gitrepository/apps/fleet/abc.tar.gz/x",
        "/gitrepository/apps/fleet/none.tar.gz",
    ] {
        // A client would normalise such paths: they are written by hand.
        let mut stream = tokio::net::TcpStream::connect(address)
            .await
            .expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(!answer.contains("secret"), "{path}");
    }
}

#[tokio::test]
async fn artifacts_are_fetched_and_checked() {
    let served = served().await;
    let url = format!("{}/{}", served.base, served.artifact.path);
    let limits = Limits::default();
    let digest = served.artifact.digest.as_str();
    let tree = fetch_artifact(&served.client, &url, digest, &limits)
        .await
        .expect("it is fetched");
    assert_eq!(tree.read("a.yaml"), Ok(b"a\n".to_vec()));
    let gone = format!(
        "{}/gitrepository/apps/fleet/old.tar.gz?token=secret",
        served.base
    );
    let error = fetch_artifact(&served.client, &gone, digest, &limits)
        .await
        .expect_err("gone");
    assert!(error.is_gone());
    assert!(!error.to_string().contains("secret"));
    let wrong = format!("sha256:{}", "0".repeat(64));
    let error = fetch_artifact(&served.client, &url, &wrong, &limits)
        .await
        .expect_err("other");
    assert!(
        matches!(error, FetchError::Read(ReadError::Digest { .. })),
        "{error:?}"
    );
    let small = Limits {
        archive: 10,
        ..limits.clone()
    };
    let error = fetch_artifact(&served.client, &url, digest, &small)
        .await
        .expect_err("too large");
    assert!(
        matches!(error, FetchError::Read(ReadError::TooLarge { .. })),
        "{error:?}"
    );
    let nobody = "http://127.0.0.1:1/x.tar.gz";
    let error = fetch_artifact(&served.client, nobody, digest, &limits)
        .await
        .expect_err("nobody");
    assert!(matches!(error, FetchError::Transport { .. }), "{error:?}");
}

// ---- ignore rules against Git -----------------------------------------------------------------

const FOLDERS: &[&str] = &["a", "b", "ab"];
const FILES: &[&str] = &[
    "ba", "a.b", ".a", "a b", "!", "[a]", "a-b", "]", "^", "\\", "bab",
];

/// A folder with a repository and a small world of paths, and those paths with what they are.
fn universe() -> &'static (TempDir, Vec<(String, bool)>) {
    static UNIVERSE: OnceLock<(TempDir, Vec<(String, bool)>)> = OnceLock::new();
    UNIVERSE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        git(folder.path(), &["init", "--quiet", "."]);
        let mut paths = Vec::new();
        let mut pending = vec![(String::new(), 0)];
        while let Some((base, depth)) = pending.pop() {
            for name in FILES {
                let path = format!("{base}{name}");
                std::fs::write(folder.path().join(&path), b"").expect("a file");
                paths.push((path, false));
            }
            for name in FOLDERS.iter().filter(|_| depth < 2) {
                let path = format!("{base}{name}");
                std::fs::create_dir(folder.path().join(&path)).expect("a folder");
                pending.push((format!("{path}/"), depth + 1));
                paths.push((path, true));
            }
        }
        (folder, paths)
    })
}

/// What Git keeps out, for rules in a file of their own so that cases do not meet.
fn git_says(rules: &str) -> BTreeSet<String> {
    let (folder, paths) = universe();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), rules).expect("it can be written");
    let input: Vec<u8> = paths
        .iter()
        .flat_map(|(path, _)| [path.as_bytes(), b"\0"].concat())
        .collect();
    let setting = format!("core.excludesFile={}", file.path().display());
    let arguments = [
        "-c",
        &setting,
        "check-ignore",
        "--no-index",
        "--stdin",
        "-z",
    ];
    let output = try_git(folder.path(), &arguments, &input);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    output
        .stdout
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect()
}

fn we_say(rules: &str) -> BTreeSet<String> {
    let rules = IgnoreRules::from_text(rules);
    let (_, paths) = universe();
    paths
        .iter()
        .filter(|(path, folder)| rules.excludes(path, *folder))
        .map(|(path, _)| path.clone())
        .collect()
}

/// Pieces of patterns that meet often enough.
fn pattern() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b",
        "ab",
        "a.b",
        "*",
        "**",
        "?",
        "/",
        "/",
        "**/",
        "/**",
        "[ab]",
        "[!a]",
        "[^a]",
        "[a-b]",
        "[[:alpha:]]",
        "[[:punct:]]",
        "[]]",
        "[",
        "]",
        "\\",
        "\\a",
        "\\*",
        "\\[",
        "!",
        "^",
        "-",
        ".",
        " ",
        "b*",
        "[a-]",
        "[[:no:]]",
        "[\\]]",
        "[[:]",
        "***",
    ]);
    let patterns = prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat());
    // Git compares the part before the first wildcard by itself, and so takes a `**` after it for one
    // at the beginning: `a**/b` also matches `a/x/b`. Its manual and Flux see a plain star there.
    patterns.prop_filter("stars after a name", |pattern| {
        let stars = pattern.match_indices("**").map(|(at, _)| &pattern[..at]);
        stars
            .into_iter()
            .all(|before| matches!(before, "" | "!") || before.ends_with(['/', '*']))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rules_without_exceptions_answer_as_git_does(lines in prop::collection::vec(pattern(), 1..4)) {
        let rules: String = lines
            .iter()
            .map(|line| format!("{}\n", line.trim_start_matches('!')))
            .collect();
        prop_assert_eq!(we_say(&rules), git_says(&rules), "{:?}", rules);
    }

    #[test]
    fn exceptions_answer_as_git_does_where_no_folder_is_kept_out(
        lines in prop::collection::vec((any::<bool>(), pattern()), 1..5),
    ) {
        let rules: String = lines
            .iter()
            .map(|(exception, line)| format!("{}{line}\n", if *exception { "!" } else { "" }))
            .collect();
        let top = |paths: BTreeSet<String>| -> BTreeSet<String> {
            paths.into_iter().filter(|path| !path.contains('/')).collect()
        };
        prop_assert_eq!(top(we_say(&rules)), top(git_says(&rules)), "{:?}", rules);
    }
}

#[test]
fn reading_stops_at_the_end_of_an_archive() {
    // Bytes after the archive do not become files.
    let mut bytes = packed(|builder| append_raw(builder, b"a.yaml", b"a\n"));
    bytes.extend_from_slice(b"trailing");
    let tree = ArtifactTree::from_tar_gz(&bytes, None, &Limits::default()).expect("it is whole");
    assert_eq!(tree.files().len(), 1);
}
