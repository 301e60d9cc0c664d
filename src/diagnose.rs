//! Writes the sentences about failures and, with [`Options::debug`](crate::Options::debug), about mistakes.

use flagwire_core::{Cause, Error as ServiceError, ErrorKind, Held, Service};
use serde_json::Value;

use super::value::convert;

/// Returns the sentence about a failure of signing in or of fetching the evaluations; `None` for other failures, which an
/// application can do without.
pub(super) fn failure(error: ServiceError, service: &Service) -> Option<String> {
    if !matches!(error.kind, ErrorKind::Auth | ErrorKind::FetchFlags) {
        return None;
    }
    let why = match error.cause {
        Cause::Network => {
            ": the server cannot be reached, its certificate is not valid, the page's content security policy forbids it, or \
             the server does not allow this page's origin (CORS); the browser's console says which"
        }
        _ => "",
    };
    let address = &service.base_url;
    Some(format!(
        "Flagwire: {error} at {address}{why}. It is tried again. See {}{}",
        DOCUMENTATION,
        error.code()
    ))
}

/// The document that describes each code.
const DOCUMENTATION: &str = "https://github.com/flagwire/flagwire/blob/main/docs/ERRORS.md#";

/// Returns the code and the sentence about a read that returned the default. `held` is the flag's evaluation, if there is one.
pub(super) fn read<'a>(
    flag: &str,
    held: Option<&Held>,
    names: impl Iterator<Item = &'a str>,
) -> (&'static str, String) {
    let (code, what) = match held {
        None => {
            let other = nearest(flag, names);
            let other = other.map_or(String::new(), |other| format!(". Do you mean {other}?"));
            let what = format!("there is no flag {flag}; its default was returned{other}");
            ("unknown-flag", what)
        }
        Some(held) => {
            let (kind, text) = (&held.evaluation().kind, &held.evaluation().value);
            let value = convert(held);
            // A value that its kind does not allow stays the text that the server sent.
            let is_none = matches!(&*value, Value::String(left) if left == text);
            if is_none && !kind.eq_ignore_ascii_case("string") {
                let what = format!(
                    "the flag {flag} is of kind {kind}, and its value {text:?} is none; its default was returned"
                );
                ("wrong-value", what)
            } else {
                let what = format!(
                    "the flag {flag} is {} and was read as another type; its default was returned",
                    type_of(&value)
                );
                ("wrong-type", what)
            }
        }
    };
    (code, format!("Flagwire: {what}. See {DOCUMENTATION}{code}"))
}

const fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Returns the name that differs least, if it differs little: by two letters, or a third of them.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Two swapped letters count as two that differ.
    let most = (name.chars().count() / 3).max(2);
    names
        .map(|other| (distance(name, other), other))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, other)| other)
}

/// Returns how many letters must be added, removed or replaced, whatever their case.
fn distance(one: &str, other: &str) -> usize {
    let lower = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    let (one, other) = (lower(one), lower(other));
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, letter) in one.iter().enumerate() {
        let mut diagonal = number;
        let mut left = number + 1;
        let places = row.iter_mut();
        for (place, compared) in places.zip(std::iter::once(None).chain(other.iter().map(Some))) {
            let Some(compared) = compared else {
                *place = left;
                continue;
            };
            let up = *place;
            left = (up + 1)
                .min(left + 1)
                .min(diagonal + usize::from(letter != compared));
            diagonal = up;
            *place = left;
        }
    }
    row.last().copied().unwrap_or_default()
}
