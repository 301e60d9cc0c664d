//! What can be wrong with a pattern.

/// Why a pattern is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    /// The reason alone.
    pub(super) short: &'static str,
    /// The reason as the start of a sentence about a clause.
    pub(super) long: &'static str,
}

macro_rules! reasons {
    ($($name:ident = $text:literal;)*) => {
        $(pub(super) const $name: Reason = Reason {
            short: $text,
            long: concat!("its regular expression is not valid (", $text, ")"),
        };)*
    };
}

reasons! {
    BACKSLASH_AT_END = "it ends with a backslash";
    BACK_REFERENCE = "back-references such as \\1 are not supported";
    BAD_CODE = "a code of a character is not valid; write \\x41 or \\x{1F600}";
    BAD_COUNTS = "the counts of a repetition are the wrong way round";
    BAD_GROUP = "unknown syntax behind (?";
    BAD_RANGE = "a range in brackets is not valid";
    LOOK_AROUND = "look-around such as (?=…) is not supported";
    NOTHING_TO_REPEAT = "a repetition has nothing to repeat";
    REPEATED_TOO_OFTEN = "a repetition has a count over 1000";
    REPEATED_TWICE = "a repetition is repeated; put a group around the first";
    SAME_NAME = "two groups have the same name";
    TOO_DEEP = "groups are nested too deep";
    TOO_LARGE = "it is too large";
    UNCLOSED_CLASS = "unclosed bracket";
    UNCLOSED_GROUP = "unclosed group";
    UNKNOWN_CLASS = "unknown class of characters";
    UNKNOWN_ESCAPE = "unknown escape";
    UNOPENED_GROUP = "unopened group";
}
