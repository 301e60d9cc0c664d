//! All flags and groups of an environment, ready to be evaluated.

use flagwire_core::protocol::{Evaluation, Target};
use serde::Serialize;

use crate::compile::{
    CYCLE, Fits, GROUP_CYCLE, compile, compile_flag, compile_group, flag_at, segment_at,
};
use crate::compiled::Program;
use crate::model::{FeatureConfig, Segment};
use crate::problem::Problems;
use crate::{
    EvaluationError, Explanation, ForTarget, Outcome, Problem, Subject, TargetTexts, TypedValue,
};

/// About how many bytes the steps of an explanation may take, which is enough for some thousand steps.
const NOTES_BYTES: usize = 256 * 1024;

/// Names that replaced flags and groups have left behind are dropped when there are so many more than at first, and twice as many.
const MAX_UNUSED_NAMES: usize = 1_000;

/// All flags and groups of an environment, ready to be evaluated by any number of threads at once.
///
/// A new configuration is a new snapshot. Whoever holds one alone can also replace a single flag or group in it, which takes as long
/// as compiling that one.
#[derive(Clone, Debug)]
pub struct Snapshot {
    flags: Vec<FeatureConfig>,
    segments: Vec<Segment>,
    program: Program,
    problems: Vec<Problem>,
    fits: Fits,
    /// The number of names when the whole configuration was last compiled. All is compiled again once too many names are unused.
    names: usize,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self::compile(Vec::new(), Vec::new())
    }
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
    pub fn compile(flags: Vec<FeatureConfig>, segments: Vec<Segment>) -> Self {
        Self::compile_with(flags, segments, TypedValue::fits)
    }

    /// Prepares flags and groups as [`compile`](Self::compile) does, for a program that reads the values of variations in its own
    /// way: `fits` says whether a value is of a kind, whose name is in lower case, so that one that is not is a problem.
    #[must_use]
    pub fn compile_with(
        mut flags: Vec<FeatureConfig>,
        mut segments: Vec<Segment>,
        fits: fn(kind: &str, value: &str) -> bool,
    ) -> Self {
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
        let (program, problems) = compile(&flags, &segments, problems, fits);
        Self {
            names: program.names.len(),
            flags,
            segments,
            program,
            problems,
            fits,
        }
    }

    /// Puts a flag in the place of the one with the same identifier, or adds it. The result is that of compiling all, but the order of
    /// problems; it takes as long as compiling this flag, unless it is new, or its prerequisites or the identifiers of its variations
    /// differ.
    pub fn replace_flag(&mut self, flag: FeatureConfig) {
        let (at, before) = put(&mut self.flags, flag, |flag| &flag.feature);
        let Some((before, flag)) = before.zip(self.flags.get(at)) else {
            return self.compile_all();
        };
        let ids = |flag: &FeatureConfig, other: &FeatureConfig| {
            let ids = flag
                .variations
                .iter()
                .map(|variation| &variation.identifier);
            ids.eq(other.variations.iter().map(|other| &other.identifier))
        };
        let alike = before.prerequisites == flag.prerequisites
            && (!self.program.prerequisites || ids(&before, flag));
        if !alike || self.has_unused_names() {
            return self.compile_all();
        }
        let names = &mut self.program.names;
        let (compiled, problems) = compile_flag(at, &self.flags, &self.segments, names, self.fits);
        if self.program.names.patterns.are_too_much() {
            return self.compile_all();
        }
        if let Some((place, compiled)) = self.program.flags.get_mut(at).zip(compiled) {
            *place = compiled;
        }
        self.replace_problems(Subject::Flag, &before.feature, problems);
    }

    /// Puts a group in the place of the one with the same identifier, or adds it, as [`replace_flag`](Self::replace_flag) does with a
    /// flag. All is compiled again if it is new, or names other groups than before.
    pub fn replace_segment(&mut self, segment: Segment) {
        let (at, before) = put(&mut self.segments, segment, |group| &group.identifier);
        let Some((before, segment)) = before.zip(self.segments.get(at)) else {
            return self.compile_all();
        };
        let alike = before.group_identifiers().eq(segment.group_identifiers())
            && before.serving_rules.is_empty() == segment.serving_rules.is_empty();
        if !alike || self.has_unused_names() {
            return self.compile_all();
        }
        let names = &mut self.program.names;
        let (compiled, problems) = compile_group(at, &self.flags, &self.segments, names, self.fits);
        if self.program.names.patterns.are_too_much() {
            return self.compile_all();
        }
        if let Some((place, mut compiled)) = self.program.groups.get_mut(at).zip(compiled) {
            compiled.component = place.component;
            *place = compiled;
        }
        self.replace_problems(Subject::Segment, &before.identifier, problems);
    }

    /// Removes a flag, and compiles all again if there was one of this identifier.
    pub fn remove_flag(&mut self, flag: &str) {
        if let Some(at) = self.position(flag) {
            self.flags.remove(at);
            self.compile_all();
        }
    }

    /// Removes a group, and compiles all again if there was one of this identifier.
    pub fn remove_segment(&mut self, segment: &str) {
        if let Some(at) = segment_at(&self.segments, segment) {
            self.segments.remove(at);
            self.compile_all();
        }
    }

    fn compile_all(&mut self) {
        let problems = Problems::new();
        (self.program, self.problems) = compile(&self.flags, &self.segments, problems, self.fits);
        self.names = self.program.names.len();
    }

    /// Whether so many names are left of replaced flags and groups that compiling all is worth it.
    fn has_unused_names(&self) -> bool {
        let most = self
            .names
            .saturating_mul(2)
            .saturating_add(MAX_UNUSED_NAMES);
        self.program.names.len() > most
    }

    /// Replaces what is wrong with a flag or group, but what depends on others as well, which has not changed.
    fn replace_problems(&mut self, subject: Subject, identifier: &str, problems: Vec<Problem>) {
        let stays = |problem: &Problem| {
            problem.subject != subject
                || problem.identifier != identifier
                || problem.sentence == CYCLE
                || problem.sentence == GROUP_CYCLE
        };
        self.problems.retain(stays);
        self.problems.extend(problems);
    }

    /// Returns what cannot work as it is written, in sentences for the log and for people.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the names of the attributes that rules look at. The first two are `identifier` and `name`.
    pub fn attributes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.program.names.attributes.iter().map(|name| &**name)
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
        ForTarget::new(self, target.map(|target| -> &dyn TargetTexts { target }))
    }

    /// Prepares for evaluating several flags for one target as [`for_target`](Self::for_target) does, for a target of another form.
    #[must_use]
    pub fn for_texts<'s, 't>(&'s self, target: Option<&'t dyn TargetTexts>) -> ForTarget<'s, 't> {
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
        self.explain_texts(
            flag,
            target.map(|target| -> &dyn TargetTexts { target }),
            bytes,
        )
    }

    /// Explains one flag as [`explain_within`](Self::explain_within) does, for a target of another form.
    #[must_use]
    pub fn explain_texts(
        &self,
        flag: &str,
        target: Option<&dyn TargetTexts>,
        bytes: usize,
    ) -> Explanation {
        let mut steps = Vec::new();
        let (result, omitted) = match self.position(flag) {
            Some(at) => self.for_texts(target).explain(at, bytes, &mut steps),
            None => (Err(EvaluationError::UnknownFlag), 0),
        };
        Explanation {
            flag: flag.to_owned(),
            target: target.map(|target| target.identifier().to_owned()),
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

/// Puts an item into a list that is sorted by `name`. Returns its place, and the item of the same name that was there.
fn put<T>(items: &mut Vec<T>, item: T, name: fn(&T) -> &str) -> (usize, Option<T>) {
    match items.binary_search_by(|other| name(other).cmp(name(&item))) {
        Ok(at) => {
            let place = items.get_mut(at);
            (at, place.map(|place| std::mem::replace(place, item)))
        }
        Err(at) => {
            items.insert(at, item);
            (at, None)
        }
    }
}
