//! Changing one flag in the text of a flags file, and nothing else in it: comments, order and layout stay.
//!
//! The places to change come from the parser. Whatever they lead to is read again, and the edit counts only if the new
//! text says exactly what was meant; so a layout this module does not understand is refused, never damaged.

use std::ops::Range;

use flagwire_evaluation::model::{FeatureConfig, Serve, State};

use super::node::{self, Node, Value};
use super::{full, parse};
use crate::source::{Edit, EditError};

/// The text with the change made; the same text where there is nothing to change.
///
/// # Errors
/// [`EditError`]: no such flag or variation, a file with mistakes, or a layout that cannot be edited.
pub(crate) fn apply(text: &str, flag: &str, edit: &Edit) -> Result<String, EditError> {
    let broken = |problem: &super::Problem| {
        EditError::Refused(format!(
            "the flags file has a mistake at {problem}; correct it first"
        ))
    };
    let document = node::parse(text).map_err(|problem| broken(&problem))?;
    let before = super::read(&document).map_err(|problems| match problems.first() {
        Some(problem) => broken(problem),
        None => EditError::Refused("the flags file cannot be read".to_owned()),
    })?;
    let unknown = || EditError::UnknownFlag(flag.to_owned());
    let index = before
        .flags
        .iter()
        .position(|one| one.feature == flag)
        .ok_or_else(unknown)?;
    let old = before.flags.get(index).ok_or_else(unknown)?;
    if let Some(variation) = &edit.default
        && !old
            .variations
            .iter()
            .any(|one| one.identifier == *variation)
    {
        let known: Vec<&str> = old
            .variations
            .iter()
            .map(|one| one.identifier.as_str())
            .collect();
        return Err(EditError::UnknownVariation {
            flag: flag.to_owned(),
            variation: variation.clone(),
            known: known.join(", "),
        });
    }
    let node = find(&document, flag).ok_or_else(unknown)?;
    let wanted = wanted(old, node, edit);
    if wanted == *old {
        return Ok(text.to_owned());
    }
    let refused = || {
        EditError::Refused(format!(
            "flag `{flag}` (line {}) is written in a way that cannot be edited safely from here; edit the file itself",
            node.at.line
        ))
    };
    let new = changes(text, node, old, &wanted)
        .and_then(|changes| replace(text, changes))
        .ok_or_else(refused)?;

    let mut expected = before.clone();
    if let Some(slot) = expected.flags.get_mut(index) {
        *slot = wanted;
    }
    match parse(&new) {
        Ok(after) if after == expected => Ok(new),
        _ => Err(refused()),
    }
}

/// The flag as it is to be read afterwards.
fn wanted(old: &FeatureConfig, node: &Node, edit: &Edit) -> FeatureConfig {
    let mut wanted = old.clone();
    if let Some(on) = edit.state {
        wanted.state = if on { State::On } else { State::Off };
    }
    if let Some(variation) = &edit.default
        && (old.default_serve.distribution.is_some()
            || old.default_serve.variation.as_ref() != Some(variation))
    {
        wanted.default_serve = Serve {
            variation: Some(variation.clone()),
            distribution: None,
        };
        // In the short form an off flag serves the default where nothing else is said.
        if !full::is_flag(node) && node.get("off").is_none() && old.kind != "boolean" {
            wanted.off_variation.clone_from(variation);
        }
    }
    wanted
}

fn find<'a>(document: &'a Node, flag: &str) -> Option<&'a Node> {
    let flags = document.get("flags")?;
    match &flags.value {
        Value::List(nodes) => nodes
            .iter()
            .find(|node| node.get("feature").and_then(Node::scalar_text).as_deref() == Some(flag)),
        _ => flags.get(flag),
    }
}

/// A piece of text and what takes its place.
type Change = (Range<usize>, String);

fn changes(
    text: &str,
    node: &Node,
    old: &FeatureConfig,
    wanted: &FeatureConfig,
) -> Option<Vec<Change>> {
    let Value::Map(entries) = &node.value else {
        return scalar_flag(text, node, wanted).map(|change| vec![change]);
    };
    let mut changes = Vec::new();
    if wanted.state != old.state {
        let word = if wanted.state == State::On {
            "on"
        } else {
            "off"
        };
        changes.push(match node.get("state") {
            Some(state) => {
                let range = extent(text, state)?;
                let quoted = quote_like(text.get(range.clone())?, word);
                (range, quoted)
            }
            None => {
                let (first, _) = entries.first()?;
                let (at, _) = first.at.bytes?;
                (at..at, state_entry(text, node, first.at.column, at, word)?)
            }
        });
    }
    if wanted.default_serve != old.default_serve {
        let variation = wanted.default_serve.variation.as_deref()?;
        changes.push(if full::is_flag(node) {
            let serve = node.get("defaultServe")?;
            match (serve.get("variation"), serve.get("distribution")) {
                (Some(place), None) => literal_change(text, place, variation)?,
                _ => {
                    let range = extent(text, serve)?;
                    (
                        range,
                        format!("{{ \"variation\": {} }}", json_text(variation)),
                    )
                }
            }
        } else {
            literal_change(
                text,
                node.get("default").or_else(|| node.get("value"))?,
                variation,
            )?
        });
    }
    Some(changes)
}

/// `name: true` becomes `name: false`, or a map once the flag is off.
fn scalar_flag(text: &str, node: &Node, wanted: &FeatureConfig) -> Option<Change> {
    let range = extent(text, node)?;
    let value = if wanted.kind == "boolean" {
        wanted.default_serve.variation.clone()?
    } else {
        text.get(range.clone())?.to_owned()
    };
    let new = match wanted.state {
        State::On => value,
        State::Off => format!("{{ value: {value}, state: off }}"),
    };
    Some((range, new))
}

/// The entry to put before a map's first key.
fn state_entry(
    text: &str,
    node: &Node,
    column: u64,
    first_key: usize,
    word: &str,
) -> Option<String> {
    let json = text.get(first_key..)?.starts_with('"');
    if is_flow(text, node)? {
        return Some(if json {
            format!("\"state\": \"{word}\", ")
        } else {
            format!("state: {word}, ")
        });
    }
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let indent = " ".repeat(usize::try_from(column.checked_sub(1)?).ok()?);
    Some(format!("state: {word}{line_end}{indent}"))
}

fn literal_change(text: &str, place: &Node, variation: &str) -> Option<Change> {
    let range = extent(text, place)?;
    let old = text.get(range.clone())?;
    let new = if old.starts_with(['"', '\'']) {
        json_text(variation)
    } else {
        literal(variation)
    };
    Some((range, new))
}

fn quote_like(old: &str, word: &str) -> String {
    if old.starts_with(['"', '\'']) {
        json_text(word)
    } else {
        word.to_owned()
    }
}

/// A variation's name as YAML: plain where no reader could take it for something else.
fn literal(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !["null", "yes", "no", "on", "off", "y", "n"]
            .contains(&name.to_ascii_lowercase().as_str());
    if plain {
        name.to_owned()
    } else {
        json_text(name)
    }
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn is_flow(text: &str, node: &Node) -> Option<bool> {
    let (start, _) = node.at.bytes?;
    Some(text.get(start..)?.starts_with(['{', '[']))
}

/// The text that a node covers.
fn extent(text: &str, node: &Node) -> Option<Range<usize>> {
    let (start, len) = node.at.bytes?;
    let children_end = match &node.value {
        Value::Map(entries) => entries.last().map(|(_, last)| extent(text, last)),
        Value::List(nodes) => nodes.last().map(|last| extent(text, last)),
        // The parser may count line ends behind a block of text along.
        _ => {
            let covered = text.get(start..start.checked_add(len)?)?;
            return Some(start..start + covered.trim_end().len());
        }
    };
    let flow = is_flow(text, node)?;
    let inner_end = match children_end {
        Some(range) => range?.end,
        None => start + 1,
    };
    if !flow {
        return Some(start..inner_end);
    }
    // Behind the last child only blanks, a comma and comments may stand before the bracket.
    let mut rest = text.get(inner_end..)?;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        match rest.chars().next()? {
            '}' | ']' => return Some(start..text.len() - rest.len() + 1),
            '#' => rest = rest.split_once('\n')?.1,
            _ => return None,
        }
    }
}

fn replace(text: &str, mut changes: Vec<Change>) -> Option<String> {
    changes.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    let mut text = text.to_owned();
    for (range, new) in changes {
        text.get(range.clone())?;
        text.replace_range(range, &new);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn off(text: &str, flag: &str) -> Result<String, EditError> {
        apply(
            text,
            flag,
            &Edit {
                state: Some(false),
                default: None,
            },
        )
    }

    fn default(text: &str, flag: &str, variation: &str) -> Result<String, EditError> {
        apply(
            text,
            flag,
            &Edit {
                state: None,
                default: Some(variation.to_owned()),
            },
        )
    }

    /// What differs, line by line, as `-old` and `+new`.
    fn diff(old: &str, new: &str) -> Vec<String> {
        let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
        let gone = old
            .iter()
            .filter(|line| !new.contains(line))
            .map(|line| format!("-{line}"));
        let come = new
            .iter()
            .filter(|line| !old.contains(line))
            .map(|line| format!("+{line}"));
        gone.chain(come).collect()
    }

    const SAMPLE: &str = crate::flags_file::SAMPLE;

    #[test]
    fn every_flag_of_the_sample_can_be_flipped_and_flipped_back_to_the_same_meaning() {
        let before = parse(SAMPLE).unwrap();
        for flag in &before.flags {
            let name = &flag.feature;
            let flipped = off(SAMPLE, name).unwrap();
            assert!(
                diff(SAMPLE, &flipped).len() <= 2,
                "{name}: {:?}",
                diff(SAMPLE, &flipped)
            );
            let back = apply(
                &flipped,
                name,
                &Edit {
                    state: Some(true),
                    default: None,
                },
            )
            .unwrap();
            assert_eq!(parse(&back).unwrap(), before, "{name}");
            for variation in &flag.variations {
                let changed = default(SAMPLE, name, &variation.identifier).unwrap();
                assert!(diff(SAMPLE, &changed).len() <= 2, "{name}");
            }
        }
    }

    #[test]
    fn only_the_place_concerned_changes() {
        let text = "# top\nflags:\n  a: true   # why\n\n  b:\n    # inner\n    variations: { x: 1, z: 2 } # pair\n    default: x # now\n    state: on # for good\n";
        assert_eq!(
            default(text, "a", "false").unwrap(),
            text.replace("a: true ", "a: false ")
        );
        assert_eq!(
            off(text, "a").unwrap(),
            text.replace("a: true ", "a: { value: true, state: off } ")
        );
        assert_eq!(
            default(text, "b", "z").unwrap(),
            text.replace("default: x", "default: z")
        );
        assert_eq!(
            off(text, "b").unwrap(),
            text.replace("state: on", "state: off")
        );
    }

    #[test]
    fn a_state_is_added_where_there_is_none() {
        let block = "flags:\n  b:\n    # inner\n    default: true\n";
        assert_eq!(
            off(block, "b").unwrap(),
            "flags:\n  b:\n    # inner\n    state: off\n    default: true\n"
        );
        let windows = "flags:\r\n  b:\r\n    default: true\r\n";
        assert_eq!(
            off(windows, "b").unwrap(),
            "flags:\r\n  b:\r\n    state: off\r\n    default: true\r\n"
        );
        let flow = "flags: { b: { default: true } }";
        assert_eq!(
            off(flow, "b").unwrap(),
            "flags: { b: { state: off, default: true } }"
        );
        let json = r#"{"flags": {"b": {"default": true}}}"#;
        assert_eq!(
            off(json, "b").unwrap(),
            r#"{"flags": {"b": {"state": "off", "default": true}}}"#
        );
    }

    #[test]
    fn a_rollout_gives_way_to_a_variation() {
        let flow = "flags:\n  c:\n    default: { true: 30, false: 70 } # slowly\n    off: false\n";
        assert_eq!(
            default(flow, "c", "true").unwrap(),
            flow.replace("{ true: 30, false: 70 }", "true")
        );
        let block =
            "flags:\n  c:\n    default:\n      true: 30 # some\n      false: 70\n    off: false\n";
        assert_eq!(
            default(block, "c", "true").unwrap(),
            "flags:\n  c:\n    default:\n      true\n    off: false\n"
        );
    }

    #[test]
    fn the_full_form_is_edited_too() {
        let text = r#"flags:
  - feature: f
    kind: string
    state: "on"
    variations:
      - { identifier: "a", value: "1" }
      - { identifier: "b b", value: "2" }
    offVariation: a
    defaultServe: { variation: a } # here
  - feature: g
    kind: boolean
    state: on
    variations: [{ identifier: "true", value: "true" }, { identifier: "false", value: "false" }]
    offVariation: "false"
    defaultServe:
      distribution:
        bucketBy: identifier
        variations: [{ variation: "true", weight: 50 }, { variation: "false", weight: 50 }]
"#;
        assert_eq!(off(text, "f").unwrap(), text.replace("\"on\"", "\"off\""));
        assert_eq!(
            default(text, "f", "b b").unwrap(),
            text.replace("{ variation: a } #", "{ variation: \"b b\" } #")
        );
        let changed = default(text, "g", "true").unwrap();
        let flag = parse(&changed).unwrap().flags.pop().unwrap();
        assert_eq!(
            flag.default_serve,
            Serve {
                variation: Some("true".to_owned()),
                distribution: None
            }
        );
    }

    #[test]
    fn nothing_to_change_changes_nothing() {
        let text = "flags:\n  a: true\n";
        assert_eq!(default(text, "a", "true").unwrap(), text);
        assert_eq!(apply(text, "a", &Edit::default()).unwrap(), text);
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let text = "flags:\n  a: true\n";
        assert!(matches!(off(text, "b"), Err(EditError::UnknownFlag(_))));
        let error = default(text, "a", "maybe").unwrap_err().to_string();
        assert_eq!(
            error,
            "flag `a` has no variation `maybe`; it has: true, false"
        );
        let error = off("flags:\n  a: [\n", "a").unwrap_err().to_string();
        assert!(
            error.starts_with("the flags file has a mistake at "),
            "{error}"
        );
    }

    #[test]
    fn a_flag_that_shares_its_text_with_another_is_refused() {
        let text = "flags:\n  a: &both { default: true }\n  b: *both\n";
        let error = off(text, "b").unwrap_err();
        assert!(matches!(error, EditError::Refused(_)), "{error}");
        assert!(matches!(off(text, "a"), Err(EditError::Refused(_))));
    }
}
