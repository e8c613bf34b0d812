//! Character classes: `[a-z]`, `\d`, `[[:alpha:]]`, `\p{Greek}`, written out for the `regex` crate.

use super::Fault;
use std::fmt::Write;

/// What nothing can match.
pub(super) const NOTHING: &str = r"[^\x{0}-\x{10FFFF}]";
const EVERYTHING: &str = r"[\x{0}-\x{10FFFF}]";

/// The members of a bracket expression while it is read.
#[derive(Default)]
pub(super) struct Members {
    text: String,
}

impl Members {
    /// Adds a range of code points. Surrogates are taken out: no text holds them.
    pub(super) fn range(&mut self, low: u32, high: u32) {
        let low = if (0xD800..0xE000).contains(&low) {
            0xE000
        } else {
            low
        };
        let high = if (0xD800..0xE000).contains(&high) {
            0xD7FF
        } else {
            high
        };
        if low <= high {
            // Writing to a string does not fail.
            let _ = write!(self.text, r"\x{{{low:X}}}-\x{{{high:X}}}");
        }
    }

    /// Adds a class that is already written out.
    pub(super) fn class(&mut self, class: &str) {
        self.text.push_str(class);
    }

    pub(super) fn finish(self, negated: bool) -> String {
        match (self.text.is_empty(), negated) {
            (true, true) => EVERYTHING.to_owned(),
            (true, false) => NOTHING.to_owned(),
            (false, true) => format!("[^{}]", self.text),
            (false, false) => format!("[{}]", self.text),
        }
    }
}

/// The class of a Perl escape such as `\d`, given its letter. They are ASCII only, and `\s` is without the vertical tab.
pub(super) fn perl(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[\t\n\f\r ]",
        'S' => r"[^\t\n\f\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

/// Checks the name of a POSIX class, such as `[:alpha:]` or `[:^alpha:]`; both dialects write them alike.
pub(super) fn is_posix(class: &str) -> bool {
    const NAMES: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
        "space", "upper", "word", "xdigit",
    ];
    let name = class
        .strip_prefix("[:")
        .and_then(|rest| rest.strip_suffix(":]"));
    name.is_some_and(|name| NAMES.contains(&name.strip_prefix('^').unwrap_or(name)))
}

/// The class of `\p{name}`, or of `\P{name}` when `negated`.
///
/// Names are compared without case, spaces, `-` and `_`, which the `regex` crate does too.
pub(super) fn unicode(name: &str, mut negated: bool) -> Result<String, Fault> {
    let name = match name.strip_prefix('^') {
        Some(rest) => {
            negated = !negated;
            rest
        }
        None => name,
    };
    let plain: String = name
        .chars()
        .filter(|character| !matches!(character, '_' | '-' | ' '))
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let letter = if negated { 'P' } else { 'p' };
    match plain.as_str() {
        "any" => Ok(if negated { NOTHING } else { EVERYTHING }.to_owned()),
        "ascii" => Ok(if negated {
            r"[^\x{0}-\x{7F}]"
        } else {
            r"[\x{0}-\x{7F}]"
        }
        .to_owned()),
        // Surrogates and unassigned code points: no text holds the former.
        "cs" | "surrogate" => Ok(if negated { EVERYTHING } else { NOTHING }.to_owned()),
        "assigned" => Ok(format!(r"\{letter}{{Assigned}}")),
        category if knows(CATEGORIES, category) => Ok(format!(r"\{letter}{{gc={category}}}")),
        script if knows(SCRIPTS, script) => Ok(format!(r"\{letter}{{sc={script}}}")),
        _ => Err(Fault::CharacterRange),
    }
}

/// Whether a list of words holds the word.
fn knows(words: &str, word: &str) -> bool {
    words.split(' ').any(|known| known == word)
}

/// The general categories, by both of their names, without case and `_`.
const CATEGORIES: &str = "\
    c cc cf cn co l lc ll lm lo lt lu m mc me mn n nd nl no p pc pd pe pf pi po ps s sc sk sm so z zl zp zs \
    casedletter closepunctuation combiningmark connectorpunctuation control currencysymbol dashpunctuation \
    decimalnumber enclosingmark finalpunctuation format initialpunctuation letter letternumber lineseparator \
    lowercaseletter mark mathsymbol modifierletter modifiersymbol nonspacingmark number openpunctuation other \
    otherletter othernumber otherpunctuation othersymbol paragraphseparator privateuse punctuation separator \
    spaceseparator spacingmark symbol titlecaseletter unassigned uppercaseletter cntrl digit punct";

/// The scripts, by their full names only, without case and `_`.
const SCRIPTS: &str = "\
    adlam ahom anatolianhieroglyphs arabic armenian avestan balinese bamum bassavah batak bengali bhaiksuki \
    bopomofo brahmi braille buginese buhid canadianaboriginal carian caucasianalbanian chakma cham cherokee \
    chorasmian common coptic cuneiform cypriot cyprominoan cyrillic deseret devanagari divesakuru dogra duployan \
    egyptianhieroglyphs elbasan elymaic ethiopic georgian glagolitic gothic grantha greek gujarati gunjalagondi \
    gurmukhi han hangul hanifirohingya hanunoo hatran hebrew hiragana imperialaramaic inherited \
    inscriptionalpahlavi inscriptionalparthian javanese kaithi kannada katakana kawi kayahli kharoshthi \
    khitansmallscript khmer khojki khudawadi lao latin lepcha limbu lineara linearb lisu lycian lydian mahajani \
    makasar malayalam mandaic manichaean marchen masaramgondi medefaidrin meeteimayek mendekikakui meroiticcursive \
    meroitichieroglyphs miao modi mongolian mro multani myanmar nabataean nagmundari nandinagari newtailue newa \
    nko nushu nyiakengpuachuehmong ogham olchiki oldhungarian olditalic oldnortharabian oldpermic oldpersian \
    oldsogdian oldsoutharabian oldturkic olduyghur oriya osage osmanya pahawhhmong palmyrene paucinhau phagspa \
    phoenician psalterpahlavi rejang runic samaritan saurashtra sharada shavian siddham signwriting sinhala \
    sogdian sorasompeng soyombo sundanese sylotinagri syriac tagalog tagbanwa taile taitham taiviet takri tamil \
    tangsa tangut telugu thaana thai tibetan tifinagh tirhuta toto ugaritic vai vithkuqi wancho warangciti yezidi \
    yi zanabazarsquare";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_the_tables_is_a_class_on_both_sides_of_the_negation() {
        for name in CATEGORIES.split(' ').chain(SCRIPTS.split(' ')) {
            let class = |negated| regex::Regex::new(&unicode(name, negated).unwrap()).unwrap();
            let (inside, outside) = (class(false), class(true));
            for text in ["a", "1", "\u{e000}", "α", " "] {
                assert_ne!(
                    inside.is_match(text),
                    outside.is_match(text),
                    "{name} and `{text}`"
                );
            }
        }
    }

    #[test]
    fn names_are_compared_without_case_and_separators() {
        for name in ["Greek", "greek", "GREEK", "g_re-e k", "^^greek"] {
            let known = unicode(name, false).is_ok();
            assert_eq!(known, !name.starts_with("^^"), "{name}");
        }
        assert_eq!(unicode("^Lu", true), unicode("Lu", false));
        assert_eq!(unicode("Latn", false), Err(Fault::CharacterRange));
        assert_eq!(unicode("", false), Err(Fault::CharacterRange));
    }

    #[test]
    fn surrogates_are_taken_out_of_ranges() {
        let class = |low, high, negated| {
            let mut members = Members::default();
            members.range(low, high);
            members.finish(negated)
        };
        assert_eq!(class(0xD7FF, 0xDFFF, false), r"[\x{D7FF}-\x{D7FF}]");
        assert_eq!(class(0xD800, 0xE001, false), r"[\x{E000}-\x{E001}]");
        assert_eq!(class(0xD800, 0xDFFF, false), NOTHING);
        assert_eq!(class(0xD800, 0xDFFF, true), EVERYTHING);
    }
}
