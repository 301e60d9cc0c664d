//! Resolves scalars to values by the core schema of YAML 1.2, and by their tags.

use std::borrow::Cow;

use super::Problem;
use super::node::{Position, Value};

/// The tags that have a meaning here. Tags that applications define have none and are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// No tag, or one that is ignored.
    None,
    /// `!`, by which a scalar is a text and anything else what it is.
    NonSpecific,
    Text,
    Null,
    Bool,
    Int,
    Float,
    List,
    Map,
    /// `!!merge`, which a key `<<` may have.
    Merge,
    /// `!include`, by which other programs read other files.
    Include,
    /// A tag of YAML that no value in a flags file can have, such as `!!binary`.
    Meaningless,
}

impl Tag {
    pub(crate) fn of(tag: Option<&granit_parser::Tag>) -> Self {
        let Some(tag) = tag else { return Self::None };
        let Some(name) = tag
            .suffix_in_namespace("tag:yaml.org,2002:")
            .or_else(|| tag.suffix_in_namespace("!"))
        else {
            return Self::None;
        };
        match name.trim_start_matches('!') {
            "" => Self::NonSpecific,
            "str" => Self::Text,
            "null" => Self::Null,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "float" => Self::Float,
            "seq" => Self::List,
            "map" => Self::Map,
            "merge" => Self::Merge,
            "binary" | "timestamp" | "time" | "degrees" | "radians" => Self::Meaningless,
            name if name.split('#').next() == Some("include") => Self::Include,
            _ => Self::None,
        }
    }

    /// Refuses a tag of something else on a list or map, whose own tag is `own`.
    pub(crate) fn allows(self, own: Self, at: Position) -> Result<(), Problem> {
        if [Self::None, Self::NonSpecific, own].contains(&self) {
            Ok(())
        } else {
            Err(self.refused(at))
        }
    }

    /// Refuses a tag by which a key would not be a text.
    pub(crate) fn allows_key(self, at: Position) -> Result<(), Problem> {
        let texts = [
            Self::None,
            Self::NonSpecific,
            Self::Text,
            Self::Null,
            Self::Merge,
        ];
        if texts.contains(&self) {
            Ok(())
        } else {
            Err(self.refused(at))
        }
    }

    fn refused(self, at: Position) -> Problem {
        let reason = match self {
            Self::Include => "other files cannot be included; put what is in it here",
            _ => "a tag (`!name`) has no meaning here; remove it",
        };
        Problem::new(at, reason)
    }
}

/// Returns the value of a scalar, and how it is written where a reader could take it for something else than that text.
pub(crate) fn resolve(
    text: Cow<'_, str>,
    tag: Tag,
    plain: bool,
    at: Position,
) -> Result<(Value, Option<Box<str>>), Problem> {
    let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
    let wrong = |reason| Err(Problem::new(at, reason));
    let value = match tag {
        Tag::None | Tag::Merge if plain => untagged(trimmed),
        Tag::Null => Some(Value::Null),
        Tag::Bool => match boolean(trimmed) {
            None => {
                return wrong(
                    "this is no boolean for its tag; write `true` or `false`, without a tag",
                );
            }
            known => known,
        },
        Tag::Int | Tag::Float => {
            let number = if tag == Tag::Int {
                whole(trimmed)
            } else {
                float(trimmed).map(Value::Float)
            };
            match number {
                None => {
                    return wrong("this is no number for its tag; write the number without a tag");
                }
                known => known,
            }
        }
        Tag::None | Tag::NonSpecific | Tag::Text | Tag::Merge => None,
        Tag::List | Tag::Map | Tag::Include | Tag::Meaningless => return Err(tag.refused(at)),
    };
    let written = match &value {
        _ if !plain || text.is_empty() => None,
        Some(_) => Some(text.as_ref().into()),
        None if matches!(tag, Tag::None | Tag::Merge) && super::scalar::is_doubtful(&text) => {
            Some(text.as_ref().into())
        }
        None => None,
    };
    Ok((
        value.unwrap_or_else(|| Value::Text(text.into_owned())),
        written,
    ))
}

/// Returns what a scalar without quotes and tag is; `None` for a text.
fn untagged(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        _ => boolean(text)
            .or_else(|| whole(text))
            .or_else(|| float(text).map(Value::Float)),
    }
}

fn boolean(text: &str) -> Option<Value> {
    match text {
        "true" | "True" | "TRUE" => Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => Some(Value::Bool(false)),
        _ => None,
    }
}

/// Reads a whole number, which may be hexadecimal (`0x`), octal (`0o`) or binary (`0b`), and may have `_` between digits. With
/// a leading zero it is none.
#[expect(
    clippy::cast_precision_loss,
    reason = "numbers past 2^63 are kept as near as a float can"
)]
fn whole(text: &str) -> Option<Value> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, unsigned.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, unsigned.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, unsigned.get(2..)?),
        [b'0', _, ..] => return None,
        _ => (10, unsigned),
    };
    let mut number = 0_u64;
    let mut after_digit = false;
    for c in digits.chars() {
        after_digit = match c.to_digit(radix) {
            Some(digit) => {
                number = number
                    .checked_mul(u64::from(radix))?
                    .checked_add(u64::from(digit))?;
                true
            }
            None if c == '_' && after_digit => false,
            None => return None,
        };
    }
    if !after_digit {
        return None;
    }
    if negative {
        return 0_i64.checked_sub_unsigned(number).map(Value::Int);
    }
    Some(i64::try_from(number).map_or(Value::Float(number as f64), Value::Int))
}

/// Reads any other number. One that is too large is infinite.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Some(f64::NEG_INFINITY),
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY),
        _ => {}
    }
    // The standard library also reads `inf` and `nan`, which are texts in YAML.
    let number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if number { text.parse().ok() } else { None }
}
