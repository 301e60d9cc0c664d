//! The results of reads, and the types that can be read.

use std::borrow::Cow;
use std::rc::Rc;

use flagwire_core::Held;
use flagwire_core::protocol::Evaluation;
use serde_json::{Number, Value};

/// The result of a read, with the reason for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Variation<T> {
    /// The flag's value, or the default.
    pub value: T,
    /// The identifier of the variation; `None` where the default was returned.
    pub variation: Option<String>,
    /// The reason for this value.
    pub reason: VariationReason,
}

impl<T> Variation<T> {
    /// Returns whether the default was returned.
    #[must_use]
    pub fn is_default_value(&self) -> bool {
        self.reason != VariationReason::Evaluated
    }

    pub(super) const fn evaluated(value: T, variation: String) -> Self {
        Self {
            value,
            variation: Some(variation),
            reason: VariationReason::Evaluated,
        }
    }

    pub(super) const fn fallback(value: T, reason: VariationReason) -> Self {
        Self {
            value,
            variation: None,
            reason,
        }
    }
}

/// The reason why a read returned what it returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VariationReason {
    /// It is the server's evaluation.
    Evaluated,
    /// There is no such flag, or none yet, or the client is closed.
    NotFound,
    /// The flag's value is of another type than the default.
    WrongType,
}

/// The types that can be the default of [`Client::variation`](crate::Client::variation), by which the flag is read: booleans,
/// texts, numbers, and [`Value`] for a value of any type.
pub trait FlagDefault: Sized + sealed::Sealed {
    /// The type that a read returns.
    type Value: From<Self>;

    /// Returns the flag's value; `None` where it is of another type.
    #[doc(hidden)]
    fn read(held: &Held) -> Option<Self::Value>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! defaults {
    ($($default:ty => $value:ty: $read:expr;)*) => {$(
        impl sealed::Sealed for $default {}

        impl FlagDefault for $default {
            type Value = $value;

            fn read(held: &Held) -> Option<$value> {
                $read(convert(held))
            }
        }
    )*};
}

defaults! {
    bool => bool: |value: Cow<'_, Value>| value.as_bool();
    &str => String: text;
    String => String: text;
    f32 => f32: |value: Cow<'_, Value>| value.as_f64().map(|number| number as f32);
    f64 => f64: |value: Cow<'_, Value>| value.as_f64();
    i8 => i8: integer;
    i16 => i16: integer;
    i32 => i32: integer;
    i64 => i64: integer;
    isize => isize: integer;
    u8 => u8: integer;
    u16 => u16: integer;
    u32 => u32: integer;
    u64 => u64: integer;
    usize => usize: integer;
    Value => Value: |value: Cow<'_, Value>| Some(value.into_owned());
}

fn text(value: Cow<'_, Value>) -> Option<String> {
    match value {
        Cow::Owned(Value::String(text)) => Some(text),
        Cow::Borrowed(Value::String(text)) => Some(text.clone()),
        _ => None,
    }
}

/// Reads a whole number. One that the type cannot hold, such as 1.5 or -1 for a `u32`, is of another type.
#[expect(clippy::needless_pass_by_value, reason = "as the others are called")]
fn integer<T: TryFrom<i64> + TryFrom<u64>>(value: Cow<'_, Value>) -> Option<T> {
    match value.as_i64() {
        Some(number) => number.try_into().ok(),
        None => value.as_u64()?.try_into().ok(),
    }
}

/// Returns the value of a held evaluation.
pub(super) fn convert(held: &Held) -> Cow<'_, Value> {
    match held.json() {
        Some(json) => Cow::Borrowed(json),
        None => Cow::Owned(convert_plain(held.evaluation())),
    }
}

/// Returns the value of a held evaluation as one that the caller can keep.
pub(super) fn shared(held: &Held) -> Rc<Value> {
    match held.json() {
        Some(json) => Rc::clone(json),
        None => Rc::new(convert_plain(held.evaluation())),
    }
}

/// Returns the value of an evaluation that is not held by the codec.
pub(super) fn convert_evaluation(evaluation: &Evaluation) -> Value {
    if evaluation.kind.eq_ignore_ascii_case("json")
        && let Ok(json) = serde_json::from_str(&evaluation.value)
    {
        return json;
    }
    convert_plain(evaluation)
}

/// Converts a value, unless it is JSON that was parsed. JSON that does not parse stays text, and so does what should be a number
/// and is none.
fn convert_plain(Evaluation { kind, value, .. }: &Evaluation) -> Value {
    let is = |name: &str| kind.eq_ignore_ascii_case(name);
    if is("boolean") {
        return Value::Bool(value.eq_ignore_ascii_case("true"));
    }
    if (is("int") || is("number"))
        && let Some(number) = number(value.trim())
    {
        return Value::Number(number);
    }
    Value::String(value.clone())
}

fn number(text: &str) -> Option<Number> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    let number: f64 = text.parse().ok()?;
    // A whole number that is written differently, such as `1e3` or `10.0`, becomes an integer.
    if number.trunc() == number && number.abs() < 9_007_199_254_740_992.0 {
        return Some((number as i64).into());
    }
    Number::from_f64(number)
}
