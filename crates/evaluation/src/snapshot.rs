//! All flags and groups of an environment, ready to be evaluated.

use flagwire_core::protocol::{Evaluation, Target};
use serde::Serialize;

use crate::model::{FeatureConfig, Segment};
use crate::{EvaluationError, Explanation, Outcome};

/// All flags and groups of an environment, ready to be evaluated.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    flags: Vec<FeatureConfig>,
    segments: Vec<Segment>,
    problems: Vec<Problem>,
}

/// Something in the configuration that cannot work as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Whether a flag or a group has it.
    pub subject: Subject,
    /// Identifier of that flag or group.
    pub identifier: String,
    /// What is wrong and what happens instead.
    pub sentence: String,
}

/// What a [`Problem`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A flag.
    Flag,
    /// A group.
    Segment,
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
    /// A copy that stands alone.
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
    /// Prepares flags and groups for evaluation.
    #[must_use]
    pub fn compile(mut flags: Vec<FeatureConfig>, mut segments: Vec<Segment>) -> Self {
        flags.sort_by(|a, b| a.feature.cmp(&b.feature));
        segments.sort_by(|a, b| a.identifier.cmp(&b.identifier));
        Self {
            flags,
            segments,
            problems: Vec::new(),
        }
    }

    /// What cannot work as it is written.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// All flags, sorted by identifier.
    #[must_use]
    pub fn flags(&self) -> &[FeatureConfig] {
        &self.flags
    }

    /// One flag.
    #[must_use]
    pub fn flag(&self, flag: &str) -> Option<&FeatureConfig> {
        self.flags
            .binary_search_by(|f| f.feature.as_str().cmp(flag))
            .ok()
            .and_then(|at| self.flags.get(at))
    }

    /// All groups, sorted by identifier.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// One group.
    #[must_use]
    pub fn segment(&self, segment: &str) -> Option<&Segment> {
        self.segments
            .binary_search_by(|s| s.identifier.as_str().cmp(segment))
            .ok()
            .and_then(|at| self.segments.get(at))
    }

    /// Evaluates one flag.
    ///
    /// # Errors
    /// [`EvaluationError`]
    pub fn evaluate(
        &self,
        flag: &str,
        target: Option<&Target>,
    ) -> Result<Evaluation, EvaluationError> {
        self.evaluate_ref(flag, target).map(|e| e.to_owned())
    }

    /// Evaluates one flag without copying anything out of the snapshot.
    ///
    /// # Errors
    /// [`EvaluationError`]
    pub fn evaluate_ref(
        &self,
        flag: &str,
        _target: Option<&Target>,
    ) -> Result<EvaluationRef<'_>, EvaluationError> {
        let flag = self.flag(flag).ok_or(EvaluationError::UnknownFlag)?;
        let v = flag
            .variations
            .iter()
            .find(|v| v.identifier == flag.off_variation)
            .ok_or(EvaluationError::NoVariation)?;
        Ok(EvaluationRef {
            flag: &flag.feature,
            identifier: &v.identifier,
            value: &v.value,
            kind: &flag.kind,
            reason: Reason::Off,
        })
    }

    /// Evaluates all flags.
    #[must_use]
    pub fn evaluate_all(&self, target: Option<&Target>) -> Vec<Evaluation> {
        let mut all = Vec::with_capacity(self.flags.len());
        self.evaluate_all_with(target, |e| all.push(e.to_owned()));
        all
    }

    /// Evaluates all flags without copying anything out of the snapshot.
    pub fn evaluate_all_with<'s>(
        &'s self,
        target: Option<&Target>,
        mut each: impl FnMut(EvaluationRef<'s>),
    ) {
        for flag in &self.flags {
            if let Ok(e) = self.evaluate_ref(&flag.feature, target) {
                each(e);
            }
        }
    }

    /// Says why a target gets what it gets.
    #[must_use]
    pub fn explain(&self, flag: &str, target: Option<&Target>) -> Explanation {
        Explanation {
            flag: flag.into(),
            target: target.map(|t| t.identifier.clone()),
            steps: Vec::new(),
            result: match self.evaluate_ref(flag, target) {
                Ok(e) => Outcome::Served {
                    evaluation: e.to_owned(),
                    reason: e.reason,
                },
                Err(e) => Outcome::Failed(e),
            },
        }
    }
}
