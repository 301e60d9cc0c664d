//! What it costs to compile a pattern, known before that is done. A few bytes such as `\w{1,200}` take a tenth of a second, and
//! a configuration may have thousands of them.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

/// What all patterns of a configuration may cost together, in ranges of characters that go into their automata: about a second.
/// That is a thousand different ones with a `\w`, which is 770 ranges of Unicode, or thirty thousand with a few letters, classes
/// and dots each. The same pattern is compiled and counted once.
pub(crate) const MAX_COST: u64 = 1_000_000;

/// The most memory one compiled pattern may take, and again its cache: a hundred times what patterns in rules need, and
/// small enough that a configuration full of hostile ones stays harmless.
const MAX_BYTES: usize = 1 << 20;

pub(crate) const INVALID: &str = "its regular expression is not valid or too large";
pub(crate) const TOO_MUCH: &str = "its regular expression and those before it are too large together (use [a-z0-9_] in place of \\w, and fewer repetitions)";

/// What the pattern costs; `None` where it is not valid.
pub(crate) fn cost(pattern: &str) -> Option<u64> {
    regex_syntax::parse(pattern).ok().map(|hir| cost_of(&hir))
}

pub(crate) fn compile(pattern: &str) -> Result<Regex, &'static str> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_BYTES)
        .dfa_size_limit(MAX_BYTES)
        .build()
        .map_err(|_| INVALID)
}

/// The parser bounds how deep this goes.
fn cost_of(hir: &Hir) -> u64 {
    let number = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => number(literal.0.len()),
        HirKind::Class(Class::Unicode(class)) => number(class.ranges().len()),
        HirKind::Class(Class::Bytes(class)) => number(class.ranges().len()),
        HirKind::Capture(capture) => cost_of(&capture.sub).saturating_add(2),
        HirKind::Repetition(repetition) => {
            let copies = repetition.max.unwrap_or(repetition.min).max(1);
            cost_of(&repetition.sub).saturating_mul(copies.into())
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts
            .iter()
            .fold(1, |cost, part| cost.saturating_add(cost_of(part))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_costs_what_its_repetitions_copy() {
        for (pattern, least, most) in [
            ("^.*@example\\.com$", 10, 60),
            ("^(beta|gold)-[0-9]+$", 10, 60),
            ("\\w+", 500, 2_000),
            ("\\w{1,200}N", 100_000, 400_000),
            ("((a{1000}){1000}){1000}", 1_000_000_000, u64::MAX),
        ] {
            let cost = cost(pattern).unwrap();
            assert!((least..=most).contains(&cost), "{pattern}: {cost}");
        }
        assert_eq!(cost("("), None);
    }
}
