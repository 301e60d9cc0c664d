//! Finds attributes with which a target meets conditions.

use std::collections::{BTreeMap, HashMap};

use flagwire_evaluation::model::{Clause, Segment};

use super::pattern;

/// How deep groups are followed that name other groups.
const MAX_DEPTH: usize = 8;

/// The attributes that a target should have, `identifier` and `name` among them. All others may be anything.
pub(super) type Wanted = BTreeMap<String, String>;

/// The groups of a configuration.
pub(super) struct Groups<'a>(pub(super) HashMap<&'a str, &'a Segment>);

impl Groups<'_> {
    /// Returns attributes that should meet all of the conditions. It is a simple search, which may fail where conditions are on
    /// the same attribute.
    pub(super) fn meet(&self, clauses: &[Clause]) -> Wanted {
        let mut wanted = Wanted::new();
        self.add(clauses, 0, &mut wanted);
        wanted
    }

    /// Returns a set of attributes for each target that a group includes or excludes by name, and for each of its rules.
    pub(super) fn members(&self, group: &Segment) -> Vec<Wanted> {
        let named = group
            .included
            .iter()
            .chain(&group.excluded)
            .map(|member| Wanted::from([("identifier".to_owned(), member.identifier.clone())]));
        let source = group.with_serving_rules();
        let by_rule = source
            .serving_rules
            .iter()
            .map(|rule| self.meet(&rule.clauses));
        named.chain(by_rule).collect()
    }

    fn add(&self, clauses: &[Clause], depth: usize, wanted: &mut Wanted) {
        for clause in clauses {
            if clause.op == "segmentMatch" {
                let known = clause
                    .values
                    .iter()
                    .find_map(|name| self.0.get(name.as_str()));
                if let Some(group) = known {
                    self.join(group, depth, wanted);
                }
                continue;
            }
            let Some(value) = clause.values.first() else {
                continue;
            };
            let there = wanted.get(&clause.attribute).cloned().unwrap_or_default();
            let text = match clause.op.as_str() {
                "starts_with" => format!("{value}{there}"),
                "ends_with" | "contains" => format!("{there}{value}"),
                "gt" if there.is_empty() => format!("{value}a"),
                "match" if there.is_empty() => pattern::matching(value).unwrap_or_default(),
                _ if there.is_empty() => value.clone(),
                _ => there,
            };
            if !text.is_empty() {
                wanted.insert(clause.attribute.clone(), text);
            }
        }
    }

    /// Adds attributes that make the target a member of the group. A rule is preferred to a named member, because that leaves the
    /// identifier free, which decides about shares.
    fn join(&self, group: &Segment, depth: usize, wanted: &mut Wanted) {
        if depth >= MAX_DEPTH {
            return;
        }
        let source = group.with_serving_rules();
        if let Some(rule) = source
            .serving_rules
            .iter()
            .find(|rule| !rule.clauses.is_empty())
        {
            self.add(&rule.clauses, depth.saturating_add(1), wanted);
        } else if let Some(member) = group.included.first() {
            wanted
                .entry("identifier".to_owned())
                .or_insert_with(|| member.identifier.clone());
        }
    }
}
