//! Makes nodes of JSON, so that a definition that arrives as JSON is read, and its mistakes are reported, as the same text in a
//! file is.

use serde_json::Value as Json;

use super::{Key, Node, Position, Value};

/// Where each value of a JSON document is, such as `rules[0].serve`. The position of a node made of JSON has, as its line, the
/// number of its path.
#[derive(Debug, Default)]
pub(crate) struct Paths(Vec<String>);

impl Paths {
    /// Returns the path of the value that a problem is about; an empty text for the document as a whole.
    pub(crate) fn of(&self, place: Option<Position>) -> &str {
        let number = place.and_then(|place| usize::try_from(place.line).ok());
        let index = number.and_then(|number| number.checked_sub(1));
        index
            .and_then(|index| self.0.get(index))
            .map_or("", String::as_str)
    }

    fn add(&mut self, path: String) -> Position {
        self.0.push(path);
        Position {
            line: u64::try_from(self.0.len()).unwrap_or_default(),
            column: 1,
            bytes: None,
        }
    }
}

/// Returns the path of the value under a key of a map.
pub(crate) fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Returns the path of an item of a list.
pub(crate) fn item(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

impl Node {
    /// Makes a node of JSON, and notes the path of each value.
    pub(crate) fn of_json(json: &Json, paths: &mut Paths) -> Self {
        Self::of_json_at(json, "", paths)
    }

    fn of_json_at(json: &Json, path: &str, paths: &mut Paths) -> Self {
        let at = paths.add(path.to_owned());
        let plain = match json {
            Json::Null | Json::Bool(_) | Json::Number(_) => Some(json.to_string().into()),
            _ => None,
        };
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(value) => Value::Int(value),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, one)| Self::of_json_at(one, &item(path, index), paths))
                    .collect(),
            ),
            Json::Object(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(key, value)| {
                        let path = below(path, key);
                        let key = Key::of(key.clone(), paths.add(path.clone()));
                        (key, Self::of_json_at(value, &path, paths))
                    })
                    .collect(),
            ),
        };
        Self { value, at, plain }
    }

    /// Finds the value or key that is written at this place, and returns its path below this node.
    pub(crate) fn path_of(&self, place: Position) -> Option<String> {
        self.path_of_below(place, "")
    }

    fn path_of_below(&self, place: Position, path: &str) -> Option<String> {
        let is_there = |at: Position| (at.line, at.column) == (place.line, place.column);
        if is_there(self.at) && !matches!(self.value, Value::Map(_) | Value::List(_)) {
            return Some(path.to_owned());
        }
        let found = match &self.value {
            Value::Map(entries) => entries.iter().find_map(|(key, node)| {
                let path = below(path, &key.text);
                if is_there(key.at) {
                    return Some(path);
                }
                node.path_of_below(place, &path)
            }),
            Value::List(nodes) => nodes
                .iter()
                .enumerate()
                .find_map(|(index, node)| node.path_of_below(place, &item(path, index))),
            _ => None,
        };
        found.or_else(|| is_there(self.at).then(|| path.to_owned()))
    }
}
