//! Finds the text of a definition in a flags file, and puts an earlier text of it back.
//!
//! The text of a definition is all that the file has of one flag or group: the name, the value, the comments directly above it,
//! and the one behind it. A text that is put back replaces the present one as it was, with the indentation of its new place. The
//! new file is read again; it is accepted only if all other flags and groups are what they were.

use std::ops::Range;

use flagwire_evaluation::model::Configuration;

use super::definition::part;
use super::layout::line_end;
use super::text::{
    comments_above, dash_of, extent, is_flow, line_end_of, line_start, remove_entry, remove_item,
};
use super::{EditError, Entry, read_before, replace};
use crate::node::{self, Node, Value};

/// What a flags file has of one definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The text of the definition, without the line end behind it.
    pub text: String,
    /// The name of the flag or group before it; `None` for the first one.
    pub after: Option<String>,
}

/// Returns what two texts of a flags file have of each of these definitions; `None` where there is none, or where its place cannot be
/// found. Both are `None` for a text that cannot be read.
#[must_use]
pub fn written(old: &str, new: &str, entries: &[Entry]) -> Vec<(Option<Written>, Option<Written>)> {
    let before = node::parse(old).ok();
    let find = |text: &str, document: &Option<Node>, entry: &Entry| {
        let document = document.as_ref()?;
        Some(Place::of(text, document, entry)?.written(text))
    };
    if let [entry] = entries {
        let place = before.as_ref().and_then(|node| Place::of(old, node, entry));
        if let Some((place, text)) = place.and_then(|place| {
            let text = replaced_part(old, new, &place.range)?.to_owned();
            Some((place, text))
        }) {
            let after = place.after.clone();
            return vec![(Some(place.written(old)), Some(Written { text, after }))];
        }
    }
    let after = node::parse(new).ok();
    entries
        .iter()
        .map(|entry| (find(old, &before, entry), find(new, &after, entry)))
        .collect()
}

/// Returns the part of `new` that stands where this range of `old` was, if both are the same around it. That spares a second reading
/// of a large file. Where the range is gone, the part is empty, and so is no answer.
fn replaced_part<'a>(old: &str, new: &'a str, range: &Range<usize>) -> Option<&'a str> {
    let (head, tail) = (old.get(..range.start)?, old.get(range.end..)?);
    let part = new.strip_prefix(head)?.strip_suffix(tail)?;
    (!part.trim().is_empty()).then_some(part)
}

/// Puts the text back that a definition had before a change, and returns the new text of the file. `now` is what the change has made of
/// the definition, and `then` what it was before; `None` where there was no such definition.
///
/// # Errors
/// [`EditError::Refused`] if the definition is not what the change has made of it, or the earlier text does not fit the file any more.
pub fn restore(
    text: &str,
    entry: &Entry,
    now: Option<&str>,
    then: Option<&Written>,
) -> Result<String, EditError> {
    let (document, before) = read_before(text)?;
    let refused = |reason: &str| EditError::Refused(format!("{entry} {reason}"));
    let node = entry.find(&document);
    let place = Place::of(text, &document, entry);
    let found = place
        .as_ref()
        .and_then(|place| text.get(place.range.clone()));
    if node.is_some() != now.is_some() {
        return Err(refused(match now {
            Some(_) => "does not exist any more",
            None => "exists again",
        }));
    }
    let same = |one: &str, other: &str| unindented(one) == unindented(other);
    if !found.zip(now).is_none_or(|(found, now)| same(found, now)) {
        return Err(refused("has been changed since in the file"));
    }
    let unfit = || {
        let line = node.map_or(String::new(), |node| format!(" (line {})", node.at.line));
        refused(&format!(
            "{line} cannot be put back as it was, since the file around it has changed; edit the file itself"
        ))
    };
    let change = match (&place, then) {
        (Some(place), Some(then)) => Some((
            place.range.clone(),
            indented(&then.text, place.indent, text),
        )),
        (Some(place), None) => removal(text, &document, entry, place),
        (None, Some(then)) => insertion(text, &document, entry, then),
        (None, None) => None,
    };
    let new = change.and_then(|change| replace(text, vec![change]));
    let new = new.ok_or_else(unfit)?;
    let after = node::parse(&new).map_err(|_| unfit())?;
    let read = crate::read(&after).map_err(|problems| match problems.first() {
        Some(problem) => refused(&format!(
            "cannot be put back as it was: {}",
            problem.reason()
        )),
        None => unfit(),
    })?;
    let put = Place::of(&new, &after, entry).map(|place| place.written(&new).text);
    let as_wanted = match (&put, then) {
        (Some(put), Some(then)) => same(put, &then.text),
        (put, then) => put.is_none() && then.is_none() && entry.find(&after).is_none(),
    };
    if as_wanted && others(before, entry) == others(read, entry) {
        Ok(new)
    } else {
        Err(unfit())
    }
}

/// Returns all flags and groups but one.
fn others(mut configuration: Configuration, entry: &Entry) -> Configuration {
    entry.remove_from(&mut configuration);
    configuration
}

/// Where a definition is.
struct Place {
    range: Range<usize>,
    /// Its position in its part of the file.
    at: usize,
    /// The blanks before its first line; `None` where it does not begin a line.
    indent: Option<usize>,
    after: Option<String>,
}

impl Place {
    fn of(text: &str, document: &Node, entry: &Entry) -> Option<Self> {
        let part = document.get(entry.part())?;
        let (at, start, value, after) = match &part.value {
            Value::Map(entries) => {
                let at = entries
                    .iter()
                    .position(|(key, _)| key.text == entry.name())?;
                let (key, value) = entries.get(at)?;
                let before = at.checked_sub(1).and_then(|before| entries.get(before));
                let after = before.map(|(key, _)| key.text.clone());
                (at, key.at.bytes?, value, after)
            }
            Value::List(nodes) => {
                let named = |node: &Node| entry.name_of(node);
                let name = Some(entry.name().to_owned());
                let at = nodes.iter().position(|node| named(node) == name)?;
                let before = at.checked_sub(1).and_then(|before| nodes.get(before));
                let node = nodes.get(at)?;
                (at, node.at.bytes?, node, before.and_then(named))
            }
            _ => return None,
        };
        let end = match (&value.value, extent(text, value)) {
            // An empty value has no place of its own.
            (Value::Null, _) | (_, None) => start.0.checked_add(start.1)?,
            (_, Some(range)) => range.end,
        };
        if is_flow(text, part)? {
            let range = start.0..end;
            return Some(Self {
                range,
                at,
                indent: None,
                after,
            });
        }
        let begin = match &part.value {
            Value::List(_) => dash_of(text, value)?.at,
            _ => start.0,
        };
        let line = line_start(text, begin)?;
        let indent = begin.checked_sub(line)?;
        if !text.get(line..begin)?.chars().all(|c| c == ' ') {
            return None;
        }
        let last = line_end(text, end)?;
        let rest = text.get(end..last)?;
        if !matches!(rest.trim_start().chars().next(), None | Some('#')) && value_is_written(value)
        {
            return None;
        }
        let range = comments_above(text, line, indent)?..last;
        Some(Self {
            range,
            at,
            indent: Some(indent),
            after,
        })
    }

    fn written(self, text: &str) -> Written {
        Written {
            text: text.get(self.range).unwrap_or_default().to_owned(),
            after: self.after,
        }
    }
}

/// Whether a value has text of its own, so that nothing but a comment may follow it in its line.
const fn value_is_written(value: &Node) -> bool {
    !matches!(value.value, Value::Null)
}

fn blanks(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Returns a text without the blanks before its first line, and without as many before each line that follows.
fn unindented(text: &str) -> String {
    let indent = blanks(text);
    let lines = text.lines().map(|line| {
        let cut = blanks(line).min(indent);
        line.get(cut..).unwrap_or_default()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns a text with this many blanks before its first line, and the line ends of the file.
fn indented(text: &str, indent: Option<usize>, file: &str) -> String {
    let blanks = " ".repeat(indent.unwrap_or_default());
    let lines: Vec<String> = unindented(text)
        .lines()
        .map(|line| match line {
            "" => String::new(),
            line => format!("{blanks}{line}"),
        })
        .collect();
    lines.join(line_end_of(file))
}

fn removal(
    text: &str,
    document: &Node,
    entry: &Entry,
    place: &Place,
) -> Option<(Range<usize>, String)> {
    let range = place.range.clone();
    if place.indent.is_some() {
        let end = text.get(range.end..)?.find('\n');
        let end = end.map_or(text.len(), |line| range.end + line + 1);
        return Some((range.start..end, String::new()));
    }
    let part = document.get(entry.part())?;
    match &part.value {
        Value::Map(_) => remove_entry(text, part, place.at),
        Value::List(_) => remove_item(text, part, place.at),
        _ => None,
    }
}

/// Returns the change that puts a definition behind the one that it followed, or behind the last one, or into an empty part.
fn insertion(
    text: &str,
    document: &Node,
    entry: &Entry,
    then: &Written,
) -> Option<(Range<usize>, String)> {
    let part = document.get(entry.part());
    let names: Vec<String> = match part.map(|part| &part.value) {
        Some(Value::Map(entries)) => entries.iter().map(|(key, _)| key.text.clone()).collect(),
        Some(Value::List(nodes)) => nodes
            .iter()
            .filter_map(|node| entry.name_of(node))
            .collect(),
        _ => Vec::new(),
    };
    let neighbour = match &then.after {
        Some(name) if names.contains(name) => Some((name.clone(), true)),
        Some(_) => names.last().map(|name| (name.clone(), true)),
        None => names.first().map(|name| (name.clone(), false)),
    };
    let Some((neighbour, behind)) = neighbour else {
        return into_empty(text, document, entry, then);
    };
    let place = Place::of(text, document, &entry.other(neighbour))?;
    let new = indented(&then.text, place.indent, text);
    let between = if place.indent.is_some() {
        line_end_of(text)
    } else {
        ", "
    };
    Some(if behind {
        (place.range.end..place.range.end, format!("{between}{new}"))
    } else {
        (
            place.range.start..place.range.start,
            format!("{new}{between}"),
        )
    })
}

fn into_empty(
    text: &str,
    document: &Node,
    entry: &Entry,
    then: &Written,
) -> Option<(Range<usize>, String)> {
    let new_line = line_end_of(text);
    let new = indented(&then.text, Some(2), text);
    let Some((key, part)) = part(document, entry) else {
        // The part has gone with its last definition.
        let end = text.len();
        let before = if text.ends_with('\n') { "" } else { new_line };
        let name = entry.part();
        return Some((
            end..end,
            format!("{before}{name}:{new_line}{new}{new_line}"),
        ));
    };
    if matches!(part.value, Value::Null) {
        let (start, len) = key.at.bytes?;
        let end = line_end(text, start.checked_add(len)?)?;
        return Some((end..end, format!("{new_line}{new}")));
    }
    let range = extent(text, part)?;
    if is_flow(text, part)? {
        let at = range.start + 1;
        let new = indented(&then.text, None, text);
        return Some((at..at, format!(" {new} ")));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(name: &str) -> Entry {
        Entry::Flag(name.to_owned())
    }

    /// Undoes a change of a definition, from `old` to `new`, in `new`.
    fn undone(old: &str, new: &str, entry: &Entry) -> Result<String, EditError> {
        undone_in(new, old, new, entry)
    }

    /// Undoes the change in a file that has changed elsewhere since.
    fn undone_in(text: &str, old: &str, new: &str, entry: &Entry) -> Result<String, EditError> {
        let texts = written(old, new, std::slice::from_ref(entry));
        let (then, now) = texts.into_iter().next().unwrap();
        restore(
            text,
            entry,
            now.map(|now| now.text).as_deref(),
            then.as_ref(),
        )
    }

    const FILE: &str = "# The shop\nflags:\n  # Looks.\n  # Of the shop.\n  theme:   # all of it\n    variations: { a: 1, b: 2 }\n    default: a   # for now\n\n  banner: |\n    Hello,\n    world\n  empty: 0\n  last: true # the end\ngroups:\n  staff: { include: [ada] }\n";

    #[test]
    fn a_comment_behind_a_tab_comes_back_with_its_definition() {
        let with = "flags:\n  b: 1\n  # One.\n  \t# Two.\n  a: true\n";
        let without = "flags:\n  b: 1\n";
        assert_eq!(undone(with, without, &flag("a")).unwrap(), with);
        assert_eq!(undone(without, with, &flag("a")).unwrap(), without);
    }

    #[test]
    fn a_definition_has_its_comments() {
        let all = [
            flag("theme"),
            flag("banner"),
            flag("last"),
            Entry::Group("staff".to_owned()),
            flag("none"),
        ];
        let texts: Vec<_> = written(FILE, FILE, &all)
            .into_iter()
            .map(|(old, new)| {
                assert_eq!(old, new);
                old.map(|one| (one.text, one.after))
            })
            .collect();
        let is =
            |text: &str, after: Option<&str>| Some((text.to_owned(), after.map(str::to_owned)));
        assert_eq!(
            texts,
            [
                is(
                    "  # Looks.\n  # Of the shop.\n  theme:   # all of it\n    variations: { a: 1, b: 2 }\n    default: a   # for now",
                    None
                ),
                is("  banner: |\n    Hello,\n    world", Some("theme")),
                is("  last: true # the end", Some("empty")),
                is("  staff: { include: [ada] }", None),
                None,
            ]
        );
    }

    #[test]
    fn each_kind_of_change_is_undone_to_the_byte() {
        for (old, new) in [
            ("default: a   # for now", "default: b"),
            ("  # Looks.\n  # Of the shop.\n  theme:", "  theme:"),
            (
                "  last: true # the end",
                "  last: { default: true, state: off } # the end",
            ),
            // Deleted: first, in the middle, last, and the only one of its part.
            (&FILE[18..FILE.find("\n  banner").unwrap()], ""),
            ("  banner: |\n    Hello,\n    world\n", ""),
            ("  last: true # the end\n", ""),
            ("groups:\n  staff: { include: [ada] }\n", ""),
            ("groups:\n  staff: { include: [ada] }\n", "groups:\n"),
            (
                "  staff: { include: [ada] }",
                "  staff: { include: [ada, bo] }",
            ),
        ] {
            let file = FILE;
            let entry = match old {
                _ if old.contains("staff") => Entry::Group("staff".to_owned()),
                _ if old.contains("last") => flag("last"),
                _ if old.contains("banner") => flag("banner"),
                _ => flag("theme"),
            };
            assert!(file.contains(old), "{old}");
            let changed = file.replacen(old, new, 1);
            // Blank lines around a definition are not its own.
            let lines = |text: &str| text.replace("\n\n", "\n");
            let back = undone(file, &changed, &entry).unwrap();
            assert_eq!(lines(&back), lines(file), "{old}");
            // A creation, undone, leaves the file as it was before, save for an empty part.
            let back = undone(&changed, file, &entry).unwrap();
            assert_eq!(
                lines(&back).replace("groups:\n", ""),
                lines(&changed).replace("groups:\n", ""),
                "{new}"
            );
        }
    }

    #[test]
    fn other_layouts_are_undone_as_well() {
        for (old, new) in [
            (
                "flags: { a: true, b: { default: false } }\n",
                "flags: { a: true, b: true }\n",
            ),
            (
                "flags: { a: true, b: { default: false } }\n",
                "flags: { a: true }\n",
            ),
            (
                "{\"flags\": {\"a\": true, \"b\": false}}",
                "{\"flags\": {\"a\": true, \"b\": true}}",
            ),
            (
                "flags:\r\n  a: true\r\n  b: false\r\n",
                "flags:\r\n  a: true\r\n  b: true\r\n",
            ),
            (
                "flags:\r\n  a: true\r\n  b: false\r\n",
                "flags:\r\n  a: true\r\n",
            ),
        ] {
            assert_eq!(undone(old, new, &flag("b")).unwrap(), old, "{new}");
            assert_eq!(undone(new, old, &flag("b")).unwrap(), new, "{old}");
        }
    }

    #[test]
    fn what_has_changed_around_it_stays_changed() {
        let new = FILE.replace("default: a   # for now", "default: b");
        let text = new
            .replace("last: true", "last: false")
            .replace("# The shop\n", "")
            .replace("\n  ", "\n    ");
        let undone = undone_in(&text, FILE, &new, &flag("theme")).unwrap();
        assert!(
            undone.contains("last: false") && undone.contains("default: a   # for now"),
            "{undone}"
        );
        assert!(!undone.contains("The shop"));
    }

    #[test]
    fn what_does_not_fit_any_more_is_refused_with_a_sentence() {
        let (old, new) = (
            "flags:\n  a: true\n  b: false\n",
            "flags:\n  a: true\n  b: true\n",
        );
        let gone = "flags:\n  a: true\n";
        let rule = "flags:\n  a: { default: true, rules: [{ when: { group: g }, serve: false }] }\ngroups: { g: { include: [x] } }\n";
        let simple = "flags:\n  a: true\ngroups: { g: { include: [x] } }\n";
        for (text, old, new, name, expected) in [
            (
                "flags:\n  a: true\n  b: { default: true }\n",
                old,
                new,
                "b",
                "flag `b` has been changed since",
            ),
            (gone, old, new, "b", "flag `b` does not exist any more"),
            (new, old, gone, "b", "flag `b` exists again"),
            (
                "flags:\n  a: true\n",
                rule,
                simple,
                "a",
                "flag `a` cannot be put back as it was: ",
            ),
            ("flags: [\n", old, new, "b", "has a mistake"),
        ] {
            let error = undone_in(text, old, new, &flag(name))
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
