//! Changes a value in the text so that it reads as a JSON value, and keeps the text of all parts that have not changed.

use std::collections::{HashMap, VecDeque};

use serde_json::Value as Json;

use super::super::node::{Node, Value};
use super::super::yaml::{
    Entry, Item, WIDTH, Yaml, quoted_if_needed, word, write_block, write_map,
};
use super::Change;
use super::layout::{Layout, Piece, after_key, line_end};
use super::text::{Style, dash_of, extent, is_flow, json_text, line_start};

/// Items of lists are matched by likeness only while the pairs are fewer than this.
const MAX_PAIRS: usize = 10_000;

/// Where a value stands in a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The definition itself, whose keys may have any order.
    Whole,
    /// A part where a scalar is taken as it is written, such as an identifier.
    Words,
    /// The value of a variation, where `5` and `"5"` differ.
    Values,
    /// The list of rules.
    Rules,
    /// A rule of a flag, whose keys may have any order, or the conditions of a group.
    Rule,
    /// Text that must not be a number, which the reader would warn of.
    Text,
    /// The state, for which `on` and `off` are usual.
    State,
}

impl Role {
    fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Whole, "value" | "variations" | "metadata") | (Self::Values, _) => Self::Values,
            (Self::Whole, "state") => Self::State,
            (Self::Whole, "rules" | "servingRules") => Self::Rules,
            (Self::Rules, _) => Self::Rule,
            (_, "after") => Self::Text,
            _ => Self::Words,
        }
    }
}

/// Whether the order of a map's keys has no meaning.
fn is_unordered(map: &serde_json::Map<String, Json>, role: Role) -> bool {
    role == Role::Whole || (role == Role::Rule && map.contains_key("serve"))
}

/// Converts a value of the file to JSON. A scalar that JSON would write differently becomes a text where it is taken as it is
/// written.
pub(super) fn json_of(node: &Node, role: Role) -> Json {
    match &node.value {
        Value::List(nodes) => nodes
            .iter()
            .map(|node| json_of(node, role.below("")))
            .collect(),
        Value::Map(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, node)| (key.text.clone(), json_of(node, role.below(&key.text))))
                .collect(),
        ),
        _ => {
            let json = node.to_json();
            match node.scalar_text() {
                Some(text)
                    if role != Role::Values
                        && !matches!(json, Json::Null)
                        && scalar_text(&json).as_deref() != Some(&text) =>
                {
                    text.into()
                }
                _ => json,
            }
        }
    }
}

/// Returns a scalar as the reader takes it where it wants a text.
fn scalar_text(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Bool(_) | Json::Number(_) => Some(json.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// Whether two values have the same meaning. The order of keys counts where it has a meaning.
fn same(one: &Json, other: &Json, role: Role) -> bool {
    match (one, other) {
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && if is_unordered(a, role) {
                    a.iter().all(|(key, value)| {
                        b.get(key)
                            .is_some_and(|other| same(value, other, role.below(key)))
                    })
                } else {
                    a.iter()
                        .zip(b)
                        .all(|((k, v), (key, value))| k == key && same(v, value, role.below(key)))
                }
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, role.below("")))
        }
        _ => {
            one == other
                || (role != Role::Values
                    && scalar_text(one).is_some_and(|text| scalar_text(other) == Some(text)))
        }
    }
}

/// Converts JSON to YAML's own notation.
pub(super) fn yaml_of(json: &Json, role: Role) -> Yaml {
    match json {
        Json::String(text) => match role {
            Role::State if matches!(text.as_str(), "on" | "off") => Yaml::Scalar(text.clone()),
            Role::Values | Role::Text => Yaml::text(text),
            _ => Yaml::word(text),
        },
        Json::Array(items) => Yaml::List(
            items
                .iter()
                .map(|item| Item {
                    value: yaml_of(item, role.below("")),
                    comment: None,
                })
                .collect(),
        ),
        Json::Object(entries) => Yaml::Map(
            entries
                .iter()
                .map(|(key, value)| entry_of(key, value, role))
                .collect(),
        ),
        scalar => Yaml::Scalar(scalar.to_string()),
    }
}

fn entry_of(key: &str, value: &Json, role: Role) -> Entry {
    let mut yaml = yaml_of(value, role.below(key));
    if role == Role::Whole {
        yaml = match (key, yaml) {
            ("variations", Yaml::Map(entries)) => Yaml::Block(entries),
            ("rules" | "servingRules", Yaml::List(items)) => rules_in_blocks(items, key != "rules"),
            (_, other) => other,
        };
    }
    let key = match key {
        "" => "\"\"".to_owned(),
        _ if role == Role::Values => quoted_if_needed(key),
        _ => word(key),
    };
    Entry::new(&key, yaml)
}

/// Writes definitions and their parts in the style of a file.
pub(super) struct Writer<'a> {
    pub(super) text: &'a str,
    pub(super) style: Style,
}

/// Where a value stands in the text.
#[derive(Clone, Copy)]
struct Slot {
    /// The end of what is before the value: of the colon, or of the dash.
    after: usize,
    /// How far the key or dash is indented; `None` within brackets.
    column: Option<usize>,
}

impl Writer<'_> {
    /// Returns the text of a new entry of a map, without the blanks before its first line and without the last line end.
    /// `column` is `None` within brackets.
    pub(super) fn entry(
        &self,
        key: &str,
        value: &Json,
        role: Role,
        column: Option<usize>,
    ) -> String {
        match column {
            None if self.style.is_json() => format!("{}: {}", json_text(key), spaced(value)),
            None => flow_entry(&entry_of(key, value, role)),
            Some(column) => {
                let mut out = String::new();
                write_map(&mut out, &[entry_of(key, value, role)], column);
                self.lines(&out, column)
            }
        }
    }

    /// Returns the text of a flag or group that is added to a map.
    pub(super) fn definition(&self, name: &str, value: &Json, column: Option<usize>) -> String {
        match column {
            None if self.style.is_json() => format!("{}: {}", json_text(name), spaced(value)),
            None => flow_entry(&Entry::new(&word(name), yaml_of(value, Role::Whole))),
            Some(column) => {
                let mut out = String::new();
                let entry = Entry::new(&word(name), whole(yaml_of(value, Role::Whole)));
                write_map(&mut out, &[entry], column);
                self.lines(&out, column)
            }
        }
    }

    /// Returns the text of a new item of a list, with its dash in a block.
    pub(super) fn item(&self, value: &Json, role: Role, column: Option<usize>) -> String {
        let yaml = yaml_of(value, role);
        match column {
            None if self.style.is_json() => spaced(value),
            None => flow(&yaml),
            Some(column) => {
                let list = Yaml::Lines(vec![Item {
                    value: rule_in_block(yaml, false),
                    comment: None,
                }]);
                let mut out = String::new();
                write_block(&mut out, &list, column);
                self.lines(&out, column)
            }
        }
    }

    /// Takes the blanks before the first line and the last line end away, and writes line ends as the file does.
    fn lines(&self, block: &str, column: usize) -> String {
        let block = block.get(column..).unwrap_or_default();
        block
            .trim_end_matches('\n')
            .replace('\n', self.style.line_end())
    }

    /// Returns the changes that make an entry of a map read as `wanted`.
    pub(super) fn entry_changes(
        &self,
        (key, node): (&super::super::node::Key, &Node),
        wanted: &Json,
        role: Role,
        flow: bool,
    ) -> Option<Vec<Change>> {
        let start = key.at.bytes?.0;
        let slot = Slot {
            after: after_key(self.text, key)?,
            column: match flow {
                true => None,
                false => Some(start - line_start(self.text, start)?),
            },
        };
        self.changes(slot, node, wanted, role)
    }

    /// Returns the changes that make an item of a list read as `wanted`.
    pub(super) fn item_changes(
        &self,
        node: &Node,
        wanted: &Json,
        role: Role,
        flow: bool,
    ) -> Option<Vec<Change>> {
        let slot = if flow {
            Slot {
                after: node.at.bytes?.0,
                column: None,
            }
        } else {
            let dash = dash_of(self.text, node)?;
            Slot {
                after: dash.at + 1,
                column: Some(dash.at - line_start(self.text, dash.at)?),
            }
        };
        self.changes(slot, node, wanted, role)
    }

    fn changes(&self, slot: Slot, node: &Node, wanted: &Json, role: Role) -> Option<Vec<Change>> {
        if same(&json_of(node, role), wanted, role) {
            return Some(Vec::new());
        }
        let change = match (&node.value, wanted) {
            (Value::Map(old), Json::Object(new)) if !old.is_empty() && !new.is_empty() => {
                let change = self.map(node, old, new, role)?;
                if self.has_outgrown_its_line(slot, node, &change)? {
                    return self.replace(slot, node, wanted, role);
                }
                change
            }
            (Value::List(old), Json::Array(new)) if !old.is_empty() && !new.is_empty() => {
                self.list(node, old, new, role)?
            }
            _ => return self.replace(slot, node, wanted, role),
        };
        Some(vec![change])
    }

    /// Whether a map in brackets, in a block, is better written as a block, because the change makes it too long for a line.
    fn has_outgrown_its_line(&self, slot: Slot, node: &Node, change: &Change) -> Option<bool> {
        let range = extent(self.text, node)?;
        let old = self.text.get(range.clone())?;
        let plain = slot.column.is_some() && is_flow(self.text, node)? && !self.style.is_json();
        if !plain || old.contains(['\n', '#']) {
            return Some(false);
        }
        let before = range.start - line_start(self.text, range.start)?;
        Some(before + 2 + change.1.chars().count() > WIDTH)
    }

    fn map(
        &self,
        node: &Node,
        old: &[(super::super::node::Key, Node)],
        new: &serde_json::Map<String, Json>,
        role: Role,
    ) -> Option<Change> {
        let layout = Layout::of(self.text, &self.style, node)?;
        let column = (!layout.flow).then_some(layout.column);
        let place: HashMap<&str, usize> = old
            .iter()
            .enumerate()
            .map(|(at, (key, _))| (key.text.as_str(), at))
            .collect();
        let piece = |key: &str, value: &Json| {
            let Some(at) = place.get(key).copied() else {
                return Some(Piece {
                    old: None,
                    text: self.entry(key, value, role, column),
                });
            };
            let (key, node) = old.get(at)?;
            let below = role.below(&key.text);
            let changes = self.entry_changes((key, node), value, below, layout.flow)?;
            Some(Piece {
                old: Some(at),
                text: layout.item_text(at, changes)?,
            })
        };
        let mut pieces = Vec::new();
        if is_unordered(new, role) {
            // Each key keeps its place, and new ones stand behind the one that is before them in the definition.
            let mut behind: HashMap<Option<usize>, Vec<Piece>> = HashMap::new();
            let mut kept: Vec<Option<Piece>> = old.iter().map(|_| None).collect();
            let mut last = None;
            for (key, value) in new {
                let piece = piece(key, value)?;
                match piece.old {
                    Some(at) => {
                        last = Some(at);
                        *kept.get_mut(at)? = Some(piece);
                    }
                    None => behind.entry(last).or_default().push(piece),
                }
            }
            pieces.extend(behind.remove(&None).unwrap_or_default());
            for (at, piece) in kept.into_iter().enumerate() {
                pieces.extend(piece);
                pieces.extend(behind.remove(&Some(at)).unwrap_or_default());
            }
        } else {
            for (key, value) in new {
                pieces.push(piece(key, value)?);
            }
        }
        layout.arrange(&pieces)
    }

    fn list(&self, node: &Node, old: &[Node], new: &[Json], role: Role) -> Option<Change> {
        let layout = Layout::of(self.text, &self.style, node)?;
        let column = (!layout.flow).then_some(layout.column);
        let role = role.below("");
        let written: Vec<Json> = old.iter().map(|node| json_of(node, role)).collect();
        let matched = matches(&written, new);
        let mut pieces = Vec::new();
        for (value, old_at) in new.iter().zip(matched) {
            pieces.push(match old_at {
                None => Piece {
                    old: None,
                    text: self.item(value, role, column),
                },
                Some(at) => {
                    let changes = self.item_changes(old.get(at)?, value, role, layout.flow)?;
                    Piece {
                        old: Some(at),
                        text: layout.item_text(at, changes)?,
                    }
                }
            });
        }
        layout.arrange(&pieces)
    }

    /// Replaces a value as a whole.
    fn replace(&self, slot: Slot, node: &Node, wanted: &Json, role: Role) -> Option<Vec<Change>> {
        let old = match (&node.value, slot.column) {
            (Value::Null, _) if extent(self.text, node)?.is_empty() => slot.after..slot.after,
            _ => extent(self.text, node)?,
        };
        let yaml = yaml_of(wanted, role);
        let Some(column) = slot.column else {
            let new = if self.style.is_json() {
                spaced(wanted)
            } else {
                flow(&yaml)
            };
            let blank = if old.is_empty() { " " } else { "" };
            return Some(vec![(old, format!("{blank}{new}"))]);
        };
        // What the key holds already decides how far the value is from it, so it is written below a key of the same length.
        let key_start = line_start(self.text, slot.after)? + column;
        let key_chars = self.text.get(key_start..slot.after)?.chars().count();
        let yaml = if role == Role::Whole {
            whole(yaml)
        } else {
            yaml
        };
        let mut written = String::new();
        let key = "k".repeat(key_chars.saturating_sub(1).max(1));
        let entry = Entry {
            key: key.clone(),
            value: match yaml {
                Yaml::List(items) if role == Role::Rules => rules_in_blocks(items, false),
                other => other,
            },
            comment: None,
        };
        write_map(&mut written, &[entry], column);
        let written = self.lines(&written, column);
        let new = written.get(key.len() + 1..)?;

        let head = self.text.get(slot.after..old.start)?;
        let line = line_end(self.text, old.end)?;
        match (head.split_once('\n'), new.strip_prefix(' ')) {
            // From a line to a line: what is behind the value stays.
            (None, Some(new)) => {
                let blank = if old.start == slot.after { " " } else { "" };
                Some(vec![(old, format!("{blank}{new}"))])
            }
            (None, None) => {
                let start = slot.after;
                Some(vec![
                    (start..old.end, String::new()),
                    (line..line, new.to_owned()),
                ])
            }
            // The value begins below its key. A comment behind the key stays; the sign of a block of text goes.
            (Some((first, _)), new_line) => {
                let comment = first.find('#').and_then(|at| first.get(at..));
                let comment = comment.map_or(String::new(), |comment| {
                    format!(" {}", comment.trim_end_matches('\r'))
                });
                let new = match new_line {
                    Some(new) => format!(" {new}{comment}"),
                    None => format!("{comment}{new}"),
                };
                Some(vec![(slot.after..line, new)])
            }
        }
    }
}

/// Writes the items of a list of rules as blocks, as [`rule_in_block`] does.
fn rules_in_blocks(items: Vec<Item>, always: bool) -> Yaml {
    let blocks = items.into_iter().map(|Item { value, comment }| Item {
        value: rule_in_block(value, always),
        comment,
    });
    Yaml::List(blocks.collect())
}

/// Writes a rule of a flag as a block, which its conditions below `when` tell; any map if `always`.
fn rule_in_block(yaml: Yaml, always: bool) -> Yaml {
    match yaml {
        Yaml::Map(entries) if always || entries.iter().any(|one| one.key == "when") => {
            Yaml::Block(entries)
        }
        other => other,
    }
}

/// Writes a definition as a block, unless it is a value with a state.
fn whole(yaml: Yaml) -> Yaml {
    match yaml {
        Yaml::Map(entries)
            if !entries
                .iter()
                .all(|entry| matches!(entry.key.as_str(), "value" | "state")) =>
        {
            Yaml::Block(entries)
        }
        other => other,
    }
}

fn flow_entry(entry: &Entry) -> String {
    let value = flow(&entry.value);
    format!("{}: {value}", entry.key)
}

/// Writes a value on one line.
fn flow(yaml: &Yaml) -> String {
    yaml.clone().plain().flow().unwrap_or_default()
}

/// Writes JSON with blanks behind colons and commas.
fn spaced(json: &Json) -> String {
    match json {
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(spaced).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Json::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{}: {}", json_text(key), spaced(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Json::String(text) => json_text(text),
        scalar => scalar.to_string(),
    }
}

/// Finds for each new item the old item that it comes from: an equal one, or else one that is much like it.
fn matches(old: &[Json], new: &[Json]) -> Vec<Option<usize>> {
    let key = |json: &Json| scalar_text(json).unwrap_or_else(|| json.to_string());
    let mut equal: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (at, item) in old.iter().enumerate() {
        equal.entry(key(item)).or_default().push_back(at);
    }
    let mut taken = vec![false; old.len()];
    let mut matched: Vec<Option<usize>> = new
        .iter()
        .map(|item| {
            let at = equal.get_mut(&key(item))?.pop_front()?;
            *taken.get_mut(at)? = true;
            Some(at)
        })
        .collect();
    let left: Vec<usize> = (0..old.len())
        .filter(|at| taken.get(*at) == Some(&false) && old.get(*at).is_some_and(Json::is_object))
        .collect();
    let open: Vec<usize> = (0..new.len())
        .filter(|at| matched.get(*at) == Some(&None) && new.get(*at).is_some_and(Json::is_object))
        .collect();
    if left.len().saturating_mul(open.len()) > MAX_PAIRS {
        return matched;
    }
    let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
    for &from in &left {
        for &to in &open {
            if let (Some(a), Some(b)) = (old.get(from), new.get(to)) {
                pairs.push((likeness(a, b), from, to));
            }
        }
    }
    // The most alike first; of those that are equally alike, those that are nearest to each other.
    pairs.sort_by_key(|(alike, from, to)| (std::cmp::Reverse(*alike), from.abs_diff(*to)));
    let alone = left.len() == 1 && open.len() == 1;
    for (alike, from, to) in pairs {
        let (Some(taken), Some(slot)) = (taken.get_mut(from), matched.get_mut(to)) else {
            continue;
        };
        if !*taken && slot.is_none() && (alike > 0 || alone) {
            *taken = true;
            *slot = Some(from);
        }
    }
    matched
}

/// Gives keys such as `42` the place that they have in the old definition. JavaScript puts such keys before all others, so whoever
/// edits a definition in a browser cannot keep their order, and the order of shares decides who gets which.
pub(super) fn as_before(old: &Json, wanted: &Json) -> Json {
    match (old, wanted) {
        (Json::Object(before), Json::Object(after)) => {
            let value = |key: &String, value: &Json| {
                let value = match before.get(key) {
                    Some(old) => as_before(old, value),
                    None => value.clone(),
                };
                (key.clone(), value)
            };
            let is_index =
                |key: &String| !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit());
            if !after.keys().any(is_index) {
                return Json::Object(after.iter().map(|(k, v)| value(k, v)).collect());
            }
            let kept = before.keys().filter_map(|key| after.get_key_value(key));
            let new = after.iter().filter(|(key, _)| !before.contains_key(*key));
            Json::Object(kept.chain(new).map(|(k, v)| value(k, v)).collect())
        }
        (Json::Array(before), Json::Array(after)) => {
            let from = matches(before, after);
            let pairs = after.iter().zip(from);
            pairs
                .map(|(item, at)| match at.and_then(|at| before.get(at)) {
                    Some(old) => as_before(old, item),
                    None => item.clone(),
                })
                .collect()
        }
        _ => wanted.clone(),
    }
}

/// Counts the entries that two maps have in common.
fn likeness(one: &Json, other: &Json) -> usize {
    let (Json::Object(one), Json::Object(other)) = (one, other) else {
        return 0;
    };
    one.iter()
        .filter(|(key, value)| other.get(*key) == Some(*value))
        .count()
}
