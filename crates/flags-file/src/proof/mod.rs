//! Checks that two configurations serve the same, by evaluating each flag of both for many targets.
//!
//! `targets` makes targets that are to reach every rule, every value of a condition and texts close to it, every group and
//! every edge between shares of both configurations. The import of flags uses it; it works for any two configurations.

mod pattern;
mod reach;
mod served;
mod targets;
mod walk;

use std::collections::BTreeSet;
use std::fmt;

use flagwire_evaluation::{EvaluationError, EvaluationRef, Snapshot, Target};

pub use self::served::compare_served;
pub use self::targets::targets;
pub use self::walk::walk;
use flagwire_evaluation::model::Configuration;

/// How many differences are kept with their targets; all are counted.
const KEPT: usize = 10;

/// The result of a comparison.
#[derive(Debug, Default)]
pub struct Proof {
    /// Flags that were compared.
    pub flags: usize,
    /// Targets that each flag was evaluated for on both sides; one of them is the evaluation without a target.
    pub targets: usize,
    /// How many of the evaluations differ.
    pub differing: usize,
    /// The flags that do not serve every target the same.
    pub differing_flags: BTreeSet<String>,
    /// The first of them, by target and then by flag.
    pub differences: Vec<Difference>,
}

/// A flag that does not serve a target the same in both configurations.
#[derive(Debug)]
pub struct Difference {
    /// Name of the flag.
    pub flag: String,
    /// `None` for the evaluation without a target.
    pub target: Option<Target>,
    /// The steps of the evaluation in the original configuration, a line each.
    pub original: Vec<String>,
    /// The steps of the evaluation in the other configuration, a line each.
    pub written: Vec<String>,
}

/// Writes a line such as `200 flags × 4,711 targets: 0 differences`.
impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |number: usize, one: &str| {
            let s = if number == 1 { "" } else { "s" };
            format!("{} {one}{s}", thousands(number))
        };
        write!(
            f,
            "{} × {}: {}",
            count(self.flags, "flag"),
            count(self.targets, "target"),
            count(self.differing, "difference")
        )
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = match &self.target {
            Some(target) => serde_json::to_string(target).unwrap_or_default(),
            None => "nobody in particular".to_owned(),
        };
        writeln!(f, "flag `{}` for {target}", self.flag)?;
        for (side, steps) in [("original", &self.original), ("file", &self.written)] {
            writeln!(f, "  {side}:")?;
            for step in steps {
                writeln!(f, "    {step}")?;
            }
        }
        Ok(())
    }
}

/// Evaluates every flag of both configurations for the targets of both, and counts what differs: the variation's identifier,
/// its value or its kind. JSON values are compared as JSON. `progress` is called with how many targets are done, and of how many.
#[must_use]
pub fn prove(
    original: &Configuration,
    written: &Configuration,
    mut progress: impl FnMut(usize, usize),
) -> Proof {
    let targets = targets([original, written]);
    let compile = |configuration: &Configuration| {
        Snapshot::compile(configuration.flags.clone(), configuration.segments.clone())
    };
    let (original, written) = (compile(original), compile(written));
    let mut names: Vec<&str> = original
        .flags()
        .iter()
        .chain(written.flags())
        .map(|flag| flag.feature.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut proof = Proof {
        flags: names.len(),
        targets: targets.len().saturating_add(1),
        ..Proof::default()
    };
    let all = proof.targets;
    for (done, target) in std::iter::once(None)
        .chain(targets.iter().map(Some))
        .enumerate()
    {
        let (mut here, mut there) = (original.for_target(target), written.for_target(target));
        for name in &names {
            if same(here.evaluate(name), there.evaluate(name)) {
                continue;
            }
            proof.differing = proof.differing.saturating_add(1);
            if !proof.differing_flags.contains(*name) {
                proof.differing_flags.insert((*name).to_owned());
            }
            if proof.differences.len() < KEPT {
                proof.differences.push(Difference {
                    flag: (*name).to_owned(),
                    target: target.cloned(),
                    original: walk(&original.explain(name, target)),
                    written: walk(&written.explain(name, target)),
                });
            }
        }
        progress(done.saturating_add(1), all);
    }
    proof
}

fn same(
    here: Result<EvaluationRef<'_>, EvaluationError>,
    there: Result<EvaluationRef<'_>, EvaluationError>,
) -> bool {
    match (here, there) {
        (Ok(here), Ok(there)) => {
            here.identifier == there.identifier
                && here.kind == there.kind
                && (here.value == there.value
                    || here.kind == "json" && same_json(here.value, there.value))
        }
        (here, there) => here.err() == there.err(),
    }
}

/// Whether two texts are the same JSON, apart from blanks.
fn same_json(here: &str, there: &str) -> bool {
    let plain = |text: &str| {
        let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
        json.map(|json| json.to_string())
    };
    plain(here).is_some_and(|here| Some(here) == plain(there))
}

/// Writes a number with commas, as in `12,345`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len().saturating_add(4));
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
