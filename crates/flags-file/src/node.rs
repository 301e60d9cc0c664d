//! Reads a YAML document into a tree that holds the place of each value, so that each error can name its line and each edit
//! can replace exactly the text concerned.
//!
//! The tree also holds how a scalar is written. Where a text is expected (an identifier, a name, a value to compare with), a
//! scalar is taken as it is written, so `007` stays `007`; `scalar.rs` has the rules for where a number or a boolean is allowed.
//!
//! The rules are those of YAML 1.2, core schema: only `true` and `false` are booleans; `on`, `off`, `yes` and `no` are text.

pub(crate) mod json;

use std::collections::HashMap;

use super::{Problem, events};

/// A value of the document and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it starts; for an alias, where the alias stands.
    pub at: Position,
    /// How a scalar without quotes is written, where a reader could take it for something else than that text; `None` for
    /// all other values.
    pub plain: Option<Box<str>>,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`; `on` and `yes` are texts.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, also whole numbers that do not fit an `i64`, and what is no finite number.
    Float(f64),
    /// A text, with or without quotes.
    Text(String),
    /// A list, in the order of the file.
    List(Vec<Node>),
    /// A map, in the order of the file; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A key of a map, which is always taken as a text: `4:` is the key `4`.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key as it is written.
    pub text: String,
    /// Where it starts.
    pub at: Position,
}

impl Key {
    /// Creates a key from a text that is no key in the file, such as the name of an entry in a list.
    #[must_use]
    pub const fn of(text: String, at: Position) -> Self {
        Self { text, at }
    }
}

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1; 0 where the place is unknown.
    pub line: u64,
    /// The column in characters, from 1; 0 where the place is unknown.
    pub column: u64,
    /// Bytes from the start of the file and bytes covered. For a list or map only the start is meaningful.
    pub bytes: Option<(usize, usize)>,
}

/// Reads a document.
///
/// # Errors
/// What the parser says about the text, with its place: bad syntax, a key twice, too deep or too many aliases.
pub fn parse(text: &str) -> Result<Node, Problem> {
    let document = events::parse(text)?;
    document.refuse_repeated_keys()?;
    Ok(document)
}

impl Node {
    /// Names the type of the value, for error messages.
    #[must_use]
    pub fn describe(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// Returns a scalar as it is written: `007`, `1.10`, `null` or the text itself. `None` for lists, maps and empty values.
    #[must_use]
    pub fn scalar_text(&self) -> Option<String> {
        match (&self.plain, &self.value) {
            (Some(plain), _) => Some(plain.to_string()),
            (None, Value::Text(value)) => Some(value.clone()),
            // A scalar with a tag, such as `!!int "5"`.
            (None, Value::Bool(value)) => Some(value.to_string()),
            (None, Value::Int(value)) => Some(value.to_string()),
            (None, Value::Float(value)) => Some(value.to_string()),
            (None, Value::Null | Value::List(_) | Value::Map(_)) => None,
        }
    }

    /// Returns a scalar as [`scalar_text`](Self::scalar_text) does, but `None` for `null` and `~`, as for descriptions and names.
    #[must_use]
    pub fn optional_text(&self) -> Option<String> {
        match self.value {
            Value::Null => None,
            _ => self.scalar_text(),
        }
    }

    /// Refuses a map that has a key twice. Keys are compared as they are written.
    fn refuse_repeated_keys(&self) -> Result<(), Problem> {
        match &self.value {
            Value::List(nodes) => nodes.iter().try_for_each(Self::refuse_repeated_keys),
            Value::Map(entries) => {
                let mut seen: HashMap<&str, Position> = HashMap::with_capacity(entries.len());
                for (key, _) in entries {
                    if let Some(first) = seen.insert(&key.text, key.at) {
                        return Err(Problem::new(
                            key.at,
                            format!(
                                "the key `{}` is there twice, first in line {}; remove one of the two",
                                key.text, first.line
                            ),
                        ));
                    }
                }
                entries
                    .iter()
                    .try_for_each(|(_, node)| node.refuse_repeated_keys())
            }
            _ => Ok(()),
        }
    }

    /// Returns the value of `key` in a map; `None` where the map lacks it or this is no map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|(k, _)| k.text == key)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// Converts the value to JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => {
                serde_json::Number::from_f64(*value).map_or(serde_json::Value::Null, Into::into)
            }
            Value::Text(value) => value.clone().into(),
            Value::List(nodes) => nodes.iter().map(Self::to_json).collect(),
            Value::Map(entries) => serde_json::Value::Object(
                entries
                    .iter()
                    .map(|(key, node)| (key.text.clone(), node.to_json()))
                    .collect(),
            ),
        }
    }
}
