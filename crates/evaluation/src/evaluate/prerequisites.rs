//! Decides whether the prerequisites of a flag are met, and those of the flags that they name.

use super::ForTarget;
use crate::compiled::{Flag, Need};
use crate::explanation::{PrerequisiteOutcome, Step};

impl<'s> ForTarget<'s, '_> {
    /// Checks all prerequisites that a flag leads to, depth first, and returns whether they are met.
    ///
    /// They are met unless one that is reached is not met. It is therefore enough to visit each flag once, also in a cycle.
    pub(super) fn prerequisites_met<const TRACE: bool>(
        &mut self,
        root: usize,
        flag: &'s Flag,
        steps: &mut Vec<Step>,
    ) -> bool {
        if flag.prerequisites.is_empty() {
            return true;
        }
        if self.checks.is_empty() {
            self.checks = vec![PrerequisiteCheck::Unknown; self.program.flags.len()];
        }
        match self.check_of(root) {
            PrerequisiteCheck::Met => return true,
            PrerequisiteCheck::NotMet => return false,
            PrerequisiteCheck::Unknown
            | PrerequisiteCheck::Open
            | PrerequisiteCheck::Provisional => {}
        }
        self.set_check(root, PrerequisiteCheck::Open);
        let mut path = vec![(root, flag.prerequisites.iter())];
        let mut provisional = Vec::new();
        let mut circle = false;
        let met = loop {
            let Some((of, needs)) = path.last_mut() else {
                break true;
            };
            let of = *of;
            let verdict = match needs.next() {
                Some(need) => self.prerequisite::<TRACE>(of, need, steps),
                None => Verdict::Done,
            };
            match verdict {
                Verdict::NotMet => break false,
                Verdict::Done => {
                    path.pop();
                    if circle {
                        self.set_check(of, PrerequisiteCheck::Provisional);
                        provisional.push(of);
                    } else {
                        self.set_check(of, PrerequisiteCheck::Met);
                    }
                }
                Verdict::Met(next) => match self.check_of(next) {
                    PrerequisiteCheck::Met | PrerequisiteCheck::Provisional => {}
                    PrerequisiteCheck::Open => circle = true,
                    PrerequisiteCheck::NotMet => break false,
                    PrerequisiteCheck::Unknown => {
                        if let Some(flag) = self.program.flags.get(next) {
                            self.set_check(next, PrerequisiteCheck::Open);
                            path.push((next, flag.prerequisites.iter()));
                        }
                    }
                },
            }
        };
        for (at, _) in path {
            self.set_check(at, PrerequisiteCheck::NotMet);
        }
        let settled = if met {
            PrerequisiteCheck::Met
        } else {
            PrerequisiteCheck::Unknown
        };
        for at in provisional {
            self.set_check(at, settled);
        }
        met
    }

    /// Checks one prerequisite, without those of the flag that it names.
    fn prerequisite<const TRACE: bool>(
        &mut self,
        of: usize,
        need: &'s Need,
        steps: &mut Vec<Step>,
    ) -> Verdict {
        let mut walk = Vec::new();
        let noted = TRACE && self.notes.have_room(super::STEP_BYTES);
        let (verdict, outcome, served) = match need.flag.and_then(|at| Some((at, self.flag(at)?))) {
            None => (Verdict::Done, PrerequisiteOutcome::UnknownFlag, None),
            Some((at, (flag, config))) => {
                let served = if noted {
                    self.serve_flag::<TRACE>(at, flag, config, &mut walk)
                } else {
                    self.serve_flag::<false>(at, flag, config, &mut walk)
                };
                match served {
                    Err(_) => (Verdict::Done, PrerequisiteOutcome::CannotEvaluate, None),
                    Ok((variation, _)) => {
                        let served = config.variations.get(variation);
                        if !need.accepted.contains(&variation) {
                            (Verdict::NotMet, PrerequisiteOutcome::NotMet, served)
                        } else if self.check_of(at) == PrerequisiteCheck::Unknown {
                            (Verdict::Met(at), PrerequisiteOutcome::Met, served)
                        } else {
                            (Verdict::Met(at), PrerequisiteOutcome::MetBefore, served)
                        }
                    }
                }
            }
        };
        if noted
            && let Some((of_flag, config)) = self.flag(of)
            && let Some(source) = of_flag
                .prerequisites
                .iter()
                .position(|other| std::ptr::eq(other, need))
                .and_then(|at| config.prerequisites.get(at))
        {
            steps.push(Step::Prerequisite {
                of: config.feature.clone(),
                flag: source.feature.clone(),
                wanted: source.variations.clone(),
                served: served.map(|variation| variation.identifier.clone()),
                outcome,
                steps: match outcome {
                    PrerequisiteOutcome::MetBefore => Vec::new(),
                    _ => walk,
                },
            });
        }
        verdict
    }

    fn check_of(&self, at: usize) -> PrerequisiteCheck {
        self.checks.get(at).copied().unwrap_or_default()
    }

    fn set_check(&mut self, at: usize, check: PrerequisiteCheck) {
        if let Some(kept) = self.checks.get_mut(at) {
            *kept = check;
        }
    }
}

/// The state of the check of a flag's prerequisites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PrerequisiteCheck {
    #[default]
    Unknown,
    /// The flag is on the path that is being followed.
    Open,
    /// All are met if those of the flag at which the path started are; this happens within a cycle only.
    Provisional,
    Met,
    NotMet,
}

/// What the result for one prerequisite means for the check of all.
enum Verdict {
    /// It is met, and the prerequisites of the flag at this position are checked next.
    Met(usize),
    /// A prerequisite is not met, which decides the check.
    NotMet,
    /// The rest of the list is not checked.
    Done,
}
