//! What is wrong with the YAML itself, in words for whoever wrote it: the parser's own sentences speak to programmers.

use serde_saphyr::Error;

/// Why a text is not YAML that can be read, without the place.
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
            first_without_place(first).to_owned()
        }
    }
}

/// The sentence without the place, which is printed elsewhere.
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
