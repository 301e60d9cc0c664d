//! The compiled form of a configuration, with all names resolved, by which flags are evaluated.
//!
//! Flags, groups and variations are numbers here: positions in the snapshot's sorted lists, and in a flag's
//! `variations`. Attribute names and target identifiers that occur in the configuration are numbered too, so that one
//! target needs one look-up of its identifier, one text per attribute and one hash per bucketing attribute, however
//! many flags look at them.

use std::collections::HashMap;

use crate::patterns::{Pattern, Patterns};

/// The attribute slot of [`Target::identifier`](crate::Target::identifier).
pub(crate) const IDENTIFIER: usize = 0;
/// The attribute slot of [`Target::name`](crate::Target::name).
pub(crate) const NAME: usize = 1;

/// A whole configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    pub(crate) names: Names,
    /// In the order of the snapshot's flags.
    pub(crate) flags: Vec<Flag>,
    /// In the order of the snapshot's groups.
    pub(crate) groups: Vec<Group>,
    /// Groups that must be evaluated together. A component comes before those that refer to it.
    pub(crate) components: Vec<Component>,
    /// Whether any flag has a prerequisite.
    pub(crate) prerequisites: bool,
}

/// The numbers of attributes and targets, and the patterns. Flags and groups that are replaced leave theirs behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// Names of the attributes that are looked at; the first two are `identifier` and `name`.
    pub(crate) attributes: Vec<Box<str>>,
    /// Positions of attributes by name.
    pub(crate) slots: HashMap<Box<str>, usize>,
    /// Numbers of the target identifiers that flags and groups name.
    pub(crate) targets: HashMap<Box<str>, u32>,
    pub(crate) patterns: Patterns,
}

impl Names {
    pub(crate) fn len(&self) -> usize {
        self.attributes.len().saturating_add(self.targets.len())
    }
}

/// One flag.
#[derive(Clone, Debug)]
pub(crate) struct Flag {
    pub(crate) on: bool,
    pub(crate) off: Pick,
    pub(crate) prerequisites: Vec<Need>,
    pub(crate) map: Vec<MapEntry>,
    /// Sorted by priority.
    pub(crate) rules: Vec<Rule>,
    pub(crate) default: Serve,
}

/// What a variation's identifier stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// The empty identifier: nothing is served here, and evaluation goes on.
    Nothing,
    /// A variation that the flag does not define: evaluation fails.
    Undefined,
    /// Its position among the flag's variations.
    Variation(usize),
}

/// A prerequisite.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    /// `None` if there is no such flag.
    pub(crate) flag: Option<usize>,
    /// Positions of variations of that flag.
    pub(crate) accepted: Vec<usize>,
}

/// An entry of a flag's map.
#[derive(Clone, Debug)]
pub(crate) struct MapEntry {
    pub(crate) pick: Pick,
    pub(crate) targets: IdSet,
    /// In the order of the configuration; `None` if there is no such group.
    pub(crate) groups: Vec<Option<usize>>,
}

/// A rule of a flag.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Position in the configuration.
    pub(crate) source: usize,
    pub(crate) tests: Vec<Test>,
    pub(crate) serve: Serve,
}

/// What to serve.
#[derive(Clone, Debug)]
pub(crate) struct Serve {
    pub(crate) rollout: Option<Rollout>,
    pub(crate) pick: Pick,
}

/// A percentage rollout with at least one share.
#[derive(Clone, Debug)]
pub(crate) struct Rollout {
    /// Slot of the attribute to bucket by.
    pub(crate) by: usize,
    /// Running totals of the weights, and what they serve.
    pub(crate) shares: Vec<(i64, Pick)>,
}

/// One group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) excluded: IdSet,
    pub(crate) included: IdSet,
    /// Sorted by priority. Each clause of the old form is one.
    pub(crate) rules: Vec<GroupRule>,
    /// Position among the components.
    pub(crate) component: usize,
}

/// A rule of a group.
#[derive(Clone, Debug)]
pub(crate) struct GroupRule {
    /// Where the rule is in the configuration.
    pub(crate) source: RuleSource,
    pub(crate) tests: Vec<Test>,
}

/// Where a group's rule is in the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RuleSource {
    /// Position among the serving rules.
    Serving(usize),
    /// Position among the clauses of the old form.
    Flat(usize),
}

/// Groups that refer to each other, or a single one.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    pub(crate) groups: Vec<usize>,
    /// Other components that these refer to.
    pub(crate) needs: Vec<usize>,
    pub(crate) cyclic: bool,
}

/// A clause.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// The clause can match no target, for this reason.
    Never(&'static str),
    /// The clause compares an attribute.
    Attribute { slot: usize, check: Check },
    /// The clause asks for membership of one of these groups; `None` stands for a group that does not exist.
    Groups(Vec<Option<usize>>),
}

/// How a clause compares an attribute's text.
#[derive(Clone, Debug)]
pub(crate) enum Check {
    /// The value has folded case, by `text::folded`.
    Equal(Box<str>),
    EqualSensitive(Box<str>),
    /// The values are sorted.
    In(Vec<Box<str>>),
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Contains(Box<str>),
    /// The pattern is boxed, because it is much larger than the other values.
    Match(Box<Pattern>),
    Greater(Box<str>),
}

impl Check {
    pub(crate) fn holds(&self, text: &str) -> bool {
        match self {
            Self::Equal(folded) => crate::text::equal_folded(text, folded),
            Self::EqualSensitive(value) => text == &**value,
            Self::In(values) => values.binary_search_by(|value| (**value).cmp(text)).is_ok(),
            Self::StartsWith(value) => text.starts_with(&**value),
            Self::EndsWith(value) => text.ends_with(&**value),
            Self::Contains(value) => text.contains(&**value),
            Self::Match(pattern) => pattern.is_match(text),
            Self::Greater(value) => text > &**value,
        }
    }
}

/// A set of numbered target identifiers, sorted.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdSet(Vec<u32>);

impl IdSet {
    pub(crate) fn new(mut ids: Vec<u32>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        ids.shrink_to_fit();
        Self(ids)
    }

    /// Whether the set contains a target. A target without a number is in no set.
    pub(crate) fn contains(&self, id: Option<u32>) -> bool {
        id.is_some_and(|id| self.0.binary_search(&id).is_ok())
    }
}
