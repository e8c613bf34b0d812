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

fn newest(limit: usize, times: &[(&str, i64)]) -> Policy {
    let moment = Moment::Created;
    let at = |second| jiff::Timestamp::from_second(second).unwrap();
    let times = times
        .iter()
        .map(|(tag, second)| ((*tag).to_owned(), at(*second)));
    Policy::new(Choice::Newest { moment, limit }, filter("^main-", ""))
        .unwrap()
        .knowing(times.collect())
}

#[test]
fn the_latest_calendar_version_is_selected() {
    let choice = |layout: &str| Choice::CalVer {
        layout: layout.to_owned(),
    };
    let tags = [
        "2024.2.0",
        "2024.10.1",
        "2024.10.0",
        "2024.13.9",
        "2025.01.1",
        "latest",
    ];
    assert_eq!(tag(choice("YYYY.MM.MICRO"), None, &tags), "2024.10.1");
    assert_eq!(tag(choice("YYYY.0M.MICRO"), None, &tags), "2025.01.1");
    assert_eq!(
        tag(
            choice("YYYY.MICRO"),
            filter("^build-(.*)$", "$1"),
            &["build-2024.007", "build-2024.10"]
        ),
        "build-2024.10"
    );
    assert_eq!(
        reason(choice("YY.0M"), filter("^v", ""), &["v1", "v2.1", "latest"]),
        "unable to determine latest version from provided list: none of 2 tags follows the layout `YY.0M`, for example `v2.1` does not"
    );
    assert_eq!(
        Policy::new(choice("MAJOR"), None).unwrap_err().to_string(),
        "invalid policy: invalid layout 'MAJOR': it has no date; hint: the words are YYYY, YY, 0Y, MM, 0M, WW, 0W, DD, 0D, MAJOR, MINOR, MICRO and MODIFIER"
    );
}

#[test]
fn the_newest_image_is_selected_and_of_equal_ones_the_byte_greatest() {
    let tags: TagSet = ["main-a", "main-b", "main-c", "dev-d"]
        .into_iter()
        .collect();
    let times = [("main-a", 9), ("main-b", 9), ("main-c", 3), ("dev-d", 99)];
    let policy = newest(100, &times);
    assert_eq!(policy.select(&tags).unwrap().tag, "main-b");
    let question = policy.question(&tags).unwrap().unwrap();
    assert_eq!(question.tags, ["main-c", "main-b", "main-a"]);
    // A tag whose image tells no time does not count.
    assert_eq!(
        newest(100, &times[2..]).select(&tags).unwrap().tag,
        "main-c"
    );
    assert_eq!(
        newest(100, &[]).select(&tags).unwrap_err().to_string(),
        "unable to determine latest version from provided list: none of 3 tags has a creation time, for example `main-c` has none; \
         hint: reproducible builds leave it out, an annotation `org.opencontainers.image.created` can tell it"
    );
}

#[test]
fn of_more_tags_than_may_be_asked_for_none_is_selected() {
    let tags: TagSet = ["main-a", "main-b", "main-c", "dev"].into_iter().collect();
    assert!(newest(3, &[]).question(&tags).is_ok());
    assert_eq!(
        newest(2, &[]).question(&tags).unwrap_err().to_string(),
        "unable to determine latest version from provided list: 3 tags stand for election, and no more than 2 are asked for their time; \
         hint: leave out tags with `filterTags`, or raise `limit`"
    );
    for (limit, extract) in [(0, ""), (LARGEST_LIMIT + 1, ""), (1, "$1")] {
        let moment = Moment::Created;
        assert!(Policy::new(Choice::Newest { moment, limit }, filter("(.*)", extract)).is_err());
    }
}

#[test]
fn times_that_say_nothing_are_none() {
    for (text, expected) in [
        ("2024-01-31T10:20:30.123456789Z", Some(1_706_696_430)),
        ("2024-01-31T12:20:30+02:00", Some(1_706_696_430)),
        // What bazel, ko and buildpacks write.
        ("0001-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:00Z", None),
        ("1980-01-01T00:00:01Z", None),
        ("yesterday", None),
        ("", None),
    ] {
        assert_eq!(
            creation_time(text).map(|time| time.as_second()),
            expected,
            "{text}"
        );
    }
}

#[test]
fn why_says_what_the_explanation_says() {
    let tags: TagSet = [
        "main-a-7",
        "main-b-7",
        "main-3",
        "2024.01.0",
        "2023.12.1",
        "dev",
    ]
    .into_iter()
    .collect();
    let numbers = Policy::new(ASCENDING, filter("^main-.*?([0-9]+)$", "$1")).unwrap();
    let layout = "YYYY.0M.MICRO".to_owned();
    let calendar = Policy::new(Choice::CalVer { layout }, None).unwrap();
    let chronology = newest(9, &[("main-a-7", 1_700_000_000), ("main-3", 1_600_000_000)]);
    for (policy, words) in [
        (
            numbers,
            "`main-a-7` (`7`) is the greatest number of 2 candidates among 6 tags, next would be `main-3`",
        ),
        (
            calendar,
            "`2024.01.0` is the latest version by `YYYY.0M.MICRO` of 2 candidates among 6 tags, next would be `2023.12.1`",
        ),
        (
            chronology,
            "`main-a-7` (`2023-11-14T22:13:20Z`) is the image that was created last of 2 candidates among 6 tags, next would be `main-3`",
        ),
    ] {
        let why = policy.why(&tags, &policy.select(&tags).unwrap());
        assert_eq!(why.to_string(), words);
        let explanation =
            policy.explain(&tags, &crate::domain::tags::Exclusions::new(&[]).unwrap());
        assert_eq!(explanation.why(), words);
    }
}
