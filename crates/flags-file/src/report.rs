//! What a command says about a flags file: `flagwire-server check` and `npx flagwire check` print the same lines.

use flagwire_evaluation::Snapshot;
use serde::de::IgnoredAny;

use crate::{Parsed, Problem, parse_bytes};

/// The result of checking a flags file.
#[derive(Debug, Default)]
pub struct Report {
    /// Warnings and mistakes, a line each, as `flags.yaml:12:5: reason`. Mistakes that concern what flags do together, such as
    /// prerequisites that lead back to themselves, are looked for once the file can be read.
    pub lines: Vec<String>,
    /// The flags and groups, if the file has no mistakes.
    pub snapshot: Option<Snapshot>,
}

impl Report {
    /// Returns the line about a file without mistakes, as `flags.yaml: 2 flags, 1 group, no mistakes`.
    #[must_use]
    pub fn summary(&self, name: &str) -> Option<String> {
        let snapshot = self.snapshot.as_ref()?;
        let flags = count(snapshot.flags().len(), "flag");
        let groups = count(snapshot.segments().len(), "group");
        Some(format!("{name}: {flags}, {groups}, no mistakes"))
    }
}

/// Checks the bytes of a flags file. The lines of the report call the file `name`.
#[must_use]
pub fn check(name: &str, bytes: &[u8]) -> Report {
    let mistake = |problem: &Problem| format!("{name}:{problem}");
    let parsed = match parse_bytes(bytes) {
        Ok(parsed) => parsed,
        Err(problems) => {
            return Report {
                lines: problems.iter().map(mistake).collect(),
                snapshot: None,
            };
        }
    };
    let Parsed {
        configuration,
        places,
        warnings,
    } = parsed;
    let snapshot = Snapshot::compile_with(configuration.flags, configuration.segments, fits);
    let found = snapshot.problems().iter();
    let lines = warnings
        .iter()
        .map(|problem| format!("{name}:{}", as_warning(problem)))
        .chain(found.map(|problem| mistake(&places.of(problem))))
        .collect();
    Report {
        lines,
        snapshot: snapshot.problems().is_empty().then_some(snapshot),
    }
}

/// Whether a text is a value of a kind in lower case. Of JSON the grammar is looked at and nothing is read into memory, as that makes the
/// module of `npx flagwire` a tenth smaller.
fn fits(kind: &str, value: &str) -> bool {
    match kind {
        "boolean" => value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
        "int" | "number" => value.trim().parse::<f64>().is_ok_and(f64::is_finite),
        "json" => serde_json::from_str::<IgnoredAny>(value).is_ok(),
        _ => true,
    }
}

/// Returns `12:5: warning: reason`.
fn as_warning(problem: &Problem) -> String {
    let reason = problem.reason();
    match problem.place() {
        Some(place) => format!("{}:{}: warning: {reason}", place.line, place.column),
        None => format!(" warning: {reason}"),
    }
}

/// Returns a number with a noun, as "1 flag" and "2 flags".
fn count(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}
