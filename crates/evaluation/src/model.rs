//! Flags and target groups ("segments") as server SDKs download them.
//!
//! Reading is tolerant, as relays and old servers are not strict: unknown fields are ignored, `null`, absent and empty
//! mean the same, and only what evaluation cannot do without is required. Writing keeps to what the strictest published
//! client accepts: lists are written as `[]`, never as `null`, and absent optional fields are left out.
//!
//! Source: the schema `FeatureConfig` and its neighbours in the published description of the client API.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// All flags and groups of an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Configuration {
    /// Flags, each identifier once.
    pub flags: Vec<FeatureConfig>,
    /// Groups, each identifier once.
    pub segments: Vec<Segment>,
}

impl FeatureConfig {
    /// Returns the identifiers of the groups that the flag's target map and rules name, in this order, repeated where they are.
    pub fn group_identifiers(&self) -> impl Iterator<Item = &str> {
        let in_map = self
            .variation_to_target_map
            .iter()
            .flat_map(|entry| &entry.target_segments)
            .map(String::as_str);
        in_map.chain(self.rules.iter().flat_map(|rule| groups_in(&rule.clauses)))
    }

    /// Removes the description, tags, owners and metadata, which the published schema does not have.
    pub fn forget_about(&mut self) {
        self.description = None;
        self.tags = Vec::new();
        self.owner = Vec::new();
        self.metadata = Map::new();
    }
}

/// A flag with everything needed to evaluate it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureConfig {
    /// Project the flag belongs to; evaluation does not look at it.
    #[serde(default, deserialize_with = "nullable")]
    pub project: String,
    /// Environment the flag belongs to; evaluation does not look at it.
    #[serde(default, deserialize_with = "nullable")]
    pub environment: String,
    /// Identifier of the flag, unique in its environment.
    pub feature: String,
    /// A description for people. The published schema does not have it, so a server sends it only to relays that ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Tags by which people sort flags. They are sent as the description is.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub tags: Vec<Tag>,
    /// The people or teams that are responsible for the flag. They are sent as the description is.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub owner: Vec<String>,
    /// Texts, numbers and booleans by name, for telemetry. Unlike the description, they can also be sent with evaluations.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Map::is_empty"
    )]
    pub metadata: Map<String, Value>,
    /// What the variations hold: `boolean`, `int` (any number), `string` or `json`.
    pub kind: String,
    /// Whether the flag is on. An off flag serves its [`off_variation`](Self::off_variation) to everybody. Absent reads as off.
    #[serde(default, deserialize_with = "nullable")]
    pub state: State,
    /// Grows with each change of the flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// The values the flag can have. Where two share an identifier, the first counts.
    #[serde(default, deserialize_with = "nullable")]
    pub variations: Vec<Variation>,
    /// Identifier of the variation that is served while the flag is off, or a prerequisite is not met.
    #[serde(default, deserialize_with = "nullable")]
    pub off_variation: String,
    /// What an on flag serves where nothing else applies.
    #[serde(default, deserialize_with = "nullable")]
    pub default_serve: Serve,
    /// Flags that must serve certain variations. If one does not, this flag serves its off variation.
    #[serde(default, deserialize_with = "nullable")]
    pub prerequisites: Vec<Prerequisite>,
    /// Variations for named targets and groups, tried in this order before the rules.
    #[serde(default, deserialize_with = "nullable")]
    pub variation_to_target_map: Vec<VariationMap>,
    /// Rules, tried by ascending priority; those with equal priority are tried in this order.
    #[serde(default, deserialize_with = "nullable")]
    pub rules: Vec<Rule>,
}

/// Whether a flag is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The map, the rules and the default decide.
    On,
    /// Everybody gets the off variation. Any word but `on` reads as this.
    #[default]
    #[serde(other)]
    Off,
}

/// One value a flag can have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variation {
    /// Unique in its flag.
    pub identifier: String,
    /// The value as text, whatever the flag's kind. The empty text is a value.
    #[serde(default, deserialize_with = "nullable")]
    pub value: String,
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What to serve: one variation, or a percentage rollout over several. Where both are given, the rollout wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serve {
    /// Identifier of the variation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation: Option<String>,
    /// A percentage rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
}

/// A percentage rollout: a target lands in one of a hundred buckets and stays there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// The attribute that chooses the bucket. A target that lacks it is bucketed by its identifier.
    #[serde(default, deserialize_with = "nullable")]
    pub bucket_by: String,
    /// Shares, in order. What they leave of the hundred goes to the last.
    #[serde(default, deserialize_with = "nullable")]
    pub variations: Vec<WeightedVariation>,
}

/// A share of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedVariation {
    /// Identifier of the variation.
    #[serde(default, deserialize_with = "nullable")]
    pub variation: String,
    /// Percent.
    #[serde(default, deserialize_with = "nullable")]
    pub weight: i64,
}

/// A condition on a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clause {
    /// For the tools that edit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `identifier`, `name`, or the name of an attribute. `segmentMatch` does not look at it.
    #[serde(default, deserialize_with = "nullable")]
    pub attribute: String,
    /// `equal`, `equal_sensitive`, `in`, `starts_with`, `ends_with`, `contains`, `match`, `gt` or `segmentMatch`.
    #[serde(default, deserialize_with = "nullable")]
    pub op: String,
    /// What to compare with. Only `in` and `segmentMatch` look past the first.
    #[serde(default, deserialize_with = "nullable")]
    pub values: Vec<String>,
    /// Kept as it is given. No evaluator of this protocol acts on it, including this one.
    #[serde(default, deserialize_with = "nullable")]
    pub negate: bool,
}

/// A rule of a flag. A target that matches all clauses is served `serve`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// For the tools that edit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<String>,
    /// The priority of the rule; a lower one is tried earlier.
    #[serde(default, deserialize_with = "nullable")]
    pub priority: i64,
    /// The clauses, all of which must hold. An empty list matches nobody.
    #[serde(default, deserialize_with = "nullable")]
    pub clauses: Vec<Clause>,
    /// What a target that matches is served.
    #[serde(default, deserialize_with = "nullable")]
    pub serve: Serve,
}

/// A flag that must serve one of certain variations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prerequisite {
    /// Identifier of that flag.
    pub feature: String,
    /// Identifiers of the variations that meet it.
    #[serde(default, deserialize_with = "nullable")]
    pub variations: Vec<String>,
}

/// A variation for named targets and for members of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VariationMap {
    /// Identifier of the variation.
    #[serde(default, deserialize_with = "nullable")]
    pub variation: String,
    /// Targets that are served it.
    #[serde(default, deserialize_with = "nullable")]
    pub targets: Vec<TargetRef>,
    /// Identifiers of groups whose members are served it.
    #[serde(default, deserialize_with = "nullable")]
    pub target_segments: Vec<String>,
}

/// A target named in a flag's map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetRef {
    /// Compared exactly.
    pub identifier: String,
    /// For people to read; always written, since the published clients' type requires it.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
}

/// A group of targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    /// Unique in its environment.
    pub identifier: String,
    /// For people to read.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Environment the group belongs to; evaluation does not look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Grows with each change of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<i64>,
    /// Milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<i64>,
    /// For people to sort by.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub tags: Vec<Tag>,
    /// Targets that are members whatever the rules say.
    #[serde(default, deserialize_with = "nullable")]
    pub included: Vec<SegmentTarget>,
    /// Targets that are never members. They are checked first.
    #[serde(default, deserialize_with = "nullable")]
    pub excluded: Vec<SegmentTarget>,
    /// Rules of the old form: a target that matches one clause is a member. They are ignored where there are serving rules.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub rules: Vec<Clause>,
    /// Rules: a target that matches all clauses of one of them is a member.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub serving_rules: Vec<SegmentRule>,
}

impl Segment {
    /// Returns the identifiers of the groups that the rules of this group name, repeated where they are.
    pub fn group_identifiers(&self) -> impl Iterator<Item = &str> {
        let serving = self
            .serving_rules
            .iter()
            .flat_map(|rule| groups_in(&rule.clauses));
        groups_in(&self.rules).chain(serving)
    }

    /// Returns the group as a reader that asks for `rules=v2` gets it: with `servingRules` and without the old `rules`.
    ///
    /// Old rules become one serving rule for each clause, which means the same.
    #[must_use]
    pub fn with_serving_rules(&self) -> Self {
        let mut group = self.clone();
        let old = core::mem::take(&mut group.rules);
        if group.serving_rules.is_empty() {
            group.serving_rules = (1_i64..)
                .zip(old)
                .map(|(priority, clause)| SegmentRule {
                    rule_id: clause.id.clone(),
                    priority,
                    clauses: vec![clause],
                })
                .collect();
        }
        group
    }

    /// Returns the group as any other reader gets it: with the old `rules` only.
    ///
    /// The old form holds only the first clause of each serving rule, so the result may have more members than the group: the
    /// protocol has no better answer for clients that do not know serving rules.
    #[must_use]
    pub fn with_flat_rules(&self) -> Self {
        let mut group = self.clone();
        let mut rules = core::mem::take(&mut group.serving_rules);
        if !rules.is_empty() {
            rules.sort_by_key(|rule| rule.priority);
            group.rules = rules
                .into_iter()
                .filter_map(|rule| rule.clauses.into_iter().next())
                .collect();
        }
        group
    }
}

/// A rule of a group. A target that matches all clauses is a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentRule {
    /// For the tools that edit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<String>,
    /// The priority of the rule; a lower one is tried earlier.
    #[serde(default, deserialize_with = "nullable")]
    pub priority: i64,
    /// The clauses, all of which must hold. An empty list matches nobody.
    #[serde(default, deserialize_with = "nullable")]
    pub clauses: Vec<Clause>,
}

/// A target named in a group. Only the identifier counts; strict readers want the rest to be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentTarget {
    /// Compared exactly.
    pub identifier: String,
    /// For people to read.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Account it belongs to.
    #[serde(default, deserialize_with = "nullable")]
    pub account: String,
    /// Organisation it belongs to.
    #[serde(default, deserialize_with = "nullable")]
    pub org: String,
    /// Project it belongs to.
    #[serde(default, deserialize_with = "nullable")]
    pub project: String,
    /// Environment it belongs to.
    #[serde(default, deserialize_with = "nullable")]
    pub environment: String,
}

/// A label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// For people to read.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Unique in its project.
    #[serde(default, deserialize_with = "nullable")]
    pub identifier: String,
}

/// Returns the identifiers of the groups that clauses name.
fn groups_in(clauses: &[Clause]) -> impl Iterator<Item = &str> {
    clauses
        .iter()
        .filter(|clause| clause.op == "segmentMatch")
        .flat_map(|clause| &clause.values)
        .map(String::as_str)
}

/// Reads `null` as an absent field.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
