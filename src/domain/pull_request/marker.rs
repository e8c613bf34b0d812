//! The hidden part of a body: whose the pull request is, and for what.
//!
//! Invariant: reading never fails, whatever a person made of the body; what is no marker is none.
//! Only the last one counts, and it is written last, so nothing that a body quotes can stand for it.

use super::forge::ForgeKind;
use super::group::{Images, short, version};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the marker begins, where HTML comments are hidden.
const COMMENT: (&str, &str) = ("<!-- highwater:", "-->");
/// How it begins elsewhere: a link definition that nothing refers to, which is hidden everywhere.
const DEFINITION: (&str, &str) = ("[//]: # (highwater:", ")");
/// The longest marker that is read, in bytes.
const LONGEST: usize = 32 * 1024;
/// Most policies whose images are told one by one.
const MOST_IMAGES: usize = 100;

/// Why highwater closed a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ended {
    /// Another one proposes more.
    Superseded,
    /// There is nothing left that it would change.
    NotNeeded,
}

/// What a body says to highwater.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// The automation, `namespace/name`.
    pub automation: String,
    /// The automation's uid when this was written. The same automation, made again, has another.
    #[serde(default)]
    pub uid: String,
    /// The group.
    pub group: String,
    /// The version of the whole proposal.
    pub version: String,
    /// A digest of each policy's image; empty when there are too many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub images: BTreeMap<String, String>,
    /// The fingerprint of what title and body say.
    pub text: String,
    /// The commit of the base that the branch was built on.
    pub base: String,
    /// The commit that was pushed.
    pub head: String,
    /// Since when this version is proposed.
    pub since: Timestamp,
    /// Why highwater closed it, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

impl Marker {
    /// The digests of images, as they stand in a marker.
    pub fn digests(images: &Images) -> BTreeMap<String, String> {
        if images.len() > MOST_IMAGES {
            return BTreeMap::new();
        }
        images
            .iter()
            .map(|(policy, image)| (policy.clone(), short(image)))
            .collect()
    }

    /// Whether everything in `images` was proposed by this one already.
    pub fn covers(&self, images: &Images) -> bool {
        let each = || {
            images
                .iter()
                .all(|(policy, image)| self.images.get(policy) == Some(&short(image)))
        };
        self.version == version(images) || !images.is_empty() && each()
    }

    /// The marker as the last line of a body. At most `longest` bytes: without the single images if need
    /// be.
    pub fn write(&self, kind: ForgeKind, longest: usize) -> String {
        let written = self.line(kind);
        if written.len() <= longest {
            return written;
        }
        let short = Self {
            images: BTreeMap::new(),
            ..self.clone()
        };
        short.line(kind)
    }

    fn line(&self, kind: ForgeKind) -> String {
        // A struct of texts serializes always.
        let json = serde_json::to_string(self).unwrap_or_default();
        match kind {
            ForgeKind::BitbucketCloud | ForgeKind::BitbucketDataCenter => {
                let (start, end) = DEFINITION;
                format!("{start}{}{end}", URL_SAFE_NO_PAD.encode(json))
            }
            _ => {
                let (start, end) = COMMENT;
                // Neither sign is needed in JSON but inside of texts.
                let json = json.replace('<', "\\u003c").replace('>', "\\u003e");
                format!("{start} {json} {end}")
            }
        }
    }

    /// The last marker in a body.
    pub fn read(body: &str) -> Option<Self> {
        let comment = last(body, COMMENT).map(|(at, json)| (at, json.trim().to_owned()));
        let definition = last(body, DEFINITION).and_then(|(at, text)| {
            let json = URL_SAFE_NO_PAD.decode(text.trim()).ok()?;
            Some((at, String::from_utf8(json).ok()?))
        });
        let (_, json) = comment
            .into_iter()
            .chain(definition)
            .max_by_key(|(at, _)| *at)?;
        serde_json::from_str(&json).ok()
    }

    /// A body without its last marker: what stands before it, and what a person wrote behind it, as one
    /// does who goes on at the end of what the forge shows.
    pub fn strip(body: &str) -> String {
        let range = |(start, end): (&str, &str)| {
            let (at, text) = last(body, (start, end))?;
            Some((at, at + start.len() + text.len() + end.len()))
        };
        let found = [COMMENT, DEFINITION].into_iter().filter_map(range).max();
        let (before, behind) = match found {
            Some((start, end)) => (body[..start].trim_end(), body[end..].trim()),
            None => (body.trim_end(), ""),
        };
        match behind {
            "" => before.to_owned(),
            behind => format!("{before}\n\n{behind}"),
        }
    }
}

/// What stands in the last marker of a form, and where that begins.
fn last<'b>(body: &'b str, (start, end): (&str, &str)) -> Option<(usize, &'b str)> {
    let at = body.rfind(start)?;
    let rest = &body[at + start.len()..];
    let length = rest.find(end).filter(|length| *length <= LONGEST)?;
    Some((at, &rest[..length]))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in super::super) fn images(pairs: &[(&str, &str)]) -> Images {
        pairs
            .iter()
            .map(|(policy, image)| ((*policy).to_owned(), (*image).to_owned()))
            .collect()
    }

    pub(in super::super) fn marker(wanted: &Images) -> Marker {
        Marker {
            automation: "apps/fleet".to_owned(),
            uid: "7c1".to_owned(),
            group: "app".to_owned(),
            version: version(wanted),
            images: Marker::digests(wanted),
            text: "0011".to_owned(),
            base: "b".repeat(40),
            head: "a".repeat(40),
            since: Timestamp::from_second(1_790_000_000).expect("a time"),
            ended: None,
        }
    }

    const KINDS: [ForgeKind; 6] = [
        ForgeKind::GitHub,
        ForgeKind::GitLab,
        ForgeKind::Gitea,
        ForgeKind::BitbucketCloud,
        ForgeKind::BitbucketDataCenter,
        ForgeKind::Azure,
    ];

    #[test]
    fn a_proposal_covers_its_parts_and_nothing_newer() {
        let both = images(&[("app", "a:1"), ("web", "w:1")]);
        let marker = marker(&both);
        assert!(marker.covers(&both));
        assert!(
            marker.covers(&images(&[("app", "a:1")])),
            "the other one is in by now"
        );
        assert!(!marker.covers(&images(&[("app", "a:2")])));
        assert!(!marker.covers(&images(&[("app", "a:1"), ("web", "w:2")])));
        assert!(!marker.covers(&images(&[])));
    }

    #[test]
    fn too_many_images_are_known_by_their_version_alone() {
        let many: Images = (0..500)
            .map(|n| (format!("p{n}"), format!("i:{n}")))
            .collect();
        let marker = marker(&many);
        assert!(marker.write(ForgeKind::Azure, 1000).len() < 1000);
        assert!(marker.covers(&many));
    }

    #[test]
    fn the_images_are_left_out_where_there_is_no_room() {
        let some: Images = (0..50)
            .map(|n| (format!("p{n}"), format!("i:{n}")))
            .collect();
        let marker = marker(&some);
        let written = marker.write(ForgeKind::Azure, 1000);
        let read = Marker::read(&written).expect("it is a marker");
        assert!(written.len() < 1000 && read.images.is_empty() && read.covers(&some));
    }

    #[test]
    fn the_last_marker_counts_and_what_is_none_is_none() {
        let (old, new) = (
            marker(&images(&[("app", "a:1")])),
            marker(&images(&[("app", "a:2")])),
        );
        let body = format!(
            "{}\ntext\n{}",
            old.write(ForgeKind::GitHub, 9000),
            new.write(ForgeKind::BitbucketCloud, 9000)
        );
        assert_eq!(Marker::read(&body), Some(new));
        for body in [
            "",
            "<!-- highwater: {} -->",
            "<!-- highwater: ",
            "[//]: # (highwater:!!)",
            "<!-- highwater: null -->",
        ] {
            assert_eq!(Marker::read(body), None, "{body}");
        }
        assert_eq!(
            Marker::strip(&format!(
                "hello\n\n{}\r\n",
                old.write(ForgeKind::Gitea, 9000)
            )),
            "hello"
        );
    }

    #[test]
    fn what_a_person_writes_behind_the_marker_is_kept() {
        for kind in KINDS {
            let line = marker(&images(&[("a", "a:1")])).write(kind, 9000);
            let body = format!("hello\n\n{line}\r\n\r\n- [x] looked at\n");
            assert_eq!(Marker::strip(&body), "hello\n\n- [x] looked at");
            let again = format!("{}\n\n{line}", Marker::strip(&body));
            assert_eq!(Marker::strip(&again), Marker::strip(&body));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_on_every_forge(group in "\\PC{0,20}", policy in "[a-z<>-]{1,10}", text in "\\PC{0,50}") {
            let mut marker = marker(&images(&[(&policy, "a:1")]));
            marker.group = group;
            for kind in KINDS {
                let body = format!("{text}\n\n{}", marker.write(kind, 9000));
                prop_assert_eq!(Marker::read(&body), Some(marker.clone()));
                prop_assert_eq!(Marker::strip(&body), text.trim_end());
            }
        }

        #[test]
        fn no_body_panics(body in "(<!-- highwater:|-->|\\[//\\]: # \\(highwater:|\\)|\\PC){0,20}") {
            let _ = (Marker::read(&body), Marker::strip(&body).len());
        }
    }
}
