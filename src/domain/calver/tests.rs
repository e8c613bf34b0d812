use super::*;
use proptest::prelude::*;

fn layout(text: &str) -> Layout {
    Layout::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A layout, what follows it and what does not: the examples of calver.org's table of the vocabulary, and more.
type Row = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const VOCABULARY: &[Row] = &[
    (
        "YYYY",
        &["2006", "2016", "2106"],
        &["6", "16", "0206", "20061", "x"],
    ),
    ("YY", &["6", "16", "106", "0"], &["06", "016", "1006", ""]),
    ("0Y", &["06", "16", "106", "00"], &["6", "006", "1006"]),
    (
        "YYYY-MM",
        &["2026-1", "2026-2", "2026-11", "2026-12"],
        &["2026-01", "2026-0", "2026-13", "2026-"],
    ),
    (
        "YYYY-0M",
        &["2026-01", "2026-02", "2026-11", "2026-12"],
        &["2026-1", "2026-00", "2026-13", "2026-012"],
    ),
    (
        "YYYY-WW",
        &["2026-1", "2026-2", "2026-33", "2026-52", "2026-53"],
        &["2026-01", "2026-54", "2026-0"],
    ),
    (
        "YYYY-0W",
        &["2026-01", "2026-33", "2026-53"],
        &["2026-1", "2026-54", "2026-00"],
    ),
    (
        "YYYY-MM-DD",
        &["2026-1-1", "2026-1-31"],
        &["2026-1-01", "2026-1-32", "2026-1-0"],
    ),
    (
        "YYYY-MM-0D",
        &["2026-1-01", "2026-1-31"],
        &["2026-1-1", "2026-1-32"],
    ),
    (
        "YYYY.MAJOR",
        &["2026.0", "2026.12", "2026.007"],
        &["2026.", "2026.-1", "2026.1.0"],
    ),
    ("YYYY.MINOR", &["2026.18446744073709551616"], &["2026.x"]),
    ("YYYY.MICRO", &["2026.3"], &["2026.3-rc1"]),
    (
        "YYYY.MICRO-MODIFIER",
        &["2026.3-rc1", "2026.3-dev", "2026.3"],
        &["2026.3-", "2026.3rc1", "2026.3-1"],
    ),
    (
        "YYYY.MICROMODIFIER",
        &["2026.3rc1", "2026.3", "2026.3b.2"],
        &["2026.3-rc1"],
    ),
];

#[test]
fn every_word_of_the_vocabulary_is_read_as_calver_org_has_it() {
    for (word, taken, refused) in VOCABULARY {
        let layout = layout(word);
        for text in *taken {
            assert!(layout.read(text).is_ok(), "{word}: {text}");
        }
        for text in *refused {
            assert!(layout.read(text).is_err(), "{word}: {text}");
        }
    }
}

#[test]
fn a_day_that_the_calendar_has_not_follows_no_layout() {
    let days = layout("YYYY.0M.0D");
    for (text, expected) in [
        ("2024.02.29", Ok(())),
        ("2023.02.29", Err(Misfit::Date)),
        ("2024.02.30", Err(Misfit::Date)),
        ("2100.02.29", Err(Misfit::Date)),
        ("2000.02.29", Ok(())),
        ("2024.04.31", Err(Misfit::Date)),
        ("2024.13.01", Err(Misfit::Date)),
        ("2024.00.01", Err(Misfit::Date)),
        ("2024.1.1", Err(Misfit::Form)),
        ("2024.01.01.1", Err(Misfit::Form)),
    ] {
        assert_eq!(days.read(text).map(|_| ()), expected, "{text}");
    }
    // With no year, a day of any year will do.
    assert!(layout("0M-0D").read("02-29").is_ok());
    assert_eq!(layout("YY.0W").read("26.54"), Err(Misfit::Date));
}

#[test]
fn digits_that_run_together_have_two_places() {
    let joined = layout("YYYYMMDD");
    assert!(joined.read("20240131").is_ok() && joined.read("2024131").is_err());
    assert!(layout("vYYMM.MICRO").read("v2401.7").is_ok());
    assert!(layout("YYYY0M0D-MICRO").read("20240131-2").is_ok());
    assert!(layout("YYYY0M0DMICRO").read("202401312").is_ok());
    assert_eq!(
        Layout::parse("YYYY.MAJORMINOR"),
        Err(LayoutError::Joined("MAJOR"))
    );
    assert_eq!(
        Layout::parse("YYYY.MICRO[0D]MM"),
        Err(LayoutError::Joined("MICRO"))
    );
}

#[test]
fn what_is_no_layout_is_told_why() {
    for (text, words) in [
        ("", "it has no date"),
        ("MAJOR.MINOR.MICRO", "it has no date"),
        ("YYYY.YY", "`YY` says again what another part says"),
        ("YYYY.0M.MM", "`MM` says again what another part says"),
        ("YYYY.DD", "a day needs its month"),
        ("YYYY:MM", "`:` cannot stand in a tag"),
        ("YYYY[.MM", "brackets go in pairs"),
        ("YYYY.MM]", "brackets go in pairs"),
        ("YYYY[.MM[.DD]]", "brackets go in pairs"),
        ("YYYY-MODIFIER.MICRO", "`MODIFIER` stands at the end"),
        (
            "YYYY[-a][-b][-c][-d][-e]",
            "more than 4 parts may be missing",
        ),
        (&"x".repeat(300), "it is longer than a tag"),
    ] {
        let error = Layout::parse(text).expect_err(text).to_string();
        assert!(error.starts_with(words), "{text}: {error}");
    }
}

fn ascending(text: &str, versions: &[&str]) {
    let layout = layout(text);
    let read: Vec<_> = versions
        .iter()
        .map(|version| layout.read(version))
        .collect();
    for (index, one) in read.iter().enumerate() {
        for (other_index, other) in read.iter().enumerate() {
            let (Ok(one), Ok(other)) = (one, other) else {
                panic!("{versions:?} follow {text}: {read:?}");
            };
            let order = layout.compare(one, other);
            let words = format!(
                "{} and {} by {text}",
                versions[index], versions[other_index]
            );
            assert_eq!(order, index.cmp(&other_index), "{words}");
        }
    }
}

#[test]
fn versions_are_compared_as_dates_and_numbers() {
    ascending(
        "YYYY.MM.MICRO",
        &[
            "2023.12.4",
            "2024.2.0",
            "2024.2.10",
            "2024.10.1",
            "2024.11.0",
        ],
    );
    ascending(
        "YY.0M[.MICRO]",
        &["9.04", "16.04", "16.04.0", "16.04.6", "22.04.1", "106.04"],
    );
    // The parts of a date count as one, wherever they stand.
    ascending("0D-0M-YYYY", &["31-12-2023", "30-01-2024", "01-02-2024"]);
    ascending(
        "MAJOR.0D.0M.YYYY",
        &["1.31.12.2024", "2.02.01.2023", "2.01.02.2023"],
    );
    ascending("YYYY.MAJOR.0M", &["2024.9.01", "2024.1.02"]);
    ascending("YYYY.WW.MICRO", &["2024.9.5", "2024.10.0", "2025.1.0"]);
    ascending(
        "YYYY.MICRO",
        &[
            "2024.99999999999999999999",
            "2024.100000000000000000000",
            "2025.0",
        ],
    );
    ascending(
        "YYYY.0M.MICRO-MODIFIER",
        &[
            "2024.01.0-alpha",
            "2024.01.0-beta2",
            "2024.01.0-beta10",
            "2024.01.0-rc",
            "2024.01.0-rc.1",
            "2024.01.0",
            "2024.01.1-dev",
        ],
    );
}

#[test]
fn numbers_that_differ_in_zeros_alone_are_equal() {
    let layout = layout("YYYY.MICRO");
    let (one, other) = (
        layout.read("2024.7").unwrap(),
        layout.read("2024.007").unwrap(),
    );
    assert_eq!(layout.compare(&one, &other), Ordering::Equal);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(layout in "\\PC{0,12}|([YMWD0]{1,4}|MAJOR|MICRO|MODIFIER|[.\\-\\[\\]a]){0,6}", text in "\\PC{0,12}|[0-9.\\-a]{0,12}") {
        if let Ok(layout) = Layout::parse(&layout) {
            let _ = layout.read(&text);
        }
    }

    /// Dates that are written in order of significance are ordered as their numbers are.
    #[test]
    fn the_order_is_the_calendars(dates in proptest::collection::vec((2000_u16..2100, 1_u8..13, 1_u8..29, 0_u32..30), 2)) {
        for text in ["YYYY.0M.0D-MICRO", "YY.MM.DD.MICRO", "vMICRO-0D0M0Y"] {
            let layout = layout(text);
            let written: Vec<String> = dates.iter().map(|(year, month, day, micro)| match text {
                "YYYY.0M.0D-MICRO" => format!("{year}.{month:02}.{day:02}-{micro}"),
                "YY.MM.DD.MICRO" => format!("{}.{month}.{day}.{micro}", year - 2000),
                _ => format!("v{micro}-{day:02}{month:02}{:02}", year - 2000),
            }).collect();
            let key = |(year, month, day, micro): (u16, u8, u8, u32)| match text {
                "vMICRO-0D0M0Y" => (u64::from(micro), year, month, day, 0),
                _ => (0, year, month, day, micro),
            };
            let read: Vec<_> = written.iter().map(|version| layout.read(version)).collect();
            let (Ok(one), Ok(other)) = (read[0], read[1]) else {
                return Err(TestCaseError::fail(format!("{written:?} follow {text}")));
            };
            prop_assert_eq!(layout.compare(&one, &other), key(dates[0]).cmp(&key(dates[1])));
        }
    }
}
