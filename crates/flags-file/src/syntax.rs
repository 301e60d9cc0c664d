//! Explains errors of YAML's syntax to the author of the file, because the parser's own messages are written for programmers.

use granit_parser::{ErrorKind, ScanError};

use super::Problem;
use super::events::too_much;
use super::node::Position;

/// Returns why a text cannot be read as YAML, with the place.
pub(crate) fn problem(error: &ScanError) -> Problem {
    let mark = error.marker();
    let at = Position {
        line: mark.line() as u64,
        column: (mark.col() as u64).saturating_add(1),
        bytes: None,
    };
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_much(at),
        kind => Problem::new(at, reason(kind)),
    }
}

/// Returns what is wrong in the file and what to write instead.
fn reason(kind: &ErrorKind) -> &'static str {
    use ErrorKind::*;
    match kind {
        UnknownAnchor => "an alias (`*name`) names an anchor (`&name`) that is not above it",
        TabNotAllowed
        | TabInBlockIndentation
        | TabAtBlockScalarStart
        | TabInIndentation
        | TabInPlainScalar => "a tab is no indentation in YAML; put blanks in its place",
        MappingValueNotAllowed => {
            "a `:` with a blank after it starts a value here; indent the line as the one above, or put a text with `: ` in quotes"
        }
        ExpectedBlockMappingKey
        | ExpectedDocumentStart
        | ExpectedNodeContent
        | UnexpectedEofBlockMapping
        | UnexpectedEofBlockSequence
        | UnexpectedEof
        | InvalidIndentation
        | InvalidFlowScalarIndent => {
            "this does not belong to the lines above; indent it as they are, or put a text with special characters in quotes"
        }
        ExpectedBlockSequenceEntry => {
            "this line stands in a list; start it with `- `, or indent it otherwise"
        }
        UnclosedFlowCollection { .. } => "this bracket is never closed; add `}` or `]`",
        MisplacedFlowCollectionEnd => {
            "this bracket closes nothing; remove it, or put the text in quotes"
        }
        MismatchedFlowCollectionEnd { .. } => {
            "this bracket does not close the one that was opened last; write `{ a: 1 }` and `[1, 2]`"
        }
        UnexpectedEofFlowMapping
        | UnexpectedEofImplicitFlowMapping
        | ExpectedFlowMappingSeparator
        | FlowMappingValueAdjacentCollection => {
            "a `{` is not closed, or there is a comma too many; write `{ a: 1, b: 2 }`"
        }
        UnexpectedEofFlowSequence | ExpectedFlowSequenceSeparator => {
            "a `[` is not closed, or a comma is missing; write `[1, 2]`"
        }
        InvalidColonPlacement => {
            "a `:` cannot stand here; close the bracket above, or put the text in quotes"
        }
        SimpleKeyExpected | InvalidSimpleKey => {
            "this key has no `: ` after it in its line; write `key: value`, or indent the line so that it belongs to the text above"
        }
        MappingKeyNotAllowed => {
            "a key cannot stand here; indent the line as those above, or put the text in quotes"
        }
        InvalidTrailingSingleQuotedScalar => {
            "text goes on after its quotes; write a quote within single quotes twice, as in `'it''s'`"
        }
        InvalidTrailingDoubleQuotedScalar => {
            "text goes on after its quotes; write a quote within double quotes as `\\\"`"
        }
        UnclosedQuotedScalar | DocumentIndicatorInQuotedScalar => {
            "a quote is not closed; add it at the end of its text"
        }
        InvalidQuotedScalarIndent => {
            "a quote above is not closed, or the text that it starts is not indented"
        }
        UnknownQuotedScalarEscape => {
            "a `\\` in double quotes starts an escape, and this one is unknown; write `\\\\`, or use single quotes"
        }
        InvalidQuotedScalarHexEscape
        | InvalidLowSurrogateHexEscape
        | InvalidLowSurrogate
        | MissingLowSurrogate
        | UnpairedLowSurrogate
        | InvalidUnicodeEscape => {
            "this escape in double quotes names no character; write the character itself, or `\\u` and its four hexadecimal digits"
        }
        UnexpectedCharacter { .. } => "a text cannot start with this character; put it in quotes",
        MissingAnchorOrAliasName => "a text that starts with `*` or `&` needs quotes",
        ExpectedTagBang
        | InvalidGlobalTagCharacter
        | InvalidTagTerminator
        | MissingTagUri
        | UnclosedVerbatimTag
        | InvalidTagEscape
        | InvalidTagUtf8LeadingByte
        | InvalidTagUtf8TrailingByte
        | InvalidTagUtf8
        | UndeclaredTagHandle => "a text that starts with `!` needs quotes",
        DuplicateVersionDirective
        | UnsupportedYamlMajorVersion
        | DuplicateTagDirective
        | MissingDocumentEndBeforeDirective
        | ExpectedTagDirectiveBang
        | InvalidDirectiveTerminator
        | MissingYamlVersionSeparator
        | MissingDirectiveName
        | InvalidDirectiveName
        | DirectiveByteLimitExceeded { .. }
        | YamlVersionTooLong
        | MissingYamlVersion
        | InvalidTagDirectiveTerminator => {
            "a line that starts with `%` is a directive of YAML; remove it, or indent it if it is text"
        }
        BlockEntryInFlowCollection
        | BlockSequenceEntryNotAllowed
        | InvalidBlockEntryWhitespace
        | PlainScalarStartsWithDashFlowIndicator => {
            "a `-` starts an item of a list and cannot stand here; put it in a line of its own, or the text in quotes"
        }
        ZeroBlockScalarIndent | InvalidBlockScalarHeader | InvalidBlockScalarIndent => {
            "a text after `|` or `>` starts in the next line, and each of its lines is indented as the first"
        }
        CommentInterceptedScalar | CommentNotSeparated => {
            "a comment starts with a blank and `#`, and cannot stand within a text; put the text in quotes"
        }
        BomInsideDocument => {
            "a byte order mark stands here; remove this character, which editors do not show"
        }
        InvalidDocumentEnd => "nothing can follow `...` in its line; remove this",
        _ => "this cannot be read as YAML; look at what is above, or put texts in quotes",
    }
}
