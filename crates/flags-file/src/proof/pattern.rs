//! Makes a text that a regular expression matches.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Longer texts are of no use in a proof, and a pattern of a few bytes can ask for very long ones.
const MAX_BYTES: usize = 4_096;

/// Returns a short text that should match the pattern, made of first alternatives and least repetitions. `None` where the pattern
/// is invalid, needs a very long text, or matches no text at all.
pub(super) fn matching(pattern: &str) -> Option<String> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let mut bytes = Vec::new();
    write(&hir, &mut bytes)?;
    String::from_utf8(bytes).ok()
}

/// Appends a text for a part of the pattern. The parser limits how deep patterns are nested, and so the recursion.
fn write(hir: &Hir, out: &mut Vec<u8>) -> Option<()> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(Class::Unicode(class)) => {
            let ranges = class.ranges();
            // A letter or a digit is easier to read than the first character of the class.
            let readable = ranges
                .iter()
                .find(|range| range.start().is_ascii_alphanumeric());
            let start = readable.or_else(|| ranges.first())?.start();
            let readable = "a0A".chars().find(|c| {
                ranges
                    .iter()
                    .any(|range| (range.start()..=range.end()).contains(c))
            });
            out.extend(readable.unwrap_or(start).encode_utf8(&mut [0; 4]).bytes());
        }
        HirKind::Class(Class::Bytes(class)) => out.push(class.ranges().first()?.start()),
        HirKind::Capture(capture) => write(&capture.sub, out)?,
        HirKind::Repetition(repetition) => {
            for _ in 0..repetition.min {
                write(&repetition.sub, out)?;
            }
        }
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, out))?,
        HirKind::Alternation(parts) => write(parts.first()?, out)?,
    }
    (out.len() <= MAX_BYTES).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_gets_a_text_that_it_matches() {
        for pattern in [
            "^.*@example\\.com$",
            "^(beta|gold)-[0-9]+$",
            "\\d{4}-\\d{2}",
            "[^a]x?y*",
            "(?i)Straße",
            "^\\w+\\.\\w+$",
        ] {
            let text = matching(pattern).unwrap();
            assert!(
                regex::Regex::new(pattern).unwrap().is_match(&text),
                "{pattern}: {text}"
            );
        }
        assert_eq!(matching("("), None);
        assert_eq!(matching("((a{1000}){1000}){1000}"), None);
        assert_eq!(matching("[a&&b]"), None);
    }
}
