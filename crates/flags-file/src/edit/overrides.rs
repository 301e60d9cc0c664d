//! Edits which variation single targets are served: `targets` in the short form, `variationToTargetMap` in the full form.

use flagwire_evaluation::model::{FeatureConfig, TargetRef, VariationMap};

use super::super::full;
use super::super::node::{Key, Node, Value};
use super::text::{
    Style, append_entry, append_item, extent, json_text, prepend_item, remove_entry, remove_item,
};
use super::{Change, Place, spelled_out};

/// The entry in which a target is to be named so that it is served a variation.
enum Home {
    /// The entry at this position.
    Entry(usize),
    /// A new entry before all others, because one of those names a group that the target may be a member of.
    First,
    /// A new entry behind all others.
    Last,
}

/// Finds the entry to name the target in; `None` where the right entry names it already.
fn home(flag: &FeatureConfig, target: &str, variation: &str) -> Option<Home> {
    let map = &flag.variation_to_target_map;
    let at = map.iter().position(|entry| entry.variation == variation);
    let before = map.get(..at.unwrap_or(map.len())).unwrap_or_default();
    let shadowed = before.iter().any(|entry| !entry.target_segments.is_empty());
    match at {
        Some(at) if map.get(at).is_some_and(|entry| names(entry, target)) && !shadowed => None,
        Some(at) if !shadowed => Some(Home::Entry(at)),
        _ if shadowed => Some(Home::First),
        _ => Some(Home::Last),
    }
}

fn names(entry: &VariationMap, target: &str) -> bool {
    entry.targets.iter().any(|one| one.identifier == target)
}

pub(super) fn add(flag: &mut FeatureConfig, target: &str, variation: &str) {
    let one = TargetRef {
        identifier: target.to_owned(),
        name: target.to_owned(),
    };
    let new = |one| VariationMap {
        variation: variation.to_owned(),
        targets: vec![one],
        target_segments: Vec::new(),
    };
    match home(flag, target, variation) {
        None => {}
        Some(Home::Entry(at)) => {
            if let Some(entry) = flag.variation_to_target_map.get_mut(at) {
                entry.targets.push(one);
            }
        }
        Some(Home::First) => flag.variation_to_target_map.insert(0, new(one)),
        Some(Home::Last) => flag.variation_to_target_map.push(new(one)),
    }
}

/// Finds the first place where a target is named and should not be: the position of the entry, and that in its list.
///
/// Where `but` is given, the first entry that names the target and serves this variation is left as it is.
fn unwanted(flag: &FeatureConfig, target: &str, but: Option<&str>) -> Option<(usize, usize)> {
    let mut kept = false;
    for (at, entry) in flag.variation_to_target_map.iter().enumerate() {
        for (position, one) in entry.targets.iter().enumerate() {
            if one.identifier != target {
                continue;
            }
            if !kept && Some(entry.variation.as_str()) == but {
                kept = true;
            } else {
                return Some((at, position));
            }
        }
    }
    None
}

pub(super) fn remove(flag: &mut FeatureConfig, target: &str, but: Option<&str>) {
    let Some((at, position)) = unwanted(flag, target, but) else {
        return;
    };
    let map = &mut flag.variation_to_target_map;
    if let Some(entry) = map.get_mut(at) {
        entry.targets.remove(position);
        if entry.targets.is_empty() && entry.target_segments.is_empty() {
            map.remove(at);
        }
    }
}

/// Returns the changes of the text that name a target for a variation; `None` where the layout does not allow it.
pub(super) fn write(place: &Place<'_>, target: &str, variation: &str) -> Option<Vec<Change>> {
    let Place {
        text,
        style,
        node,
        old,
    } = place;
    let home = home(old, target, variation)?;
    let full = full::is_flag(node);
    let one = if full {
        full_target(style, target)
    } else {
        style.word(target)
    };
    if let Home::Entry(at) = home {
        let change = if full {
            let Value::List(entries) = &full::part(node, "variationToTargetMap")?.value else {
                return None;
            };
            let entry = entries.get(at)?;
            match entry.get("targets") {
                Some(list) => append_item(text, style, list, &one)?,
                None => append_entry(
                    text,
                    style,
                    entry,
                    &format!("{}: [{one}]", style.key("targets")),
                )?,
            }
        } else {
            let (_, users) = short_entry(node, at)?;
            match &users.value {
                Value::List(_) => append_item(text, style, users, &one)?,
                // `ocean: user-7` stands for a list with one item, and has to become a list.
                _ => {
                    let range = extent(text, users)?;
                    let first = text.get(range.clone())?.to_owned();
                    (range, format!("[{first}, {one}]"))
                }
            }
        };
        return Some(vec![change]);
    }
    if !full {
        let entry = format!("{}: [{one}]", style.word(variation));
        return match node.get("targets") {
            Some(targets) => Some(vec![append_entry(text, style, targets, &entry)?]),
            None => spelled_out(place, "targets", &format!("{{ {entry} }}")),
        };
    }
    let entry = format!(
        "{{ {}: {}, {}: [{one}] }}",
        style.key("variation"),
        style.word(variation),
        style.key("targets")
    );
    match (full::part(node, "variationToTargetMap"), home) {
        (Some(list), Home::First) => Some(vec![prepend_item(text, style, list, &entry)?]),
        (Some(list), _) => Some(vec![append_item(text, style, list, &entry)?]),
        (None, _) => spelled_out(place, "variationToTargetMap", &format!("[{entry}]")),
    }
}

fn full_target(style: &Style, target: &str) -> String {
    // Without quotes these words would be booleans, and the full form wants text.
    let word = match target {
        "true" | "false" => json_text(target),
        _ => style.word(target),
    };
    format!(
        "{{ {}: {word}, {}: {word} }}",
        style.key("identifier"),
        style.key("name")
    )
}

/// Returns the changes of the text that remove a target. A list or entry that is empty afterwards is removed as well, because
/// the reader takes empty lists for mistakes.
pub(super) fn erase(place: &Place<'_>, target: &str, but: Option<&str>) -> Option<Vec<Change>> {
    let Place {
        text, node, old, ..
    } = place;
    let (at, position) = unwanted(old, target, but)?;
    let entry = old.variation_to_target_map.get(at)?;
    let emptied = entry.targets.len() == 1 && entry.target_segments.is_empty();
    let all_emptied = emptied && old.variation_to_target_map.len() == 1;
    let full = full::is_flag(node);
    let name = if full {
        "variationToTargetMap"
    } else {
        "targets"
    };
    let change = if all_emptied {
        let Value::Map(entries) = &node.value else {
            return None;
        };
        let own = entries.iter().position(|(key, _)| key.text == name)?;
        remove_entry(text, node, own)?
    } else if full {
        let list = full::part(node, name)?;
        let Value::List(entries) = &list.value else {
            return None;
        };
        if emptied {
            remove_item(text, list, at)?
        } else {
            remove_item(text, entries.get(at)?.get("targets")?, position)?
        }
    } else if emptied {
        remove_entry(text, node.get(name)?, at)?
    } else {
        let (_, users) = short_entry(node, at)?;
        remove_item(text, users, position)?
    };
    Some(vec![change])
}

fn short_entry(flag: &Node, at: usize) -> Option<&(Key, Node)> {
    match &flag.get("targets")?.value {
        Value::Map(entries) => entries.get(at),
        _ => None,
    }
}
