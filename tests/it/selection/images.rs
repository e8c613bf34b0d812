//! Image names against go-containerregistry.

use super::random::Random;
use crate::support::oracle::ask;
use highwater::domain::image::{ImageName, ImageNameError};
use serde::Deserialize;

#[derive(Deserialize)]
struct ImageAnswer {
    error: Option<String>,
    canonical: String,
    registry: String,
    repository: String,
    tagged: bool,
    local: bool,
}

const HOSTS: &[&str] = &[
    "",
    "",
    "docker.io/",
    "index.docker.io/",
    "localhost/",
    "localhost:5000/",
    "ghcr.io/",
    "a.b:99/",
    "[::1]/",
    "127.0.0.1/",
    "127.0.0.1:123456/",
    "127.0.0.2/",
    "10.0.0.1:5/",
    "10.0.0.01/",
    "172.16.9.9/",
    "172.15.9.9/",
    "192.168.1.1:x/",
    "192.168.1.1:50000/",
    "a.localhost:1/",
    "localhost:/",
    ".localhost/",
    "[::1]:80/",
    "[1.2.3.4]/",
    "x:/",
    "x:y/",
    "1.2.3.4/",
    "a:1:2/",
    "u@h.x/",
    "h.x?/",
    "h.x#/",
    "h%41.x/",
    "é.x/",
    "a b.c/",
    "h]x.y/",
    "<.>/",
    "[fe80::1%25en0]/",
    "[x]:1/",
    "a.b[c]/",
    "!$&.x/",
    "\\.x/",
    "^.x/",
    "HOST.io/",
    "docker.io:443/",
];

const PARTS: &[&str] = &[
    "a", "lib", "0", "/", "/", ".", "-", "_", "__", "A", "é", "x/y", "//", ":", "@",
];

const ENDS: &[&str] = &[
    "",
    "",
    "",
    "",
    ":1",
    ":v1.2_3-x",
    ":",
    "::",
    ":é",
    "@sha256:",
    "@sha256:abc",
    "@@",
];

fn image_case(random: &mut Random) -> String {
    let mut text = random.pick(HOSTS).to_owned() + &random.join(PARTS, 0, 5) + random.pick(ENDS);
    if random.one_in(6) {
        let digit = random.pick(&["0", "a", "f", "A"]);
        let (name, length) =
            [("sha256", 64), ("sha512", 128), ("sha384", 96), ("md5", 32)][random.below(4)];
        text += &format!("@{name}:{}", digit.repeat(length));
    }
    if random.one_in(50) {
        text = "a".repeat(250 + random.below(10));
    }
    text
}

#[test]
fn image_names_are_read_as_go_containerregistry_reads_them() {
    let mut random = Random::new();
    let mut images = random.cases(4000, image_case);
    // Flux looks for a scheme before it asks go-containerregistry.
    images.retain(|image| !image.contains("://"));
    let answers: Vec<ImageAnswer> = ask("image", &images);
    for (image, answer) in images.iter().zip(answers) {
        let ours = ImageName::parse(image);
        let agree = match (&ours, answer.error) {
            (Err(ImageNameError::Malformed(_)), Some(error)) => {
                error == ours.as_ref().unwrap_err().to_string()
            }
            (Err(ImageNameError::Tag { .. } | ImageNameError::Digest { .. }), None) => {
                answer.tagged
            }
            (Ok(name), None) => {
                let parts = (
                    answer.canonical.as_str(),
                    answer.registry.as_str(),
                    answer.repository.as_str(),
                );
                !answer.tagged
                    && name.is_registry_local() == answer.local
                    && parts == (name.canonical(), name.registry(), name.repository())
            }
            _ => false,
        };
        assert!(
            agree,
            "`{image}`: {ours:?}, but Go: {} (seed {})",
            answer.canonical, random.seed
        );
    }
}
