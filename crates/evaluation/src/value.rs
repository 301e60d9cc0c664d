//! Reads the values of variations by the kind of their flag.

use serde_json::Value;

/// A variation's value, read by its flag's kind.
#[derive(Clone, Debug, PartialEq)]
pub enum TypedValue {
    /// Of kind `boolean`: whether the text is `true` in any case.
    Boolean(bool),
    /// Of kind `int` or `number`: any finite number. Leading zeros are allowed.
    Number(f64),
    /// Of kind `string`, and of any unknown kind.
    Text(String),
    /// Of kind `json`.
    Json(Value),
}

impl TypedValue {
    /// Reads a value as the published server SDKs do. `None` where the text does not fit the kind: the caller's
    /// default applies then.
    #[must_use]
    pub fn read(kind: &str, value: &str) -> Option<Self> {
        let is = |name: &str| kind.eq_ignore_ascii_case(name);
        if is("boolean") {
            Some(Self::Boolean(value.eq_ignore_ascii_case("true")))
        } else if is("int") || is("number") {
            value
                .trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .map(Self::Number)
        } else if is("json") {
            serde_json::from_str(value).ok().map(Self::Json)
        } else {
            Some(Self::Text(value.to_owned()))
        }
    }
}

impl TypedValue {
    /// Whether a text is a value of a kind in lower case, and, for a boolean, a whole word.
    pub(crate) fn fits(kind: &str, value: &str) -> bool {
        if kind == "boolean" {
            value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
        } else {
            Self::read(kind, value).is_some()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_kind() {
        for (kind, value, expected) in [
            ("boolean", "TRUE", Some(TypedValue::Boolean(true))),
            ("Boolean", "1", Some(TypedValue::Boolean(false))),
            ("int", "011", Some(TypedValue::Number(11.0))),
            ("int", "-1.5e3", Some(TypedValue::Number(-1500.0))),
            ("number", "abc", None),
            ("int", "", None),
            ("int", "inf", None),
            (
                "json",
                "{\"a\":1}",
                Some(TypedValue::Json(serde_json::json!({"a": 1}))),
            ),
            ("json", "{", None),
            ("string", "", Some(TypedValue::Text(String::new()))),
            ("colour", "red", Some(TypedValue::Text("red".into()))),
        ] {
            assert_eq!(TypedValue::read(kind, value), expected, "{kind} {value}");
        }
    }
}
