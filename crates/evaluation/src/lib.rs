//! Flag rules and a target in, an evaluation out.
#![deny(missing_docs)]
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
mod error;
mod evaluate;
mod explanation;
mod graph;
pub mod model;
mod murmur;
mod problem;
mod program;
mod snapshot;
mod text;
mod value;

pub use error::EvaluationError;
pub use evaluate::ForTarget;
pub use explanation::{
    ClauseCheck, Explanation, Membership, Outcome, PrerequisiteOutcome, SegmentCheck,
    SegmentRuleCheck, Step,
};
pub use flagwire_core::protocol::{Evaluation, Target};
pub use murmur::{bucket, murmur3_x86_32};
pub use problem::{Problem, Subject};
pub use snapshot::{EvaluationRef, Reason, Snapshot};
pub use text::attribute_text;
pub use value::TypedValue;
