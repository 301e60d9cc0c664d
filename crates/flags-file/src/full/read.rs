//! Makes flags and groups of the wire from the full form. `null`, absent and empty mean the same, as where clients read it.

use std::fmt;

use flagwire_evaluation::model::{
    Clause, Distribution, FeatureConfig, Prerequisite, Rule, Segment, SegmentRule, SegmentTarget,
    Serve, State, Tag, TargetRef, Variation, VariationMap, WeightedVariation,
};

use crate::Problem;
use crate::node::{Node, Value};

/// A value, and the way to it from its flag or group.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    node: &'a Node,
    /// The words for the flag or group in error messages.
    owner: &'a str,
    way: Option<Way<'a>>,
    /// How the value of a key is found in the flag or group itself.
    find: Find,
}

/// Finds the value of a key in a map.
type Find = for<'n> fn(&'n Node, &str) -> Option<&'n Node>;

/// The last step to a value: the key or the index in `from`.
#[derive(Clone, Copy)]
struct Way<'a> {
    from: &'a Place<'a>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

/// Writes the way, as in `rules[0].priority`.
impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(before) = &self.from.way {
            write!(f, "{before}")?;
        }
        match self.step {
            Step::Key(key) if self.from.way.is_some() => write!(f, ".{key}"),
            Step::Key(key) => f.write_str(key),
            Step::Item(index) => write!(f, "[{index}]"),
        }
    }
}

type Read<T> = Result<T, Problem>;

impl<'a> Place<'a> {
    pub(super) fn of(node: &'a Node, owner: &'a str, find: Find) -> Self {
        Self {
            node,
            owner,
            way: None,
            find,
        }
    }

    /// Reads the value of a key by `read`; `None` where the map lacks it or it is `null`.
    fn get<T>(&self, key: &str, read: impl FnOnce(Place<'_>) -> Read<T>) -> Read<Option<T>> {
        self.given(key)
            .filter(|node| !matches!(node.value, Value::Null))
            .map(|node| read(self.to(node, Step::Key(key))))
            .transpose()
    }

    /// Reads the value of a key; the default where the map lacks it or it is `null`.
    fn or_default<T: Default>(
        &self,
        key: &str,
        read: impl FnOnce(Place<'_>) -> Read<T>,
    ) -> Read<T> {
        self.get(key, read).map(Option::unwrap_or_default)
    }

    /// Reads a text that must be there.
    fn required(&self, key: &str) -> Read<String> {
        match self.given(key) {
            Some(node) => text(self.to(node, Step::Key(key))),
            None => Err(self.problem(&format!("has no `{key}`; add it"))),
        }
    }

    /// Reads a list of values; an empty one where the map lacks it or it is `null`.
    fn list<T>(&self, key: &str, read: fn(Place<'_>) -> Read<T>) -> Read<Vec<T>> {
        self.or_default(key, |list| match &list.node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| read(list.to(item, Step::Item(index))))
                .collect(),
            _ => Err(list.wants("a list")),
        })
    }

    fn given(&self, key: &str) -> Option<&'a Node> {
        (self.find)(self.node, key)
    }

    fn to<'b>(&'b self, node: &'b Node, step: Step<'b>) -> Place<'b> {
        Place {
            node,
            owner: self.owner,
            way: Some(Way { from: self, step }),
            find: Node::get,
        }
    }

    /// Refuses what is no map.
    fn map(&self) -> Read<()> {
        match self.node.value {
            Value::Map(_) => Ok(()),
            _ => Err(self.wants("a map")),
        }
    }

    fn wants(&self, what: &str) -> Problem {
        let holds = match self.node.scalar_text() {
            Some(text) => format!("`{text}`"),
            None => self.node.describe().to_owned(),
        };
        self.problem(&format!("holds {holds}; write {what}"))
    }

    fn problem(&self, what: &str) -> Problem {
        let owner = self.owner;
        let reason = match &self.way {
            Some(way) => format!("`{way}` of {owner} {what}"),
            None => format!("{owner} {what}"),
        };
        Problem::new(self.node.at, reason)
    }
}

/// Reads a text, which is taken as it is written: `007` stays `007`.
fn text(place: Place<'_>) -> Read<String> {
    place
        .node
        .optional_text()
        .ok_or_else(|| place.wants("text"))
}

/// Reads an item of a list of texts. None can be left out, so `null` is the text `null`.
fn item(place: Place<'_>) -> Read<String> {
    place.node.scalar_text().ok_or_else(|| place.wants("text"))
}

fn whole(place: Place<'_>) -> Read<i64> {
    match place.node.value {
        Value::Int(number) => Ok(number),
        _ => Err(place.wants("a whole number")),
    }
}

fn boolean(place: Place<'_>) -> Read<bool> {
    match place.node.value {
        Value::Bool(value) => Ok(value),
        _ => Err(place.wants("`true` or `false`")),
    }
}

/// Reads a flag without what `about.rs` reads.
pub(super) fn flag(name: &str, place: Place<'_>) -> Read<FeatureConfig> {
    place.map()?;
    let kind = place.required("kind")?;
    let variation = match kind.as_str() {
        "boolean" => boolean_variation,
        "int" => int_variation,
        _ => variation,
    };
    Ok(FeatureConfig {
        project: place.or_default("project", text)?,
        environment: place.or_default("environment", text)?,
        feature: name.to_owned(),
        state: match place.get("state", text)?.as_deref() {
            Some("on") => State::On,
            _ => State::Off,
        },
        version: place.get("version", whole)?,
        variations: place.list("variations", variation)?,
        off_variation: place.or_default("offVariation", text)?,
        default_serve: place.or_default("defaultServe", serve)?,
        prerequisites: place.list("prerequisites", prerequisite)?,
        variation_to_target_map: place.list("variationToTargetMap", target_map)?,
        rules: place.list("rules", rule)?,
        kind,
        ..FeatureConfig::default()
    })
}

fn boolean_variation(place: Place<'_>) -> Read<Variation> {
    variation_with(place, |value| match value {
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    })
}

fn int_variation(place: Place<'_>) -> Read<Variation> {
    variation_with(place, |value| match value {
        Value::Int(value) => Some(value.to_string()),
        _ => None,
    })
}

fn variation(place: Place<'_>) -> Read<Variation> {
    variation_with(place, |_| None)
}

/// Reads a variation. Its value is text on the wire for each kind of flag: what `by_kind` makes of it, else as it is written.
fn variation_with(place: Place<'_>, by_kind: fn(&Value) -> Option<String>) -> Read<Variation> {
    place.map()?;
    Ok(Variation {
        identifier: place.required("identifier")?,
        value: place.or_default("value", |value| match &value.node.value {
            Value::List(_) | Value::Map(_) => Ok(value.node.to_json().to_string()),
            given => by_kind(given).map_or_else(|| text(value), Ok),
        })?,
        name: place.get("name", text)?,
        description: place.get("description", text)?,
    })
}

fn serve(place: Place<'_>) -> Read<Serve> {
    place.map()?;
    Ok(Serve {
        variation: place.get("variation", text)?,
        distribution: place.get("distribution", |place| {
            place.map()?;
            Ok(Distribution {
                bucket_by: place.or_default("bucketBy", text)?,
                variations: place.list("variations", |place| {
                    place.map()?;
                    Ok(WeightedVariation {
                        variation: place.or_default("variation", text)?,
                        weight: place.or_default("weight", whole)?,
                    })
                })?,
            })
        })?,
    })
}

fn prerequisite(place: Place<'_>) -> Read<Prerequisite> {
    place.map()?;
    Ok(Prerequisite {
        feature: place.required("feature")?,
        variations: place.list("variations", item)?,
    })
}

fn target_map(place: Place<'_>) -> Read<VariationMap> {
    place.map()?;
    Ok(VariationMap {
        variation: place.or_default("variation", text)?,
        targets: place.list("targets", |place| {
            place.map()?;
            Ok(TargetRef {
                identifier: place.required("identifier")?,
                name: place.or_default("name", text)?,
            })
        })?,
        target_segments: place.list("targetSegments", item)?,
    })
}

fn rule(place: Place<'_>) -> Read<Rule> {
    place.map()?;
    Ok(Rule {
        rule_id: place.get("ruleId", text)?,
        priority: place.or_default("priority", whole)?,
        clauses: place.list("clauses", clause)?,
        serve: place.or_default("serve", serve)?,
    })
}

fn clause(place: Place<'_>) -> Read<Clause> {
    place.map()?;
    Ok(Clause {
        id: place.get("id", text)?,
        attribute: place.or_default("attribute", text)?,
        op: place.or_default("op", text)?,
        values: place.list("values", item)?,
        negate: place.or_default("negate", boolean)?,
    })
}

/// Reads a group.
pub(super) fn group(name: &str, place: Place<'_>) -> Read<Segment> {
    place.map()?;
    Ok(Segment {
        identifier: name.to_owned(),
        name: place.or_default("name", text)?,
        environment: place.get("environment", text)?,
        version: place.get("version", whole)?,
        created_at: place.get("createdAt", whole)?,
        modified_at: place.get("modifiedAt", whole)?,
        tags: place.list("tags", |place| {
            place.map()?;
            Ok(Tag {
                name: place.or_default("name", text)?,
                identifier: place.or_default("identifier", text)?,
            })
        })?,
        included: place.list("included", member)?,
        excluded: place.list("excluded", member)?,
        rules: place.list("rules", clause)?,
        serving_rules: place.list("servingRules", |place| {
            place.map()?;
            Ok(SegmentRule {
                rule_id: place.get("ruleId", text)?,
                priority: place.or_default("priority", whole)?,
                clauses: place.list("clauses", clause)?,
            })
        })?,
    })
}

fn member(place: Place<'_>) -> Read<SegmentTarget> {
    place.map()?;
    Ok(SegmentTarget {
        identifier: place.required("identifier")?,
        name: place.or_default("name", text)?,
        account: place.or_default("account", text)?,
        org: place.or_default("org", text)?,
        project: place.or_default("project", text)?,
        environment: place.or_default("environment", text)?,
    })
}
