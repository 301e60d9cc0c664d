//! All flags and groups of an environment, ready to be evaluated.

use flagwire_core::protocol::{Evaluation, Target};
use serde::Serialize;

use crate::compile::{compile, flag_at, segment_at};
use crate::compiled::Program;
use crate::model::{FeatureConfig, Segment};
use crate::problem::Problems;
use crate::{EvaluationError, Explanation, ForTarget, Outcome, Problem, Subject};

/// About how many bytes the steps of an explanation may take, which is enough for some thousand steps.
const NOTES_BYTES: usize = 256 * 1024;

/// All flags and groups of an environment, ready to be evaluated by any number of threads at once.
///
/// A snapshot does not change: a new configuration is a new snapshot.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    flags: Vec<FeatureConfig>,
    segments: Vec<Segment>,
    program: Program,
    problems: Vec<Problem>,
}

/// Which part of a flag decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Reason {
    /// The flag is off.
    Off,
    /// A prerequisite is not met.
    Prerequisite,
    /// The target, or a group of it, is in the flag's map.
    TargetMap,
    /// A rule.
    Rule,
    /// A rule, by a percentage rollout.
    RuleRollout,
    /// The default.
    Default,
    /// The default, by a percentage rollout.
    DefaultRollout,
}

/// An evaluation that borrows from its snapshot. Serialised, it is the [`Evaluation`] of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EvaluationRef<'s> {
    /// Identifier of the flag.
    pub flag: &'s str,
    /// Identifier of the variation.
    pub identifier: &'s str,
    /// The variation's value as text.
    pub value: &'s str,
    /// The flag's kind.
    pub kind: &'s str,
    /// Which part of the flag decided. Not on the wire.
    #[serde(skip)]
    pub reason: Reason,
}

impl EvaluationRef<'_> {
    /// Copies the evaluation out of the snapshot.
    #[must_use]
    pub fn to_owned(&self) -> Evaluation {
        Evaluation {
            flag: self.flag.into(),
            identifier: self.identifier.into(),
            value: self.value.into(),
            kind: self.kind.into(),
        }
    }
}

impl Snapshot {
    /// Prepares flags and groups for evaluation: resolves every name, sorts the rules, compiles the patterns.
    ///
    /// It never fails: what cannot work is left out and reported by [`problems`](Self::problems). Of two flags or groups with
    /// the same identifier, the last counts.
    #[must_use]
    pub fn compile(mut flags: Vec<FeatureConfig>, mut segments: Vec<Segment>) -> Self {
        let mut problems = Problems::new();
        flags.sort_by(|a, b| a.feature.cmp(&b.feature));
        flags.dedup_by(|next, kept| {
            let same = next.feature == kept.feature;
            if same {
                problems.about(Subject::Flag, &kept.feature);
                problems.add("it is there twice; the last counts");
                std::mem::swap(next, kept);
            }
            same
        });
        segments.sort_by(|a, b| a.identifier.cmp(&b.identifier));
        segments.dedup_by(|next, kept| {
            let same = next.identifier == kept.identifier;
            if same {
                problems.about(Subject::Segment, &kept.identifier);
                problems.add("it is there twice; the last counts");
                std::mem::swap(next, kept);
            }
            same
        });
        let (program, problems) = compile(&flags, &segments, problems);
        Self {
            flags,
            segments,
            program,
            problems,
        }
    }

    /// Returns what cannot work as it is written, in sentences for the log and for people.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns all flags, sorted by identifier.
    #[must_use]
    pub fn flags(&self) -> &[FeatureConfig] {
        &self.flags
    }

    /// Returns the flag with this identifier.
    #[must_use]
    pub fn flag(&self, flag: &str) -> Option<&FeatureConfig> {
        self.flags.get(self.position(flag)?)
    }

    /// Returns all groups, sorted by identifier.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the group with this identifier.
    #[must_use]
    pub fn segment(&self, segment: &str) -> Option<&Segment> {
        self.segments.get(segment_at(&self.segments, segment)?)
    }

    /// Evaluates one flag. Without a target, neither the flag's map nor its rules apply.
    ///
    /// # Errors
    /// [`EvaluationError::UnknownFlag`]; [`EvaluationError::NoVariation`] if what the flag serves is not defined.
    pub fn evaluate(
        &self,
        flag: &str,
        target: Option<&Target>,
    ) -> Result<Evaluation, EvaluationError> {
        self.evaluate_ref(flag, target)
            .map(|evaluation| evaluation.to_owned())
    }

    /// Evaluates one flag as [`evaluate`](Self::evaluate) does, without copying anything out of the snapshot.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn evaluate_ref(
        &self,
        flag: &str,
        target: Option<&Target>,
    ) -> Result<EvaluationRef<'_>, EvaluationError> {
        self.for_target(target).evaluate(flag)
    }

    /// Evaluates all flags, sorted by identifier. Flags which cannot be evaluated are left out.
    #[must_use]
    pub fn evaluate_all(&self, target: Option<&Target>) -> Vec<Evaluation> {
        let mut all = Vec::with_capacity(self.flags.len());
        self.evaluate_all_with(target, |evaluation| all.push(evaluation.to_owned()));
        all
    }

    /// Calls `each` with the evaluations that [`evaluate_all`](Self::evaluate_all) returns, without copying them.
    pub fn evaluate_all_with<'s>(
        &'s self,
        target: Option<&Target>,
        each: impl FnMut(EvaluationRef<'s>),
    ) {
        self.for_target(target).evaluate_all(each);
    }

    /// Prepares for evaluating several flags for one target, which then share what they need of it, such as its buckets.
    #[must_use]
    pub fn for_target<'s, 't>(&'s self, target: Option<&'t Target>) -> ForTarget<'s, 't> {
        ForTarget::new(self, target)
    }

    /// Evaluates one flag as [`evaluate`](Self::evaluate) does, and returns the steps, which take about 256 KiB at most.
    #[must_use]
    pub fn explain(&self, flag: &str, target: Option<&Target>) -> Explanation {
        self.explain_within(flag, target, NOTES_BYTES)
    }

    /// Explains one flag as [`explain`](Self::explain) does, with steps that take about `bytes` bytes of memory at most. The
    /// steps of the flag itself have up to 64 KiB in any case.
    #[must_use]
    pub fn explain_within(&self, flag: &str, target: Option<&Target>, bytes: usize) -> Explanation {
        let mut steps = Vec::new();
        let (result, omitted) = match self.position(flag) {
            Some(at) => self.for_target(target).explain(at, bytes, &mut steps),
            None => (Err(EvaluationError::UnknownFlag), 0),
        };
        Explanation {
            flag: flag.to_owned(),
            target: target.map(|target| target.identifier.clone()),
            steps,
            omitted,
            result: match result {
                Ok(served) => Outcome::Served {
                    evaluation: served.to_owned(),
                    reason: served.reason,
                },
                Err(error) => Outcome::Failed(error),
            },
        }
    }

    pub(crate) fn position(&self, flag: &str) -> Option<usize> {
        flag_at(&self.flags, flag)
    }

    pub(crate) const fn program(&self) -> &Program {
        &self.program
    }
}
