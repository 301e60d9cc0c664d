//! Patterns of `match` clauses. The feature `patterns` brings the engine that compiles and runs them.

use std::collections::HashMap;

#[cfg(not(feature = "patterns"))]
mod absent;
#[cfg(feature = "patterns")]
mod engine;
#[cfg(feature = "patterns")]
mod parser;
#[cfg(feature = "patterns")]
mod reason;
#[cfg(feature = "patterns")]
mod set;
#[cfg(all(test, feature = "patterns"))]
mod tests;

#[cfg(not(feature = "patterns"))]
use self::absent as engine;
pub(crate) use self::engine::Pattern;
#[cfg(feature = "patterns")]
pub use self::engine::check as check_pattern;

/// The most that all patterns of a configuration may cost together, in instructions and ranges of characters: about a second.
/// That is a thousand different ones with a `\w`, which is 770 ranges of Unicode, or thirty thousand with a few letters, classes
/// and dots each. The same pattern is compiled and counted once.
const MAX_COST: u64 = 1_000_000;

const TOO_MUCH: &str = "its regular expression and those before it are too large together (use [a-z0-9_] in place of \\w, and fewer repetitions)";

/// Compiles the patterns of one configuration, each different one once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns {
    compiled: HashMap<Box<str>, Result<Pattern, &'static str>>,
    /// What the patterns so far cost to compile, whether they could be compiled or not.
    cost: u64,
}

impl Patterns {
    /// Compiles a pattern, or returns the result of having done so before.
    ///
    /// # Errors
    /// The reason as the start of a sentence: the pattern is not valid, or is too large by itself or together with those before it.
    pub(crate) fn compile(&mut self, pattern: &str) -> Result<Pattern, &'static str> {
        if let Some(known) = self.compiled.get(pattern) {
            return known.clone();
        }
        if self.are_too_much() {
            return Err(TOO_MUCH);
        }
        let compiled = Pattern::compile(pattern, &mut self.cost);
        if self.are_too_much() {
            return Err(TOO_MUCH);
        }
        self.compiled.insert(pattern.into(), compiled.clone());
        compiled
    }

    /// Whether patterns were refused because they cost too much together with others.
    pub(crate) const fn are_too_much(&self) -> bool {
        self.cost > MAX_COST
    }
}
