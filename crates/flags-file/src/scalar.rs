//! Refuses scalars that readers of YAML understand differently, where a number or a boolean is allowed.
//!
//! YAML 1.1 reads `on` as a boolean and `010` as eight; YAML 1.2 reads `on` as a text and `010` as ten. The reader cannot know
//! which of them the author means, so it refuses such a scalar with a sentence that shows how to write each. Numbers that
//! JavaScript cannot hold exactly are refused, too.

use super::Problem;
use super::node::{Node, Value};

/// 2^53: up to this number JavaScript, and so each browser, holds every whole number exactly.
const MAX_EXACT: i64 = 9_007_199_254_740_992;

/// Whether some readers of YAML take this text for a boolean.
pub(super) fn may_be_a_boolean(text: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether this is a number for some readers of YAML, and for others a text or another number: `007`, `1_000`, `0b11`.
pub(super) fn is_old_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let rest = digits.get(2..).unwrap_or_default();
    let hexadecimal = !rest.is_empty() && rest.chars().all(|c| c.is_ascii_hexdigit() || c == '_');
    match digits.as_bytes() {
        [b'0', b'b' | b'B' | b'X' | b'O', ..] => hexadecimal,
        [b'0', b'x' | b'o', ..] => hexadecimal && rest.contains('_'),
        [b'0', b'0'..=b'9', ..] => digits.replace('_', "").parse::<f64>().is_ok(),
        [b'0'..=b'9', ..] => digits.contains('_') && digits.replace('_', "").parse::<f64>().is_ok(),
        _ => false,
    }
}

/// Whether readers of YAML do not agree that this scalar without quotes is a text.
pub(super) fn is_doubtful(text: &str) -> bool {
    may_be_a_boolean(text) || is_old_number(text)
}

/// Returns what is wrong with a scalar whose kind is taken from how it is written; `None` where nothing is.
fn doubt(node: &Node) -> Option<String> {
    let plain = node.plain.as_deref()?;
    let quoted = serde_json::Value::from(plain);
    match node.value {
        Value::Text(_) if may_be_a_boolean(plain) => {
            let boolean = ["true", "yes", "on", "y"]
                .iter()
                .any(|word| plain.eq_ignore_ascii_case(word));
            Some(format!(
                "`{plain}` is a boolean for some readers of YAML and a text for others; write `{boolean}` for the boolean or `{quoted}` for the text"
            ))
        }
        Value::Text(_) | Value::Int(_) | Value::Float(_) if is_old_number(plain) => Some(format!(
            "`{plain}` is read differently by readers of YAML; write `{quoted}` for the text, or the number without leading zeros and `_`"
        )),
        _ => number_doubt(node, plain).map(|why| {
            format!("`{plain}` {why}; write `{quoted}` for the text, or a number that can be held")
        }),
    }
}

fn number_doubt(node: &Node, plain: &str) -> Option<String> {
    match node.value {
        Value::Int(value) if !(-MAX_EXACT..=MAX_EXACT).contains(&value) => Some(format!(
            "is past {MAX_EXACT}, from where browsers no longer hold each whole number exactly"
        )),
        Value::Float(value) => {
            let whole = plain
                .strip_prefix(['+', '-'])
                .unwrap_or(plain)
                .chars()
                .all(|c| c.is_ascii_digit());
            #[expect(clippy::cast_precision_loss, reason = "it is a power of two")]
            if whole && value.abs() > MAX_EXACT as f64 {
                return Some(format!(
                    "is past {MAX_EXACT}, from where browsers no longer hold each whole number exactly"
                ));
            }
            if !value.is_finite() {
                return Some("is no number that JSON can hold".to_owned());
            }
            let mantissa = plain.split(['e', 'E']).next().unwrap_or_default();
            let zero = !mantissa.contains(|c: char| ('1'..='9').contains(&c));
            (value == 0.0 && !zero).then(|| "is too small: it would be read as 0".to_owned())
        }
        _ => None,
    }
}

/// Refuses a scalar, also one within a list or map, that readers of YAML understand differently or that JavaScript cannot hold.
///
/// # Errors
/// The first one, with its place and what to write.
pub(super) fn check(node: &Node, owner: &str) -> Result<(), Problem> {
    match &node.value {
        Value::List(nodes) => nodes.iter().try_for_each(|node| check(node, owner)),
        Value::Map(entries) => entries.iter().try_for_each(|(_, node)| check(node, owner)),
        _ => match doubt(node) {
            Some(why) => Err(Problem::new(node.at, format!("in {owner}, {why}"))),
            None => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_that_readers_disagree_about_are_known() {
        for text in ["on", "OFF", "Yes", "nO", "y", "N", "tRue"] {
            assert!(may_be_a_boolean(text), "{text}");
        }
        for text in [
            "007", "+010", "-01", "01.5", "1_000", "1_0.5", "0b11", "0X1f", "0xF_F",
        ] {
            assert!(is_old_number(text), "{text}");
        }
        for text in [
            "0",
            "10",
            "0.5",
            ".5",
            "-1",
            "1e5",
            "0x1f",
            "0o17",
            "a_1",
            "_",
            "1_a",
            "1.2.3",
            "2026-01-02",
            "user_1",
            "0",
            "-0",
            "00:30",
            "0b",
            "",
        ] {
            assert!(!is_old_number(text), "{text}");
        }
    }
}
