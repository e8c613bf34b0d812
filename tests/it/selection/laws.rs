//! What holds for every set of tags, every policy and every text.

use highwater::domain::image::ImageName;
use highwater::domain::pattern::{Pattern, Template};
use highwater::domain::policy::{Choice, NoMatch, Number, Order, Policy, Selected, TagFilter};
use highwater::domain::tags::{TagSet, is_tag};
use highwater::domain::version::{Version, VersionRange};
use proptest::prelude::*;
use std::cmp::Ordering;

fn tag_strategy() -> impl Strategy<Value = String> {
    let texts = [
        "v?[0-3]\\.[0-3]\\.[0-3](-(rc|beta)\\.[0-2])?",
        "[0-9]{1,3}",
        "0{0,2}[0-9]{1,2}(\\.0{0,2})?(e[0-2])?",
        "main-[ab]{2}-[0-9]{1,2}",
        "[a-c]{1,3}",
        "nan|NaN|inf|0x[0-9a-f]p[0-4]",
    ];
    proptest::strategy::Union::new(
        texts.map(|text| proptest::string::string_regex(text).expect("a valid pattern")),
    )
}

fn policies() -> Vec<Policy> {
    let choices = [
        Choice::SemVer { range: "*".into() },
        Choice::SemVer {
            range: ">=1.0.0-0 <3".into(),
        },
        Choice::CalVer {
            layout: "MAJOR.MM[.MICRO]".into(),
        },
        Choice::CalVer {
            layout: "vYY.MICRO".into(),
        },
        Choice::Alphabetical {
            order: Order::Ascending,
        },
        Choice::Alphabetical {
            order: Order::Descending,
        },
        Choice::Numerical {
            order: Order::Ascending,
        },
        Choice::Numerical {
            order: Order::Descending,
        },
    ];
    let filters = [
        ("", ""),
        ("[0-9]", ""),
        ("^main-[ab]+-(?P<n>[0-9]+)$", "$n"),
        ("^v?([0-9.]+)", "$1"),
        ("^(.)", "$1.0.0"),
        ("^[0-9a-z.]+$", "${0}"),
    ];
    let filters = filters.map(|(pattern, extract)| TagFilter {
        pattern: pattern.into(),
        extract: extract.into(),
    });
    let filters: Vec<Option<TagFilter>> = filters.into_iter().map(Some).chain([None]).collect();
    choices
        .iter()
        .flat_map(|choice| {
            filters
                .iter()
                .map(|filter| Policy::new(choice.clone(), filter.clone()).expect("valid"))
        })
        .collect()
}

fn select(policy: &Policy, tags: &[String]) -> Result<Selected, NoMatch> {
    policy.select(&tags.iter().map(String::as_str).collect())
}

proptest! {
    #[test]
    fn selection_does_not_depend_on_order_or_duplicates(
        (tags, shuffled) in prop::collection::vec(tag_strategy(), 0..30)
            .prop_flat_map(|tags| (Just(tags.clone()), Just([tags.clone(), tags].concat()).prop_shuffle()))
    ) {
        for policy in policies() {
            prop_assert_eq!(select(&policy, &tags), select(&policy, &shuffled));
        }
    }

    #[test]
    fn a_selected_tag_stays_selected_when_only_others_go(
        tags in prop::collection::vec(tag_strategy(), 1..30), keep in any::<u64>()
    ) {
        for policy in policies() {
            if let Ok(selected) = select(&policy, &tags) {
                prop_assert!(tags.contains(&selected.tag));
                let rest: Vec<String> = tags
                    .iter()
                    .enumerate()
                    .filter(|(index, tag)| **tag == selected.tag || keep >> (index % 64) & 1 == 1)
                    .map(|(_, tag)| tag.clone())
                    .collect();
                prop_assert_eq!(select(&policy, &rest).unwrap(), selected);
            }
        }
    }

    #[test]
    fn a_tag_set_holds_exactly_the_tags_that_went_in(texts in prop::collection::vec("\\PC{0,3}|[a-zA-Z0-9_.-]{0,130}", 0..50)) {
        let set: TagSet = texts.iter().map(String::as_str).collect();
        let mut expected: Vec<&str> = texts.iter().map(String::as_str).filter(|text| is_tag(text)).collect();
        expected.sort_unstable_by(|one, other| other.cmp(one));
        expected.dedup();
        prop_assert_eq!(set.iter().collect::<Vec<_>>(), expected.clone());
        prop_assert_eq!(set.len(), expected.len());
        prop_assert!(texts.iter().all(|text| set.contains(text) == is_tag(text)));
        let again: TagSet = set.iter().rev().collect();
        prop_assert_eq!(again.revision(), set.revision());
        prop_assert_eq!(again, set);
    }

    #[test]
    fn sets_of_different_tags_have_different_revisions(one in prop::collection::btree_set("[a-c]{1,2}", 0..4), other in prop::collection::btree_set("[a-c]{1,2}", 0..4)) {
        let set = |tags: &std::collections::BTreeSet<String>| tags.iter().map(String::as_str).collect::<TagSet>();
        prop_assert_eq!(one == other, set(&one).revision() == set(&other).revision());
    }

    #[test]
    fn the_order_of_numbers_is_total(texts in prop::collection::vec("-?[0-9]{0,3}\\.?[0-9]{1,3}(e-?[0-9]{1,3})?|-?0x[0-9a-f]{1,2}p-?[0-9]{1,3}|nan|-?inf", 3)) {
        let numbers: Vec<Number<'_>> = texts.iter().filter_map(|text| Number::parse(text)).collect();
        for one in &numbers {
            prop_assert_eq!(one.cmp(one), Ordering::Equal);
            for other in &numbers {
                prop_assert_eq!(one.cmp(other), other.cmp(one).reverse());
                for third in &numbers {
                    prop_assert!(one > other || other > third || one <= third);
                }
            }
        }
    }

    #[test]
    fn no_text_makes_anything_panic(text in "\\PC{0,12}|[0-9a-fxpe_.+-]{0,12}|[()\\[\\]{}*+?|\\\\^$a-cPQEpx<>:!=,&~0-9-]{0,16}") {
        let _ = ImageName::parse(&text);
        let _ = Version::parse(&text);
        let _ = VersionRange::parse(&text);
        let _ = Number::parse(&text);
        if let Ok(pattern) = Pattern::new(&text) {
            let template = Template::new(&text, &pattern);
            pattern.expansion(&template).expand(&text, &mut String::new());
        }
    }
}
