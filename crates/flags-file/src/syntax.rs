//! Explains errors of YAML's syntax to the author of the file, because the parser's own messages are written for programmers.

use serde_saphyr::Error;

/// Returns why a text cannot be read as YAML, without the place.
pub(crate) fn reason(error: &Error) -> String {
    match error.without_snippet() {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{key}` is there twice; remove one of the two")
        }
        Error::DuplicateMappingKey { key: None, .. } => {
            "a key is there twice; remove one of the two".to_owned()
        }
        Error::MultipleDocuments { .. } => {
            "a second document starts here; a file holds one, so remove the line `---`".to_owned()
        }
        Error::UnknownAnchor { .. } => {
            "an alias (`*name`) names an anchor (`&name`) that is not above it".to_owned()
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "an alias (`*name`) stands inside of what it repeats".to_owned()
        }
        Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            "aliases (`*name`) repeat too much; write some of it out".to_owned()
        }
        Error::NullIntoString { .. } => {
            "a key is empty, or `null`; put it in quotes if it is meant".to_owned()
        }
        Error::TaggedScalarCannotDeserializeIntoString { .. } => {
            "a tag (`!name`) has no meaning here; remove it".to_owned()
        }
        Error::UnsupportedIncludeForm { .. }
        | Error::ResolverError { .. }
        | Error::CyclicInclude { .. } => {
            "other files cannot be included; put what is in it here".to_owned()
        }
        Error::AliasError { error, .. } => reason(error),
        other => {
            let text = other.to_string();
            let first = text.lines().next().unwrap_or("not valid YAML");
            in_plain_words(first_without_place(first))
        }
    }
}

/// Parts of the parser's messages, each with a sentence that says what is wrong in the file and what to write instead.
const KNOWN: &[(&str, &str)] = &[
    (
        "tab",
        "a tab is no indentation in YAML; put blanks in its place",
    ),
    (
        "mapping values are not allowed",
        "a `:` with a blank after it starts a value here; indent the line as the one above, or put a text with `: ` in quotes",
    ),
    (
        "did not find expected key",
        "this does not belong to the lines above; indent it as they are, or put a text with special characters in quotes",
    ),
    (
        "did not find expected '-' indicator",
        "this line stands in a list; start it with `- `, or indent it otherwise",
    ),
    (
        "unclosed bracket",
        "this bracket is never closed; add `}` or `]`",
    ),
    (
        "misplaced bracket",
        "this bracket closes nothing; remove it, or put the text in quotes",
    ),
    (
        "flow mapping",
        "a `{` is not closed, or there is a comma too many; write `{ a: 1, b: 2 }`",
    ),
    (
        "illegal placement of ':'",
        "a `:` cannot stand here; close the bracket above, or put the text in quotes",
    ),
    (
        "after single-quoted scalar",
        "text goes on after its quotes; write a quote within single quotes twice, as in `'it''s'`",
    ),
    (
        "unknown escape character",
        "a `\\` in double quotes starts an escape, and this one is unknown; write `\\\\`, or use single quotes",
    ),
    (
        "multiline quoted scalar",
        "a quote above is not closed, or the text that it starts is not indented",
    ),
    (
        "unexpected character",
        "a text cannot start with this character; put it in quotes",
    ),
    (
        "scanning an anchor or alias",
        "a text that starts with `*` or `&` needs quotes",
    ),
    ("parsing a tag", "a text that starts with `!` needs quotes"),
    (
        "expected string scalar",
        "a key is a text, and no list or map; put it in quotes",
    ),
    (
        "invalid boolean",
        "this is no boolean for its tag; write `true` or `false`, without a tag",
    ),
    (
        "invalid u64",
        "this is no number for its tag; write the number without a tag",
    ),
];

fn in_plain_words(sentence: &str) -> String {
    match KNOWN.iter().find(|(part, _)| sentence.contains(part)) {
        Some((_, plain)) => (*plain).to_owned(),
        // The caller has its own sentences for exceeded limits.
        None => sentence.to_owned(),
    }
}

/// Removes the place from the parser's message, because it is printed elsewhere.
fn first_without_place(first: &str) -> &str {
    let reason = match first.find(" at line ").or_else(|| first.find(", line ")) {
        Some(end) => first.get(..end).unwrap_or(first),
        None => first,
    };
    match reason
        .strip_prefix("line ")
        .and_then(|rest| rest.split_once(": "))
    {
        Some((_, rest)) => rest,
        None => reason,
    }
}
