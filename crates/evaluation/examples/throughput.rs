//! Prints what it costs to evaluate a page of flags for one target.
//!
//! `cargo run --release -p flagwire-evaluation --example throughput [flags]`
//!
//! Each flag has three rules over attributes, a map, a group and a percentage rollout, and the target falls through to
//! the rollout, so that nothing is left out. Every call is for another target.

use std::hint::black_box;
use std::time::{Duration, Instant};

use flagwire_evaluation::model::{FeatureConfig, Segment};
use flagwire_evaluation::{Snapshot, Target};
use serde_json::{Value, json};

fn main() {
    let count: usize = std::env::args()
        .nth(1)
        .map_or(100, |argument| argument.parse().expect("a number of flags"));
    let compiled = Instant::now();
    let snapshot = Snapshot::compile((0..count).map(flag).collect(), vec![segment()]);
    assert_eq!(snapshot.problems(), []);
    println!(
        "compile      {:10.1} µs for {count} flags",
        micros(compiled.elapsed())
    );

    let targets: Vec<Target> = (0..1_000).map(target).collect();
    measure("borrowed", &targets, |target| {
        let mut served = 0;
        snapshot.evaluate_all_with(Some(target), |evaluation| {
            black_box(evaluation);
            served += 1;
        });
        served
    });
    measure("owned", &targets, |target| {
        black_box(snapshot.evaluate_all(Some(target))).len()
    });
    measure("as JSON", &targets, |target| {
        let mut all = Vec::new();
        snapshot.evaluate_all_with(Some(target), |evaluation| all.push(evaluation));
        black_box(serde_json::to_vec(&all).expect("texts can be written"))
            .len()
            .min(all.len())
    });
    measure("one flag", &targets, |target| {
        black_box(snapshot.evaluate_ref("flag-0007", Some(target)))
            .is_ok()
            .into()
    });
    measure("explain one", &targets, |target| {
        black_box(snapshot.explain("flag-0007", Some(target)))
            .steps
            .len()
    });
}

/// The best of several rounds: what the machine does besides makes rounds slower, never faster.
fn measure(name: &str, targets: &[Target], mut evaluate: impl FnMut(&Target) -> usize) {
    let mut best = Duration::MAX;
    let mut results = 0;
    for _ in 0..20 {
        let start = Instant::now();
        results = targets.iter().map(&mut evaluate).sum();
        best = best.min(start.elapsed());
    }
    println!(
        "{name:12} {:10.2} µs a call, {} results each",
        micros(best) / targets.len() as f64,
        results / targets.len()
    );
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn flag(at: usize) -> FeatureConfig {
    let rule = |priority: usize, attribute: &str, op: &str, value: String| {
        json!({ "ruleId": format!("r{priority}"), "priority": priority, "serve": { "variation": "true" },
            "clauses": [{ "attribute": attribute, "op": op, "values": [value], "negate": false }] })
    };
    read(json!({
        "project": "shop", "environment": "production", "feature": format!("flag-{at:04}"), "kind": "boolean",
        "state": "on", "version": 1, "offVariation": "false",
        "variations": [{ "identifier": "true", "value": "true" }, { "identifier": "false", "value": "false" }],
        "variationToTargetMap": [{ "variation": "true", "targets": [{ "identifier": format!("friend-{at}"), "name": "" }] }],
        "rules": [
            rule(1, "plan", "equal", format!("plan-{at}")),
            rule(2, "email", "match", format!("^a{at}.*@example\\.com$")),
            rule(3, "age", "in", format!("{}", 1000 + at)),
            rule(4, "", "segmentMatch", "staff".into()),
        ],
        "defaultServe": { "distribution": { "bucketBy": "identifier",
            "variations": [{ "variation": "true", "weight": 30 }, { "variation": "false", "weight": 70 }] } },
    }))
}

fn segment() -> Segment {
    read(
        json!({ "identifier": "staff", "name": "Staff", "servingRules": [{ "priority": 1,
        "clauses": [{ "attribute": "email", "op": "ends_with", "values": ["@flagwire.example"], "negate": false }] }] }),
    )
}

fn target(at: usize) -> Target {
    read(json!({ "identifier": format!("user-{at}"), "name": "Ada",
        "attributes": { "plan": "gold", "email": format!("ada{at}@example.org"), "age": at % 90, "beta": true } }))
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the configuration is written right here")
}
