//! The WebAssembly module of `npx flagwire`: reads a flags file by the same code as `flagwire-server check`.
//!
//! The command line in `pkg-template/cli` reads the file and prints what [`check`] returns. Patterns of conditions are not checked:
//! their engine is larger than all the rest, so `patterns` counts them and the command line says who checks them.
#![deny(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use flagwire_evaluation::Snapshot;
use flagwire_evaluation::model::{Clause, FeatureConfig};
use serde_json::{Value, json};
use wasm_bindgen::prelude::wasm_bindgen;

/// Checks the bytes of a flags file that is called `name`. Returns JSON:
///
/// - `lines`: texts to print as errors, warnings among them;
/// - `summary`: a text to print, or `null` where the file has mistakes;
/// - `flags`: `feature`, `kind` and `variations` of each flag, as the protocol has them; none where the file has mistakes;
/// - `patterns`: the number of patterns, which were not checked.
#[must_use]
#[wasm_bindgen]
pub fn check(name: &str, bytes: &[u8]) -> String {
    let report = flagwire_flags_file::check(name, bytes);
    let flags: Vec<Value> = report
        .snapshot
        .iter()
        .flat_map(Snapshot::flags)
        .map(described)
        .collect();
    json!({
        "lines": report.lines,
        "summary": report.summary(name),
        "flags": flags,
        "patterns": report.snapshot.as_ref().map_or(0, patterns),
    })
    .to_string()
}

fn described(flag: &FeatureConfig) -> Value {
    let values = flag.variations.iter();
    let variations: Vec<Value> = values
        .map(|variation| json!({ "value": variation.value }))
        .collect();
    json!({ "feature": flag.feature, "kind": flag.kind, "variations": variations })
}

/// Returns how many clauses have a pattern.
fn patterns(snapshot: &Snapshot) -> usize {
    let is_pattern = |clause: &&Clause| clause.op == "match";
    let in_flags = snapshot.flags().iter().flat_map(|flag| &flag.rules);
    let in_groups = snapshot.segments().iter().flat_map(|group| {
        let serving = group.serving_rules.iter().flat_map(|rule| &rule.clauses);
        group.rules.iter().chain(serving)
    });
    in_flags
        .flat_map(|rule| &rule.clauses)
        .chain(in_groups)
        .filter(is_pattern)
        .count()
}
