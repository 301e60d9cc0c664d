//! Changes one flag or group in the text of a flags file and leaves everything else as it is: comments, order and layout.
//!
//! [`apply`] makes small edits, such as turning a flag off. [`put`] writes the whole definition of a flag or group, and [`delete`]
//! removes it.
//!
//! An edit is made in steps, each of which changes as little of the text as it can. The parser says which bytes a value
//! covers. After each step the new text is read again, and the step is accepted only if the flags then are exactly those that
//! were wanted. A layout that this module does not understand is therefore refused, and never damaged.

mod definition;
mod layout;
mod merge;
mod overrides;
mod restore;
mod text;

use std::ops::Range;

use flagwire_evaluation::model::{Configuration, FeatureConfig, Serve, State};
use serde::{Deserialize, Serialize};

pub use self::definition::{Definition, Entry, Mistake, definition, delete, put};
pub use self::restore::{Written, restore, written};
use self::text::{Style, extent, is_flow, json_text, literal};
use super::full;
use super::node::{self, Node, Value};

/// What to change about a flag. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Turns the flag on or off.
    pub state: Option<bool>,
    /// Identifier of the variation to serve by default.
    pub default: Option<String>,
    /// Identifier of the variation that everybody is served while the flag is off.
    pub off: Option<String>,
    /// What one target is served.
    pub target: Option<TargetEdit>,
}

/// What one target is served, whatever the rules say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetEdit {
    /// The target's identifier.
    pub identifier: String,
    /// Identifier of the variation; `None` lets the rules decide.
    pub variation: Option<String>,
}

/// Why an edit was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// There is no such flag.
    #[error("there is no flag `{0}`")]
    UnknownFlag(String),
    /// The flag has no such variation.
    #[error("flag `{flag}` has no variation `{variation}`; it has: {known}")]
    UnknownVariation {
        /// Identifier of the flag.
        flag: String,
        /// Identifier that was given.
        variation: String,
        /// Identifiers of the flag's variations, with commas between them.
        known: String,
    },
    /// There is no such group.
    #[error("there is no group `{0}`")]
    UnknownGroup(String),
    /// The new definition has mistakes.
    #[error("{}", definition::sentences(.0))]
    Mistakes(Vec<Mistake>),
    /// The text has mistakes, or cannot be edited without touching more than the place concerned. Says so in a sentence.
    #[error("{0}")]
    Refused(String),
}

/// Makes an edit in the text of a flags file and returns the new text; the same text where there is nothing to change.
///
/// # Errors
/// [`EditError`]: no such flag or variation, a file with mistakes, or a layout that cannot be edited.
pub fn apply(text: &str, flag: &str, edit: &Edit) -> Result<String, EditError> {
    let mut text = text.to_owned();
    if let Some(on) = edit.state {
        text = make(&text, flag, &Step::State(on))?;
    }
    if let Some(variation) = &edit.default {
        text = make(&text, flag, &Step::Default(variation))?;
    }
    if let Some(variation) = &edit.off {
        text = make(&text, flag, &Step::Off(variation))?;
    }
    if let Some(change) = &edit.target {
        // The target is added first and removed from other entries afterwards: where one list holds it all along, that list
        // keeps its place and comments.
        if let Some(variation) = &change.variation {
            text = make(
                &text,
                flag,
                &Step::AddTarget {
                    target: &change.identifier,
                    variation,
                },
            )?;
        }
        loop {
            let next = make(
                &text,
                flag,
                &Step::RemoveTarget {
                    target: &change.identifier,
                    but: change.variation.as_deref(),
                },
            )?;
            if next == text {
                break;
            }
            text = next;
        }
    }
    Ok(text)
}

/// One thing to change about a flag.
enum Step<'a> {
    State(bool),
    Default(&'a str),
    Off(&'a str),
    AddTarget {
        target: &'a str,
        variation: &'a str,
    },
    /// Removes the target from the first entry that should not name it. Where `but` is given, the first entry that serves
    /// this variation may name it.
    RemoveTarget {
        target: &'a str,
        but: Option<&'a str>,
    },
}

impl Step<'_> {
    /// The variation that the step names, which the flag must have.
    fn variation(&self) -> Option<&str> {
        match self {
            Self::Default(variation) | Self::Off(variation) | Self::AddTarget { variation, .. } => {
                Some(variation)
            }
            Self::State(_) | Self::RemoveTarget { .. } => None,
        }
    }
}

/// A range of bytes of the text, and the text that replaces it.
type Change = (Range<usize>, String);

/// The flag that a step changes, and the text it is in.
struct Place<'a> {
    text: &'a str,
    style: Style,
    /// The flag as a part of the parsed document, and the same flag as the reader of flags files understands it.
    node: &'a Node,
    old: &'a FeatureConfig,
}

/// Refuses to edit a file that has this mistake.
fn broken(problem: &super::Problem) -> EditError {
    EditError::Refused(format!(
        "the flags file has a mistake at {problem}; correct it first"
    ))
}

/// Reads the text before an edit. The edit is refused if it has mistakes.
fn read_before(text: &str) -> Result<(Node, Configuration), EditError> {
    let document = node::parse(text).map_err(|problem| broken(&problem))?;
    let before = super::read(&document).map_err(|problems| match problems.first() {
        Some(problem) => broken(problem),
        None => EditError::Refused("the flags file cannot be read".to_owned()),
    })?;
    Ok((document, before))
}

fn make(text: &str, flag: &str, step: &Step<'_>) -> Result<String, EditError> {
    let (document, before) = read_before(text)?;
    let unknown = || EditError::UnknownFlag(flag.to_owned());
    let index = before
        .flags
        .iter()
        .position(|one| one.feature == flag)
        .ok_or_else(unknown)?;
    let old = before.flags.get(index).ok_or_else(unknown)?;
    if let Some(variation) = step.variation() {
        check_variation(old, variation)?;
    }
    let node = find(&document, flag).ok_or_else(unknown)?;
    if let Step::AddTarget { variation, .. } = step
        && old.variations.len() < 2
    {
        return Err(EditError::Refused(format!(
            "flag `{flag}` has the one variation `{variation}`, so everybody gets it anyway; give it more `variations` in the flags file first"
        )));
    }
    let place = Place {
        text,
        style: Style::of(text, &document),
        node,
        old,
    };
    let wanted = wanted(&place, step);
    if wanted == *old {
        return Ok(text.to_owned());
    }
    let refused = || {
        EditError::Refused(format!(
            "flag `{flag}` (line {}) is written in a way that cannot be edited safely from here; edit the file itself",
            node.at.line
        ))
    };
    let new = changes(&place, step, &wanted)
        .and_then(|changes| replace(text, changes))
        .ok_or_else(refused)?;

    let mut expected = before.clone();
    if let Some(slot) = expected.flags.get_mut(index) {
        *slot = wanted;
    }
    let says_what_is_meant = |text: &String| {
        let read = node::parse(text)
            .ok()
            .and_then(|new| super::read(&new).ok());
        read.as_ref() == Some(&expected)
    };
    if let Some(shorter) = as_value(&new, flag, step).filter(says_what_is_meant) {
        return Ok(shorter);
    }
    if says_what_is_meant(&new) {
        Ok(new)
    } else {
        Err(refused())
    }
}

/// Writes a boolean flag as a single value again where a step has left nothing else of it: earlier edits have turned `false`
/// into `{ default: false }` or `{ value: false, state: on }`.
fn as_value(text: &str, flag: &str, step: &Step<'_>) -> Option<String> {
    if !matches!(step, Step::State(true) | Step::RemoveTarget { .. }) {
        return None;
    }
    let document = node::parse(text).ok()?;
    let node = find(&document, flag)?;
    let Value::Map(entries) = &node.value else {
        return None;
    };
    let mut served = None;
    for (key, value) in entries {
        match (key.text.as_str(), &value.value) {
            ("default" | "value", Value::Bool(_)) => served = Some(value),
            ("state", _) if value.scalar_text().as_deref() == Some("on") => {}
            _ => return None,
        }
    }
    let range = extent(text, node)?;
    let whole = text.get(range.clone())?;
    if !is_flow(text, node)? || whole.contains(['#', '\n']) {
        return None;
    }
    let value = text.get(extent(text, served?)?)?.to_owned();
    replace(text, vec![(range, value)])
}

fn check_variation(flag: &FeatureConfig, variation: &str) -> Result<(), EditError> {
    let known: Vec<&str> = flag
        .variations
        .iter()
        .map(|one| one.identifier.as_str())
        .collect();
    if known.contains(&variation) {
        return Ok(());
    }
    Err(EditError::UnknownVariation {
        flag: flag.feature.clone(),
        variation: variation.to_owned(),
        known: known.join(", "),
    })
}

/// Returns the flag that the new text must be read as for the step to be accepted.
fn wanted(place: &Place<'_>, step: &Step<'_>) -> FeatureConfig {
    let Place { node, old, .. } = place;
    let mut wanted = (*old).clone();
    match *step {
        Step::State(on) => wanted.state = if on { State::On } else { State::Off },
        Step::Default(variation) => {
            let serve = &old.default_serve;
            if serve.distribution.is_some() || serve.variation.as_deref() != Some(variation) {
                wanted.default_serve = Serve {
                    variation: Some(variation.to_owned()),
                    distribution: None,
                };
                // In the short form, a flag without `off` that is not boolean serves its default while it is off.
                if !full::is_flag(node) && node.get("off").is_none() && old.kind != "boolean" {
                    variation.clone_into(&mut wanted.off_variation);
                }
            }
        }
        Step::Off(variation) => variation.clone_into(&mut wanted.off_variation),
        Step::AddTarget { target, variation } => overrides::add(&mut wanted, target, variation),
        Step::RemoveTarget { target, but } => overrides::remove(&mut wanted, target, but),
    }
    wanted
}

fn find<'a>(document: &'a Node, flag: &str) -> Option<&'a Node> {
    let flags = document.get("flags")?;
    match &flags.value {
        Value::List(nodes) => nodes.iter().find(|node| {
            let names = full::FLAG_NAMES.iter().filter_map(|key| node.get(key));
            names.filter_map(Node::scalar_text).next().as_deref() == Some(flag)
        }),
        _ => flags.get(flag),
    }
}

fn changes(place: &Place<'_>, step: &Step<'_>, wanted: &FeatureConfig) -> Option<Vec<Change>> {
    let Place {
        text, style, node, ..
    } = place;
    match *step {
        Step::State(_) => state(place, wanted).map(|change| vec![change]),
        Step::Default(variation) => default(place, variation).map(|change| vec![change]),
        Step::Off(variation) => {
            if let Some(given) = node.get("off").or_else(|| full::part(node, "offVariation")) {
                return Some(vec![literal_change(text, given, variation)?]);
            }
            spelled_out(place, "off", &style.word(variation))
        }
        Step::AddTarget { target, variation } => overrides::write(place, target, variation),
        Step::RemoveTarget { target, but } => overrides::erase(place, target, but),
    }
}

fn state(place: &Place<'_>, wanted: &FeatureConfig) -> Option<Change> {
    let Place {
        text, style, node, ..
    } = place;
    let word = if wanted.state == State::On {
        "on"
    } else {
        "off"
    };
    let Value::Map(entries) = &node.value else {
        // A flag that is written as a value, such as `name: 5`, has to become a map to hold a state.
        let range = extent(text, node)?;
        let value = text.get(range.clone())?;
        let (key, state) = (style.key("value"), style.key("state"));
        return Some((
            range,
            format!("{{ {key}: {value}, {state}: {} }}", style.keyword(word)),
        ));
    };
    if let Some(state) = full::part(node, "state") {
        let range = extent(text, state)?;
        let quoted = quote_like(text.get(range.clone())?, word);
        return Some((range, quoted));
    }
    let (first, _) = entries.first()?;
    let (at, _) = first.at.bytes?;
    let entry = format!("{}: {}", style.key("state"), style.keyword(word));
    let behind = if is_flow(text, node)? {
        ", ".to_owned()
    } else {
        style.new_line(first.at.column)?
    };
    Some((at..at, format!("{entry}{behind}")))
}

fn default(place: &Place<'_>, variation: &str) -> Option<Change> {
    let Place { text, node, .. } = place;
    let Value::Map(_) = node.value else {
        // `name: true` becomes `name: false`. Other flags that are written as a value have one variation only.
        return Some((extent(text, node)?, variation.to_owned()));
    };
    if !full::is_flag(node) {
        let place = node.get("default").or_else(|| node.get("value"))?;
        return literal_change(text, place, variation);
    }
    let serve = full::part(node, "defaultServe")?;
    match (serve.get("variation"), serve.get("distribution")) {
        (Some(place), None) => literal_change(text, place, variation),
        _ => Some((
            extent(text, serve)?,
            format!("{{ \"variation\": {} }}", json_text(variation)),
        )),
    }
}

/// Adds an entry to a flag behind its default. A flag that is written as a value is turned into a map first.
fn spelled_out(place: &Place<'_>, key: &str, value: &str) -> Option<Vec<Change>> {
    let Place {
        text, style, node, ..
    } = place;
    let key = style.key(key);
    let Value::Map(entries) = &node.value else {
        let range = extent(text, node)?;
        let served = text.get(range.clone())?;
        let default = style.key("default");
        return Some(vec![(
            range,
            format!("{{ {default}: {served}, {key}: {value} }}"),
        )]);
    };
    let mut changes = Vec::new();
    let at = entries
        .iter()
        .position(|(key, _)| matches!(key.text.as_str(), "default" | "defaultServe" | "value"))?;
    let (name, _) = entries.get(at)?;
    if name.text == "value" {
        let (start, len) = name.at.bytes?;
        let range = start..start.checked_add(len)?;
        let quoted = quote_like(text.get(range.clone())?, "default");
        changes.push((range, quoted));
    }
    changes.push(text::insert_behind(
        text,
        style,
        node,
        at,
        &format!("{key}: {value}"),
    )?);
    Some(changes)
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
mod tests;
