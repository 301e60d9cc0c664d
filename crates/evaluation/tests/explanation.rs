//! What the explanation of an evaluation says, as tools read it.

use flagwire_evaluation::{EvaluationError, Snapshot, Subject, Target};
use serde_json::{Value, json};

fn snapshot() -> Snapshot {
    let variations = json!([{ "identifier": "true", "value": "true" }, { "identifier": "false", "value": "false" }]);
    let flags = json!([
        { "feature": "payments", "kind": "boolean", "state": "on", "variations": variations, "offVariation": "false",
          "defaultServe": { "variation": "true" } },
        { "feature": "checkout", "kind": "boolean", "state": "on", "variations": variations, "offVariation": "false",
          "defaultServe": { "distribution": { "bucketBy": "plan", "variations": [
              { "variation": "true", "weight": 60 }, { "variation": "false", "weight": 40 } ] } },
          "prerequisites": [{ "feature": "payments", "variations": ["true"] }, { "feature": "gone", "variations": ["true"] }],
          "variationToTargetMap": [{ "variation": "true", "targets": [{ "identifier": "bob" }], "targetSegments": ["staff"] }],
          "rules": [{ "ruleId": "r1", "priority": 1, "serve": { "variation": "true" }, "clauses": [
              { "attribute": "age", "op": "gt", "values": ["5"], "negate": false },
              { "attribute": "", "op": "segmentMatch", "values": ["staff"], "negate": false },
              { "attribute": "plan", "op": "match", "values": ["("], "negate": false } ] }] },
        { "feature": "closed", "kind": "boolean", "state": "off", "variations": variations, "offVariation": "maybe",
          "defaultServe": { "variation": "true" } },
    ]);
    let segments = json!([{ "identifier": "staff", "name": "Staff", "servingRules": [
        { "ruleId": "s1", "priority": 1, "clauses": [{ "attribute": "plan", "op": "equal", "values": ["internal"] }] } ] }]);
    Snapshot::compile(
        serde_json::from_value(flags).unwrap(),
        serde_json::from_value(segments).unwrap(),
    )
}

fn explain(flag: &str, target: Option<Value>) -> Value {
    let target: Option<Target> = target.map(|target| serde_json::from_value(target).unwrap());
    serde_json::to_value(snapshot().explain(flag, target.as_ref())).unwrap()
}

fn shares() -> Value {
    json!([{ "variation": "true", "weight": 60 }, { "variation": "false", "weight": 40 }])
}

#[test]
fn every_step_is_told_in_order() {
    let ada = json!({ "identifier": "ada", "attributes": { "age": 42, "plan": "gold" } });
    let staff = json!([{ "segment": "staff", "outcome": "no", "rules": [{ "rule": "s1", "matched": false, "clauses": [
        { "attribute": "plan", "op": "equal", "values": ["internal"], "actual": "gold", "matched": false } ] }] }]);
    assert_eq!(
        explain("checkout", Some(ada)),
        json!({
            "flag": "checkout",
            "target": "ada",
            "steps": [
                { "step": "prerequisite", "of": "checkout", "flag": "payments", "wanted": ["true"], "served": "true",
                  "outcome": "met", "steps": [
                      { "step": "state", "on": true },
                      { "step": "defaultServe", "variation": "true" } ] },
                { "step": "prerequisite", "of": "checkout", "flag": "gone", "wanted": ["true"], "served": null,
                  "outcome": "unknownFlag" },
                { "step": "state", "on": true },
                { "step": "targetMap", "variation": "true", "named": false, "segments": staff, "matched": false },
                { "step": "rule", "rule": "r1", "priority": 1, "matched": false, "usable": true,
                  "serve": { "variation": "true" }, "clauses": [
                    { "attribute": "age", "op": "gt", "values": ["5"], "actual": "42", "matched": false },
                    { "attribute": "", "op": "segmentMatch", "values": ["staff"], "actual": null, "segments": staff,
                      "matched": false },
                    { "attribute": "plan", "op": "match", "values": ["("], "actual": null, "matched": false,
                      "problem": "its regular expression is not valid (unclosed group)" } ] },
                // Bucket 56 of `plan:gold`, from the protocol's table.
                { "step": "rollout", "input": "plan:gold", "fallback": false, "bucket": 56, "variation": "true",
                  "from": 1, "to": 60, "shares": shares() },
            ],
            "served": {
                "evaluation": { "flag": "checkout", "identifier": "true", "value": "true", "kind": "boolean" },
                "reason": "defaultRollout",
            },
        })
    );
}

#[test]
fn the_end_of_the_walk_is_where_it_was_decided() {
    let steps = |flag: &str, target: Option<Value>| {
        let told = explain(flag, target);
        let names = told["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["step"].as_str().unwrap().to_owned());
        (
            names.collect::<Vec<_>>(),
            told["served"]["reason"].clone(),
            told["failed"]["code"].clone(),
        )
    };
    let prerequisites = ["prerequisite", "prerequisite", "state"];
    let (told, reason, _) = steps("checkout", Some(json!({ "identifier": "bob" })));
    assert_eq!(told, [&prerequisites[..], &["targetMap"]].concat());
    assert_eq!(reason, "targetMap");

    let (told, reason, _) = steps("checkout", None);
    assert_eq!(
        told,
        [&prerequisites[..], &["noTarget", "rollout"]].concat()
    );
    assert_eq!(reason, "defaultRollout");

    let (told, reason, failed) = steps("closed", None);
    assert_eq!(told, ["state", "offVariation"]);
    assert_eq!((reason, failed), (Value::Null, json!("no_variation")));

    let (told, _, failed) = steps("none", None);
    assert_eq!(told, [""; 0]);
    assert_eq!(failed, "unknown_flag");
}

#[test]
fn a_missing_attribute_is_bucketed_by_the_identifier() {
    let told = explain("checkout", Some(json!({ "identifier": "alice" })));
    assert_eq!(
        told["steps"].as_array().unwrap().last().unwrap(),
        &json!({ "step": "rollout", "input": "identifier:alice", "fallback": true, "bucket": 92, "variation": "false",
            "from": 61, "to": 100, "shares": shares() })
    );
}

#[test]
fn problems_say_what_is_wrong_and_what_happens() {
    let snapshot = snapshot();
    let told: Vec<String> = snapshot
        .problems()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "flag \"checkout\": rule \"r1\": its regular expression is not valid (unclosed group), so the clause matches nobody",
            "flag \"checkout\": prerequisite \"gone\": there is no such flag, so this and the prerequisites after it count as met",
            "flag \"closed\": offVariation: there is no variation \"maybe\"; whoever is served it gets the caller's default",
        ]
    );
    assert!(
        snapshot
            .problems()
            .iter()
            .all(|problem| problem.subject == Subject::Flag)
    );
}

#[test]
fn of_two_with_one_name_the_last_counts() {
    let flag = |state: &str| {
        serde_json::from_value(json!({ "feature": "twice", "kind": "string", "state": state, "offVariation": "off",
            "variations": [{ "identifier": "off", "value": "off" }, { "identifier": "on", "value": "on" }],
            "defaultServe": { "variation": "on" } }))
        .unwrap()
    };
    let snapshot = Snapshot::compile(vec![flag("off"), flag("off"), flag("on")], vec![]);
    assert_eq!(snapshot.flags().len(), 1);
    assert_eq!(snapshot.evaluate("twice", None).unwrap().value, "on");
    assert_eq!(snapshot.problems().len(), 2);
}

#[test]
fn errors_have_distinct_codes_and_sentences() {
    let all = EvaluationError::ALL;
    for (at, error) in all.iter().enumerate() {
        assert_eq!(error.to_string(), error.sentence());
        assert!(
            all.iter()
                .skip(at + 1)
                .all(|other| other.code() != error.code())
        );
        assert!(
            all.iter()
                .skip(at + 1)
                .all(|other| other.sentence() != error.sentence())
        );
    }
}

/// Five thousand flags, each with the one before as its prerequisite, and each with a rule of many values.
fn chain(length: usize) -> Snapshot {
    let variations = json!([{ "identifier": "true", "value": "true" }, { "identifier": "false", "value": "false" }]);
    let values: Vec<String> = (0..50).map(|n| format!("value-{n}")).collect();
    let flags: Vec<Value> = (0..length)
        .map(|n| {
            let before = n.checked_sub(1).map(|before| json!({ "feature": format!("f{before}"), "variations": ["true"] }));
            json!({ "feature": format!("f{n}"), "kind": "boolean", "state": "on", "variations": variations, "offVariation": "false",
                "defaultServe": { "variation": "true" }, "prerequisites": before.into_iter().collect::<Vec<_>>(),
                "rules": [{ "ruleId": "r", "priority": 1, "serve": { "variation": "false" }, "clauses": [
                    { "attribute": "plan", "op": "in", "values": values }] }] })
        })
        .collect();
    Snapshot::compile(serde_json::from_value(json!(flags)).unwrap(), Vec::new())
}

#[test]
fn the_steps_of_a_long_chain_are_bounded_and_those_of_the_flag_itself_are_there() {
    let snapshot = chain(5_000);
    let target = Target {
        identifier: "ada".to_owned(),
        ..Target::default()
    };
    let told = snapshot.explain("f4999", Some(&target));
    assert!(told.omitted > 4_000, "{}", told.omitted);
    let json = serde_json::to_value(&told).unwrap();
    assert!(json.to_string().len() < 500_000);
    let steps = json["steps"].as_array().unwrap();
    assert_eq!(steps.first().unwrap()["flag"], "f4998");
    let names = steps.iter().rev().take(3).map(|step| &step["step"]);
    let last: Vec<&Value> = names.collect();
    assert_eq!(last, ["defaultServe", "rule", "state"]);
    assert_eq!(json["evaluation"], Value::Null);
    assert_eq!(json["served"]["evaluation"]["value"], "true");

    let short = snapshot.explain("f3", Some(&target));
    assert_eq!(short.omitted, 0);
    assert_eq!(serde_json::to_value(&short).unwrap().get("omitted"), None);
}

/// The list names one group a thousand times, and that group has a thousand values: a million in all if each is noted.
#[test]
fn a_group_that_is_named_again_and_again_is_noted_as_far_as_there_is_room() {
    let values: Vec<String> = (0..1_000).map(|n| format!("value-{n}")).collect();
    let clauses = json!([{ "attribute": "plan", "op": "in", "values": values }]);
    let segments = json!([{ "identifier": "staff", "name": "Staff", "servingRules": [
        { "ruleId": "s", "priority": 1, "clauses": clauses }] }]);
    let flag = json!([{ "feature": "f", "kind": "boolean", "state": "on", "offVariation": "a",
        "variations": [{ "identifier": "a", "value": "true" }], "defaultServe": { "variation": "a" },
        "variationToTargetMap": [{ "variation": "a", "targets": [], "targetSegments": vec!["staff"; 1_000] }] }]);
    let snapshot = Snapshot::compile(
        serde_json::from_value(flag).unwrap(),
        serde_json::from_value(segments).unwrap(),
    );
    let target = Target {
        identifier: "ada".to_owned(),
        ..Target::default()
    };
    let told = snapshot.explain("f", Some(&target));
    assert!(told.omitted > 0);
    let length = serde_json::to_string(&told).unwrap().len();
    assert!(length < 1_000_000, "{length}");
}

/// A thousand times a class of Unicode, each in another pattern with hundreds of steps.
#[test]
fn patterns_that_are_too_much_together_are_named_and_match_nobody() {
    let rule = |n: usize| {
        json!({ "ruleId": format!("r{n}"), "priority": n, "serve": { "variation": "a" }, "clauses": [
        { "attribute": "plan", "op": "match", "values": [format!("\\w{{1,200}}{n}")] }] })
    };
    let rules: Vec<Value> = (0..1_000).map(rule).collect();
    let flag = |name: &str, rules: Value| {
        json!({ "feature": name, "kind": "boolean", "state": "on", "offVariation": "a",
        "variations": [{ "identifier": "a", "value": "true" }], "defaultServe": { "variation": "a" }, "rules": rules })
    };
    let simple: Vec<Value> = (0..2_000)
        .map(|n| json!({ "priority": n, "serve": { "variation": "a" }, "clauses": [
            { "attribute": "plan", "op": "match", "values": [format!("^team-{n}@.+[.]example$")] }] }))
        .collect();
    let flags = json!([
        flag("a-simple", json!(simple)),
        flag("hostile", json!(rules))
    ]);
    let snapshot = Snapshot::compile(serde_json::from_value(flags).unwrap(), Vec::new());
    let refused: Vec<_> = snapshot
        .problems()
        .iter()
        .filter(|problem| problem.sentence.contains("too large together"))
        .collect();
    assert!(refused.len() > 480, "{}", refused.len());
    assert!(
        refused
            .iter()
            .all(|problem| problem.identifier == "hostile")
    );
    let last = &refused[refused.len() - 1].sentence;
    assert!(last.starts_with("rule \"r999\": "), "{last}");
}
