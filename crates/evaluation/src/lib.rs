//! Evaluates flags for a target by the algorithm of the Harness Feature Flags protocol, without I/O.
//!
//! A server evaluates flags for browsers, which must not see the rules. It holds one [`Snapshot`] of an environment's
//! flags and target groups ("segments"), compiled when the configuration changes and shared by all threads:
//!
//! ```
//! use flagwire_evaluation::{Snapshot, Target};
//!
//! let flags = serde_json::from_str(r#"[{
//!     "feature": "dark-mode", "kind": "boolean", "state": "on", "offVariation": "off",
//!     "variations": [{ "identifier": "on", "value": "true" }, { "identifier": "off", "value": "false" }],
//!     "defaultServe": { "variation": "off" },
//!     "rules": [{ "priority": 1, "serve": { "variation": "on" },
//!                 "clauses": [{ "attribute": "plan", "op": "equal", "values": ["gold"] }] }]
//! }]"#)?;
//! let snapshot = Snapshot::compile(flags, vec![]);
//! assert!(snapshot.problems().is_empty());
//!
//! let ada: Target = serde_json::from_str(r#"{ "identifier": "ada", "attributes": { "plan": "Gold" } }"#)?;
//! assert_eq!(snapshot.evaluate("dark-mode", Some(&ada))?.value, "true");
//! assert_eq!(snapshot.evaluate("dark-mode", None)?.value, "false");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The algorithm
//!
//! ```text
//! prerequisites ──not met──► off variation
//!      │ met
//!    state ──────────off───► off variation
//!      │ on
//!   target map ─► rules by priority ─► default rollout ─► default variation      the first that has something
//! ```
//!
//! [`Snapshot::evaluate_all_with`] evaluates all flags; [`Snapshot::explain`] evaluates one and returns each step. Both run the
//! same code, which has a compile-time parameter for recording the steps.
//!
//! # Where published clients disagree
//!
//! Published clients evaluate some rules differently. This crate follows the Go SDK, which the relay runs on, with these choices:
//!
//! - All clauses of a rule must hold, and a rule without clauses matches nobody.
//! - A matching rule with nothing to serve does not end the search. Where a rule has both a rollout and a variation,
//!   the rollout counts.
//! - Prerequisites compare variation identifiers for equality. One that names no flag, or a flag that cannot be
//!   evaluated, counts as met together with those after it in the same list.
//! - An unknown group in a list is skipped. A group that excludes the target ends the list.
//! - `gt` compares texts by their bytes, so `"7"` is greater than `"42"`. `negate` is not acted on.
//! - `match` finds its pattern anywhere. Patterns are those of RE2: without look-around and back-references, as in Go; unlike in
//!   Go, `\d`, `\s`, `\w` and `\b` know all of Unicode. A match takes time in proportion to the text. A pattern of more than
//!   8,192 steps is refused.
//! - Attributes become text as [`attribute_text`] says. Without a target, a rollout serves its last variation.
//!
//! # Cycles
//!
//! Flags or groups may refer to each other in a cycle. [`Snapshot::problems`] reports it, and the result still does not depend
//! on the flag or group at which the evaluation enters the cycle:
//!
//! - *Prerequisites* are met unless one that can be reached is not met. Reaching a flag again adds nothing, so a cycle in
//!   which every flag serves what the one before requires is met.
//! - *Groups*: a target is a member if that follows from its identifier or attributes in the end. A membership that follows
//!   from nothing but the cycle itself does not count.
//!
//! Work is bounded by the size of the configuration for groups, and for prerequisites outside cycles. Nothing recurses
//! over the configuration, so long chains do not overflow the stack.
//!
//! # Modules
//!
//! `snapshot` is the entry. `model` has the types of the wire. `compile` turns them into a `Program` (module `compiled`), in which names are
//! numbers, and reports problems (`problem`; `graph` finds cycles). `evaluate` runs the program, and records steps in the types
//! of `explanation`. `patterns` compiles patterns, runs them, and limits their cost. `text` turns attributes into text, `murmur` computes
//! buckets, and `value` reads values by their kind.
//!
//! # Features
//!
//! `patterns`, on by default, brings the engine of `match` clauses. Without it a configuration can be read and checked, except for
//! its patterns; it must not be evaluated, as each `match` clause matches nobody then.
//!
//! The vectors in `vectors/` hold expected results, for this crate and for any other evaluator.

#![deny(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod compile;
mod compiled;
mod error;
mod evaluate;
mod explanation;
mod graph;
pub mod model;
mod murmur;
mod patterns;
mod problem;
mod snapshot;
mod text;
mod value;

pub use error::EvaluationError;
pub use evaluate::{ForTarget, TargetTexts};
pub use explanation::{
    ClauseCheck, Explanation, Membership, Outcome, PrerequisiteOutcome, SegmentCheck,
    SegmentRuleCheck, Step,
};
pub use flagwire_core::protocol::{Evaluation, Target};
pub use murmur::{bucket, murmur3_x86_32};
#[cfg(feature = "patterns")]
pub use patterns::check_pattern;
pub use problem::{Problem, Subject};
pub use snapshot::{EvaluationRef, Reason, Snapshot};
pub use text::attribute_text;
pub use value::TypedValue;
