//! Reads, writes and removes whole definitions of flags and groups, as JSON.
//!
//! A definition is what the file holds for a flag or group, in the form that the file has it in. Where a definition is
//! replaced, only the parts that differ get a new text. The new text of the file is read again and has to give the
//! configuration that was wanted.

use std::collections::HashSet;
use std::fmt;

use flagwire_evaluation::Snapshot;
use flagwire_evaluation::model::{Configuration, FeatureConfig, Segment};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::super::node::json::Paths;
use super::super::node::{self, Key, Node, Value};
use super::super::{
    Notes, Problem, check_identifier, full, read_noting, settle_requirements, short,
};
use super::layout::{Layout, Piece, after_key, apply_within, line_end};
use super::merge::{Role, Writer, as_before, json_of};
use super::text::{Style, extent};
use super::{Change, EditError, broken, find, read_before};

/// Names a flag or group, which has a definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A flag, by its name.
    Flag(String),
    /// A group, by its name.
    Group(String),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.what(), self.name())
    }
}

impl Entry {
    /// Returns the name of the flag or group.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Flag(name) | Self::Group(name) => name,
        }
    }

    const fn what(&self) -> &'static str {
        match self {
            Self::Flag(_) => "flag",
            Self::Group(_) => "group",
        }
    }

    /// The part of the file in which it is.
    pub(super) const fn part(&self) -> &'static str {
        match self {
            Self::Flag(_) => "flags",
            Self::Group(_) => "groups",
        }
    }

    fn unknown(&self) -> EditError {
        match self {
            Self::Flag(name) => EditError::UnknownFlag(name.clone()),
            Self::Group(name) => EditError::UnknownGroup(name.clone()),
        }
    }

    pub(super) fn find<'a>(&self, document: &'a Node) -> Option<&'a Node> {
        match self {
            Self::Flag(name) => find(document, name),
            Self::Group(name) => {
                let groups = document.get("groups")?;
                match &groups.value {
                    Value::List(nodes) => nodes
                        .iter()
                        .find(|node| name_of(node, full::GROUP_NAMES).as_deref() == Some(name)),
                    _ => groups.get(name),
                }
            }
        }
    }

    /// Returns another flag or group, as this one is.
    pub(super) const fn other(&self, name: String) -> Self {
        match self {
            Self::Flag(_) => Self::Flag(name),
            Self::Group(_) => Self::Group(name),
        }
    }

    /// Returns the name that an item of a list gives itself.
    pub(super) fn name_of(&self, node: &Node) -> Option<String> {
        let keys = match self {
            Self::Flag(_) => full::FLAG_NAMES,
            Self::Group(_) => full::GROUP_NAMES,
        };
        name_of(node, keys)
    }

    /// Takes the flag or group out of a configuration.
    pub(super) fn remove_from(&self, configuration: &mut Configuration) {
        match self {
            Self::Flag(name) => configuration.flags.retain(|flag| flag.feature != *name),
            Self::Group(name) => configuration
                .segments
                .retain(|group| group.identifier != *name),
        }
    }

    fn is_full(&self, node: &Node) -> bool {
        match self {
            Self::Flag(_) => full::is_flag(node),
            Self::Group(_) => full::is_group(node),
        }
    }
}

fn name_of(node: &Node, keys: &[&str]) -> Option<String> {
    let named = keys.iter().find_map(|key| node.get(key));
    named.and_then(Node::scalar_text)
}

/// The definition of a flag or group, as the file holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// What stands behind the name in the file.
    pub json: Json,
    /// Whether it is written in the full form, that of the protocol.
    pub full: bool,
    /// Changes whenever the definition does. Comments and layout do not count.
    pub revision: String,
}

impl Definition {
    fn of(entry: &Entry, node: &Node) -> Self {
        let json = json_of(node, Role::Whole);
        Self {
            revision: revision(&json),
            full: entry.is_full(node),
            json,
        }
    }
}

/// Returns the 64-bit FNV-1a hash of a definition, in hexadecimal digits. Replicas of different builds have to agree on it, which
/// the standard library's hasher does not promise.
fn revision(json: &Json) -> String {
    let hash = json
        .to_string()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")
}

/// A mistake in a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mistake {
    /// Where it is in the definition, such as `rules[0].serve`; empty where it concerns the whole.
    pub path: String,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// Puts the sentences of mistakes into one.
pub(super) fn sentences(mistakes: &[Mistake]) -> String {
    let all: Vec<&str> = mistakes.iter().map(|one| one.message.as_str()).collect();
    all.join("; ")
}

/// Returns the definition of a flag or group; `None` where there is no such one.
///
/// # Errors
/// [`EditError::Refused`]: the file has broken syntax.
pub fn definition(text: &str, entry: &Entry) -> Result<Option<Definition>, EditError> {
    let document = node::parse(text).map_err(|problem| broken(&problem))?;
    let node = entry.find(&document);
    Ok(node.map(|node| Definition::of(entry, node)))
}

/// Writes the definition of a flag or group, and returns the new text of the file.
///
/// `revision` is that of the definition which is replaced; `None` adds a flag or group that is not there yet.
///
/// # Errors
/// [`EditError`]: the definition has mistakes, it has changed since `revision`, or the layout of the file cannot be edited.
pub fn put(
    text: &str,
    entry: &Entry,
    wanted: &Json,
    revision: Option<&str>,
) -> Result<String, EditError> {
    let (document, before) = read_before(text)?;
    let old = entry.find(&document);
    match (old, revision) {
        (None, Some(_)) => return Err(deleted_meanwhile(entry)),
        (Some(_), None) => {
            return Err(EditError::Refused(format!(
                "there is a {entry} already; choose another name, or edit that one"
            )));
        }
        (Some(node), Some(revision)) => unchanged(entry, node, revision)?,
        (None, None) => {}
    }
    check_identifier(entry.name(), entry.what()).map_err(|message| {
        EditError::Mistakes(vec![Mistake {
            path: String::new(),
            message,
        }])
    })?;
    let wanted = &match old {
        Some(node) => as_before(&json_of(node, Role::Whole), wanted),
        None => wanted.clone(),
    };
    let item = Item::read(entry, wanted)?;
    let wanted = match (document.get(entry.part()).map(|part| &part.value), old) {
        // In a list each entry has the full form.
        (Some(Value::List(_)), old) => item.in_a_list(entry, wanted, old),
        (_, Some(old)) => fitting(wanted, old),
        (_, None) => wanted.clone(),
    };
    let mut expected = before.clone();
    item.put_into(&mut expected);
    settle_requirements(&mut expected.flags);

    let writer = Writer {
        text,
        style: Style::of(text, &document),
    };
    let new = match old {
        Some(node) => replaced(&writer, &document, entry, node, &wanted),
        None => added(&writer, &document, entry, &wanted),
    };
    let new = new.ok_or_else(|| refused(entry, old))?;
    let after = node::parse(&new).map_err(|_| refused(entry, old))?;
    let mut notes = Notes::default();
    let (read, _) = read_noting(&after, true, &mut notes).map_err(|problems| {
        let node = entry.find(&after);
        let path = |problem: &Problem| node?.path_of(problem.place()?);
        let mistake = |problem: &Problem| Mistake {
            path: path(problem).unwrap_or_default(),
            message: problem.reason().to_owned(),
        };
        EditError::Mistakes(problems.iter().map(mistake).collect())
    })?;
    if read != expected {
        return Err(refused(entry, old));
    }
    compiles(&before, read)?;
    Ok(new)
}

/// Removes a flag or group with the comments directly above it, and returns the new text of the file.
///
/// # Errors
/// [`EditError`]: something needs the flag or group, it has changed since `revision`, or the layout of the file cannot be edited.
pub fn delete(text: &str, entry: &Entry, revision: Option<&str>) -> Result<String, EditError> {
    let (document, mut expected) = read_before(text)?;
    let node = entry.find(&document).ok_or_else(|| entry.unknown())?;
    if let Some(revision) = revision {
        unchanged(entry, node, revision)?;
    }
    let users = users(entry, &expected);
    if !users.is_empty() {
        let (verb, them) = match (entry, users.len()) {
            (Entry::Flag(_), 1) => ("requires", "it"),
            (Entry::Flag(_), _) => ("require", "them"),
            (Entry::Group(_), 1) => ("names", "it"),
            (Entry::Group(_), _) => ("name", "them"),
        };
        return Err(EditError::Refused(format!(
            "the {entry} cannot be deleted while {} {verb} it; change {them} first",
            users.join(", ")
        )));
    }
    entry.remove_from(&mut expected);
    let writer = Writer {
        text,
        style: Style::of(text, &document),
    };
    let new = removed(&writer, &document, entry, node).ok_or_else(|| refused(entry, Some(node)))?;
    let read = node::parse(&new)
        .ok()
        .and_then(|new| super::super::read(&new).ok());
    if read.as_ref() == Some(&expected) {
        Ok(new)
    } else {
        Err(refused(entry, Some(node)))
    }
}

fn unchanged(entry: &Entry, node: &Node, revision: &str) -> Result<(), EditError> {
    if Definition::of(entry, node).revision == revision {
        return Ok(());
    }
    Err(EditError::Refused(format!(
        "somebody else has changed the {entry} meanwhile; look at its new definition, and make your change in that"
    )))
}

fn deleted_meanwhile(entry: &Entry) -> EditError {
    EditError::Refused(format!(
        "somebody else has deleted the {entry} meanwhile; add it again if it is still wanted"
    ))
}

fn refused(entry: &Entry, node: Option<&Node>) -> EditError {
    EditError::Refused(match node {
        Some(node) => format!(
            "{entry} (line {}) is written in a way that cannot be edited safely from here; edit the file itself",
            node.at.line
        ),
        None => format!(
            "`{}` in the flags file is written in a way that nothing can be added to from here; edit the file itself",
            entry.part()
        ),
    })
}

/// Names what requires a flag or names a group, in the order of the file.
fn users(entry: &Entry, configuration: &Configuration) -> Vec<String> {
    let flag = |flag: &FeatureConfig| format!("flag `{}`", flag.feature);
    match entry {
        Entry::Flag(name) => {
            let requires = |flag: &&FeatureConfig| {
                flag.feature != *name && flag.prerequisites.iter().any(|one| one.feature == *name)
            };
            configuration
                .flags
                .iter()
                .filter(requires)
                .map(flag)
                .collect()
        }
        Entry::Group(name) => {
            let flags = configuration
                .flags
                .iter()
                .filter(|flag| flag.group_identifiers().any(|group| group == name))
                .map(flag);
            let groups = configuration.segments.iter().filter(|group| {
                group.identifier != *name && group.group_identifiers().any(|other| other == name)
            });
            let groups = groups.map(|group| format!("group `{}`", group.identifier));
            flags.chain(groups).collect()
        }
    }
}

/// Refuses a configuration with a problem that the one before did not have, such as flags that require each other.
fn compiles(before: &Configuration, after: Configuration) -> Result<(), EditError> {
    let compile = |configuration: Configuration| {
        Snapshot::compile(configuration.flags, configuration.segments)
    };
    let after = compile(after);
    if after.problems().is_empty() {
        return Ok(());
    }
    let before = compile(before.clone());
    let known: HashSet<String> = before.problems().iter().map(ToString::to_string).collect();
    let mistakes: Vec<Mistake> = after
        .problems()
        .iter()
        .filter(|problem| !known.contains(&problem.to_string()))
        .map(|problem| Mistake {
            path: String::new(),
            message: format!("`{}`: {}", problem.identifier, problem.sentence),
        })
        .collect();
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(EditError::Mistakes(mistakes))
    }
}

/// A flag or group as the reader understands it.
enum Item {
    Flag(Box<FeatureConfig>),
    Group(Box<Segment>),
}

impl Item {
    fn read(entry: &Entry, wanted: &Json) -> Result<Self, EditError> {
        let mut paths = Paths::default();
        let node = Node::of_json(wanted, &mut paths);
        let mut notes = Notes::default();
        let full = entry.is_full(&node);
        let read = match (entry, full) {
            (Entry::Flag(name), true) => full::flag(name, &node, &mut notes).map(Self::flag),
            (Entry::Flag(name), false) => short::flag(name, &node, &mut notes).map(Self::flag),
            (Entry::Group(name), true) => full::group(name, &node, &mut notes).map(Self::group),
            (Entry::Group(name), false) => short::group(name, &node, &mut notes).map(Self::group),
        };
        read.map_err(|problem| {
            EditError::Mistakes(vec![Mistake {
                path: paths.of(problem.place()).to_owned(),
                message: problem.reason().to_owned(),
            }])
        })
    }

    fn flag(flag: FeatureConfig) -> Self {
        Self::Flag(Box::new(flag))
    }

    fn group(group: Segment) -> Self {
        Self::Group(Box::new(group))
    }

    fn put_into(&self, configuration: &mut Configuration) {
        match self {
            Self::Flag(new) => {
                let mut flags = configuration.flags.iter_mut();
                match flags.find(|flag| flag.feature == new.feature) {
                    Some(old) => old.clone_from(new),
                    None => configuration.flags.push((**new).clone()),
                }
            }
            Self::Group(new) => {
                let mut groups = configuration.segments.iter_mut();
                match groups.find(|group| group.identifier == new.identifier) {
                    Some(old) => old.clone_from(new),
                    None => configuration.segments.push((**new).clone()),
                }
            }
        }
    }

    /// Returns the definition in the full form with its name, as a list needs it.
    fn in_a_list(&self, entry: &Entry, wanted: &Json, old: Option<&Node>) -> Json {
        let (keys, json) = match self {
            Self::Flag(flag) => (full::FLAG_NAMES, serde_json::to_value(flag)),
            Self::Group(group) => (full::GROUP_NAMES, serde_json::to_value(group)),
        };
        let is_full = entry.is_full(&Node::of_json(wanted, &mut Paths::default()));
        let key = keys
            .iter()
            .find(|key| old.is_some_and(|old| old.get(key).is_some()))
            .or_else(|| keys.first())
            .copied()
            .unwrap_or_default();
        let mut map = serde_json::Map::new();
        map.insert(key.to_owned(), entry.name().into());
        let given = match (is_full, wanted, json) {
            (true, Json::Object(given), _) => given.clone(),
            (_, _, Ok(Json::Object(given))) => lean(given),
            _ => serde_json::Map::new(),
        };
        let rest = given
            .into_iter()
            .filter(|(key, _)| !keys.contains(&key.as_str()));
        map.extend(rest);
        Json::Object(map)
    }
}

/// Leaves out what is empty.
fn lean(map: serde_json::Map<String, Json>) -> serde_json::Map<String, Json> {
    map.into_iter()
        .filter(|(key, value)| match value {
            Json::Null => false,
            Json::Array(items) => !items.is_empty(),
            Json::Object(entries) => !entries.is_empty(),
            Json::String(text) => !text.is_empty() || key == "value",
            Json::Bool(_) | Json::Number(_) => true,
        })
        .map(|(key, value)| {
            let value = match value {
                Json::Object(entries) => Json::Object(lean(entries)),
                Json::Array(items) => items
                    .into_iter()
                    .map(|item| match item {
                        Json::Object(entries) => Json::Object(lean(entries)),
                        other => other,
                    })
                    .collect(),
                other => other,
            };
            (key, value)
        })
        .collect()
}

/// Gives a definition the shape that the flag has in the file, where both say the same: `true` and `{ default: true }`.
fn fitting(wanted: &Json, old: &Node) -> Json {
    let is_map = matches!(old.value, Value::Map(_));
    match wanted {
        Json::Object(entries) if !is_map && entries.len() == 1 => match entries.iter().next() {
            Some((key, Json::Bool(value))) if key == "default" => Json::Bool(*value),
            Some((key, value))
                if key == "value"
                    && !value.is_object()
                    && !value.is_array()
                    && !value.is_null() =>
            {
                value.clone()
            }
            _ => wanted.clone(),
        },
        Json::Bool(_) | Json::Number(_) | Json::String(_) if is_map => {
            let key = if old.get("default").is_some() && wanted.is_boolean() {
                "default"
            } else {
                "value"
            };
            Json::Object([(key.to_owned(), wanted.clone())].into_iter().collect())
        }
        _ => wanted.clone(),
    }
}

/// The part of the file that holds flags or groups, with its key.
pub(super) fn part<'a>(document: &'a Node, entry: &Entry) -> Option<(&'a Key, &'a Node)> {
    let Value::Map(parts) = &document.value else {
        return None;
    };
    let part = parts.iter().find(|(key, _)| key.text == entry.part())?;
    Some((&part.0, &part.1))
}

/// Returns the position of an entry in its part of the file.
fn position(part: &Node, node: &Node) -> Option<usize> {
    match &part.value {
        Value::Map(entries) => entries.iter().position(|(_, one)| std::ptr::eq(one, node)),
        Value::List(nodes) => nodes.iter().position(|one| std::ptr::eq(one, node)),
        _ => None,
    }
}

fn replaced(
    writer: &Writer<'_>,
    document: &Node,
    entry: &Entry,
    node: &Node,
    wanted: &Json,
) -> Option<String> {
    let (_, part) = part(document, entry)?;
    let at = position(part, node)?;
    let layout = Layout::of(writer.text, &writer.style, part)?;
    let changes = match &part.value {
        Value::Map(entries) => {
            let (key, node) = entries.get(at)?;
            writer.entry_changes((key, node), wanted, Role::Whole, layout.flow)?
        }
        _ => writer.item_changes(node, wanted, Role::Whole, layout.flow)?,
    };
    // What is outside the entry's own lines is never touched.
    let range = if layout.flow {
        layout.items.get(at)?.clone()
    } else {
        layout.lines(at)?
    };
    let new = apply_within(writer.text, range.clone(), changes)?;
    applied(writer.text, (range, new))
}

fn removed(writer: &Writer<'_>, document: &Node, entry: &Entry, node: &Node) -> Option<String> {
    let (_, part) = part(document, entry)?;
    let at = position(part, node)?;
    let layout = Layout::of(writer.text, &writer.style, part)?;
    if layout.flow && layout.items.len() == 1 {
        let range = extent(writer.text, part)?;
        let empty = if matches!(part.value, Value::List(_)) {
            "[]"
        } else {
            "{}"
        };
        return applied(writer.text, (range, empty.to_owned()));
    }
    let mut pieces = layout.pieces()?;
    pieces.retain(|piece| piece.old != Some(at));
    applied(writer.text, layout.arrange(&pieces)?)
}

fn added(writer: &Writer<'_>, document: &Node, entry: &Entry, wanted: &Json) -> Option<String> {
    let text = writer.text;
    let line_end_of_file = writer.style.line_end();
    let new = |column| writer.definition(entry.name(), wanted, column);
    let Some((key, part)) = part(document, entry) else {
        // The file has no such part yet.
        let Value::Map(parts) = &document.value else {
            let blank = if text.is_empty() || text.ends_with('\n') {
                ""
            } else {
                line_end_of_file
            };
            let added = format!(
                "{blank}{}:{line_end_of_file}  {}{line_end_of_file}",
                entry.part(),
                new(Some(2))
            );
            return matches!(document.value, Value::Null).then(|| format!("{text}{added}"));
        };
        if parts.is_empty() {
            return None;
        }
        let layout = Layout::of(text, &writer.style, document)?;
        let mut pieces = layout.pieces()?;
        let head = writer.style.key(entry.part());
        let part = if layout.flow {
            format!("{head}: {{ {} }}", new(None))
        } else {
            let blanks = " ".repeat(layout.column + 2);
            format!(
                "{head}:{line_end_of_file}{blanks}{}",
                new(Some(layout.column + 2))
            )
        };
        pieces.push(Piece {
            old: None,
            text: part,
        });
        return applied(text, layout.arrange(&pieces)?);
    };
    let count = match &part.value {
        Value::Map(entries) => entries.len(),
        Value::List(nodes) => nodes.len(),
        _ => 0,
    };
    if count == 0 {
        let after = after_key(text, key)?;
        let in_brackets = super::text::is_flow(text, document)?;
        let whole = extent(text, part).filter(|range| !range.is_empty() && range.start >= after);
        if in_brackets {
            let item = match &part.value {
                Value::List(_) => format!("[{}]", writer.item(wanted, Role::Whole, None)),
                _ => format!("{{ {} }}", new(None)),
            };
            return applied(text, (whole?, item));
        }
        let column = usize::try_from(key.at.column.checked_sub(1)?).ok()? + 2;
        let blanks = " ".repeat(column);
        let item = match &part.value {
            Value::List(_) => writer.item(wanted, Role::Whole, Some(column)),
            _ => new(Some(column)),
        };
        // An empty list or map is written behind the key, or nothing at all.
        let mut changes: Vec<Change> = Vec::new();
        let end = match whole {
            Some(range) => {
                let start = after;
                changes.push((start..range.end, String::new()));
                line_end(text, range.end)?
            }
            None => line_end(text, after)?,
        };
        changes.push((end..end, format!("{line_end_of_file}{blanks}{item}")));
        return apply_within(text, 0..text.len(), changes);
    }
    let layout = Layout::of(text, &writer.style, part)?;
    let column = (!layout.flow).then_some(layout.column);
    let mut pieces = layout.pieces()?;
    pieces.push(Piece {
        old: None,
        text: match &part.value {
            Value::List(_) => writer.item(wanted, Role::Whole, column),
            _ => new(column),
        },
    });
    applied(text, layout.arrange(&pieces)?)
}

fn applied(text: &str, change: Change) -> Option<String> {
    apply_within(text, 0..text.len(), vec![change])
}

#[cfg(test)]
mod tests;
