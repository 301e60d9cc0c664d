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

mod error;
mod explanation;
pub mod model;
mod snapshot;

pub use error::EvaluationError;
pub use explanation::{
    ClauseCheck, Explanation, Membership, Outcome, PrerequisiteOutcome, SegmentCheck,
    SegmentRuleCheck, Step,
};
pub use flagwire_core::protocol::{Evaluation, Target};
pub use snapshot::{EvaluationRef, Problem, Reason, Snapshot, Subject};
