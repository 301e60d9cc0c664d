//! Patterns of `match` clauses. The feature `patterns` brings the engine that compiles and runs them.

use std::collections::HashMap;

#[cfg(not(feature = "patterns"))]
mod absent;
#[cfg(feature = "patterns")]
mod engine;

#[cfg(not(feature = "patterns"))]
use self::absent as engine;
pub(crate) use self::engine::Pattern;
#[cfg(feature = "patterns")]
pub use self::engine::check as check_pattern;

/// The most that all patterns of a configuration may cost together, in ranges of characters that go into their automata: about a
/// second.
/// That is a thousand different ones with a `\w`, which is 770 ranges of Unicode, or thirty thousand with a few letters, classes
/// and dots each. The same pattern is compiled and counted once.
const MAX_COST: u64 = 1_000_000;

const TOO_MUCH: &str = "its regular expression and those before it are too large together (use [a-z0-9_] in place of \\w, and fewer repetitions)";

/// Compiles the patterns of one configuration, each different one once.
#[derive(Default)]
pub(crate) struct Patterns<'c> {
    compiled: HashMap<&'c str, Result<Pattern, &'static str>>,
    /// What the patterns so far cost to compile, whether they could be compiled or not.
    cost: u64,
}

impl<'c> Patterns<'c> {
    /// Compiles a pattern, or returns the result of having done so before.
    ///
    /// # Errors
    /// The reason as the start of a sentence: the pattern is not valid, or is too large by itself or together with those before it.
    pub(crate) fn compile(&mut self, pattern: &'c str) -> Result<Pattern, &'static str> {
        if let Some(known) = self.compiled.get(pattern) {
            return known.clone();
        }
        let compiled = engine::cost(pattern).and_then(|cost| {
            let cost = self.cost.saturating_add(cost);
            if cost > MAX_COST {
                return Err(TOO_MUCH);
            }
            self.cost = cost;
            Pattern::compile(pattern)
        });
        self.compiled.insert(pattern, compiled.clone());
        compiled
    }
}
