//! Compiles a configuration to a [`Program`], and collects the problems of what cannot work as it is written.

use crate::compiled::{
    Check, Component, Flag, Group, GroupRule, IDENTIFIER, IdSet, MapEntry, NAME, Names, Need, Pick,
    Program, Rollout, Rule, RuleSource, Serve, Test,
};
use crate::graph::components;
use crate::model::{Clause, FeatureConfig, Segment, Serve as ServeConfig, State};
use crate::problem::Problems;
use crate::{Problem, Subject};

/// Whether a text is a value of a kind, whose name is in lower case.
pub(crate) type Fits = fn(kind: &str, value: &str) -> bool;

/// The sentence of the problem that depends on several flags.
pub(crate) const CYCLE: &str =
    "its prerequisites lead back to itself; each flag of the circle is checked once";

/// The sentence of the problem that depends on several groups.
pub(crate) const GROUP_CYCLE: &str =
    "its rules lead back to itself; membership that rests on nothing but the circle does not count";

/// Resolves the names of a configuration whose lists are sorted and without duplicates.
pub(crate) fn compile(
    flags: &[FeatureConfig],
    segments: &[Segment],
    problems: Problems,
    fits: Fits,
) -> (Program, Vec<Problem>) {
    let mut compiler = Compiler {
        flags,
        segments,
        names: Names::default(),
        problems,
        fits,
    };
    for (slot, name) in [(IDENTIFIER, "identifier"), (NAME, "name")] {
        let given = compiler.slot(name);
        debug_assert_eq!(given, slot);
    }
    let groups = segments
        .iter()
        .map(|segment| compiler.group(segment))
        .collect();
    let compiled: Vec<_> = flags.iter().map(|flag| compiler.flag(flag)).collect();
    compiler.report_prerequisite_cycles(&compiled);
    let (groups, components) = compiler.components(groups);
    let program = Program {
        names: compiler.names,
        prerequisites: compiled.iter().any(|flag| !flag.prerequisites.is_empty()),
        flags: compiled,
        groups,
        components,
    };
    (program, compiler.problems.into_list())
}

/// Compiles one flag of a configuration again, with the names that are known, and returns its problems.
pub(crate) fn compile_flag(
    at: usize,
    flags: &[FeatureConfig],
    segments: &[Segment],
    names: &mut Names,
    fits: Fits,
) -> (Option<Flag>, Vec<Problem>) {
    compile_one(flags, segments, names, fits, |compiler| {
        Some(compiler.flag(flags.get(at)?))
    })
}

/// Compiles one group of a configuration again, with the names that are known, and returns its problems.
pub(crate) fn compile_group(
    at: usize,
    flags: &[FeatureConfig],
    segments: &[Segment],
    names: &mut Names,
    fits: Fits,
) -> (Option<Group>, Vec<Problem>) {
    compile_one(flags, segments, names, fits, |compiler| {
        Some(compiler.group(segments.get(at)?))
    })
}

fn compile_one<'c, T>(
    flags: &'c [FeatureConfig],
    segments: &'c [Segment],
    names: &mut Names,
    fits: Fits,
    one: impl FnOnce(&mut Compiler<'c>) -> T,
) -> (T, Vec<Problem>) {
    let mut compiler = Compiler {
        flags,
        segments,
        names: std::mem::take(names),
        problems: Problems::new(),
        fits,
    };
    let compiled = one(&mut compiler);
    *names = compiler.names;
    (compiled, compiler.problems.into_list())
}

struct Compiler<'c> {
    flags: &'c [FeatureConfig],
    segments: &'c [Segment],
    names: Names,
    problems: Problems,
    fits: Fits,
}

impl<'c> Compiler<'c> {
    fn flag(&mut self, flag: &'c FeatureConfig) -> Flag {
        self.problems.about(Subject::Flag, &flag.feature);
        self.check_variations(flag);
        let mut map = Vec::with_capacity(flag.variation_to_target_map.len());
        for entry in &flag.variation_to_target_map {
            map.push(MapEntry {
                pick: self.pick(flag, &entry.variation, "variationToTargetMap"),
                targets: self.ids(entry.targets.iter().map(|target| &*target.identifier)),
                groups: self.groups("variationToTargetMap", &entry.target_segments),
            });
        }
        let mut rules = Vec::with_capacity(flag.rules.len());
        for (source, rule) in flag.rules.iter().enumerate() {
            let place = rule_place(rule.rule_id.as_deref(), source);
            rules.push(Rule {
                source,
                tests: self.tests(&place, &rule.clauses),
                serve: self.serve(flag, &place, &rule.serve),
            });
        }
        // The sort is stable, so rules of the same priority keep their order.
        rules.sort_by_key(|rule| flag.rules.get(rule.source).map(|rule| rule.priority));
        let off = self.pick(flag, &flag.off_variation, "offVariation");
        if off == Pick::Nothing {
            self.problems
                .add("it has no offVariation, so it cannot be evaluated while it is off");
        }
        Flag {
            on: flag.state == State::On,
            off,
            prerequisites: self.prerequisites(flag),
            map,
            rules,
            default: self.serve(flag, "defaultServe", &flag.default_serve),
        }
    }

    fn check_variations(&mut self, flag: &FeatureConfig) {
        if flag.variations.is_empty() {
            self.problems
                .add("it has no variations, so it cannot be evaluated");
        }
        let kind = flag.kind.to_ascii_lowercase();
        if !matches!(&*kind, "boolean" | "int" | "number" | "string" | "json") {
            let kind = &flag.kind;
            self.problems.add(format!(
                "its kind is {kind:?}; use boolean, int, string or json. Clients read it as a string"
            ));
        }
        for (at, variation) in flag.variations.iter().enumerate() {
            let id = &variation.identifier;
            if id.is_empty() {
                self.problems
                    .add("a variation has no identifier, so it is never served");
            } else if flag
                .variations
                .iter()
                .take(at)
                .any(|earlier| earlier.identifier == *id)
            {
                self.problems
                    .add(format!("variation {id:?} is there twice; the first counts"));
            }
            let value = &variation.value;
            if !(self.fits)(&kind, value) {
                self.problems.add(format!(
                    "the value of variation {id:?} is not of kind {kind}"
                ));
            }
        }
    }

    fn serve(&mut self, flag: &FeatureConfig, place: &str, serve: &'c ServeConfig) -> Serve {
        let shares = serve
            .distribution
            .as_ref()
            .map_or(&[][..], |rollout| &rollout.variations);
        let mut total = 0_i64;
        let mut resolved = Vec::with_capacity(shares.len());
        for share in shares {
            if share.weight < 0 {
                self.problems.add(format!("{place}: a weight is negative"));
            }
            total = total.saturating_add(share.weight);
            resolved.push((total, self.pick(flag, &share.variation, place)));
        }
        let rollout = serve.distribution.as_ref().filter(|_| !resolved.is_empty()).map(|rollout| {
            if total != 100 {
                self.problems.add(format!(
                    "{place}: the weights add up to {total} instead of 100; the last variation gets the difference"
                ));
            }
            Rollout { by: self.slot(&rollout.bucket_by), shares: resolved }
        });
        let pick = self.pick(flag, serve.variation.as_deref().unwrap_or_default(), place);
        match (&rollout, pick) {
            (None, Pick::Nothing) => {
                self.problems.add(format!(
                    "{place}: it serves nothing; give a variation or a distribution"
                ));
            }
            (Some(_), Pick::Variation(_) | Pick::Undefined) => self.problems.add(format!(
                "{place}: it has both a variation and a distribution; the distribution counts"
            )),
            _ => {}
        }
        Serve { rollout, pick }
    }

    fn pick(&mut self, flag: &FeatureConfig, id: &str, place: &str) -> Pick {
        if id.is_empty() {
            return Pick::Nothing;
        }
        if let Some(at) = variation_at(flag, id) {
            return Pick::Variation(at);
        }
        self.problems.add(format!(
            "{place}: there is no variation {id:?}; whoever is served it gets the caller's default"
        ));
        Pick::Undefined
    }

    fn prerequisites(&mut self, flag: &FeatureConfig) -> Vec<Need> {
        let mut needs = Vec::with_capacity(flag.prerequisites.len());
        for prerequisite in &flag.prerequisites {
            let name = &prerequisite.feature;
            let flag = flag_at(self.flags, name);
            let config = flag.and_then(|at| self.flags.get(at));
            if config.is_none() {
                self.problems.add(format!(
                    "prerequisite {name:?}: there is no such flag, so this and the prerequisites after it count as met"
                ));
            }
            let mut accepted = Vec::with_capacity(prerequisite.variations.len());
            for id in &prerequisite.variations {
                match config.and_then(|config| variation_at(config, id)) {
                    Some(at) => accepted.push(at),
                    None if config.is_some() => self.problems.add(format!(
                        "prerequisite {name:?}: that flag has no variation {id:?}"
                    )),
                    None => {}
                }
            }
            if prerequisite.variations.is_empty() {
                self.problems.add(format!(
                    "prerequisite {name:?}: it accepts no variation, so it is never met"
                ));
            }
            needs.push(Need { flag, accepted });
        }
        needs
    }

    fn group(&mut self, segment: &'c Segment) -> Group {
        self.problems.about(Subject::Segment, &segment.identifier);
        let mut rules = Vec::new();
        if segment.serving_rules.is_empty() {
            for (source, clause) in segment.rules.iter().enumerate() {
                let place = rule_place(clause.id.as_deref(), source);
                rules.push(GroupRule {
                    source: RuleSource::Flat(source),
                    tests: vec![self.test(&place, clause)],
                });
            }
        } else {
            let mut serving: Vec<_> = segment.serving_rules.iter().enumerate().collect();
            serving.sort_by_key(|(_, rule)| rule.priority);
            for (source, rule) in serving {
                let place = rule_place(rule.rule_id.as_deref(), source);
                rules.push(GroupRule {
                    source: RuleSource::Serving(source),
                    tests: self.tests(&place, &rule.clauses),
                });
            }
        }
        Group {
            excluded: self.ids(segment.excluded.iter().map(|target| &*target.identifier)),
            included: self.ids(segment.included.iter().map(|target| &*target.identifier)),
            rules,
            component: usize::MAX,
        }
    }

    fn tests(&mut self, place: &str, clauses: &'c [Clause]) -> Vec<Test> {
        if clauses.is_empty() {
            self.problems
                .add(format!("{place}: it has no clauses, so it matches nobody"));
        }
        clauses
            .iter()
            .map(|clause| self.test(place, clause))
            .collect()
    }

    fn test(&mut self, place: &str, clause: &'c Clause) -> Test {
        if clause.negate {
            self.problems.add(format!(
                "{place}: a clause says negate, which no evaluator of this protocol acts on"
            ));
        }
        let test = self.test_of(place, clause);
        if let Test::Never(why) = test {
            self.problems
                .add(format!("{place}: {why}, so the clause matches nobody"));
        }
        test
    }

    fn test_of(&mut self, place: &str, clause: &'c Clause) -> Test {
        let Some(first) = clause.values.first() else {
            return Test::Never("it has no values");
        };
        let check = match clause.op.as_str() {
            "segmentMatch" => return Test::Groups(self.groups(place, &clause.values)),
            "equal" => Check::Equal(crate::text::folded(first).into()),
            "equal_sensitive" => Check::EqualSensitive(first.as_str().into()),
            "in" => {
                let mut values: Vec<Box<str>> = clause
                    .values
                    .iter()
                    .map(|value| value.as_str().into())
                    .collect();
                values.sort_unstable();
                Check::In(values)
            }
            "starts_with" => Check::StartsWith(first.as_str().into()),
            "ends_with" => Check::EndsWith(first.as_str().into()),
            "contains" => Check::Contains(first.as_str().into()),
            "gt" => Check::Greater(first.as_str().into()),
            "match" => match self.names.patterns.compile(first) {
                Ok(pattern) => Check::Match(Box::new(pattern)),
                Err(why) => return Test::Never(why),
            },
            "" => return Test::Never("it has no operator"),
            _ => return Test::Never("its operator is unknown"),
        };
        Test::Attribute {
            slot: self.slot(&clause.attribute),
            check,
        }
    }

    fn groups(&mut self, place: &str, ids: &[String]) -> Vec<Option<usize>> {
        let mut groups = Vec::with_capacity(ids.len());
        for id in ids {
            let at = segment_at(self.segments, id);
            if at.is_none() {
                self.problems.add(format!(
                    "{place}: there is no segment {id:?}; it is skipped"
                ));
            }
            groups.push(at);
        }
        groups
    }

    /// Returns the slot of an attribute, which is added where it is new.
    fn slot(&mut self, name: &'c str) -> usize {
        let names = &mut self.names;
        if let Some(slot) = names.slots.get(name) {
            return *slot;
        }
        let next = names.attributes.len();
        names.attributes.push(name.into());
        names.slots.insert(name.into(), next);
        next
    }

    fn ids<'i>(&mut self, identifiers: impl Iterator<Item = &'i str>) -> IdSet {
        let mut ids = Vec::new();
        for identifier in identifiers {
            if let Some(id) = self.names.targets.get(identifier) {
                ids.push(*id);
            } else if let Ok(id) = u32::try_from(self.names.targets.len()) {
                // Identifiers past 2^32 are left out: so many would not fit into memory anyway.
                self.names.targets.insert(identifier.into(), id);
                ids.push(id);
            }
        }
        IdSet::new(ids)
    }

    fn components(&mut self, mut groups: Vec<Group>) -> (Vec<Group>, Vec<Component>) {
        let edges: Vec<Vec<usize>> = groups
            .iter()
            .map(|group| {
                let tests = group.rules.iter().flat_map(|rule| &rule.tests);
                let mut edges: Vec<usize> = tests
                    .filter_map(|test| {
                        if let Test::Groups(groups) = test {
                            Some(groups)
                        } else {
                            None
                        }
                    })
                    .flatten()
                    .filter_map(|group| *group)
                    .collect();
                edges.sort_unstable();
                edges.dedup();
                edges
            })
            .collect();
        let found = components(&edges);
        for (at, members) in found.iter().enumerate() {
            for member in members {
                if let Some(group) = groups.get_mut(*member) {
                    group.component = at;
                }
            }
        }
        let component_of = |group: &usize| groups.get(*group).map(|group| group.component);
        let mut list = Vec::with_capacity(found.len());
        for (at, members) in found.into_iter().enumerate() {
            let outgoing = || {
                members
                    .iter()
                    .filter_map(|member| edges.get(*member))
                    .flatten()
            };
            let cyclic = members.len() > 1 || outgoing().any(|to| members.contains(to));
            let mut needs: Vec<usize> = outgoing()
                .filter_map(component_of)
                .filter(|to| *to != at)
                .collect();
            needs.sort_unstable();
            needs.dedup();
            if cyclic
                && let Some(segment) = members
                    .iter()
                    .min()
                    .and_then(|first| self.segments.get(*first))
            {
                self.problems.about(Subject::Segment, &segment.identifier);
                self.problems.add(GROUP_CYCLE);
            }
            list.push(Component {
                groups: members,
                needs,
                cyclic,
            });
        }
        (groups, list)
    }

    fn report_prerequisite_cycles(&mut self, flags: &[Flag]) {
        let edges: Vec<Vec<usize>> = flags
            .iter()
            .map(|flag| {
                flag.prerequisites
                    .iter()
                    .filter_map(|need| need.flag)
                    .collect()
            })
            .collect();
        for members in components(&edges) {
            let cyclic = members.len() > 1
                || members
                    .iter()
                    .any(|at| edges.get(*at).is_some_and(|edges| edges.contains(at)));
            if cyclic
                && let Some(flag) = members
                    .iter()
                    .min()
                    .and_then(|first| self.flags.get(*first))
            {
                self.problems.about(Subject::Flag, &flag.feature);
                self.problems.add(CYCLE);
            }
        }
    }
}

pub(crate) fn flag_at(flags: &[FeatureConfig], id: &str) -> Option<usize> {
    flags
        .binary_search_by(|flag| flag.feature.as_str().cmp(id))
        .ok()
}

pub(crate) fn segment_at(segments: &[Segment], id: &str) -> Option<usize> {
    segments
        .binary_search_by(|segment| segment.identifier.as_str().cmp(id))
        .ok()
}

fn variation_at(flag: &FeatureConfig, id: &str) -> Option<usize> {
    flag.variations
        .iter()
        .position(|variation| variation.identifier == id && !id.is_empty())
}

/// Returns how a problem's sentence names a rule: by its identifier, or else by its position, from 1.
fn rule_place(id: Option<&str>, at: usize) -> String {
    match id {
        Some(id) => format!("rule {id:?}"),
        None => format!("rule {}", at.saturating_add(1)),
    }
}
