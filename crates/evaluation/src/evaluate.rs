//! The algorithm of evaluation. The same code serves evaluations and explanations: with the constant parameter `TRACE` it
//! records each step, and without it recording is not compiled in.
//!
//! It does not recurse over the configuration, because chains of prerequisites and groups may be too long for the stack.

mod groups;
mod notes;
mod prerequisites;

use std::borrow::Cow;
use std::fmt;

use flagwire_core::protocol::Target;

use self::notes::Notes;
use self::prerequisites::PrerequisiteCheck;
use crate::compiled::{
    Flag, IDENTIFIER, MapEntry, NAME, Pick, Program, Rollout, Rule, Serve, Test,
};
use crate::explanation::{ClauseCheck, Membership, Step};
use crate::model::{Clause, Distribution, FeatureConfig};
use crate::{EvaluationError, EvaluationRef, Reason, Snapshot};

/// What an evaluation asks of a target. [`Target`] has it, and so may a form that is cheaper to come by.
pub trait TargetTexts: fmt::Debug {
    /// Returns the identifier.
    fn identifier(&self) -> &str;

    /// Returns the attribute at a position of [`Snapshot::attributes`], as [`attribute_text`](crate::attribute_text) makes it text.
    /// The first two are the identifier and the name. `None` where the target lacks it.
    fn text(&self, at: usize, attribute: &str) -> Option<Cow<'_, str>>;
}

impl TargetTexts for Target {
    fn identifier(&self) -> &str {
        &self.identifier
    }

    fn text(&self, at: usize, attribute: &str) -> Option<Cow<'_, str>> {
        match at {
            IDENTIFIER => Some(Cow::Borrowed(&*self.identifier)),
            NAME => self.name.as_deref().map(Cow::Borrowed),
            _ => crate::text::attribute_text(self.attributes.as_ref()?.get(attribute)?),
        }
    }
}

/// Evaluates several flags of a snapshot for one target. It keeps what several of them may need: the target's attributes as
/// text, its buckets and memberships of groups, and what prerequisites serve it.
#[derive(Debug)]
pub struct ForTarget<'s, 't> {
    snapshot: &'s Snapshot,
    program: &'s Program,
    target: Option<&'t dyn TargetTexts>,
    /// The number of the target's identifier, if the configuration names it.
    id: Option<u32>,
    attributes: Vec<Attribute<'t>>,
    /// By group.
    memberships: Vec<Option<Membership>>,
    /// By flag; empty until the first prerequisite is met.
    served: Vec<Option<Served>>,
    /// By flag; empty until the first prerequisite is met.
    checks: Vec<PrerequisiteCheck>,
    notes: Notes,
}

/// About how many bytes a step of an explanation takes besides its clauses and groups.
const STEP_BYTES: usize = 200;

/// What a flag serves without regard to its prerequisites: the position of the variation and why.
type Served = Result<(usize, Reason), EvaluationError>;

#[derive(Clone, Debug, Default)]
struct Attribute<'t> {
    text: AttributeText<'t>,
    /// The bucket of this attribute, once it is known.
    bucket: Option<u8>,
}

#[derive(Clone, Debug, Default)]
enum AttributeText<'t> {
    #[default]
    Unread,
    Absent,
    Present(Cow<'t, str>),
}

impl<'s, 't> ForTarget<'s, 't> {
    pub(crate) fn new(snapshot: &'s Snapshot, target: Option<&'t dyn TargetTexts>) -> Self {
        let program = snapshot.program();
        Self {
            snapshot,
            program,
            target,
            id: target.and_then(|target| program.names.targets.get(target.identifier()).copied()),
            attributes: vec![Attribute::default(); program.names.attributes.len()],
            memberships: vec![None; program.groups.len()],
            served: Vec::new(),
            checks: Vec::new(),
            notes: Notes::default(),
        }
    }

    /// Evaluates one flag.
    ///
    /// # Errors
    /// As [`Snapshot::evaluate`].
    pub fn evaluate(&mut self, flag: &str) -> Result<EvaluationRef<'s>, EvaluationError> {
        let at = self
            .snapshot
            .position(flag)
            .ok_or(EvaluationError::UnknownFlag)?;
        self.flag_at::<false>(at, &mut Vec::new())
    }

    /// Evaluates all flags, sorted by identifier, leaving out those that cannot be evaluated.
    pub fn evaluate_all(&mut self, mut each: impl FnMut(EvaluationRef<'s>)) {
        for at in 0..self.program.flags.len() {
            if let Ok(evaluation) = self.flag_at::<false>(at, &mut Vec::new()) {
                each(evaluation);
            }
        }
    }

    /// Evaluates the flag at a position of [`Snapshot::flags`], and returns the position of what it serves among the flag's variations.
    ///
    /// # Errors
    /// As [`Snapshot::evaluate`].
    pub fn evaluate_at(&mut self, at: usize) -> Result<(usize, Reason), EvaluationError> {
        let (flag, config) = self.flag(at).ok_or(EvaluationError::UnknownFlag)?;
        self.decide::<false>(at, flag, config, &mut Vec::new())
    }

    /// Evaluates the flag at a position and records the steps, in about `bytes` bytes. Also returns how many notes were left out.
    pub(crate) fn explain(
        &mut self,
        at: usize,
        bytes: usize,
        steps: &mut Vec<Step>,
    ) -> (Result<EvaluationRef<'s>, EvaluationError>, usize) {
        self.notes = Notes::new(bytes);
        let result = self.flag_at::<true>(at, steps);
        (result, self.notes.omitted())
    }

    fn flag_at<const TRACE: bool>(
        &mut self,
        at: usize,
        steps: &mut Vec<Step>,
    ) -> Result<EvaluationRef<'s>, EvaluationError> {
        let (flag, config) = self.flag(at).ok_or(EvaluationError::UnknownFlag)?;
        let (variation, reason) = self.decide::<TRACE>(at, flag, config, steps)?;
        let variation = config
            .variations
            .get(variation)
            .ok_or(EvaluationError::NoVariation)?;
        Ok(EvaluationRef {
            flag: &config.feature,
            identifier: &variation.identifier,
            value: &variation.value,
            kind: &config.kind,
            reason,
        })
    }

    /// Returns the position of the variation that a flag serves, and why.
    fn decide<const TRACE: bool>(
        &mut self,
        at: usize,
        flag: &'s Flag,
        config: &FeatureConfig,
        steps: &mut Vec<Step>,
    ) -> Served {
        let met = self.prerequisites_met::<TRACE>(at, flag, steps);
        if TRACE {
            self.notes.come_to_the_flag_itself();
        }
        if met {
            self.serve_flag::<TRACE>(at, flag, config, steps)
        } else {
            Ok((off::<TRACE>(flag, config, steps)?, Reason::Prerequisite))
        }
    }

    fn flag(&self, at: usize) -> Option<(&'s Flag, &'s FeatureConfig)> {
        self.program
            .flags
            .get(at)
            .zip(self.snapshot.flags().get(at))
    }

    /// Returns what a flag serves without regard to its prerequisites. The result is kept where it may be needed again.
    fn serve_flag<const TRACE: bool>(
        &mut self,
        at: usize,
        flag: &Flag,
        config: &FeatureConfig,
        steps: &mut Vec<Step>,
    ) -> Served {
        if TRACE || !self.program.prerequisites {
            return self.serve_flag_anew::<TRACE>(flag, config, steps);
        }
        if self.served.is_empty() {
            self.served = vec![None; self.program.flags.len()];
        }
        if let Some(Some(served)) = self.served.get(at) {
            return *served;
        }
        let served = self.serve_flag_anew::<false>(flag, config, steps);
        if let Some(kept) = self.served.get_mut(at) {
            *kept = Some(served);
        }
        served
    }

    fn serve_flag_anew<const TRACE: bool>(
        &mut self,
        flag: &Flag,
        config: &FeatureConfig,
        steps: &mut Vec<Step>,
    ) -> Served {
        if TRACE {
            steps.push(Step::State { on: flag.on });
        }
        if !flag.on {
            return Ok((off::<TRACE>(flag, config, steps)?, Reason::Off));
        }
        let chosen = if self.target.is_some() {
            match self.map::<TRACE>(&flag.map, config, steps) {
                Pick::Nothing => self.rules::<TRACE>(&flag.rules, config, steps),
                pick => (pick, Reason::TargetMap),
            }
        } else {
            if TRACE {
                steps.push(Step::NoTarget);
            }
            (Pick::Nothing, Reason::Default)
        };
        let (pick, reason) = match chosen {
            (Pick::Nothing, _) => self.default::<TRACE>(&flag.default, config, steps),
            chosen => chosen,
        };
        match pick {
            Pick::Variation(at) => Ok((at, reason)),
            Pick::Nothing | Pick::Undefined => Err(EvaluationError::NoVariation),
        }
    }

    fn map<const TRACE: bool>(
        &mut self,
        map: &[MapEntry],
        config: &FeatureConfig,
        steps: &mut Vec<Step>,
    ) -> Pick {
        for (at, entry) in map.iter().enumerate() {
            let source = if TRACE && self.notes.have_room(STEP_BYTES) {
                config.variation_to_target_map.get(at)
            } else {
                None
            };
            let mut segments = Vec::new();
            let named = entry.targets.contains(self.id);
            let matched = named
                || self.any_group::<TRACE>(
                    &entry.groups,
                    source.map_or(&[], |source| &source.target_segments),
                    false,
                    &mut segments,
                );
            if let Some(source) = source {
                steps.push(Step::TargetMap {
                    variation: source.variation.clone(),
                    named,
                    segments,
                    matched,
                });
            }
            if matched {
                return entry.pick;
            }
        }
        Pick::Nothing
    }

    fn rules<const TRACE: bool>(
        &mut self,
        rules: &[Rule],
        config: &FeatureConfig,
        steps: &mut Vec<Step>,
    ) -> (Pick, Reason) {
        for rule in rules {
            let source = if TRACE && self.notes.have_room(STEP_BYTES) {
                config.rules.get(rule.source)
            } else {
                None
            };
            let mut clauses = Vec::new();
            let matched = self.all::<TRACE>(
                &rule.tests,
                source.map_or(&[], |source| &source.clauses),
                false,
                &mut clauses,
            );
            if let Some(source) = source {
                steps.push(Step::Rule {
                    rule: source.rule_id.clone(),
                    priority: source.priority,
                    clauses,
                    matched,
                    usable: rule.serve.rollout.is_some() || rule.serve.pick != Pick::Nothing,
                    serve: source.serve.clone(),
                });
            }
            if !matched {
                continue;
            }
            let chosen = match &rule.serve.rollout {
                Some(rollout) => {
                    let source = source.and_then(|source| source.serve.distribution.as_ref());
                    (
                        self.rollout::<TRACE>(rollout, source, steps),
                        Reason::RuleRollout,
                    )
                }
                None => (rule.serve.pick, Reason::Rule),
            };
            // A rule with nothing to serve does not end the search, as in the Go SDK.
            if chosen.0 != Pick::Nothing {
                return chosen;
            }
        }
        (Pick::Nothing, Reason::Default)
    }

    fn default<const TRACE: bool>(
        &mut self,
        serve: &Serve,
        config: &FeatureConfig,
        steps: &mut Vec<Step>,
    ) -> (Pick, Reason) {
        if let Some(rollout) = &serve.rollout {
            let pick =
                self.rollout::<TRACE>(rollout, config.default_serve.distribution.as_ref(), steps);
            if pick != Pick::Nothing {
                return (pick, Reason::DefaultRollout);
            }
        }
        if TRACE {
            let variation = config
                .default_serve
                .variation
                .clone()
                .filter(|variation| !variation.is_empty());
            steps.push(Step::DefaultServe { variation });
        }
        (serve.pick, Reason::Default)
    }

    fn rollout<const TRACE: bool>(
        &mut self,
        rollout: &Rollout,
        source: Option<&Distribution>,
        steps: &mut Vec<Step>,
    ) -> Pick {
        let by = if self.text(rollout.by).is_some() {
            rollout.by
        } else {
            IDENTIFIER
        };
        let bucket = self.bucket(by);
        let share = rollout
            .shares
            .iter()
            .position(|(total, _)| bucket.is_some_and(|bucket| i64::from(bucket) <= *total))
            .unwrap_or_else(|| rollout.shares.len().saturating_sub(1));
        if TRACE {
            let name = self
                .program
                .names
                .attributes
                .get(by)
                .map_or("", |name| &**name);
            let input = self.text(by).map(|text| format!("{name}:{text}"));
            let shares = source.map_or(&[][..], |source| &source.variations);
            let total_before = share.checked_sub(1).and_then(|at| rollout.shares.get(at));
            let total = rollout.shares.get(share).map_or(0, |(total, _)| *total);
            let last = rollout.shares.len().checked_sub(1) == Some(share);
            steps.push(Step::Rollout {
                input,
                fallback: by != rollout.by,
                bucket,
                variation: shares
                    .get(share)
                    .map(|share| share.variation.clone())
                    .unwrap_or_default(),
                from: total_before
                    .map_or(0, |(total, _)| *total)
                    .saturating_add(1),
                to: if last { 100 } else { total },
                shares: shares.to_vec(),
            });
        }
        rollout
            .shares
            .get(share)
            .map_or(Pick::Nothing, |(_, pick)| *pick)
    }

    /// Whether there is at least one clause and all of them hold.
    fn all<const TRACE: bool>(
        &mut self,
        tests: &[Test],
        source: &[Clause],
        nested: bool,
        checks: &mut Vec<ClauseCheck>,
    ) -> bool {
        let mut all = !tests.is_empty();
        for (at, test) in tests.iter().enumerate() {
            let clause = if TRACE { source.get(at) } else { None };
            let mut segments = Vec::new();
            let matched = match test {
                Test::Never(_) => false,
                Test::Attribute { slot, check } => {
                    self.text(*slot).is_some_and(|text| check.holds(text))
                }
                Test::Groups(groups) => {
                    let names = clause.map_or(&[][..], |clause| &clause.values);
                    self.any_group::<TRACE>(groups, names, nested, &mut segments)
                }
            };
            if let Some(clause) = clause
                && self.notes.have_room(notes::clause_bytes(clause))
            {
                let actual = match test {
                    Test::Attribute { slot, .. } => self.text(*slot).map(str::to_owned),
                    Test::Never(_) | Test::Groups(_) => None,
                };
                checks.push(ClauseCheck {
                    attribute: clause.attribute.clone(),
                    op: clause.op.clone(),
                    values: clause.values.clone(),
                    actual,
                    segments,
                    problem: if let Test::Never(why) = test {
                        Some(why)
                    } else {
                        None
                    },
                    matched,
                });
            }
            all &= matched;
            // An explanation also shows the clauses after the first that fails, although they change nothing.
            if !all && !TRACE {
                return false;
            }
        }
        all
    }

    /// Returns an attribute of the target as text, which is converted once; `None` if the target lacks it.
    fn text(&mut self, slot: usize) -> Option<&str> {
        let attribute = self.attributes.get_mut(slot)?;
        if let AttributeText::Unread = attribute.text {
            let name = self.program.names.attributes.get(slot);
            let text = name.and_then(|name| self.target?.text(slot, name));
            attribute.text = match text {
                Some(text) if !text.is_empty() => AttributeText::Present(text),
                _ => AttributeText::Absent,
            };
        }
        match &attribute.text {
            AttributeText::Present(text) => Some(text),
            AttributeText::Absent | AttributeText::Unread => None,
        }
    }

    /// Returns the target's bucket by an attribute, which is hashed once; `None` if the target lacks the attribute.
    fn bucket(&mut self, slot: usize) -> Option<u8> {
        if let Some(known) = self
            .attributes
            .get(slot)
            .and_then(|attribute| attribute.bucket)
        {
            return Some(known);
        }
        let program = self.program;
        let name = program.names.attributes.get(slot)?;
        let bucket = crate::murmur::bucket(name, self.text(slot)?);
        if let Some(attribute) = self.attributes.get_mut(slot) {
            attribute.bucket = Some(bucket);
        }
        Some(bucket)
    }
}

fn off<const TRACE: bool>(
    flag: &Flag,
    config: &FeatureConfig,
    steps: &mut Vec<Step>,
) -> Result<usize, EvaluationError> {
    if TRACE {
        steps.push(Step::OffVariation {
            variation: config.off_variation.clone(),
        });
    }
    match flag.off {
        Pick::Variation(at) => Ok(at),
        Pick::Nothing | Pick::Undefined => Err(EvaluationError::NoVariation),
    }
}
