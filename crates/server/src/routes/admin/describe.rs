//! Describes flags and groups as the admin page shows them. Lists that may be long are cut, and have their full length
//! with them.

use std::collections::BTreeMap;

use flagwire_evaluation::Subject;
use flagwire_evaluation::model::{Clause, FeatureConfig, Segment, SegmentTarget, Serve, State};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::environment::{Current, Environment, SourceStatus};
use crate::source::takeover::Standing;
use crate::state::AppState;

/// How many names or values of a list are shown at most.
const MAX_LISTED: usize = 100;

/// How many characters of a value are shown at most.
const MAX_VALUE_CHARS: usize = 4000;

/// Everything the admin page shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overview {
    environment: String,
    /// The names of all environments.
    environments: Vec<String>,
    editable: bool,
    streams: usize,
    source: SourceStatus,
    /// Which of two sources serves; `None` if there is one source.
    #[serde(skip_serializing_if = "Option::is_none")]
    takeover: Option<Standing>,
    /// Identifies the configuration in force, so that a page knows whether it has it already. Empty before the first
    /// one.
    content: String,
    /// How often clients reported each variation of each flag as served.
    counts: BTreeMap<String, BTreeMap<String, u64>>,
    /// When flags were last reported as served, and when they changed last, in seconds since the Unix epoch. What
    /// happened before the server started is left out.
    reads: BTreeMap<String, i64>,
    changes: BTreeMap<String, i64>,
    /// Why the new configuration of the source is not in force yet.
    doubt: Option<String>,
    /// The flags and groups; left out if the page has them already.
    #[serde(flatten)]
    configuration: Option<ConfigurationView>,
}

#[derive(Debug, Serialize)]
struct ConfigurationView {
    flags: Vec<FlagView>,
    groups: Vec<GroupView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FlagView {
    flag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    owner: Vec<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
    kind: String,
    on: bool,
    version: Option<i64>,
    variations: Vec<VariationView>,
    serve: Serve,
    off: String,
    requires: Vec<RequirementView>,
    overrides: Vec<OverrideView>,
    /// The rules, in the order in which they are tried.
    rules: Vec<RuleView>,
    /// The mistakes for which the flag cannot be evaluated as it is written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct VariationView {
    identifier: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

#[derive(Debug, Serialize)]
struct RequirementView {
    flag: String,
    variations: Vec<String>,
}

#[derive(Debug, Serialize)]
struct OverrideView {
    variation: String,
    targets: Listed,
    groups: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RuleView {
    name: Option<String>,
    clauses: Vec<ClauseView>,
    serve: Serve,
}

#[derive(Debug, Serialize)]
struct ClauseView {
    attribute: String,
    op: String,
    values: Listed,
}

#[derive(Debug, Serialize)]
struct GroupView {
    group: String,
    name: String,
    included: Listed,
    excluded: Listed,
    rules: Vec<Vec<ClauseView>>,
}

/// The first entries of a list, and how many the list has.
#[derive(Debug, Serialize)]
struct Listed {
    first: Vec<String>,
    total: usize,
}

impl Listed {
    fn of<'a>(all: impl ExactSizeIterator<Item = &'a String>) -> Self {
        let total = all.len();
        Self {
            first: all.take(MAX_LISTED).cloned().collect(),
            total,
        }
    }
}

impl Overview {
    /// Returns the overview, without flags and groups if they are those of the configuration `known`.
    pub(super) fn of(state: &AppState, environment: &Environment, known: Option<&str>) -> Self {
        let current = environment.current();
        let content = current.as_ref().map(|current| current.content.as_str());
        let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for (flag, variation, count) in environment.usage.totals() {
            counts.entry(flag).or_default().insert(variation, count);
        }
        Self {
            environment: environment.name().to_owned(),
            environments: state.environments.keys().cloned().collect(),
            editable: environment.editor().is_some(),
            streams: environment.streams(),
            source: environment.status(),
            takeover: state
                .takeovers
                .get(environment.name())
                .map(|takeover| takeover.standing()),
            content: content.unwrap_or_default().to_owned(),
            counts,
            reads: environment.usage.last_reads(),
            changes: environment.activity.last_changes(),
            doubt: environment.doubt(),
            configuration: (known != content || known.is_none()).then(|| match &current {
                Some(current) => ConfigurationView::of(current),
                None => ConfigurationView {
                    flags: Vec::new(),
                    groups: Vec::new(),
                },
            }),
        }
    }
}

impl ConfigurationView {
    fn of(current: &Current) -> Self {
        let snapshot = &current.snapshot;
        let mut problems: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for problem in snapshot.problems() {
            if problem.subject == Subject::Flag {
                let sentences = problems.entry(&problem.identifier).or_default();
                sentences.push(problem.sentence.clone());
            }
        }
        let flag = |flag: &FeatureConfig| FlagView {
            problems: problems.remove(flag.feature.as_str()).unwrap_or_default(),
            ..FlagView::of(flag)
        };
        Self {
            flags: snapshot.flags().iter().map(flag).collect(),
            groups: snapshot.segments().iter().map(GroupView::of).collect(),
        }
    }
}

impl FlagView {
    fn of(flag: &FeatureConfig) -> Self {
        let mut rules: Vec<_> = flag.rules.iter().collect();
        rules.sort_by_key(|rule| rule.priority);
        Self {
            flag: flag.feature.clone(),
            description: flag.description.clone().filter(|text| !text.is_empty()),
            tags: flag.tags.iter().map(|tag| tag.name.clone()).collect(),
            owner: flag.owner.clone(),
            metadata: flag.metadata.clone(),
            kind: flag.kind.clone(),
            on: flag.state == State::On,
            version: flag.version,
            variations: flag
                .variations
                .iter()
                .map(|variation| VariationView {
                    identifier: variation.identifier.clone(),
                    value: cut(&variation.value),
                    name: variation
                        .name
                        .clone()
                        .filter(|name| !name.is_empty() && *name != variation.identifier),
                    description: variation
                        .description
                        .clone()
                        .filter(|text| !text.is_empty()),
                })
                .collect(),
            serve: flag.default_serve.clone(),
            off: flag.off_variation.clone(),
            requires: flag
                .prerequisites
                .iter()
                .map(|required| RequirementView {
                    flag: required.feature.clone(),
                    variations: required.variations.clone(),
                })
                .collect(),
            overrides: flag
                .variation_to_target_map
                .iter()
                .map(|entry| OverrideView {
                    variation: entry.variation.clone(),
                    targets: Listed::of(entry.targets.iter().map(|target| &target.identifier)),
                    groups: entry.target_segments.clone(),
                })
                .collect(),
            rules: rules
                .into_iter()
                .map(|rule| RuleView {
                    name: rule.rule_id.clone(),
                    clauses: rule.clauses.iter().map(ClauseView::of).collect(),
                    serve: rule.serve.clone(),
                })
                .collect(),
            problems: Vec::new(),
        }
    }
}

impl ClauseView {
    fn of(clause: &Clause) -> Self {
        Self {
            attribute: clause.attribute.clone(),
            op: clause.op.clone(),
            values: Listed::of(clause.values.iter()),
        }
    }
}

impl GroupView {
    fn of(group: &Segment) -> Self {
        let names =
            |list: &[SegmentTarget]| Listed::of(list.iter().map(|member| &member.identifier));
        Self {
            group: group.identifier.clone(),
            name: group.name.clone(),
            included: names(&group.included),
            excluded: names(&group.excluded),
            rules: group
                .with_serving_rules()
                .serving_rules
                .iter()
                .map(|rule| rule.clauses.iter().map(ClauseView::of).collect())
                .collect(),
        }
    }
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_VALUE_CHARS {
        return text.to_owned();
    }
    let shown = text.chars().take(MAX_VALUE_CHARS);
    shown.chain(['…']).collect()
}
