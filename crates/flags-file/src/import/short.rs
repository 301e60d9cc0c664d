//! Writes flags and groups in the short form, where it can express them.
//!
//! The writer does not check how the reader understands the result: [`super::convert`] reads everything again, and uses the full
//! form for entries that are read differently.

use std::borrow::Cow;

use flagwire_evaluation::model::{
    Clause, FeatureConfig, Segment, SegmentTarget, Serve, State, Variation,
};
use serde_json::Value as Json;

use crate::conditions::OPERATORS;
use crate::yaml::{Entry, Item, Yaml, quoted, quoted_if_needed, word};

/// Identifier of the only variation of a flag that is written as a single value.
const ONLY_VARIATION: &str = "default";

/// Writes a flag; `None` where the short form cannot express it.
pub(super) fn flag(flag: &FeatureConfig) -> Option<Yaml> {
    let mut entries = about(flag);
    let simple = single_value(flag);
    if let Some(value) = simple {
        if entries.is_empty() && flag.state == State::On && flag.prerequisites.is_empty() {
            return Some(match value {
                // Without the key `value`, the reader would take the entries of a JSON value for those of the flag.
                Yaml::Map(_) | Yaml::List(_) => Yaml::Map(vec![Entry::new("value", value)]),
                scalar => scalar,
            });
        }
        entries.push(Entry::new("value", value));
    }
    let simple = entries.iter().any(|entry| entry.key == "value");
    if !simple && kind_is_said(flag) {
        entries.push(Entry::new("kind", Yaml::Scalar(flag.kind.clone())));
    }
    if flag.state == State::Off {
        entries.push(Entry::new("state", Yaml::Scalar("off".to_owned())));
    }
    if !simple {
        served(flag, &mut entries)?;
    }
    if !flag.prerequisites.is_empty() {
        let requires = flag.prerequisites.iter().map(|required| {
            let variations = required.variations.iter().map(String::as_str);
            let value = match required.variations.as_slice() {
                [one] => Yaml::word(one),
                _ => Yaml::words(variations),
            };
            Entry::new(&quoted_if_needed(&required.feature), value)
        });
        entries.push(Entry::new("requires", Yaml::Map(requires.collect())));
    }
    if !simple {
        targets_and_rules(flag, &mut entries)?;
    }
    let short = entries.len() <= 2
        && entries
            .iter()
            .all(|entry| matches!(entry.key.as_str(), "value" | "state"));
    Some(if short {
        Yaml::Map(entries)
    } else {
        Yaml::Block(entries)
    })
}

/// Writes what describes the flag, such as its tags. Both forms write it alike.
pub(super) fn about(flag: &FeatureConfig) -> Vec<Entry> {
    let mut entries = Vec::new();
    if let Some(description) = &flag.description {
        entries.push(Entry::new("description", Yaml::text(description)));
    }
    if !flag.tags.is_empty() {
        let tags = flag.tags.iter().map(|tag| Item {
            value: if tag.name == tag.identifier {
                Yaml::word(&tag.name)
            } else {
                Yaml::Map(vec![
                    Entry::new("name", Yaml::word(&tag.name)),
                    Entry::new("identifier", Yaml::word(&tag.identifier)),
                ])
            },
            comment: None,
        });
        entries.push(Entry::new("tags", Yaml::List(tags.collect())));
    }
    match flag.owner.as_slice() {
        [] => {}
        [one] => entries.push(Entry::new("owner", Yaml::word(one))),
        several => entries.push(Entry::new(
            "owner",
            Yaml::words(several.iter().map(String::as_str)),
        )),
    }
    if !flag.metadata.is_empty() {
        entries.push(Entry::new(
            "metadata",
            Yaml::json(&Json::Object(flag.metadata.clone())),
        ));
    }
    entries
}

/// Whether the flag has the variations that a boolean flag gets where none are written.
fn usual_boolean(flag: &FeatureConfig) -> bool {
    let mut known: Vec<(&str, &str)> = flag
        .variations
        .iter()
        .map(|v| (v.identifier.as_str(), v.value.as_str()))
        .collect();
    known.sort_unstable();
    flag.kind == "boolean" && known == [("false", "false"), ("true", "true")]
}

/// Returns the value of a flag that serves the same to everybody and can be written as a single value.
fn single_value(flag: &FeatureConfig) -> Option<Yaml> {
    let served = flag.default_serve.variation.as_deref()?;
    let off = if flag.kind == "boolean" {
        "false"
    } else {
        served
    };
    let fits = flag.rules.is_empty()
        && flag.variation_to_target_map.is_empty()
        && flag.default_serve.distribution.is_none()
        && flag.off_variation == off;
    if !fits {
        return None;
    }
    if usual_boolean(flag) {
        return Some(Yaml::Scalar(served.to_owned()));
    }
    match flag.variations.as_slice() {
        [one] if flag.kind != "boolean" && one.identifier == ONLY_VARIATION => {
            value(&flag.kind, one)
        }
        _ => None,
    }
}

/// Whether the kind has to be written, because the values do not show it.
fn kind_is_said(flag: &FeatureConfig) -> bool {
    if usual_boolean(flag) || flag.kind != "json" {
        return false;
    }
    let first = flag.variations.first().map_or("", |v| v.value.as_str());
    !matches!(
        serde_json::from_str(first),
        Ok(Json::Array(_) | Json::Object(_) | Json::Null)
    )
}

/// Writes a variation's value in YAML; `None` where YAML would change it.
fn value(kind: &str, variation: &Variation) -> Option<Yaml> {
    let text = variation.value.as_str();
    match kind {
        "string" => Some(Yaml::text(text)),
        "json" => Some(Yaml::json(&serde_json::from_str(text).ok()?)),
        // A number or boolean that the reader writes differently, such as `1.0`, is found when everything is read again.
        _ => text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.'))
            .then(|| Yaml::Scalar(text.to_owned())),
    }
}

/// Writes the variations, the default and the off variation.
fn served(flag: &FeatureConfig, entries: &mut Vec<Entry>) -> Option<()> {
    if usual_boolean(flag) {
        // The reader adds these variations by itself.
    } else {
        let mut variations = Vec::new();
        for variation in &flag.variations {
            variations.push(Entry {
                key: key(&variation.identifier),
                value: value(&flag.kind, variation)?,
                comment: said_of(variation),
            });
        }
        entries.push(Entry::new("variations", Yaml::Block(variations)));
    }
    let default = &flag.default_serve;
    entries.push(Entry::new("default", serve(default)));
    by(default, entries);
    let implied =
        if flag.kind == "boolean" && flag.variations.iter().any(|v| v.identifier == "false") {
            Some("false")
        } else {
            default.variation.as_deref()
        };
    if implied != Some(&flag.off_variation) {
        entries.push(Entry::new("off", Yaml::Scalar(key(&flag.off_variation))));
    }
    Some(())
}

/// Returns the name and the description of a variation, where they say more than its identifier.
fn said_of(variation: &Variation) -> Option<String> {
    let name = variation
        .name
        .as_deref()
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(&variation.identifier));
    let description = variation
        .description
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty());
    match (name, description) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (Some(name), Some(description)) => Some(format!("{name}: {description}")),
    }
}

/// Writes the name of a variation. `on` and `off` are booleans for some readers of YAML, so they are put in quotes.
fn key(identifier: &str) -> String {
    word(identifier)
}

fn serve(serve: &Serve) -> Yaml {
    match (&serve.distribution, &serve.variation) {
        (Some(distribution), _) => Yaml::Map(
            distribution
                .variations
                .iter()
                .map(|share| {
                    Entry::new(
                        &key(&share.variation),
                        Yaml::Scalar(share.weight.to_string()),
                    )
                })
                .collect(),
        ),
        (None, variation) => Yaml::Scalar(key(variation.as_deref().unwrap_or_default())),
    }
}

/// Writes which attribute decides about shares, unless it is the identifier.
fn by(serve: &Serve, entries: &mut Vec<Entry>) {
    if let Some(distribution) = &serve.distribution
        && distribution.bucket_by != "identifier"
    {
        entries.push(Entry::new("by", Yaml::word(&distribution.bucket_by)));
    }
}

fn targets_and_rules(flag: &FeatureConfig, entries: &mut Vec<Entry>) -> Option<()> {
    if !flag.variation_to_target_map.is_empty() {
        let mut targets = Vec::new();
        for entry in &flag.variation_to_target_map {
            if !entry.target_segments.is_empty() {
                return None;
            }
            let named = entry
                .targets
                .iter()
                .map(|target| named(&target.identifier, &target.name));
            targets.push(Entry::new(
                &key(&entry.variation),
                Yaml::Lines(named.collect()),
            ));
        }
        entries.push(Entry::new("targets", Yaml::Map(targets)));
    }
    if !flag.rules.is_empty() {
        let mut rules = Vec::new();
        for rule in &flag.rules {
            let mut entries = Vec::new();
            let by_place = format!("rule-{}", rule.priority);
            if let Some(name) = rule.rule_id.as_deref().filter(|name| *name != by_place) {
                entries.push(Entry::new("name", Yaml::text(name)));
            }
            entries.push(Entry::new("when", conditions(&rule.clauses)?));
            entries.push(Entry::new("serve", serve(&rule.serve)));
            by(&rule.serve, &mut entries);
            rules.push(Item {
                value: Yaml::Block(entries),
                comment: None,
            });
        }
        entries.push(Entry::new("rules", Yaml::List(rules)));
    }
    Some(())
}

/// Writes a target's identifier, with its name as a comment where that is different. Each target has a line of its own, so
/// that there is room for the name and the layout does not depend on it.
fn named(identifier: &str, name: &str) -> Item {
    let name = name.trim();
    Item {
        value: Yaml::word(identifier),
        comment: (!name.is_empty() && name != identifier).then(|| name.to_owned()),
    }
}

fn conditions(clauses: &[Clause]) -> Option<Yaml> {
    clauses
        .iter()
        .map(condition)
        .collect::<Option<Vec<_>>>()
        .map(Yaml::Map)
}

fn condition(clause: &Clause) -> Option<Entry> {
    let values = || clause.values.iter().map(String::as_str);
    let first = clause.values.first().map_or("", String::as_str);
    let attribute: Cow<'_, str> = quoted_if_needed(&clause.attribute).into();
    // The reader would take an attribute with this name for a condition on groups.
    if clause.attribute == "group" && clause.op != "segmentMatch" {
        return None;
    }
    let with = |operator: &str, operand: Yaml| {
        Entry::new(&attribute, Yaml::Map(vec![Entry::new(operator, operand)]))
    };
    Some(match clause.op.as_str() {
        "segmentMatch" => Entry::new(
            "group",
            match clause.values.as_slice() {
                [one] => Yaml::word(one),
                _ => Yaml::words(values()),
            },
        ),
        "equal" => Entry::new(&attribute, Yaml::word(first)),
        "in" => Entry::new(&attribute, Yaml::words(values())),
        // The reader warns of a number without quotes, because `gt` compares texts.
        "gt" => with("after", Yaml::Scalar(text_of_any_kind(first))),
        op => {
            let (name, _) = OPERATORS.iter().find(|(_, wire)| *wire == op)?;
            with(name, Yaml::word(first))
        }
    })
}

/// Writes a text, in quotes if it could be taken for a number.
fn text_of_any_kind(text: &str) -> String {
    let plain = quoted_if_needed(text);
    if plain.starts_with('"') {
        quoted(text)
    } else {
        plain
    }
}

/// Writes a group; `None` where the short form cannot express it.
pub(super) fn group(group: &Segment) -> Option<Yaml> {
    let mut entries = Vec::new();
    if group.name != group.identifier {
        entries.push(Entry::new("name", Yaml::text(&group.name)));
    }
    let members = |members: &[SegmentTarget]| {
        let named = members.iter().map(|one| named(&one.identifier, &one.name));
        Yaml::Lines(named.collect())
    };
    if !group.included.is_empty() {
        entries.push(Entry::new("include", members(&group.included)));
    }
    if !group.excluded.is_empty() {
        entries.push(Entry::new("exclude", members(&group.excluded)));
    }
    if !group.serving_rules.is_empty() {
        let mut rules = Vec::new();
        for rule in &group.serving_rules {
            rules.push(Item {
                value: conditions(&rule.clauses)?,
                comment: None,
            });
        }
        entries.push(Entry::new("rules", Yaml::List(rules)));
    }
    Some(Yaml::Block(entries))
}
