//! Converts a variation's value to the protocol's form.

use flagwire_evaluation::{EvaluationRef, TypedValue};
use serde_json::Value;
use serde_json::value::RawValue;

/// Returns the value as JSON, with every digit that the flag has.
///
/// # Errors
/// A sentence for the reply, if the value is not of the flag's kind or has a type that the protocol does not have.
pub(super) fn of(evaluation: &EvaluationRef<'_>) -> Result<Box<RawValue>, String> {
    let text = evaluation.value.trim();
    let read = TypedValue::read(evaluation.kind, evaluation.value).ok_or_else(|| {
        format!(
            "the value of variation `{}` is not of the flag's kind, {}",
            evaluation.identifier, evaluation.kind
        )
    })?;
    let json = match read {
        // A JSON object or a number of many digits is returned as it is written, as reading it would change it.
        TypedValue::Number(_) if is_whole(text) => text.to_owned(),
        TypedValue::Number(value) => number(value).to_string(),
        TypedValue::Json(Value::Null | Value::Array(_)) => {
            return Err(format!(
                "the value of variation `{}` is {}, and this protocol has objects, texts, numbers and booleans only; put it into an object",
                evaluation.identifier,
                if text == "null" { "null" } else { "a list" }
            ));
        }
        TypedValue::Json(_) => text.to_owned(),
        TypedValue::Boolean(value) => value.to_string(),
        TypedValue::Text(value) => Value::from(value).to_string(),
    };
    RawValue::from_string(json).map_err(|error| error.to_string())
}

/// Whether a text is a whole number as JSON writes it.
fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.is_empty()
        && (digits == "0" || !digits.starts_with('0'))
}

/// Returns a number as JSON, whole ones without a fraction: `50`, not `50.0`.
fn number(value: f64) -> Value {
    // Up to this value every whole number is exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: &str, text: &str) -> Result<String, String> {
        let evaluation = EvaluationRef {
            flag: "f",
            identifier: "v",
            value: text,
            kind,
            reason: flagwire_evaluation::Reason::Default,
        };
        of(&evaluation).map(|value| value.get().to_owned())
    }

    #[test]
    fn no_digit_is_lost_and_whole_numbers_are_whole() {
        for (kind, text, json) in [
            ("int", "50", "50"),
            ("int", "50.0", "50"),
            ("int", " -0.5", "-0.5"),
            ("int", "0011", "11"),
            ("int", "9007199254740993", "9007199254740993"),
            (
                "int",
                "-12345678901234567890123",
                "-12345678901234567890123",
            ),
            ("string", "9007199254740993", "\"9007199254740993\""),
            ("boolean", "TRUE", "true"),
            (
                "json",
                "{ \"id\": 9007199254740993 }",
                "{ \"id\": 9007199254740993 }",
            ),
            ("json", "\"text\"", "\"text\""),
        ] {
            assert_eq!(value(kind, text).as_deref(), Ok(json), "{kind} {text}");
        }
    }

    #[test]
    fn what_the_protocol_has_no_type_for_is_refused() {
        for (text, expected) in [
            ("null", "is null"),
            ("[1]", "is a list"),
            (" [] ", "is a list"),
        ] {
            let error = value("json", text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(value("int", "many").unwrap_err().contains("kind, int"));
        assert!(value("json", "{").unwrap_err().contains("kind, json"));
    }
}
