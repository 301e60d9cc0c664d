//! Writes YAML as a person would: short lists and maps on one line, longer ones in blocks, quotes only where they are needed.
//!
//! A text is written without quotes only where every reader of YAML, of version 1.1 or 1.2, takes it for that text.

#[cfg(feature = "import")]
use serde_json::Value as Json;

use crate::scalar;

/// The longest line, in characters. A list or map that does not fit is written as a block.
pub(crate) const WIDTH: usize = 100;

/// A value to be written.
#[derive(Clone, Debug)]
pub(crate) enum Yaml {
    /// As it is to stand in the file, quotes included.
    Scalar(String),
    List(Vec<Item>),
    Map(Vec<Entry>),
    /// A map that is never put on one line.
    Block(Vec<Entry>),
    /// A list that is never put on one line.
    Lines(Vec<Item>),
}

/// One entry of a list.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) value: Yaml,
    /// A comment behind the value.
    pub(crate) comment: Option<String>,
}

/// One entry of a map.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// As it is to stand in the file, quotes included.
    pub(crate) key: String,
    pub(crate) value: Yaml,
    /// A comment behind the value, or behind the key where the value is a block.
    pub(crate) comment: Option<String>,
}

impl Entry {
    pub(crate) fn new(key: &str, value: Yaml) -> Self {
        Self {
            key: key.to_owned(),
            value,
            comment: None,
        }
    }
}

impl Yaml {
    pub(crate) fn text(text: &str) -> Self {
        Self::Scalar(quoted_if_needed(text))
    }

    /// Writes a text for places where the reader takes scalars as they are written, so that `42` and `true` need no quotes.
    pub(crate) fn word(text: &str) -> Self {
        Self::Scalar(word(text))
    }

    #[cfg(feature = "import")]
    pub(crate) fn words<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::List(
            texts
                .into_iter()
                .map(|text| Item {
                    value: Self::word(text),
                    comment: None,
                })
                .collect(),
        )
    }

    /// Converts JSON to YAML's own notation.
    #[cfg(feature = "import")]
    pub(crate) fn json(value: &Json) -> Self {
        match value {
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::List(
                items
                    .iter()
                    .map(|item| Item {
                        value: Self::json(item),
                        comment: None,
                    })
                    .collect(),
            ),
            Json::Object(entries) => Self::Map(
                entries
                    .iter()
                    .map(|(key, value)| Entry::new(&quoted_if_needed(key), Self::json(value)))
                    .collect(),
            ),
            scalar => Self::Scalar(scalar.to_string()),
        }
    }

    /// Returns the value without the wish to have lines of its own.
    pub(crate) fn plain(self) -> Self {
        match self {
            Self::Scalar(text) => Self::Scalar(text),
            Self::List(items) | Self::Lines(items) => Self::List(
                items
                    .into_iter()
                    .map(|item| Item {
                        value: item.value.plain(),
                        comment: None,
                    })
                    .collect(),
            ),
            Self::Map(entries) | Self::Block(entries) => Self::Map(
                entries
                    .into_iter()
                    .map(|entry| Entry {
                        key: entry.key,
                        value: entry.value.plain(),
                        comment: None,
                    })
                    .collect(),
            ),
        }
    }

    /// Returns the value on one line; `None` where a part of it must have lines of its own.
    pub(crate) fn flow(&self) -> Option<String> {
        match self {
            Self::Scalar(text) => Some(text.clone()),
            Self::List(items) if items.is_empty() => Some("[]".to_owned()),
            Self::List(items) => {
                let parts: Option<Vec<String>> = items
                    .iter()
                    .map(|item| {
                        if item.comment.is_some() {
                            return None;
                        }
                        item.value.flow()
                    })
                    .collect();
                Some(format!("[{}]", parts?.join(", ")))
            }
            Self::Map(entries) if entries.is_empty() => Some("{}".to_owned()),
            Self::Map(entries) => {
                let parts: Option<Vec<String>> = entries
                    .iter()
                    .map(|entry| {
                        if entry.comment.is_some() {
                            return None;
                        }
                        Some(format!("{}: {}", entry.key, entry.value.flow()?))
                    })
                    .collect();
                Some(format!("{{ {} }}", parts?.join(", ")))
            }
            Self::Block(entries) if entries.is_empty() => Some("{}".to_owned()),
            Self::Block(_) | Self::Lines(_) => None,
        }
    }
}

/// Writes the entries of a map, each on a line of its own that starts with `indent` blanks.
pub(crate) fn write_map(out: &mut String, entries: &[Entry], indent: usize) {
    for entry in entries {
        out.push_str(&" ".repeat(indent));
        write_entry(out, entry, indent);
    }
}

/// Writes a key and its value. The caller has written the blanks before the key.
fn write_entry(out: &mut String, entry: &Entry, indent: usize) {
    out.push_str(&entry.key);
    out.push(':');
    let comment = entry.comment.as_deref();
    if let Some(flow) = fitting(&entry.value, indent + entry.key.chars().count() + 2) {
        out.push(' ');
        out.push_str(&flow);
        end_line(out, comment);
        return;
    }
    end_line(out, comment);
    write_block(out, &entry.value, indent + 2);
}

/// Writes the entries of a map or the items of a list, each on lines of its own that start with `indent` blanks.
pub(crate) fn write_block(out: &mut String, value: &Yaml, indent: usize) {
    match value {
        Yaml::Scalar(text) => {
            out.push_str(&" ".repeat(indent));
            out.push_str(text);
            out.push('\n');
        }
        Yaml::Map(entries) | Yaml::Block(entries) => write_map(out, entries, indent),
        Yaml::List(items) | Yaml::Lines(items) => {
            for item in items {
                out.push_str(&" ".repeat(indent));
                out.push_str("- ");
                write_item(out, item, indent + 2);
            }
        }
    }
}

/// Writes an item of a list. The caller has written `- ` before it.
fn write_item(out: &mut String, item: &Item, indent: usize) {
    let comment = item.comment.as_deref();
    if let Some(flow) = fitting(&item.value, indent) {
        out.push_str(&flow);
        end_line(out, comment);
        return;
    }
    match &item.value {
        Yaml::Map(entries) | Yaml::Block(entries) => {
            if let Some((first, rest)) = entries.split_first() {
                write_entry(out, first, indent);
                write_map(out, rest, indent);
            }
        }
        Yaml::List(items) | Yaml::Lines(items) => {
            if let Some((first, rest)) = items.split_first() {
                out.push_str("- ");
                write_item(out, first, indent + 2);
                for item in rest {
                    out.push_str(&" ".repeat(indent));
                    out.push_str("- ");
                    write_item(out, item, indent + 2);
                }
            }
        }
        Yaml::Scalar(text) => {
            out.push_str(text);
            end_line(out, comment);
        }
    }
}

/// Returns the value on one line, if it fits behind `before` characters. A scalar is always returned, as it cannot be a block.
fn fitting(value: &Yaml, before: usize) -> Option<String> {
    let flow = value.flow()?;
    let whole = matches!(value, Yaml::Scalar(_)) || before + flow.chars().count() <= WIDTH;
    whole.then_some(flow)
}

fn end_line(out: &mut String, comment: Option<&str>) {
    if let Some(comment) = comment {
        out.push_str(" # ");
        out.push_str(&one_line(comment));
    }
    out.push('\n');
}

/// Puts a text on one line and without control characters, so that all of it stays within its comment.
pub(crate) fn one_line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if is_printable(c) { c } else { ' ' })
        .collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_printable(c: char) -> bool {
    !(c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        ))
}

/// Writes a text for places that take scalars as they are written: without quotes where it is `true`, `false` or a plain whole
/// number.
pub(crate) fn word(text: &str) -> String {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = matches!(digits.as_bytes(), [b'0'] | [b'1'..=b'9', ..])
        && digits.len() <= 15
        && digits.bytes().all(|b| b.is_ascii_digit())
        && text != "-0";
    if whole || matches!(text, "true" | "false") {
        text.to_owned()
    } else {
        quoted_if_needed(text)
    }
}

/// Writes a text, in double quotes unless every reader takes it for that text without them.
pub(crate) fn quoted_if_needed(text: &str) -> String {
    let mut characters = text.chars();
    let starts_plain = characters
        .next()
        .is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | '/' | '$'));
    let inner =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '/' | '+' | '$' | ' ');
    let plain = starts_plain
        && characters.all(inner)
        && !text.ends_with(' ')
        && !scalar::may_be_a_boolean(text)
        && !text.eq_ignore_ascii_case("null")
        && text.parse::<f64>().is_err();
    if plain { text.to_owned() } else { quoted(text) }
}

/// Writes a text in double quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                out.push_str(&if code < 0x100 {
                    format!("\\x{code:02x}")
                } else {
                    format!("\\u{code:04x}")
                });
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_where_some_reader_takes_them_for_something_else() {
        for plain in [
            "gold",
            "user-42",
            "a b",
            "ann@example.com",
            "/path",
            "x.y",
            "Zoë",
        ] {
            assert_eq!(quoted_if_needed(plain), plain);
        }
        for text in [
            "",
            " a",
            "a ",
            "on",
            "No",
            "null",
            "NaN",
            "inf",
            "1",
            "1.5",
            "007",
            "a: b",
            "a #b",
            "@x",
            "- a",
            "a,b",
            "[a]",
            "it's",
            "\"",
            "a\nb",
            "~",
            "0x1f",
            "2026-01-02",
            ".5",
            "\u{85}",
            "\u{2028}",
        ] {
            assert!(quoted_if_needed(text).starts_with('"'), "{text}");
        }
        for word_of in ["true", "false", "0", "42", "-7"] {
            assert_eq!(word(word_of), word_of);
        }
        for text in ["-0", "007", "1.5", "1e5", "1234567890123456", "on", "null"] {
            assert!(word(text).starts_with('"'), "{text}");
        }
        assert_eq!(
            quoted("a\"\\\n\u{7}\u{2028}😀"),
            "\"a\\\"\\\\\\n\\x07\\u2028😀\""
        );
        assert_eq!(one_line("a\nb \u{2028} # c"), "a b # c");
    }
}
