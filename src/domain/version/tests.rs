use super::*;

#[test]
fn versions_are_read_loosely() {
    for (text, numbers) in [
        ("1", [1, 0, 0]),
        ("1.2", [1, 2, 0]),
        ("v1.2.3", [1, 2, 3]),
        ("01.02.003", [1, 2, 3]),
        ("20240101", [20_240_101, 0, 0]),
        ("2025.02.03-rc.1", [2025, 2, 3]),
        ("18446744073709551615.0.0", [u64::MAX, 0, 0]),
    ] {
        let version = Version::parse(text).unwrap();
        assert_eq!(
            [version.major(), version.minor(), version.patch()],
            numbers,
            "{text}"
        );
        assert_eq!(version.text(), text);
    }
    let version = Version::parse("v1.2.3-rc.1-x+b.01").unwrap();
    assert_eq!((version.prerelease(), version.build()), ("rc.1-x", "b.01"));
    let version = Version::parse("1+b-1").unwrap();
    assert_eq!((version.prerelease(), version.build()), ("", "b-1"));
}

#[test]
fn what_masterminds_refuses_is_no_version() {
    let malformed = [
        "",
        "v",
        "V1.2.3",
        " 1.2.3",
        "1.2.3.4",
        "1.2.x",
        "1.2.3-",
        "1.2.3+",
        "1.2.3-a..b",
        "1.2.3-a_b",
        "1.2.3-+b",
        "1..2",
        ".1",
        "vv1",
        "1.2.3 ",
        "1.2.3+a+b",
        "latest",
        "1.2.3-é",
    ];
    for text in malformed {
        assert_eq!(
            Version::parse(text).unwrap_err(),
            VersionError::Malformed,
            "{text}"
        );
    }
    assert_eq!(
        Version::parse("1.2.3-01").unwrap_err(),
        VersionError::LeadingZero
    );
    assert_eq!(
        Version::parse("1.2.3-rc.00").unwrap_err(),
        VersionError::LeadingZero
    );
    assert_eq!(
        Version::parse("18446744073709551616.0.0").unwrap_err(),
        VersionError::NumberTooLarge
    );
    assert_eq!(
        Version::parse(&format!("1.2.3-{}", "a".repeat(251))).unwrap_err(),
        VersionError::TooLong
    );
    assert!(Version::parse(&format!("1.2.3-{}", "a".repeat(250))).is_ok());
}

#[test]
fn a_tag_needs_two_dots_to_be_a_version() {
    for tag in [
        "1.2.3",
        "v1.2.3",
        "1.2.3-rc",
        "2024.01.02",
        "1.2-a.b",
        "1-a.b.c",
    ] {
        assert!(Version::parse_tag(tag).is_ok(), "{tag}");
    }
    for tag in ["1", "1.2", "v1", "20240101", "1.2-rc", "1.2.3.4"] {
        assert!(Version::parse_tag(tag).is_err(), "{tag}");
    }
}

/// The list of the semantic versioning specification (section 11), and where Masterminds decides what it leaves open.
#[test]
fn versions_are_ordered_by_precedence() {
    let ascending = [
        "0.9.9",
        "1.0.0-0",
        "1.0.0-2",
        "1.0.0-11",
        "1.0.0-99999999999999999999",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1",
        "1.1.0",
        "2.0.0",
        "10.0.0",
    ];
    for (index, one) in ascending.iter().enumerate() {
        for (other_index, other) in ascending.iter().enumerate() {
            let order = Version::parse(one)
                .unwrap()
                .precedence(&Version::parse(other).unwrap());
            assert_eq!(order, index.cmp(&other_index), "{one} and {other}");
        }
    }
}

#[test]
fn precedence_does_not_look_at_build_or_spelling() {
    for (one, other) in [
        ("1.2.3+a", "1.2.3+b"),
        ("v1.2.3", "1.2.3"),
        ("1.2", "1.2.0"),
        ("01.2.3", "1.2.3"),
    ] {
        let order = Version::parse(one)
            .unwrap()
            .precedence(&Version::parse(other).unwrap());
        assert_eq!(order, Ordering::Equal, "{one} and {other}");
    }
}

fn holds(range: &str, version: &str) -> bool {
    VersionRange::parse(range)
        .unwrap()
        .contains(&Version::parse(version).unwrap())
}

#[test]
fn prereleases_count_in_groups_that_name_one() {
    assert!(!holds(">=1.0.0", "1.3.0-beta.1"));
    assert!(holds(">=1.0.0-0", "1.3.0-beta.1"));
    assert!(
        holds(">=1.0.0-0 <2.0.0", "2.0.0-rc.1"),
        "for the whole group"
    );
    assert!(holds("<1.0.0 || >=1.0.0-0", "1.3.0-beta.1"));
    assert!(
        !holds("<1.0.0-0 || >=1.0.0", "1.3.0-beta.1"),
        "not for other groups"
    );
    assert!(holds("*-0", "0.0.0-0") && !holds("*", "0.0.0-0"));
}

#[test]
fn ranges_keep_their_quirks() {
    assert!(holds("~0.0.0", "3.2.1"), "everything");
    assert!(holds("1.2", "1.2.9"), "like ~1.2");
    assert!(!holds("1.2.0", "1.2.9"), "exactly");
    assert!(!holds("^0.2.3", "0.3.0") && holds("^0.2.3", "0.2.9"));
    assert!(!holds("^0.0.3", "0.0.4") && holds("^0.0", "0.0.4"));
    assert!(!holds(">1.2", "1.2.9") && holds(">1.2", "1.3.0"));
    assert!(holds("<=1.2", "1.2.9") && holds("!=1.2", "1.3.0") && !holds("!=1.2", "1.2.9"));
    assert!(holds("1.2 - 2.3", "2.3.9") && !holds("1.2 - 2.3.0", "2.3.9"));
    assert!(holds("1.2.3+x", "1.2.3+y"), "build metadata does not count");
}

#[test]
fn malformed_ranges_are_told_in_the_words_of_masterminds() {
    let message = |range: &str| VersionRange::parse(range).unwrap_err().to_string();
    assert_eq!(message(""), r#"improper constraint: """#);
    assert_eq!(message("1.2.3 ||"), r#"improper constraint: """#);
    assert_eq!(message("==1.2.3"), r#"improper constraint: "==1.2.3""#);
    assert_eq!(
        message("a\"b\\\n\u{1}"),
        r#"improper constraint: "a\"b\\\n\x01""#
    );
    assert_eq!(message("1|x"), "constraint parser error");
    assert_eq!(message("1.2.3-01"), "constraint parser error");
    assert_eq!(
        message(&"1".repeat(513)),
        "constraint string is too long (max 512 bytes)"
    );
    assert_eq!(
        message(&["1"; 33].join("||")),
        "too many constraint groups (max 32)"
    );
    assert!(VersionRange::parse(&["1"; 32].join("||")).is_ok());
}

#[test]
fn a_range_tells_what_it_would_hold_with_prereleases() {
    let range = VersionRange::parse(">=1.0").unwrap();
    let version = Version::parse("1.1.0-rc.1").unwrap();
    assert!(!range.contains(&version) && range.would_contain(&version));
    assert!(!range.would_contain(&Version::parse("0.9.0-rc.1").unwrap()));
    assert_eq!(range.text(), ">=1.0");
}
