//! What an evaluation did, step by step, for people and tools.
//!
//! Written as JSON, every step is an object with its name under `step`; fields are camelCase.

use flagwire_core::protocol::Evaluation;
use serde::Serialize;

use crate::model::{Serve, WeightedVariation};
use crate::{EvaluationError, Reason};

/// Why a target gets what it gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The flag that was asked for.
    pub flag: String,
    /// Identifier of the target; `None` for an evaluation without one.
    pub target: Option<String>,
    /// What was looked at, in this order.
    pub steps: Vec<Step>,
    /// How many steps, clauses and groups were left out, at the least, because there were too many: the last ones of the
    /// prerequisites, and the last ones of the flag itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub omitted: usize,
    /// What came out.
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

/// What came out of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The flag serves this.
    Served {
        /// As the client gets it.
        evaluation: Evaluation,
        /// Which part of the flag decided.
        reason: Reason,
    },
    /// The flag cannot be evaluated; the caller's default applies.
    Failed(EvaluationError),
}

/// Something an evaluation looked at.
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
        /// The variation that flag serves, its own prerequisites not considered. `None` where it cannot be evaluated.
        served: Option<String>,
        /// What follows.
        outcome: PrerequisiteOutcome,
        /// How that flag came to serve it, without its own prerequisites, which follow as steps of their own. Empty
        /// where an earlier or a later step explains it ([`PrerequisiteOutcome::MetBefore`]).
        #[serde(skip_serializing_if = "Vec::is_empty")]
        steps: Vec<Self>,
    },
    /// Whether the flag is on. Off means the off variation.
    State {
        /// `true` for on.
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
        /// Whether it has something to serve; if not, the next rule is tried.
        usable: bool,
        /// What it serves to the targets that it applies to.
        serve: Serve,
    },
    /// A percentage rollout, of the rule before it or of the default.
    Rollout {
        /// What was hashed, as `attribute:value`. `None` without a target or identifier: the last variation is served.
        input: Option<String>,
        /// Whether the target lacks the attribute to bucket by, so that its identifier was taken.
        fallback: bool,
        /// 1 to 100.
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
    /// What the flag serves where nothing else applied.
    DefaultServe {
        /// The variation. `None` where there is nothing to serve.
        variation: Option<String>,
    },
    /// The variation for an off flag and for unmet prerequisites.
    OffVariation {
        /// Its identifier.
        variation: String,
    },
}

/// What a prerequisite came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum PrerequisiteOutcome {
    /// Met; that flag's own prerequisites are checked next.
    Met,
    /// Not met: the off variation is served.
    NotMet,
    /// No such flag: this and what follows in the same list counts as met.
    UnknownFlag,
    /// That flag cannot be evaluated: this and what follows in the same list counts as met.
    CannotEvaluate,
    /// Met; that flag's own prerequisites were checked before, or are being checked (a cycle).
    MetBefore,
}

/// A clause and what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClauseCheck {
    /// What it looks at.
    pub attribute: String,
    /// How it compares.
    pub op: String,
    /// With what.
    pub values: Vec<String>,
    /// The target's value as text. `None` where it lacks the attribute, and for `segmentMatch`.
    pub actual: Option<String>,
    /// The groups of a `segmentMatch`, as far as they were looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<SegmentCheck>,
    /// Why the clause cannot match anybody, if so.
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
    /// Whether and why.
    pub outcome: Membership,
    /// The rules that were looked at. A group that another group's clause names comes without them: look at that
    /// group's own check.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SegmentRuleCheck>,
}

/// A rule of a group and what it came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentRuleCheck {
    /// Its identifier, if it has one.
    pub rule: Option<String>,
    /// Each of its clauses. An old-style rule has one.
    pub clauses: Vec<ClauseCheck>,
    /// Whether it makes the target a member.
    pub matched: bool,
}

/// Whether a target belongs to a group, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Membership {
    /// There is no such group; the next of the list is looked at.
    Unknown,
    /// Named as excluded: not a member, and later groups of the same list are not looked at.
    Excluded,
    /// Named as included.
    Included,
    /// A rule matches.
    Rule,
    /// Not a member; the next of the list is looked at.
    No,
}
