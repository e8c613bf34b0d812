use super::*;

fn semver(range: &str) -> Choice {
    Choice::SemVer {
        range: range.to_owned(),
    }
}

fn filter(pattern: &str, extract: &str) -> Option<TagFilter> {
    Some(TagFilter {
        pattern: pattern.to_owned(),
        extract: extract.to_owned(),
    })
}

fn select(choice: Choice, filter: Option<TagFilter>, tags: &[&str]) -> Result<Selected, NoMatch> {
    Policy::new(choice, filter)
        .unwrap()
        .select(&tags.iter().copied().collect())
}

fn tag(choice: Choice, filter: Option<TagFilter>, tags: &[&str]) -> String {
    select(choice, filter, tags).unwrap().tag
}

fn reason(choice: Choice, filter: Option<TagFilter>, tags: &[&str]) -> String {
    select(choice, filter, tags).unwrap_err().to_string()
}

const ASCENDING: Choice = Choice::Numerical {
    order: Order::Ascending,
};
const DESCENDING: Choice = Choice::Numerical {
    order: Order::Descending,
};

#[test]
fn the_highest_version_in_the_range_is_selected() {
    let tags = [
        "1.0.0",
        "1.2.0",
        "1.10.0",
        "v1.9.9",
        "2.0.0",
        "1.11.0-rc.1",
        "latest",
        "1.99",
        "1.98.0.1",
    ];
    assert_eq!(tag(semver("1.x"), None, &tags), "1.10.0");
    assert_eq!(tag(semver(">=1.0.0"), None, &tags), "2.0.0");
    assert_eq!(tag(semver("1.x-0"), None, &tags), "1.11.0-rc.1");
}

#[test]
fn of_equal_versions_the_byte_greatest_is_selected() {
    assert_eq!(
        tag(semver("*"), None, &["1.0.0", "v1.0.0", "01.0.0"]),
        "v1.0.0"
    );
    assert_eq!(
        tag(
            semver("*"),
            filter("^x-(.*)$", "$1"),
            &["x-1.0.0", "x-v1.0.0", "x-01.0.0"]
        ),
        "x-v1.0.0"
    );
}

#[test]
fn tags_that_extract_to_one_value_are_represented_by_the_byte_smallest() {
    let tags = ["1.0.0-b", "1.0.0-a", "1.0.0-c", "0.9.0-z"];
    let selected = select(semver("*"), filter(r"^(\d+\.\d+\.\d+)-[a-z]$", "$1"), &tags).unwrap();
    assert_eq!(
        selected,
        Selected {
            tag: "1.0.0-a".into(),
            value: "1.0.0".into()
        }
    );
    assert_eq!(
        tag(ASCENDING, filter(r"^(\d+)-", "$1"), &["7-b", "7-a", "6-0"]),
        "7-a"
    );
    assert_eq!(
        tag(DESCENDING, filter(r"^(\d+)-", "$1"), &["7-b", "7-a", "8-0"]),
        "7-a"
    );
}

#[test]
fn alphabetical_order_is_by_bytes() {
    let tags = ["a", "b", "B", "z10", "z9"];
    let choice = |order| Choice::Alphabetical { order };
    assert_eq!(tag(choice(Order::Ascending), None, &tags), "z9");
    assert_eq!(tag(choice(Order::Descending), None, &tags), "B");
    assert_eq!(
        tag(choice(Order::Ascending), filter("^(.).*", "$1"), &tags),
        "z10",
        "of equal values the smallest tag"
    );
}

#[test]
fn numbers_are_compared_exactly() {
    let timestamps = [
        "20251123010203997",
        "20251123010203999",
        "20251123010203998",
    ];
    assert_eq!(tag(ASCENDING, None, &timestamps), "20251123010203999");
    assert_eq!(tag(DESCENDING, None, &timestamps), "20251123010203997");
    assert_eq!(
        tag(ASCENDING, None, &["9", "10", "1e1", "010"]),
        "010",
        "of equal numbers the byte-smallest"
    );
    assert_eq!(tag(DESCENDING, None, &["10", "1e1", "010", "11"]), "010");
}

#[test]
fn not_a_number_is_selected_only_when_there_is_nothing_else() {
    assert_eq!(tag(ASCENDING, None, &["nan", "-5", "NaN"]), "-5");
    assert_eq!(tag(DESCENDING, None, &["nan", "-5", "5"]), "-5");
    assert_eq!(tag(ASCENDING, None, &["nan", "-inf"]), "-inf");
    assert_eq!(tag(DESCENDING, None, &["nan", "NaN"]), "NaN");
}

#[test]
fn the_filter_selects_tags_and_the_part_to_order() {
    let tags = ["main-aaa-20", "main-bbb-3", "dev-ccc-99", "main-20"];
    let pattern = "^main-[a-f0-9]+-(?P<ts>[0-9]+)";
    let selected = select(ASCENDING, filter(pattern, "$ts"), &tags).unwrap();
    assert_eq!(
        selected,
        Selected {
            tag: "main-aaa-20".into(),
            value: "20".into()
        }
    );
    assert_eq!(
        tag(
            Choice::Alphabetical {
                order: Order::Ascending
            },
            filter("^dev", ""),
            &tags
        ),
        "dev-ccc-99"
    );
}

#[test]
fn the_reason_for_no_version_is_told() {
    assert_eq!(
        reason(
            semver(">=2.0"),
            None,
            &["1.0.0", "1.9.3", "2.1.0-rc.1", "2.1.0-rc.2", "latest"]
        ),
        "unable to determine latest version from provided list: of 5 tags 4 are versions of the form N.N.N and none is in `>=2.0`; the highest \
         release is `1.9.3`; prereleases such as `2.1.0-rc.2` count only if the range names one; hint: end a bound with `-0`"
    );
    assert_eq!(
        reason(semver("1.x"), filter("^v", ""), &["v2.0.0", "1.0.0"]),
        "unable to determine latest version from provided list: of 2 tags, 1 passed the filter, of which 1 is a version of the form N.N.N and none is \
         in `1.x`; the highest release is `v2.0.0`"
    );
    assert_eq!(
        reason(semver("*"), None, &["latest", "1.2"]),
        "unable to determine latest version from provided list: of 2 tags none is a version of the form N.N.N, for example `latest` is not"
    );
}

#[test]
fn an_empty_list_is_told_apart_from_an_emptied_one() {
    assert_eq!(
        reason(semver("*"), None, &[]),
        "version list argument cannot be empty: the image has no tags"
    );
    assert_eq!(
        reason(ASCENDING, filter("^v", ""), &["1", "2"]),
        "version list argument cannot be empty: none of 2 tags matches `^v`"
    );
}

#[test]
fn one_tag_that_is_no_number_fails_a_numerical_policy() {
    let no_match = select(
        ASCENDING,
        filter("-(.*)$", "$1"),
        &["a-1", "b-x", "c-2", "d"],
    )
    .unwrap_err();
    assert_eq!(
        no_match.flux_message(),
        "failed to parse invalid numeric value 'x'"
    );
    assert_eq!(
        no_match.cause,
        Cause::NotNumeric {
            tag: "b-x".into(),
            value: "x".into()
        }
    );
    assert_eq!((no_match.tags, no_match.passed), (4, 3));
    assert_eq!(
        no_match.to_string(),
        "failed to parse invalid numeric value 'x': tag `b-x` is one of 3 tags that must all be numbers; hint: leave out the others with `filterTags`"
    );
}

#[test]
fn invalid_policies_are_told_in_the_words_of_flux() {
    let message = |choice, filter| Policy::new(choice, filter).unwrap_err().to_string();
    assert_eq!(
        message(semver(""), None),
        r#"invalid policy: improper constraint: """#
    );
    assert_eq!(
        message(semver("*"), filter("a(", "")),
        "failed to filter tags: invalid regular expression pattern 'a(': error parsing regexp: missing closing ): `a(`"
    );
    assert_eq!(
        message(semver("*"), filter("a", &"$1".repeat(257))),
        "failed to filter tags: extract is longer than 512 bytes"
    );
    assert_eq!(
        PolicyError::NoChoice.to_string(),
        "invalid policy: given ImagePolicyChoice object is invalid"
    );
}

#[test]
fn orders_are_read_in_any_case() {
    for (text, order) in [
        ("", Order::Ascending),
        ("asc", Order::Ascending),
        ("Desc", Order::Descending),
        ("DESC", Order::Descending),
    ] {
        assert_eq!(Order::parse(text).unwrap(), order);
    }
    assert_eq!(
        Order::parse("up").unwrap_err().to_string(),
        "invalid policy: invalid order argument provided: 'UP', must be one of: ASC, DESC"
    );
}
