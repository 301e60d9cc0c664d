//! Describes the steps of an evaluation in lines for people.

use flagwire_evaluation::{ClauseCheck, Explanation, Outcome, Step};

/// Returns a line for each step, and one for the result.
#[must_use]
pub fn walk(explanation: &Explanation) -> Vec<String> {
    let mut lines = Vec::new();
    steps(&explanation.steps, 0, &mut lines);
    lines.push(match &explanation.result {
        Outcome::Served { evaluation, .. } => format!(
            "serves `{}`, the {} {}",
            evaluation.identifier, evaluation.kind, evaluation.value
        ),
        Outcome::Failed(error) => format!("serves nothing: {error}"),
    });
    lines
}

fn steps(steps: &[Step], depth: usize, lines: &mut Vec<String>) {
    for step in steps {
        let line = match step {
            Step::Prerequisite {
                flag,
                wanted,
                served,
                outcome,
                ..
            } => format!(
                "requires `{flag}` to serve {}; it serves {}: {outcome:?}",
                wanted.join(" or "),
                served.as_deref().unwrap_or("nothing")
            ),
            Step::State { on } => format!("is {}", if *on { "on" } else { "off" }),
            Step::NoTarget => "there is no target, so targets and rules do not apply".to_owned(),
            Step::TargetMap {
                variation,
                named,
                matched,
                segments,
            } => {
                let by = if *named {
                    " by name".to_owned()
                } else {
                    let groups = segments
                        .iter()
                        .map(|check| format!(" {}: {:?}", check.segment, check.outcome));
                    groups.collect()
                };
                format!("targets of `{variation}`: {}{by}", matching(*matched))
            }
            Step::Rule {
                rule,
                priority,
                clauses,
                matched,
                ..
            } => {
                let name = rule.as_deref().unwrap_or("without a name");
                let checks: Vec<String> = clauses.iter().map(clause).collect();
                format!(
                    "rule {name} (priority {priority}): {}; {}",
                    matching(*matched),
                    checks.join(" and ")
                )
            }
            Step::Rollout {
                input,
                bucket,
                variation,
                from,
                to,
                ..
            } => format!(
                "shares: {} is in bucket {}, and {from} to {to} are of `{variation}`",
                input.as_deref().unwrap_or("nobody"),
                bucket.map_or_else(|| "none".to_owned(), |bucket| bucket.to_string())
            ),
            Step::DefaultServe { variation } => {
                format!("default: `{}`", variation.as_deref().unwrap_or("nothing"))
            }
            Step::OffVariation { variation } => format!("off variation: `{variation}`"),
            other => format!("{other:?}"),
        };
        lines.push(format!("{}{line}", "  ".repeat(depth)));
        if let Step::Prerequisite { steps: inner, .. } = step {
            steps_of(inner, depth, lines);
        }
    }
}

/// Describes the steps of a flag that another one requires, indented below it.
fn steps_of(inner: &[Step], depth: usize, lines: &mut Vec<String>) {
    steps(inner, depth.saturating_add(1), lines);
}

fn clause(check: &ClauseCheck) -> String {
    let groups: Vec<String> = check
        .segments
        .iter()
        .map(|group| format!("{}: {:?}", group.segment, group.outcome))
        .collect();
    if check.op == "segmentMatch" {
        return format!("group [{}]", groups.join(", "));
    }
    format!(
        "{} = {} {} [{}] {}",
        check.attribute,
        check.actual.as_deref().unwrap_or("nothing"),
        check.op,
        check.values.join(", "),
        if check.matched {
            "holds"
        } else {
            "does not hold"
        }
    )
}

const fn matching(matched: bool) -> &'static str {
    if matched { "applies" } else { "does not apply" }
}
