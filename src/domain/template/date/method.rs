//! The methods of Go's times, months and weekdays.

use super::super::functions::Parameter::{Int, Text as TextParameter, Time};
use super::super::functions::Signature;
use super::super::item::Item;
use super::super::run::Outcome;
use super::super::value::IntKind;
use super::{Civil, DAY, Moment, days, name};
use std::rc::Rc;

/// The methods of times; the receiver is the first argument.
const OF_TIMES: &[Signature] = &[
    Signature::new("AddDate", &[Int, Int, Int], |_, given| {
        let [_, years, months, days_on] = given else {
            return Ok(Item::Absent);
        };
        let moment = moment(given);
        let civil = moment.civil();
        let int = |item: &Item| match item {
            Item::Int(_, value) => (*value).clamp(-1_000_000_000, 1_000_000_000),
            _ => 0,
        };
        let first = days(
            civil.year + int(years),
            i64::from(civil.month) + int(months),
            i64::from(civil.day),
        );
        let before = days(civil.year, civil.month.into(), civil.day.into());
        let mut later = moment.clone();
        later.seconds += (first + int(days_on) - before) * DAY;
        Ok(Item::Time(Rc::new(later)))
    }),
    Signature::new("After", &[Time], |_, given| compare(given, |a, b| a > b)),
    Signature::new("Before", &[Time], |_, given| compare(given, |a, b| a < b)),
    Signature::new("Day", &[], |_, given| civil(given, |civil| civil.day)),
    Signature::new("Equal", &[Time], |_, given| compare(given, |a, b| a == b)),
    Signature::new("Format", &[TextParameter], |budget, given| {
        let Some(Item::Text(layout)) = given.get(1) else {
            return Ok(Item::Absent);
        };
        budget.bytes(layout.len() * 4)?;
        budget.step(layout.len() * 8)?;
        Ok(Item::text(moment(given).format(&layout.to_text())))
    }),
    Signature::new("Hour", &[], |_, given| civil(given, |civil| civil.hour)),
    Signature::new("IsZero", &[], |_, given| {
        let (moment, zero) = (moment(given), Moment::zero());
        Ok(Item::Bool(
            (moment.seconds, moment.nanoseconds) == (zero.seconds, 0),
        ))
    }),
    Signature::new("Minute", &[], |_, given| civil(given, |civil| civil.minute)),
    Signature::new("Month", &[], |_, given| {
        let month = moment(given).civil().month;
        Ok(Item::Int(IntKind::Month, month.into()))
    }),
    Signature::new("Nanosecond", &[], |_, given| {
        Ok(Item::int(moment(given).nanoseconds.into()))
    }),
    Signature::new("Second", &[], |_, given| civil(given, |civil| civil.second)),
    Signature::new("String", &[], |_, given| {
        Ok(Item::text(moment(given).to_string()))
    }),
    Signature::new("UTC", &[], |_, given| {
        let moment = moment(given);
        let utc = Moment::utc(moment.seconds, moment.nanoseconds);
        Ok(Item::Time(Rc::new(utc)))
    }),
    Signature::new("Unix", &[], |_, given| {
        Ok(Item::int64(moment(given).seconds))
    }),
    Signature::new("Weekday", &[], |_, given| {
        let weekday = moment(given).civil().weekday;
        Ok(Item::Int(IntKind::Weekday, weekday.into()))
    }),
    Signature::new("Year", &[], |_, given| {
        Ok(Item::int(moment(given).civil().year))
    }),
    Signature::new("YearDay", &[], |_, given| {
        civil(given, |civil| civil.day_of_year)
    }),
];

const OF_NAMES: &[Signature] = &[Signature::new("String", &[], |_, given| {
    Ok(match given.first() {
        Some(Item::Int(kind, value)) => Item::text(name(*kind, *value).unwrap_or_default()),
        _ => Item::Absent,
    })
})];

/// A method by name.
pub(in super::super) fn method(receiver: &Item, name: &str) -> Option<&'static Signature> {
    let methods = match receiver {
        Item::Time(_) => OF_TIMES,
        Item::Int(IntKind::Month | IntKind::Weekday, _) => OF_NAMES,
        _ => return None,
    };
    methods.iter().find(|method| method.name == name)
}

fn moment(given: &[Item]) -> Moment {
    match given.first() {
        Some(Item::Time(moment)) => (**moment).clone(),
        _ => Moment::zero(),
    }
}

fn civil(given: &[Item], part: fn(Civil) -> u32) -> Outcome<Item> {
    Ok(Item::int(part(moment(given).civil()).into()))
}

fn compare(given: &[Item], holds: fn((i64, u32), (i64, u32)) -> bool) -> Outcome<Item> {
    let at = |moment: &Moment| (moment.seconds, moment.nanoseconds);
    Ok(Item::Bool(match given.get(1) {
        Some(Item::Time(other)) => holds(at(&moment(given)), at(other)),
        _ => false,
    }))
}
