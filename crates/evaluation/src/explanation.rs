//! Describes an evaluation step by step, for people and tools.
//!
//! In JSON each step is an object with its name under `step`, and the names of fields are in camelCase.

use flagwire_core::protocol::Evaluation;
use serde::Serialize;

use crate::model::{Serve, WeightedVariation};
use crate::{EvaluationError, Reason};

/// Why a flag serves a target what it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The flag that was asked for.
    pub flag: String,
    /// Identifier of the target; `None` for an evaluation without one.
    pub target: Option<String>,
    /// The steps of the evaluation, in order.
    pub steps: Vec<Step>,
    /// The least number of steps, clauses and groups that were left out because there were too many. They are the last
    /// ones of the prerequisites, and the last ones of the flag itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub omitted: usize,
    /// The result of the evaluation.
    #[serde(flatten)]
    pub result: Outcome,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The result of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The flag serves a variation.
    Served {
        /// The evaluation as a client gets it.
        evaluation: Evaluation,
        /// Which part of the flag decided.
        reason: Reason,
    },
    /// The flag cannot be evaluated; the caller's default applies.
    Failed(EvaluationError),
}

/// A step of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(
    tag = "step",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum Step {
    /// A prerequisite, of the flag itself or of a flag that it leads to.
    Prerequisite {
        /// The flag that has the prerequisite.
        of: String,
        /// The flag that must serve one of `wanted`.
        flag: String,
        /// Identifiers of the variations that meet it.
        wanted: Vec<String>,
        /// The variation that `flag` serves without regard to its own prerequisites. `None` where it cannot be evaluated.
        served: Option<String>,
        /// Whether the prerequisite is met, and what that leads to.
        outcome: PrerequisiteOutcome,
        /// The steps by which `flag` serves that variation. Its own prerequisites are not among them; they follow as steps of
        /// their own. Empty where another step has them ([`PrerequisiteOutcome::MetBefore`]).
        #[serde(skip_serializing_if = "Vec::is_empty")]
        steps: Vec<Self>,
    },
    /// The state of the flag. Where it is off, the off variation is served.
    State {
        /// Whether the flag is on.
        on: bool,
    },
    /// There is no target, so neither map nor rules apply, and a rollout serves its last variation.
    NoTarget,
    /// One entry of the flag's map from variations to targets and groups.
    TargetMap {
        /// The variation of this entry.
        variation: String,
        /// Whether the target is named.
        named: bool,
        /// The groups of the entry as far as they were looked at: empty if the target is named.
        segments: Vec<SegmentCheck>,
        /// Whether the entry applies.
        matched: bool,
    },
    /// One rule.
    Rule {
        /// Its identifier, if it has one.
        rule: Option<String>,
        /// Its priority.
        priority: i64,
        /// Each of its clauses. All must hold, and there must be one.
        clauses: Vec<ClauseCheck>,
        /// Whether the rule applies.
        matched: bool,
        /// Whether the rule has something to serve; if not, the next rule is tried.
        usable: bool,
        /// What it serves to the targets that it applies to.
        serve: Serve,
    },
    /// A percentage rollout, of the rule before it or of the default.
    Rollout {
        /// The text that was hashed, `attribute:value`. `None` without a target or identifier: then the last variation is served.
        input: Option<String>,
        /// Whether the target lacks the attribute to bucket by, so that its identifier was taken.
        fallback: bool,
        /// The target's bucket, from 1 to 100; `None` where nothing was hashed.
        bucket: Option<u8>,
        /// The variation of that bucket.
        variation: String,
        /// The first bucket of that variation's share.
        from: i64,
        /// The last bucket of that variation's share. The last share goes up to 100, whatever its weight.
        to: i64,
        /// All shares, in order.
        shares: Vec<WeightedVariation>,
    },
    /// The default of the flag, which is served where nothing else applies.
    DefaultServe {
        /// The variation. `None` where there is nothing to serve.
        variation: Option<String>,
    },
    /// The variation that is served while the flag is off, or a prerequisite is not met.
    OffVariation {
        /// Its identifier.
        variation: String,
    },
}

/// The outcome of a prerequisite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum PrerequisiteOutcome {
    /// It is met, and the prerequisites of the flag that it names are checked next.
    Met,
    /// It is not met, so the off variation is served.
    NotMet,
    /// It names a flag that does not exist. This prerequisite and those after it in the same list count as met.
    UnknownFlag,
    /// It names a flag that cannot be evaluated. This prerequisite and those after it in the same list count as met.
    CannotEvaluate,
    /// It is met, and the prerequisites of the flag that it names were checked before, or are being checked (a cycle).
    MetBefore,
}

/// A clause and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClauseCheck {
    /// The attribute that the clause compares.
    pub attribute: String,
    /// The operator of the clause.
    pub op: String,
    /// The values that the attribute is compared with.
    pub values: Vec<String>,
    /// The target's value as text. `None` where it lacks the attribute, and for `segmentMatch`.
    pub actual: Option<String>,
    /// The groups of a `segmentMatch` that were checked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentCheck>,
    /// Why the clause can match no target; `None` where it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<&'static str>,
    /// Whether it holds.
    pub matched: bool,
}

/// A group and whether the target belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentCheck {
    /// Identifier of the group.
    pub segment: String,
    /// Whether the target belongs to the group, and why.
    pub outcome: Membership,
    /// The rules that were checked. They are left out for a group that is named by a rule of another group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SegmentRuleCheck>,
}

/// A rule of a group and whether it matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentRuleCheck {
    /// Its identifier, if it has one.
    pub rule: Option<String>,
    /// Each of its clauses. A rule of the old form has one.
    pub clauses: Vec<ClauseCheck>,
    /// Whether the rule makes the target a member.
    pub matched: bool,
}

/// Whether a target belongs to a group, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Membership {
    /// There is no such group, and the next group of the list is checked.
    Unknown,
    /// The group excludes the target by name. Later groups of the same list are not checked.
    Excluded,
    /// The group includes the target by name.
    Included,
    /// A rule of the group matches the target.
    Rule,
    /// The target is not a member, and the next group of the list is checked.
    No,
}
