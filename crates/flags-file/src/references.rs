//! Checks that the flags, groups and variations that a flags file names are defined in it. Each mistake is reported at the
//! place where the name is written.

use std::borrow::Cow;
use std::collections::HashMap;

use flagwire_evaluation::model::{Configuration, FeatureConfig};

use super::node::{Key, Node, Position, Value};
use super::{Problem, full, suggest};

/// Keys whose values may name a group, in both forms.
const GROUP_KEYS: &[&str] = &["group", "values", "targetSegments"];

/// Keys whose values name flags that another one requires, in both forms.
const REQUIRES_KEYS: &[&str] = &["requires", "prerequisites"];

/// The parsed document, and where it defines flags and groups.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) document: &'a Node,
    /// Where each flag's name is written, by name. Flags with mistakes are among them.
    pub(super) flags: &'a HashMap<String, Position>,
    /// The same of groups.
    pub(super) groups: &'a HashMap<String, Position>,
}

impl<'a> Parts<'a> {
    /// Returns the node of each flag or group by its name. They are collected at once, because looking each of them up in the
    /// document would take a time that grows with the square of their number.
    fn entries(&self, part: &str, name_keys: &[&str]) -> HashMap<Cow<'a, str>, &'a Node> {
        let mut found = HashMap::new();
        match self.document.get(part).map(|part| &part.value) {
            Some(Value::List(entries)) => {
                for entry in entries {
                    let named = name_keys.iter().find_map(|key| entry.get(key));
                    if let Some(name) = named.and_then(Node::scalar_text) {
                        found.entry(Cow::Owned(name)).or_insert(entry);
                    }
                }
            }
            Some(Value::Map(entries)) => {
                found.extend(
                    entries
                        .iter()
                        .map(|(key, node)| (Cow::Borrowed(key.text.as_str()), node)),
                );
            }
            _ => {}
        }
        found
    }
}

/// Reports each group, flag and variation that is named and not defined.
pub(super) fn check(configuration: &Configuration, parts: Parts<'_>, problems: &mut Vec<Problem>) {
    let names: Vec<&str> = parts.groups.keys().map(String::as_str).collect();
    let mut check_group = |group: &str, at: Position, owner: &str| {
        if !parts.groups.contains_key(group) {
            problems.push(Problem::new(
                at,
                format!("{owner} names the group `{group}`, which is not defined{}; add it under `groups`", suggest(group, &names)),
            ));
        }
    };
    let entries = parts.entries("flags", full::FLAG_NAMES);
    for flag in &configuration.flags {
        let node = entries.get(flag.feature.as_str()).copied();
        let own = parts.flags.get(&flag.feature).copied().unwrap_or_default();
        let owner = format!("flag `{}`", flag.feature);
        for group in flag.group_identifiers() {
            let at = node.and_then(|node| value_below(node, GROUP_KEYS, group));
            check_group(group, at.unwrap_or(own), &owner);
        }
    }
    let groups = parts.entries("groups", full::GROUP_NAMES);
    for group in &configuration.segments {
        let node = groups.get(group.identifier.as_str()).copied();
        let own = parts
            .groups
            .get(&group.identifier)
            .copied()
            .unwrap_or_default();
        let owner = format!("group `{}`", group.identifier);
        for other in group.group_identifiers() {
            let at = node.and_then(|node| value_below(node, GROUP_KEYS, other));
            check_group(other, at.unwrap_or(own), &owner);
        }
    }
    let by_name: HashMap<&str, &FeatureConfig> = configuration
        .flags
        .iter()
        .map(|flag| (flag.feature.as_str(), flag))
        .collect();
    for flag in &configuration.flags {
        let node = entries.get(flag.feature.as_str()).copied();
        let own = parts.flags.get(&flag.feature).copied().unwrap_or_default();
        let required_at = |name: &str| {
            let part = node.and_then(|node| REQUIRES_KEYS.iter().find_map(|key| node.get(key)));
            part.and_then(|part| key_or_value(part, name))
        };
        for required in &flag.prerequisites {
            let at = required_at(&required.feature).unwrap_or(own);
            match by_name.get(required.feature.as_str()) {
                None if !parts.flags.contains_key(&required.feature) => {
                    problems.push(Problem::new(
                        at,
                        format!(
                            "flag `{}` requires the flag `{}`, which is not defined",
                            flag.feature, required.feature
                        ),
                    ));
                }
                Some(other) => {
                    for variation in &required.variations {
                        if !other.variations.iter().any(|v| v.identifier == *variation) {
                            problems.push(Problem::new(
                                at,
                                format!(
                                    "flag `{}` requires variation `{variation}` of flag `{}`, which has no such variation",
                                    flag.feature, required.feature
                                ),
                            ));
                        }
                    }
                }
                // The flag is defined but has a mistake, which is reported already.
                None => {}
            }
        }
    }
}

/// Reports a target that a flag in the short form names for two variations: the first would count, and whoever reads the second
/// could not see that. It is not checked between the steps of an edit, which adds a target to its new list before it removes it
/// from the old one.
pub(super) fn check_targets(
    configuration: &Configuration,
    parts: Parts<'_>,
    problems: &mut Vec<Problem>,
) {
    let nodes = parts.entries("flags", full::FLAG_NAMES);
    for flag in &configuration.flags {
        if flag.variation_to_target_map.len() < 2 {
            continue;
        }
        let node = nodes.get(flag.feature.as_str()).copied();
        let Some(Value::Map(entries)) = node
            .and_then(|node| node.get("targets"))
            .map(|node| &node.value)
        else {
            continue;
        };
        let mut seen: HashMap<String, (&str, u64)> = HashMap::new();
        for (key, users) in entries {
            let users = match &users.value {
                Value::List(users) => users.as_slice(),
                _ => std::slice::from_ref(users),
            };
            for user in users {
                let Some(identifier) = user.scalar_text() else {
                    continue;
                };
                let here = (key.text.as_str(), user.at.line);
                if let Some((variation, line)) = seen.insert(identifier.clone(), here)
                    && variation != key.text
                {
                    problems.push(Problem::new(
                        user.at,
                        format!(
                            "`targets` of flag `{}` names `{identifier}` for `{variation}` in line {line} and for `{}` here; remove one of the two",
                            flag.feature, key.text
                        ),
                    ));
                }
            }
        }
    }
}

/// Finds a scalar whose text is `wanted`, anywhere below one of these keys, and returns its place.
fn value_below(node: &Node, keys: &[&str], wanted: &str) -> Option<Position> {
    match &node.value {
        Value::Map(entries) => entries.iter().find_map(|(key, node)| {
            if keys.contains(&key.text.as_str()) {
                scalar(node, wanted).or_else(|| value_below(node, keys, wanted))
            } else {
                value_below(node, keys, wanted)
            }
        }),
        Value::List(nodes) => nodes
            .iter()
            .find_map(|node| value_below(node, keys, wanted)),
        _ => None,
    }
}

/// Finds a scalar whose text is `wanted`, anywhere in a node, and returns its place. Keys of maps are not searched.
fn scalar(node: &Node, wanted: &str) -> Option<Position> {
    match &node.value {
        Value::Map(entries) => entries.iter().find_map(|(_, node)| scalar(node, wanted)),
        Value::List(nodes) => nodes.iter().find_map(|node| scalar(node, wanted)),
        _ => (node.scalar_text().as_deref() == Some(wanted)).then_some(node.at),
    }
}

/// Finds a key of this map with that name, or else a scalar as `scalar` does.
fn key_or_value(node: &Node, wanted: &str) -> Option<Position> {
    if let Value::Map(entries) = &node.value {
        let key = |(key, _): &&(Key, Node)| key.text == wanted;
        if let Some((key, _)) = entries.iter().find(key) {
            return Some(key.at);
        }
    }
    scalar(node, wanted)
}
