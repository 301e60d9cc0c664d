//! Finds the range of bytes that a YAML value covers, and inserts and removes entries of maps and items of lists.

use std::ops::Range;

use super::super::node::{Node, Value};
use super::Change;

/// How text that is added to the file has to be written so that it fits the rest.
pub(super) struct Style {
    /// Whether the file is JSON, where every key and text has quotes.
    json: bool,
    line_end: &'static str,
}

impl Style {
    pub(super) fn of(text: &str, document: &Node) -> Self {
        let quoted = match &document.value {
            Value::Map(entries) => entries
                .first()
                .and_then(|(key, _)| text.get(key.at.bytes?.0..))
                .is_some_and(|rest| rest.starts_with('"')),
            _ => false,
        };
        Self {
            json: quoted && is_flow(text, document) == Some(true),
            line_end: line_end_of(text),
        }
    }

    pub(super) const fn is_json(&self) -> bool {
        self.json
    }

    pub(super) const fn line_end(&self) -> &'static str {
        self.line_end
    }

    /// Writes a key that needs no quotes in YAML.
    pub(super) fn key(&self, name: &str) -> String {
        self.keyword(name)
    }

    /// Writes a word that needs no quotes in YAML because the reader knows it, such as `on`.
    pub(super) fn keyword(&self, word: &str) -> String {
        if self.json {
            json_text(word)
        } else {
            word.to_owned()
        }
    }

    /// Writes a text, with quotes where YAML or JSON needs them.
    pub(super) fn word(&self, text: &str) -> String {
        if self.json {
            json_text(text)
        } else {
            literal(text)
        }
    }

    /// Returns a line end and the blanks before a column, which counts from 1.
    pub(super) fn new_line(&self, column: u64) -> Option<String> {
        let indent = usize::try_from(column.checked_sub(1)?).ok()?;
        Some(format!("{}{}", self.line_end, " ".repeat(indent)))
    }
}

/// Returns the line end that a text has, or gets.
pub(super) fn line_end_of(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// Writes a text as YAML, without quotes where no reader could take it for something else.
pub(super) fn literal(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@'))
        && !["null", "yes", "no", "on", "off", "y", "n"]
            .contains(&text.to_ascii_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        json_text(text)
    }
}

/// Writes a text in double quotes, for JSON and for YAML, which allows some characters only as an escape with a backslash.
pub(super) fn json_text(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let mut safe = String::with_capacity(quoted.len());
    for c in quoted.chars() {
        match c {
            '\u{7f}'..='\u{a0}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                safe.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => safe.push(c),
        }
    }
    safe
}

/// Whether a list or map is written in brackets; `None` where its place in the text is unknown.
pub(super) fn is_flow(text: &str, node: &Node) -> Option<bool> {
    let (start, _) = node.at.bytes?;
    Some(text.get(start..)?.starts_with(['{', '[']))
}

/// Returns the range of bytes that a node covers, without what follows it.
pub(super) fn extent(text: &str, node: &Node) -> Option<Range<usize>> {
    let (start, len) = node.at.bytes?;
    let children_end = match &node.value {
        Value::Map(entries) => entries.last().map(|(_, last)| extent(text, last)),
        Value::List(nodes) => nodes.last().map(|last| extent(text, last)),
        // The parser may count the line ends behind a block of text as part of it.
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

/// Inserts an entry into a map, behind the entry at the position `at`.
pub(super) fn insert_behind(
    text: &str,
    style: &Style,
    map: &Node,
    at: usize,
    entry: &str,
) -> Option<Change> {
    let Value::Map(entries) = &map.value else {
        return None;
    };
    let (key, value) = entries.get(at)?;
    let end = extent(text, value)?.end;
    insert_at(text, style, is_flow(text, map)?, end, key.at.column, entry)
}

/// Puts an entry at the end of a map.
pub(super) fn append_entry(text: &str, style: &Style, map: &Node, entry: &str) -> Option<Change> {
    let Value::Map(entries) = &map.value else {
        return None;
    };
    match entries.len().checked_sub(1) {
        Some(last) => insert_behind(text, style, map, last, entry),
        None => into_empty(text, map, entry),
    }
}

/// Puts an item at the end of a list.
pub(super) fn append_item(text: &str, style: &Style, list: &Node, item: &str) -> Option<Change> {
    let Value::List(items) = &list.value else {
        return None;
    };
    let Some(last) = items.last() else {
        return into_empty(text, list, item);
    };
    let end = extent(text, last)?.end;
    if is_flow(text, list)? {
        return Some((end..end, format!(", {item}")));
    }
    let dash = dash_of(text, last)?;
    let item = format!("- {item}");
    insert_at(text, style, false, end, dash.column, &item)
}

/// Puts an item at the start of a list.
pub(super) fn prepend_item(text: &str, style: &Style, list: &Node, item: &str) -> Option<Change> {
    let Value::List(items) = &list.value else {
        return None;
    };
    let Some(first) = items.first() else {
        return into_empty(text, list, item);
    };
    if is_flow(text, list)? {
        let (start, _) = first.at.bytes?;
        return Some((start..start, format!("{item}, ")));
    }
    let dash = dash_of(text, first)?;
    let behind = style.new_line(dash.column)?;
    Some((dash.at..dash.at, format!("- {item}{behind}")))
}

fn into_empty(text: &str, node: &Node, what: &str) -> Option<Change> {
    if !is_flow(text, node)? {
        return None;
    }
    let at = node.at.bytes?.0 + 1;
    Some((at..at, format!(" {what} ")))
}

/// Inserts an entry or item behind another one, which ends at `end`.
fn insert_at(
    text: &str,
    style: &Style,
    flow: bool,
    end: usize,
    column: u64,
    what: &str,
) -> Option<Change> {
    if flow {
        return Some((end..end, format!(", {what}")));
    }
    let rest = text.get(end..)?;
    let line = rest.split('\n').next()?;
    let at = end + line.trim_end_matches('\r').len();
    Some((at..at, format!("{}{what}", style.new_line(column)?)))
}

/// Where the dash of an item of a block list is.
pub(super) struct Dash {
    pub(super) at: usize,
    /// From 1.
    column: u64,
}

pub(super) fn dash_of(text: &str, item: &Node) -> Option<Dash> {
    let (start, _) = item.at.bytes?;
    let line_start = line_start(text, start)?;
    let before = text.get(line_start..start)?;
    let dash = before.rfind('-')?;
    let blank = |text: &str| text.chars().all(|c| c == ' ');
    (blank(before.get(..dash)?) && blank(before.get(dash + 1..)?)).then_some(Dash {
        at: line_start + dash,
        column: u64::try_from(dash).ok()? + 1,
    })
}

pub(super) fn line_start(text: &str, at: usize) -> Option<usize> {
    Some(text.get(..at)?.rfind('\n').map_or(0, |end| end + 1))
}

/// Returns where the comments directly above a line begin whose column is this one; the line itself, if there are none.
pub(super) fn comments_above(text: &str, line: usize, column: usize) -> Option<usize> {
    let mut start = line;
    while let Some(above) = start.checked_sub(1) {
        let begin = line_start(text, above)?;
        if comment_column(text.get(begin..above)?) != Some(column) {
            break;
        }
        start = begin;
    }
    Some(start)
}

/// Returns the column of a comment that has its line for itself: the number of spaces that indent it.
///
/// Tabs may stand before the `#`. YAML does not count them as indentation, as that is spaces alone.
///
/// Source: <https://yaml.org/spec/1.2.2/#66-comments>
pub(super) fn comment_column(line: &str) -> Option<usize> {
    let unindented = line.trim_start_matches(' ');
    unindented
        .trim_start_matches([' ', '\t'])
        .starts_with('#')
        .then_some(line.len() - unindented.len())
}

/// Takes an item out of a list.
pub(super) fn remove_item(text: &str, list: &Node, at: usize) -> Option<Change> {
    let Value::List(items) = &list.value else {
        return None;
    };
    let extents = items
        .iter()
        .map(|item| extent(text, item))
        .collect::<Option<Vec<_>>>()?;
    if is_flow(text, list)? {
        return remove_flow(text, &extents, at);
    }
    let start = dash_of(text, items.get(at)?)?.at;
    remove_lines(text, start..extents.get(at)?.end)
}

/// Takes an entry out of a map.
pub(super) fn remove_entry(text: &str, map: &Node, at: usize) -> Option<Change> {
    let Value::Map(entries) = &map.value else {
        return None;
    };
    let extents = entries
        .iter()
        .map(|(key, value)| Some(key.at.bytes?.0..extent(text, value)?.end))
        .collect::<Option<Vec<_>>>()?;
    if is_flow(text, map)? {
        return remove_flow(text, &extents, at);
    }
    remove_lines(text, extents.get(at)?.clone())
}

fn remove_flow(text: &str, extents: &[Range<usize>], at: usize) -> Option<Change> {
    let own = extents.get(at)?.clone();
    let (range, between) = match (extents.get(at + 1), at.checked_sub(1)) {
        (Some(next), _) => (own.start..next.start, own.end..next.start),
        (None, Some(before)) => {
            let end = extents.get(before)?.end;
            (end..own.end, end..own.start)
        }
        (None, None) => (own.clone(), own.end..own.end),
    };
    // A comment in between is kept. The comma that may then be left over before the bracket is allowed.
    let commented = text.get(between)?.contains('#');
    Some((if commented { own } else { range }, String::new()))
}

/// Removes the lines of a range, except those that hold only a comment; `None` where other text comes first in the line.
fn remove_lines(text: &str, range: Range<usize>) -> Option<Change> {
    let start = line_start(text, range.start)?;
    if !text.get(start..range.start)?.chars().all(|c| c == ' ') {
        return None;
    }
    let end = match text.get(range.end..)?.find('\n') {
        Some(line) => range.end + line + 1,
        None => text.len(),
    };
    let kept: String = text
        .get(start..end)?
        .split_inclusive('\n')
        .filter(|line| line.trim_start().starts_with('#'))
        .collect();
    Some((start..end, kept))
}
