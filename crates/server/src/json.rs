//! Reads JSON that clients send.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// Reads JSON. A lone surrogate, such as the `\ud83c` of an emoji that was cut in two, is read as U+FFFD: JavaScript
/// writes such text and servers in Go, Node and Java read it, but `serde_json` refuses all of it.
///
/// # Errors
/// The text is not JSON, apart from lone surrogates.
pub(crate) fn from_slice<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(json).or_else(|error| match well_formed(json) {
        Cow::Owned(mended) => serde_json::from_slice(&mended),
        Cow::Borrowed(_) => Err(error),
    })
}

/// Replaces escaped surrogates that are no pair.
fn well_formed(json: &[u8]) -> Cow<'_, [u8]> {
    let mut mended = Vec::new();
    let mut rest = json;
    let mut replaced = false;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (before, escape) = rest.split_at(at);
        mended.extend_from_slice(before);
        let next = escape.get(6..).and_then(code_unit);
        let (length, is_half) = match code_unit(escape) {
            Some(0xD800..=0xDBFF) if matches!(next, Some(0xDC00..=0xDFFF)) => (12, false),
            Some(unit) => (6, matches!(unit, 0xD800..=0xDFFF)),
            None => (2, false),
        };
        let (escape, after) = escape.split_at(length.min(escape.len()));
        replaced |= is_half;
        mended.extend_from_slice(if is_half { br"\ufffd" } else { escape });
        rest = after;
    }
    mended.extend_from_slice(rest);
    if replaced {
        Cow::Owned(mended)
    } else {
        Cow::Borrowed(json)
    }
}

/// Returns the code unit of an escape of the form `\uXXXX` at the start of `text`.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(br"\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::from_slice;

    #[test]
    fn half_a_character_is_replaced_and_everything_else_stays() {
        for (text, expected) in [
            (r#"["Party \ud83c"]"#, json!(["Party \u{FFFD}"])),
            (r#"["\uDF89 all"]"#, json!(["\u{FFFD} all"])),
            (r#"["\ud83c\ud83c\udf89"]"#, json!(["\u{FFFD}\u{1F389}"])),
            (r#"["\ud83c\n"]"#, json!(["\u{FFFD}\n"])),
            (r#"{"\udf89":1}"#, json!({"\u{FFFD}": 1})),
            (r#"["\\ud83c \ud83c"]"#, json!(["\\ud83c \u{FFFD}"])),
        ] {
            assert_eq!(from_slice::<Value>(text.as_bytes()).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_not_json_is_refused_as_ever() {
        for text in [
            "",
            "\\",
            r#"["\ud83c"#,
            r#"["\ud8"]"#,
            r#"["\ud83c" x]"#,
            "\\u",
        ] {
            from_slice::<Value>(text.as_bytes()).unwrap_err();
        }
    }
}
