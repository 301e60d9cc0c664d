//! Sets of characters, and the sets that Unicode names.
//!
//! `unicode/categories.bin` has the general category of every code point, as runs: the length times 32, plus the number of the
//! category, as a number of seven bits a byte. `unicode/scripts.bin` has each script's name behind its length, the number of its
//! ranges, and for each range the distance from the one before and its length less one. A test compares both with `regex-syntax`.

use std::sync::OnceLock;

static CATEGORIES: &[u8] = include_bytes!("unicode/categories.bin");
static SCRIPTS: &[u8] = include_bytes!("unicode/scripts.bin");

/// The names of the categories, in the order of their numbers.
const NAMES: &[u8; 60] = b"LuLlLtLmLoMnMcMeNdNlNoPcPdPsPePiPfPoSmScSkSoZsZlZpCcCfCoCnCs";
const NUMBERS: u32 = 1 << 8;
const WORDS: u32 = 0b1011_1111_1111;
/// Letters by use that are symbols by category: circled and squared ones.
const LETTERS_AMONG_SYMBOLS: [(u32, u32); 4] = [
    (0x24b6, 0x24e9),
    (0x1f130, 0x1f149),
    (0x1f150, 0x1f169),
    (0x1f170, 0x1f189),
];
const JOINERS: (u32, u32) = (0x200c, 0x200d);

/// A set of code points: ranges, in which the last is included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(Vec<(u32, u32)>);

impl Set {
    pub(super) fn of(ranges: &[(u32, u32)]) -> Self {
        Self(ranges.to_vec()).sorted()
    }

    /// Returns the characters of the categories whose bits are set.
    fn of_categories(mask: u32) -> Self {
        let (mut at, mut bytes, mut ranges) = (0_u32, CATEGORIES.iter(), Vec::new());
        while let Some(run) = number(&mut bytes) {
            let next = at.saturating_add(run >> 5);
            if mask >> (run & 31) & 1 == 1 {
                ranges.push((at, next.saturating_sub(1)));
            }
            at = next;
        }
        Self(ranges).sorted()
    }

    /// Returns the characters that `\d` matches.
    pub(super) fn digits() -> Self {
        static DIGITS: OnceLock<Set> = OnceLock::new();
        DIGITS.get_or_init(|| Self::of_categories(NUMBERS)).clone()
    }

    /// Returns the characters that `\w` matches.
    pub(super) fn words() -> Self {
        static WORD_CHARACTERS: OnceLock<Set> = OnceLock::new();
        let words = || {
            let mut set = Self::of_categories(WORDS);
            set.0.extend(LETTERS_AMONG_SYMBOLS);
            set.0.push(JOINERS);
            set.sorted()
        };
        WORD_CHARACTERS.get_or_init(words).clone()
    }

    /// Returns the characters that `\s` matches.
    pub(super) fn spaces() -> Self {
        static SPACES: OnceLock<Set> = OnceLock::new();
        let blank = |code: &u32| char::from_u32(*code).is_some_and(char::is_whitespace);
        let spaces = || Self((0..0x3001).filter(blank).map(|code| (code, code)).collect()).sorted();
        SPACES.get_or_init(spaces).clone()
    }

    /// Returns the characters of a category such as `Lu`, of all categories with a first letter such as `L`, or of a script.
    pub(super) fn named(name: &str) -> Option<Self> {
        if name == "Any" {
            return Some(Self(vec![(0, 0x0010_ffff)]));
        }
        let mut mask = 0_u32;
        for (at, category) in NAMES.as_chunks::<2>().0.iter().enumerate() {
            if category.starts_with(name.as_bytes()) && !name.is_empty() {
                mask |= 1 << at;
            }
        }
        if mask == 0 {
            script(name)
        } else {
            Some(Self::of_categories(mask))
        }
    }

    pub(super) fn add(&mut self, first: u32, last: u32) {
        self.0.push((first, last));
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// Sorts what was added, and joins ranges that touch.
    pub(super) fn sorted(mut self) -> Self {
        self.0.sort_unstable();
        self.0.dedup_by(|next, kept| {
            let touch = next.0 <= kept.1.saturating_add(1);
            if touch {
                kept.1 = kept.1.max(next.1);
            }
            touch
        });
        self
    }

    /// Returns all other characters.
    pub(super) fn negated(&self) -> Self {
        let (mut at, mut ranges) = (0, Vec::new());
        for (first, last) in &self.0 {
            if *first > at {
                ranges.push((at, first.saturating_sub(1)));
            }
            at = last.saturating_add(1);
        }
        if at <= 0x0010_ffff {
            ranges.push((at, 0x0010_ffff));
        }
        Self(ranges)
    }

    pub(super) fn contains(&self, code: u32) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= code);
        let range = after.checked_sub(1).and_then(|at| self.0.get(at));
        range.is_some_and(|(_, last)| code <= *last)
    }

    pub(super) fn is_ascii(&self) -> bool {
        self.0.last().is_none_or(|(_, last)| *last < 128)
    }

    pub(super) fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// Adds the characters that differ from those of the set in case only.
    pub(super) fn with_cases(mut self) -> Self {
        if self.is_ascii() {
            let codes = self.0.iter().flat_map(|(first, last)| *first..=*last);
            let cases = codes.filter_map(char::from_u32).map(Self::of_cases);
            return Self(cases.flat_map(|set| set.0).collect()).sorted();
        }
        let cases = cases();
        let bases = |set: &Self| -> Vec<(u32, u32)> {
            let other = cases.iter().filter(|(_, code)| set.contains(*code));
            other.map(|(base, _)| (*base, *base)).collect()
        };
        self.0.extend(bases(&self));
        self = self.sorted();
        let others = cases.iter().filter(|(base, _)| self.contains(*base));
        let others: Vec<(u32, u32)> = others.map(|(_, code)| (*code, *code)).collect();
        self.0.extend(others);
        self.sorted()
    }

    /// Returns a character and those that differ from it in case only.
    pub(super) fn of_cases(character: char) -> Self {
        let base = fold(character);
        let cases = cases();
        let from = cases.partition_point(|(other, _)| *other < base);
        let same = cases.get(from..).unwrap_or_default();
        let same = same.iter().take_while(|(other, _)| *other == base);
        let mut ranges: Vec<(u32, u32)> = same.map(|(_, code)| (*code, *code)).collect();
        ranges.push((base, base));
        Self(ranges).sorted()
    }
}

fn script(name: &str) -> Option<Set> {
    let mut bytes = SCRIPTS.iter();
    while let Some(length) = bytes.next() {
        let (own, rest) = bytes.as_slice().split_at_checked(usize::from(*length))?;
        bytes = rest.iter();
        let (mut at, mut ranges) = (0_u32, Vec::new());
        for _ in 0..number(&mut bytes)? {
            let first = at.saturating_add(number(&mut bytes)?);
            let last = first.saturating_add(number(&mut bytes)?);
            ranges.push((first, last));
            at = last.saturating_add(1);
        }
        if own == name.as_bytes() {
            return Some(Set(ranges).sorted());
        }
    }
    None
}

/// Reads a number of seven bits a byte, lowest first.
fn number(bytes: &mut std::slice::Iter<'_, u8>) -> Option<u32> {
    let (mut number, mut shift) = (0, 0_u32);
    loop {
        let byte = *bytes.next()?;
        number |= u32::from(byte & 127).wrapping_shl(shift);
        shift = shift.saturating_add(7);
        if byte < 128 {
            return Some(number);
        }
    }
}

/// Returns every character that has a base in another case, behind that base, sorted.
fn cases() -> &'static [(u32, u32)] {
    static CASES: OnceLock<Vec<(u32, u32)>> = OnceLock::new();
    /// Blocks outside of which no character has a case.
    const BLOCKS: [(u32, u32); 7] = [
        (0, 0x3100),
        (0xa640, 0xac00),
        (0xfb00, 0x10600),
        (0x10c80, 0x10e00),
        (0x11800, 0x11900),
        (0x16e40, 0x16f00),
        (0x1e900, 0x1e944),
    ];
    CASES.get_or_init(|| {
        let codes = BLOCKS.into_iter().flat_map(|(first, end)| first..end);
        let characters = codes.filter_map(char::from_u32);
        let mut cases: Vec<(u32, u32)> = characters
            .map(|character| (fold(character), u32::from(character)))
            .filter(|(base, code)| base != code)
            .collect();
        cases.sort_unstable();
        cases
    })
}

/// Returns the base of the characters that differ in case only, by Unicode's simple folding.
fn fold(character: char) -> u32 {
    match character {
        // Its upper case is `I`, and it is another letter than `i`.
        'ı' => return 0x131,
        // Written with several characters in upper case, and equal to another one all the same.
        '\u{1fd3}' => return 0x390,
        '\u{1fe3}' => return 0x3b0,
        '\u{fb05}' => return 0xfb06,
        _ => {}
    }
    u32::from(crate::text::fold(character))
}

#[cfg(test)]
mod tests {
    use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

    use super::*;

    fn ranges(pattern: &str) -> Vec<(u32, u32)> {
        match regex_syntax::parse(pattern).unwrap().into_kind() {
            HirKind::Class(Class::Unicode(class)) => class
                .ranges()
                .iter()
                .map(|range| (u32::from(range.start()), u32::from(range.end())))
                .collect(),
            HirKind::Literal(literal) => {
                let text = String::from_utf8(literal.0.to_vec()).unwrap();
                text.chars().map(|c| (c.into(), c.into())).collect()
            }
            other => panic!("{pattern}: {other:?}"),
        }
    }

    /// Without surrogates, which no text has.
    fn plain(set: &Set) -> Vec<(u32, u32)> {
        let mut plain = Vec::new();
        for (first, last) in set.ranges() {
            if *first < 0xd800 && *last > 0xdfff {
                plain.extend([(*first, 0xd7ff), (0xe000, *last)]);
            } else if !(0xd800..=0xdfff).contains(first) || !(0xd800..=0xdfff).contains(last) {
                let first = if (0xd800..=0xdfff).contains(first) {
                    0xe000
                } else {
                    *first
                };
                let last = if (0xd800..=0xdfff).contains(last) {
                    0xd7ff
                } else {
                    *last
                };
                plain.push((first, last));
            }
        }
        plain
    }

    /// Whether two lists of ranges have the same characters; `regex-syntax` joins ranges across the surrogates.
    fn same(set: &Set, pattern: &str) {
        let expected = Set(ranges(pattern)).sorted();
        assert_eq!(plain(set), plain(&expected), "{pattern}");
    }

    #[test]
    fn categories_scripts_and_perls_classes_are_unicodes() {
        for category in NAMES.as_chunks::<2>().0 {
            let name = std::str::from_utf8(category).unwrap();
            if name != "Cs" {
                same(&Set::named(name).unwrap(), &format!("\\p{{{name}}}"));
            }
        }
        for name in ["L", "M", "N", "P", "S", "Z", "C"] {
            same(&Set::named(name).unwrap(), &format!("\\p{{{name}}}"));
        }
        let mut scripts = 0;
        let mut rest = SCRIPTS;
        while let Some((length, after)) = rest.split_first() {
            let (name, after) = after.split_at(usize::from(*length));
            let name = std::str::from_utf8(name).unwrap();
            same(&Set::named(name).unwrap(), &format!("\\p{{sc={name}}}"));
            scripts += 1;
            let mut bytes = after.iter();
            for _ in 0..number(&mut bytes).unwrap() * 2 {
                number(&mut bytes).unwrap();
            }
            rest = bytes.as_slice();
        }
        assert_eq!(scripts, 170);
        same(&Set::digits(), "\\d");
        same(&Set::words(), "\\w");
        same(&Set::spaces(), "\\s");
        assert_eq!(Set::named("Greek_"), None);
        assert_eq!(Set::named(""), None);
    }

    #[test]
    fn cases_are_those_of_unicodes_simple_folding() {
        let unassigned = Set::named("Cn").unwrap();
        let codes = (0..0x3100).chain(0xa640..0xac00).chain(0xf900..0x1f200);
        for character in codes.filter_map(char::from_u32) {
            let code = u32::from(character);
            let mut class = ClassUnicode::new([ClassUnicodeRange::new(character, character)]);
            class.case_fold_simple();
            let ranges = class.ranges().iter();
            let expected = ranges.map(|range| (range.start().into(), range.end().into()));
            let expected = Set(expected.collect()).sorted();
            let ours = Set::of_cases(character);
            if ours != expected {
                // The standard library may know characters that are newer than the tables here.
                let mut firsts = ours.ranges().iter().map(|(first, _)| *first);
                let newer = firsts.any(|first| unassigned.contains(first));
                assert!(newer, "{code:x}: {ours:x?} instead of {expected:x?}");
            } else if ours.ranges() != [(code, code)] {
                assert_eq!(Set::of(&[(code, code)]).with_cases(), ours, "{code:x}");
            }
        }
    }
}
