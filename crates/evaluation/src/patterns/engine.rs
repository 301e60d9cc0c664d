//! The engine of patterns, and what it costs to compile one, which is known before that is done: a few bytes such as
//! `\w{1,200}` take a tenth of a second, and a configuration may have thousands of them.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

/// The most memory one compiled pattern may take, and again its cache: a hundred times what patterns in rules need, and
/// small enough that a configuration full of hostile ones stays harmless.
const MAX_BYTES: usize = 1 << 20;

const INVALID: &str = "its regular expression is not valid or too large";

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    pub(crate) fn compile(pattern: &str) -> Result<Self, &'static str> {
        RegexBuilder::new(pattern)
            .size_limit(MAX_BYTES)
            .dfa_size_limit(MAX_BYTES)
            .build()
            .map(Self)
            .map_err(|_| INVALID)
    }

    /// Returns whether the pattern matches anywhere in `text`.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// Checks the syntax of one pattern, for an error message to its author.
///
/// # Errors
/// What is wrong with its syntax, in one line without the pattern.
pub fn check(pattern: &str) -> Result<(), String> {
    Regex::new(pattern).map(drop).map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        reason.trim_start_matches("error: ").to_owned()
    })
}

/// Returns what the pattern costs.
///
/// # Errors
/// The pattern is not valid.
pub(crate) fn cost(pattern: &str) -> Result<u64, &'static str> {
    match regex_syntax::parse(pattern) {
        Ok(hir) => Ok(cost_of(&hir)),
        Err(_) => Err(INVALID),
    }
}

/// Returns the cost of a part of a pattern. The parser limits how deep patterns are nested, and so the recursion.
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
        assert_eq!(cost("("), Err(INVALID));
    }
}
