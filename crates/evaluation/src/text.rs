//! Converts attribute values to text, which is the only form that clauses and buckets use.

use std::borrow::Cow;

use serde_json::Value;

/// Converts an attribute's value to text; `None` for `null` and for the empty text, which count as absent.
///
/// Texts stay as they are; booleans are `true` and `false`; numbers are decimal without an exponent, and without a
/// fraction where they have none (`1.0` is `1`); lists and objects are compact JSON.
///
/// Scalars follow the published Go SDK, which the relays and most likely the service itself run on. Its lists are
/// `[a b]`; compact JSON loses nothing.
#[must_use]
pub fn attribute_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => None,
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Number(number) => Some(Cow::Owned(if let Some(whole) = number.as_i64() {
            whole.to_string()
        } else if let Some(whole) = number.as_u64() {
            whole.to_string()
        } else {
            // Rust prints the shortest text that reads back as the same float, and never an exponent.
            number.as_f64()?.to_string()
        })),
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Array(_) | Value::Object(_) => Some(Cow::Owned(value.to_string())),
    }
}

/// Folds the case of a text, for the right side of [`equal_folded`].
pub(crate) fn folded(text: &str) -> String {
    text.chars().map(fold).collect()
}

/// Whether a text equals an already folded one when case is ignored.
pub(crate) fn equal_folded(text: &str, folded: &str) -> bool {
    text.eq_ignore_ascii_case(folded)
        || (!(text.is_ascii() && folded.is_ascii()) && text.chars().map(fold).eq(folded.chars()))
}

/// Folds the case of one character. It goes by way of upper case, so that `ς` equals `σ` and `ſ` equals `s`. Characters whose
/// other case is several characters (`ß`) stay as they are, as in Unicode's simple folding, which Go uses.
pub(crate) fn fold(character: char) -> char {
    fn single(mut cases: impl Iterator<Item = char>) -> Option<char> {
        let first = cases.next()?;
        cases.next().is_none().then_some(first)
    }
    if character.is_ascii() {
        return character.to_ascii_lowercase();
    }
    let upper = single(character.to_uppercase()).unwrap_or(character);
    single(upper.to_lowercase()).unwrap_or(upper)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(value: &Value) -> Option<String> {
        attribute_text(value).map(Cow::into_owned)
    }

    #[test]
    fn numbers_are_plain_decimals() {
        for (json, expected) in [
            ("1", "1"),
            ("-7", "-7"),
            ("1.0", "1"),
            ("1.5", "1.5"),
            ("0.1", "0.1"),
            ("1e21", "1000000000000000000000"),
            ("1e-7", "0.0000001"),
            ("9007199254740993", "9007199254740993"),
            ("18446744073709551615", "18446744073709551615"),
            ("12345678901234567890123", "12345678901234568000000"),
            ("5e-324", &format!("0.{}5", "0".repeat(323))),
        ] {
            assert_eq!(
                text(&serde_json::from_str(json).unwrap()).as_deref(),
                Some(expected),
                "{json}"
            );
        }
    }

    #[test]
    fn nothing_and_the_empty_text_are_absent() {
        assert_eq!(text(&Value::Null), None);
        assert_eq!(text(&json!("")), None);
        assert_eq!(text(&json!(" ")).as_deref(), Some(" "));
        assert_eq!(text(&json!(false)).as_deref(), Some("false"));
        assert_eq!(text(&json!(0)).as_deref(), Some("0"));
    }

    #[test]
    fn lists_and_objects_are_compact_json() {
        assert_eq!(text(&json!(["a", "b"])).as_deref(), Some(r#"["a","b"]"#));
        assert_eq!(
            text(&json!({"a": [1, 2.5]})).as_deref(),
            Some(r#"{"a":[1,2.5]}"#)
        );
        assert_eq!(text(&json!([])).as_deref(), Some("[]"));
    }

    #[test]
    fn case_does_not_matter_beyond_ascii() {
        for (left, right) in [
            ("Straße", "sTRAßE"),
            ("ΟΔΟΣ", "οδος"),
            ("Kelvin", "\u{212a}ELVIN"),
            ("Ångström", "åNGSTRÖM"),
        ] {
            assert!(equal_folded(left, &folded(right)), "{left} {right}");
        }
        assert!(!equal_folded("Straße", &folded("STRASSE")));
        assert!(!equal_folded("gold", &folded("goldd")));
    }
}
