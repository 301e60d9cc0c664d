//! Decides whether a target belongs to groups, which may refer to each other.

use super::ForTarget;
use crate::compiled::{Component, RuleSource};
use crate::explanation::{Membership, SegmentCheck, SegmentRuleCheck};

impl<'s> ForTarget<'s, '_> {
    /// Whether the target belongs to one of the groups before the first that excludes it.
    pub(super) fn any_group<const TRACE: bool>(
        &mut self,
        groups: &[Option<usize>],
        names: &[String],
        nested: bool,
        checks: &mut Vec<SegmentCheck>,
    ) -> bool {
        for (at, group) in groups.iter().enumerate() {
            let outcome = group.map_or(Membership::Unknown, |group| self.membership(group));
            if TRACE
                && let Some(name) = names.get(at)
                && self.notes.have_room(name.len().saturating_add(100))
            {
                let mut rules = Vec::new();
                if let Some(group) = group
                    && !nested
                {
                    // The outcome is known; this records the rules. Those of a cycle are recorded with the final memberships.
                    self.group::<true>(*group, &mut rules);
                }
                checks.push(SegmentCheck {
                    segment: name.clone(),
                    outcome,
                    rules,
                });
            }
            match outcome {
                Membership::Excluded => return false,
                Membership::Included | Membership::Rule => return true,
                Membership::Unknown | Membership::No => {}
            }
        }
        false
    }

    fn membership(&mut self, group: usize) -> Membership {
        if let Some(Some(known)) = self.memberships.get(group) {
            return *known;
        }
        let program = self.program;
        let Some(first) = program.groups.get(group) else {
            return Membership::Unknown;
        };
        let enter = |at: usize| {
            program
                .components
                .get(at)
                .map(|component| (component, component.needs.iter()))
        };
        let mut path: Vec<_> = enter(first.component).into_iter().collect();
        while let Some((component, needs)) = path.last_mut() {
            let component = *component;
            if let Some(open) = needs.find(|need| !self.component_known(**need)) {
                path.extend(enter(*open));
            } else {
                self.component(component);
                path.pop();
            }
        }
        self.memberships
            .get(group)
            .copied()
            .flatten()
            .unwrap_or(Membership::Unknown)
    }

    fn component_known(&self, at: usize) -> bool {
        let first = self
            .program
            .components
            .get(at)
            .and_then(|component| component.groups.first());
        // A component without a group counts as known, as there is nothing to find out about it.
        first
            .and_then(|group| self.memberships.get(*group))
            .is_none_or(Option::is_some)
    }

    /// Finds the memberships of groups that refer to each other, after all others that they refer to.
    ///
    /// In a cycle the target is a member of no group by rule at first, and then the rules are applied until nothing changes. As
    /// clauses cannot negate, a membership that is found never ends another one, so the result does not depend on the order.
    fn component(&mut self, component: &'s Component) {
        if component.cyclic {
            for group in &component.groups {
                let named = self.named(*group);
                self.remember(*group, named.unwrap_or(Membership::No));
            }
        }
        loop {
            let mut changed = false;
            for group in &component.groups {
                let outcome = self.group::<false>(*group, &mut Vec::new());
                changed |= self.remember(*group, outcome);
            }
            if !(changed && component.cyclic) {
                return;
            }
        }
    }

    /// Stores the outcome of a group, and returns whether it differs from what was known.
    fn remember(&mut self, group: usize, outcome: Membership) -> bool {
        self.memberships
            .get_mut(group)
            .is_some_and(|known| known.replace(outcome) != Some(outcome))
    }

    fn group<const TRACE: bool>(
        &mut self,
        at: usize,
        rules: &mut Vec<SegmentRuleCheck>,
    ) -> Membership {
        if let Some(named) = self.named(at) {
            return named;
        }
        let program = self.program;
        let Some(group) = program.groups.get(at) else {
            return Membership::Unknown;
        };
        let segment = if TRACE {
            self.snapshot.segments().get(at)
        } else {
            None
        };
        for rule in &group.rules {
            let (id, source) = match (segment, rule.source) {
                (None, _) => (None, &[][..]),
                (Some(segment), RuleSource::Serving(at)) => segment
                    .serving_rules
                    .get(at)
                    .map_or((None, &[][..]), |rule| {
                        (rule.rule_id.as_ref(), &rule.clauses)
                    }),
                (Some(segment), RuleSource::Flat(at)) => {
                    segment.rules.get(at).map_or((None, &[][..]), |clause| {
                        (clause.id.as_ref(), std::slice::from_ref(clause))
                    })
                }
            };
            let mut clauses = Vec::new();
            let matched = self.all::<TRACE>(&rule.tests, source, true, &mut clauses);
            if TRACE {
                rules.push(SegmentRuleCheck {
                    rule: id.cloned(),
                    clauses,
                    matched,
                });
            }
            if matched {
                return Membership::Rule;
            }
        }
        Membership::No
    }

    /// Returns whether a group names the target as excluded or included; `None` where it does not name it.
    fn named(&self, at: usize) -> Option<Membership> {
        let group = self.program.groups.get(at)?;
        if group.excluded.contains(self.id) {
            Some(Membership::Excluded)
        } else if group.included.contains(self.id) {
            Some(Membership::Included)
        } else {
            None
        }
    }
}
