//! Reads a YAML document into a tree that holds the place of each value, so that each error can name its line and each edit
//! can replace exactly the text concerned.
//!
//! The tree also holds how a scalar is written. Where a text is expected (an identifier, a name, a value to compare with), a
//! scalar is taken as it is written, so `007` stays `007`; `scalar.rs` has the rules for where a number or a boolean is allowed.
//!
//! The rules are those of YAML 1.2, core schema: only `true` and `false` are booleans; `on`, `off`, `yes` and `no` are text.

pub(crate) mod json;

use std::collections::HashMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, NonFiniteFloatPolicy, Spanned};

use super::{Problem, scalar, syntax};

/// How deep lists and maps may be nested. The parser's own limit of 64 is too much for the stack of a worker thread in a build
/// without optimisations, and an overflow of the stack ends the process.
const MAX_DEPTH: usize = 32;

/// How many values a file may have, counting all that its aliases repeat. A thousand groups of a thousand members are one
/// million, and ten thousand flags with a rule each are a third of that.
const MAX_NODES: usize = 2_000_000;

/// How many of those values may come from aliases, which can repeat much in a small file.
const MAX_REPEATED: usize = 250_000;

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
    /// Where the value itself is written, which for an alias is the place that it names.
    written: Position,
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
    /// Whether the parser took it for `null`.
    empty: bool,
    /// Where the key itself is written, which for a merged map is in the map that was merged.
    written: Position,
}

impl Key {
    /// Creates a key from a text that is no key in the file, such as the name of an entry in a list.
    #[must_use]
    pub const fn of(text: String, at: Position) -> Self {
        Self {
            text,
            at,
            empty: false,
            written: at,
        }
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

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        let span = location.span();
        let bytes = match (span.byte_offset(), span.byte_len()) {
            (Some(offset), Some(len)) => {
                usize::try_from(offset).ok().zip(usize::try_from(len).ok())
            }
            _ => None,
        };
        Self {
            line: location.line(),
            column: location.column(),
            bytes,
        }
    }
}

/// Reads a document.
///
/// # Errors
/// What the parser says about the text, with its place: bad syntax, a key twice, too deep or too many aliases.
pub fn parse(text: &str) -> Result<Node, Problem> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        // Duplicate keys are found below, where keys are compared as they are written: for the parser, `1` and `0x1` are equal.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // Such scalars are valid as texts; where a number is expected, they are refused later, with their place.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            // Each value is one event, and each list and map ends with another.
            max_events: 2 * MAX_NODES,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPEATED },
    };
    let document = serde_saphyr::from_str_with_options::<Option<Spanned<Value>>>(text, options)
        .map_err(|error| {
            let at = error.location().map(Position::from).unwrap_or_default();
            Problem::new(at, syntax_reason(&error))
        })?;
    let mut document = match document {
        Some(spanned) => Node::from(spanned),
        None => {
            let at = Position {
                line: 1,
                column: 1,
                bytes: None,
            };
            Node {
                value: Value::Null,
                at,
                plain: None,
                written: at,
            }
        }
    };
    document.complete(text)?;
    Ok(document)
}

/// Returns what is wrong, without the place, which [`Problem`] prints itself.
fn syntax_reason(error: &serde_saphyr::Error) -> String {
    let reason = syntax::reason(error);
    let too_much = [
        "budget breached",
        "recursion limit exceeded",
        "aliases (`*name`) repeat too much",
    ];
    if too_much.iter().any(|what| reason.starts_with(what)) {
        return format!(
            "the file is too deep or too large from here; it may have {MAX_DEPTH} lists and maps in each other and {MAX_NODES} values, {MAX_REPEATED} of them by aliases, counted each time"
        );
    }
    reason
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

    /// Stores how scalars are written in `text`, and refuses a map that has a key twice.
    fn complete(&mut self, text: &str) -> Result<(), Problem> {
        let written = self.written;
        let source = || source(text, written);
        match &mut self.value {
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                self.plain = source().map(Into::into);
            }
            Value::Text(value) => {
                if scalar::may_be_a_boolean(value) || scalar::is_old_number(value) {
                    self.plain = source().filter(|source| source == value).map(Into::into);
                }
            }
            Value::List(nodes) => {
                for node in nodes {
                    node.complete(text)?;
                }
            }
            Value::Map(entries) => {
                for (key, _) in &mut *entries {
                    if key.empty {
                        key.text = source_of_key(text, key.written);
                    }
                }
                let mut seen: HashMap<&str, Position> = HashMap::with_capacity(entries.len());
                for (key, _) in &*entries {
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
                for (_, node) in entries {
                    node.complete(text)?;
                }
            }
        }
        Ok(())
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

/// Returns how a scalar without quotes is written; `None` for all other values.
fn source(text: &str, written: Position) -> Option<&str> {
    let (start, len) = written.bytes?;
    let source = text.get(start..start.checked_add(len)?)?.trim();
    // A value that starts with quotes, a block indicator, a tag or an anchor is not written as its text alone.
    (!source.is_empty() && !source.starts_with(['"', '\'', '|', '>', '!', '&', '*']))
        .then_some(source)
}

/// Returns how a key is written that the parser took for `null`: `null` and `~` are names like any other.
fn source_of_key(text: &str, written: Position) -> String {
    source(text, written).unwrap_or_default().to_owned()
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self {
            value: spanned.value,
            at: spanned.referenced.into(),
            plain: None,
            written: spanned.defined.into(),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers past 2^63 are kept as near as a float can"
    )]
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers past 2^63 are kept as near as a float can"
    )]
    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Float(value as f64))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers past 2^63 are kept as near as a float can"
    )]
    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Float(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = seq.next_element::<Spanned<Value>>()? {
            nodes.push(node.into());
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<Option<String>>>()? {
            let value = map.next_value::<Spanned<Value>>()?;
            entries.push((
                Key {
                    empty: key.value.is_none(),
                    text: key.value.unwrap_or_default(),
                    at: key.referenced.into(),
                    written: key.defined.into(),
                },
                value.into(),
            ));
        }
        Ok(Value::Map(entries))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bytes<E: de::Error>(self, _: &[u8]) -> Result<Value, E> {
        Err(E::custom(
            "binary values are not supported; write text instead",
        ))
    }
}
