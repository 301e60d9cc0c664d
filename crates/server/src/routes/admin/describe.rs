//! Flags and groups in words.

use std::collections::BTreeMap;

use flagwire_evaluation::model::{Clause, FeatureConfig, Segment, Serve, State};
use serde::Serialize;

use crate::environment::{Current, Environment};
use crate::source::SourceStatus;

/// Everything the admin page shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overview {
    environment: String,
    editable: bool,
    streams: usize,
    source: SourceStatus,
    /// Names one configuration, so that a page can tell whether it has it already.
    content: String,
    flags: Vec<FlagView>,
    groups: Vec<GroupView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FlagView {
    flag: String,
    kind: String,
    on: bool,
    version: Option<i64>,
    variations: Vec<VariationView>,
    /// The default variation; absent for a rollout.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    /// The default in words.
    serves: String,
    off: String,
    /// What comes before the default, in the order in which it is tried.
    rules: Vec<RuleView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VariationView {
    identifier: String,
    value: String,
    /// How often clients say that they were served it.
    count: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleView {
    when: String,
    serves: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupView {
    group: String,
    name: String,
    members: Vec<String>,
}

impl Overview {
    pub(super) fn of(environment: &Environment, current: &Current) -> Self {
        let counts: BTreeMap<(String, String), u64> = environment
            .usage
            .totals()
            .into_iter()
            .map(|(flag, variation, count)| ((flag, variation), count))
            .collect();
        Self {
            environment: environment.name().to_owned(),
            editable: environment.editor().is_some(),
            streams: environment.streams(),
            source: environment.status(),
            content: current.content.clone(),
            flags: current
                .snapshot
                .flags()
                .iter()
                .map(|flag| FlagView::of(flag, &counts))
                .collect(),
            groups: current
                .snapshot
                .segments()
                .iter()
                .map(GroupView::of)
                .collect(),
        }
    }
}

impl FlagView {
    fn of(flag: &FeatureConfig, counts: &BTreeMap<(String, String), u64>) -> Self {
        let mut rules = Vec::new();
        for required in &flag.prerequisites {
            rules.push(RuleView {
                when: format!(
                    "unless flag {} serves {}",
                    required.feature,
                    required.variations.join(" or ")
                ),
                serves: flag.off_variation.clone(),
            });
        }
        for entry in &flag.variation_to_target_map {
            let targets = entry.targets.iter().map(|target| target.identifier.clone());
            let groups = entry
                .target_segments
                .iter()
                .map(|group| format!("members of {group}"));
            let whom: Vec<String> = targets.chain(groups).collect();
            rules.push(RuleView {
                when: format!("for {}", whom.join(", ")),
                serves: entry.variation.clone(),
            });
        }
        let mut ordered: Vec<_> = flag.rules.iter().collect();
        ordered.sort_by_key(|rule| rule.priority);
        for rule in ordered {
            rules.push(RuleView {
                when: format!("if {}", all_of(&rule.clauses)),
                serves: serve(&rule.serve),
            });
        }
        Self {
            flag: flag.feature.clone(),
            kind: flag.kind.clone(),
            on: flag.state == State::On,
            version: flag.version,
            variations: flag
                .variations
                .iter()
                .map(|variation| VariationView {
                    identifier: variation.identifier.clone(),
                    value: variation.value.clone(),
                    count: counts
                        .get(&(flag.feature.clone(), variation.identifier.clone()))
                        .copied()
                        .unwrap_or_default(),
                })
                .collect(),
            default: match flag.default_serve {
                Serve {
                    distribution: Some(_),
                    ..
                } => None,
                Serve {
                    distribution: None,
                    ref variation,
                } => variation.clone(),
            },
            serves: serve(&flag.default_serve),
            off: flag.off_variation.clone(),
            rules,
        }
    }
}

impl GroupView {
    fn of(group: &Segment) -> Self {
        let identifiers = |list: &[flagwire_evaluation::model::SegmentTarget]| -> Vec<String> {
            list.iter()
                .map(|member| member.identifier.clone())
                .collect()
        };
        let mut members = Vec::new();
        if !group.excluded.is_empty() {
            members.push(format!("never {}", identifiers(&group.excluded).join(", ")));
        }
        if !group.included.is_empty() {
            members.push(format!(
                "always {}",
                identifiers(&group.included).join(", ")
            ));
        }
        for rule in &group.with_serving_rules().serving_rules {
            members.push(format!("if {}", all_of(&rule.clauses)));
        }
        Self {
            group: group.identifier.clone(),
            name: group.name.clone(),
            members,
        }
    }
}

fn serve(serve: &Serve) -> String {
    match &serve.distribution {
        Some(distribution) => {
            let shares: Vec<String> = distribution
                .variations
                .iter()
                .map(|share| format!("{} % {}", share.weight, share.variation))
                .collect();
            match distribution.bucket_by.as_str() {
                "" | "identifier" => shares.join(", "),
                by => format!("{} (by {by})", shares.join(", ")),
            }
        }
        None => serve
            .variation
            .clone()
            .unwrap_or_else(|| "nothing".to_owned()),
    }
}

fn all_of(clauses: &[Clause]) -> String {
    let texts: Vec<String> = clauses.iter().map(clause).collect();
    if texts.is_empty() {
        "never".to_owned()
    } else {
        texts.join(" and ")
    }
}

fn clause(clause: &Clause) -> String {
    let first = clause
        .values
        .first()
        .map(String::as_str)
        .unwrap_or_default();
    let attribute = &clause.attribute;
    match clause.op.as_str() {
        "segmentMatch" => format!("in group {}", clause.values.join(" or ")),
        "equal" => format!("{attribute} is {first}"),
        "equal_sensitive" => format!("{attribute} is exactly {first}"),
        "in" => format!("{attribute} is one of {}", clause.values.join(", ")),
        "starts_with" => format!("{attribute} starts with {first}"),
        "ends_with" => format!("{attribute} ends with {first}"),
        "contains" => format!("{attribute} contains {first}"),
        "match" => format!("{attribute} matches /{first}/"),
        "gt" => format!("{attribute} comes after {first}"),
        other => format!("{attribute} {other} {first} (unknown, so never)"),
    }
}
