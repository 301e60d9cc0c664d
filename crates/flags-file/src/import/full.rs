//! Writes flags and groups in the full form, which is used where the short form cannot express them.

use flagwire_evaluation::model::{FeatureConfig, Segment};
use serde::Serialize;
use serde_json::Value as Json;

use super::short::about;
use crate::yaml::{Entry, Yaml};

/// Writes a flag in the full form.
pub(super) fn flag(flag: &FeatureConfig) -> Yaml {
    let mut plain = flag.clone();
    plain.forget_about();
    for variation in &mut plain.variations {
        variation.name.take_if(|name| *name == variation.identifier);
    }
    let mut entries = about(flag);
    entries.extend(fields(&plain, &["feature"]));
    Yaml::Block(entries)
}

/// Writes a group in the full form.
pub(super) fn group(group: &Segment) -> Yaml {
    let mut entries = fields(group, &["identifier"]);
    // The reader recognises the full form by this key.
    if !entries.iter().any(|entry| entry.key == "servingRules") {
        entries.push(Entry::new("servingRules", Yaml::List(Vec::new())));
    }
    Yaml::Block(entries)
}

fn fields(entry: &impl Serialize, without: &[&str]) -> Vec<Entry> {
    let Ok(Json::Object(fields)) = serde_json::to_value(entry) else {
        return Vec::new();
    };
    fields
        .into_iter()
        .filter(|(key, _)| !without.contains(&key.as_str()))
        .filter_map(|(key, value)| Some(Entry::new(&key, lean(&value, &key)?)))
        .collect()
}

/// Writes a value without fields that are empty or have their default; `None` where nothing is left.
fn lean(value: &Json, key: &str) -> Option<Yaml> {
    match value {
        // An empty text has a meaning in the fields that are named here.
        Json::String(text)
            if text.is_empty()
                && !matches!(key, "identifier" | "value" | "values" | "bucketBy") =>
        {
            None
        }
        Json::Bool(false) if key == "negate" => None,
        Json::Array(items) if items.is_empty() => None,
        Json::Array(items) => Some(Yaml::List(
            items
                .iter()
                .filter_map(|item| {
                    Some(crate::yaml::Item {
                        value: lean(item, key)?,
                        comment: None,
                    })
                })
                .collect(),
        )),
        Json::Object(fields) => Some(Yaml::Map(
            fields
                .iter()
                .filter(|(key, value)| !(is_made_up(key, value)))
                .filter_map(|(key, value)| Some(Entry::new(key, lean(value, key)?)))
                .collect(),
        )),
        other => Some(Yaml::json(other)),
    }
}

/// Whether the name of a rule has the form of those that the reader gives to rules without one.
fn is_made_up(key: &str, value: &Json) -> bool {
    key == "ruleId"
        && value
            .as_str()
            .and_then(|id| id.strip_prefix("rule-"))
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
}
