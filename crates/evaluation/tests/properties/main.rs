//! What holds for any configuration and any target.

mod plain;

use flagwire_evaluation::model::{
    Clause, Distribution, FeatureConfig, Prerequisite, Rule, Segment, SegmentRule, SegmentTarget,
    Serve, State, TargetRef, Variation, VariationMap, WeightedVariation,
};
use flagwire_evaluation::{EvaluationError, Outcome, Snapshot, Step, Target};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::plain::Plain;

// Few names, so that references meet, circles close and some lead nowhere.
fn name(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(names).prop_map(str::to_owned)
}

const FLAGS: &[&str] = &["f0", "f1", "f2", "f3", "f4", "missing"];
const SEGMENTS: &[&str] = &["s0", "s1", "s2", "s3", "missing"];
const VARIATIONS: &[&str] = &["a", "b", "c", "", "missing"];
const TARGETS: &[&str] = &["t0", "t1", "t2", "", "日本"];
const ATTRIBUTES: &[&str] = &["identifier", "name", "plan", "age", "", "missing"];
const TEXTS: &[&str] = &["gold", "Gold", "t0", "4", "42", "", "^g", "(", "true"];
const OPERATORS: &[&str] = &[
    "equal",
    "equal_sensitive",
    "in",
    "starts_with",
    "ends_with",
    "contains",
    "match",
    "gt",
    "",
    "unknown",
];

fn clause() -> impl Strategy<Value = Clause> {
    let attribute = (name(ATTRIBUTES), name(OPERATORS), vec(name(TEXTS), 0..3));
    let group = vec(name(SEGMENTS), 0..3)
        .prop_map(|values| (String::new(), "segmentMatch".to_owned(), values));
    (prop_oneof![2 => attribute, 1 => group], any::<bool>()).prop_map(
        |((attribute, op, values), negate)| Clause {
            id: None,
            attribute,
            op,
            values,
            negate,
        },
    )
}

fn serve() -> impl Strategy<Value = Serve> {
    let weight = prop_oneof![4 => 0..101_i64, 1 => any::<i64>()];
    let share = (name(VARIATIONS), weight)
        .prop_map(|(variation, weight)| WeightedVariation { variation, weight });
    let rollout =
        (name(ATTRIBUTES), vec(share, 0..4)).prop_map(|(bucket_by, variations)| Distribution {
            bucket_by,
            variations,
        });
    (option::of(name(VARIATIONS)), option::of(rollout)).prop_map(|(variation, distribution)| {
        Serve {
            variation,
            distribution,
        }
    })
}

fn flag() -> impl Strategy<Value = FeatureConfig> {
    let variations = vec(name(&["a", "b", "c", ""]), 0..4).prop_map(|ids| {
        let variation = |identifier: String| Variation {
            value: identifier.clone(),
            identifier,
            ..Variation::default()
        };
        ids.into_iter().map(variation).collect::<Vec<_>>()
    });
    let prerequisite =
        (name(FLAGS), vec(name(VARIATIONS), 1..4)).prop_map(|(feature, variations)| Prerequisite {
            feature,
            variations,
        });
    let entry = (
        name(VARIATIONS),
        vec(name(TARGETS), 0..2),
        vec(name(SEGMENTS), 0..3),
    )
        .prop_map(|(variation, targets, target_segments)| VariationMap {
            variation,
            targets: targets
                .into_iter()
                .map(|identifier| TargetRef {
                    identifier,
                    name: String::new(),
                })
                .collect(),
            target_segments,
        });
    let rule =
        (-2..3_i64, vec(clause(), 0..3), serve()).prop_map(|(priority, clauses, serve)| Rule {
            rule_id: None,
            priority,
            clauses,
            serve,
        });
    (
        name(&["f0", "f1", "f2", "f3", "f4"]),
        prop::bool::weighted(0.8),
        variations,
        name(VARIATIONS),
        serve(),
        vec(prerequisite, 0..3),
        vec(entry, 0..3),
        vec(rule, 0..3),
    )
        .prop_map(
            |(feature, on, variations, off_variation, default_serve, prerequisites, map, rules)| {
                FeatureConfig {
                    feature,
                    kind: "string".into(),
                    state: if on { State::On } else { State::Off },
                    variations,
                    off_variation,
                    default_serve,
                    prerequisites,
                    variation_to_target_map: map,
                    rules,
                    ..FeatureConfig::default()
                }
            },
        )
}

fn segment() -> impl Strategy<Value = Segment> {
    let targets = || {
        vec(name(TARGETS), 0..2).prop_map(|ids| {
            let target = |identifier| SegmentTarget {
                identifier,
                ..SegmentTarget::default()
            };
            ids.into_iter().map(target).collect::<Vec<_>>()
        })
    };
    let rule = (-2..3_i64, vec(clause(), 0..3)).prop_map(|(priority, clauses)| SegmentRule {
        rule_id: None,
        priority,
        clauses,
    });
    (
        name(&["s0", "s1", "s2", "s3"]),
        targets(),
        targets(),
        vec(clause(), 0..3),
        vec(rule, 0..3),
    )
        .prop_map(
            |(identifier, included, excluded, rules, serving_rules)| Segment {
                identifier,
                included,
                excluded,
                rules,
                serving_rules,
                ..Segment::default()
            },
        )
}

fn target() -> impl Strategy<Value = Option<Target>> {
    let value = prop_oneof![
        name(TEXTS).prop_map(Value::String),
        any::<f64>().prop_map(|number| json!(number)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
        Just(json!(["gold", {"a": 1}])),
    ];
    let attributes = vec((name(ATTRIBUTES), value), 0..4)
        .prop_map(|pairs| pairs.into_iter().collect::<Map<_, _>>());
    option::weighted(
        0.9,
        (
            name(TARGETS),
            option::of(name(TEXTS)),
            option::of(attributes),
        )
            .prop_map(|(identifier, name, attributes)| Target {
                identifier,
                name,
                anonymous: None,
                attributes,
            }),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn one_flag_all_flags_and_the_explanation_agree(
        flags in vec(flag(), 0..7),
        segments in vec(segment(), 0..6),
        target in target(),
    ) {
        let snapshot = Snapshot::compile(flags, segments);
        let target = target.as_ref();
        let mut all = snapshot.evaluate_all(target);
        prop_assert!(all.is_sorted_by(|a, b| a.flag < b.flag));
        for flag in snapshot.flags() {
            let single = snapshot.evaluate(&flag.feature, target);
            let explanation = snapshot.explain(&flag.feature, target);
            let explained = match explanation.result {
                Outcome::Served { ref evaluation, .. } => Ok(evaluation.clone()),
                Outcome::Failed(error) => Err(error),
            };
            prop_assert_eq!(&single, &explained);
            prop_assert!(!explanation.steps.is_empty());
            let of_all = all.iter().position(|other| other.flag == flag.feature).map(|at| all.remove(at));
            prop_assert_eq!(single.as_ref().ok(), of_all.as_ref());
            match single {
                Ok(served) => {
                    let defined = flag.variations.iter().find(|variation| variation.identifier == served.identifier);
                    prop_assert_eq!(defined.map(|variation| &variation.value), Some(&served.value));
                }
                Err(error) => prop_assert_eq!(error, EvaluationError::NoVariation),
            }
        }
        prop_assert!(all.is_empty());
    }

    #[test]
    fn it_is_what_the_plain_algorithm_says(
        flags in vec(flag(), 0..7),
        segments in vec(segment(), 0..6),
        target in target(),
    ) {
        let snapshot = Snapshot::compile(flags, segments);
        let plain = Plain { flags: snapshot.flags(), segments: snapshot.segments(), target: target.as_ref() };
        for flag in snapshot.flags() {
            let served = snapshot.evaluate(&flag.feature, target.as_ref()).ok().map(|served| served.identifier);
            prop_assert_eq!(served, plain.evaluate(flag), "{}", flag.feature);
        }
    }

    #[test]
    fn the_order_of_flags_and_groups_does_not_matter(
        flags in vec(flag(), 0..7),
        segments in vec(segment(), 0..6),
        target in target(),
        turn in 0..6_usize,
    ) {
        // Of two with one name the last counts, so the names must be unique here.
        let mut flags = flags;
        flags.sort_by(|a, b| a.feature.cmp(&b.feature));
        flags.dedup_by(|a, b| a.feature == b.feature);
        let mut segments = segments;
        segments.sort_by(|a, b| a.identifier.cmp(&b.identifier));
        segments.dedup_by(|a, b| a.identifier == b.identifier);

        // Other names sort differently, so that circles are entered elsewhere.
        let renamed = |text: &str| {
            let mut json = text.to_owned();
            for at in 0..6 {
                json = json.replace(&format!("\"f{at}\""), &format!("\"F{}\"", (at + turn) % 6));
                json = json.replace(&format!("\"s{at}\""), &format!("\"S{}\"", (at + turn) % 6));
            }
            json
        };
        let flags_renamed = serde_json::from_str(&renamed(&serde_json::to_string(&flags).unwrap())).unwrap();
        let segments_renamed = serde_json::from_str(&renamed(&serde_json::to_string(&segments).unwrap())).unwrap();
        let names: Vec<_> = flags.iter().map(|flag| flag.feature.clone()).collect();
        let one = Snapshot::compile(flags, segments);
        let other = Snapshot::compile(flags_renamed, segments_renamed);
        for name in names {
            let renamed = renamed(&format!("{name:?}"));
            let first = one.evaluate(&name, target.as_ref()).map(|served| served.value);
            let second = other.evaluate(renamed.trim_matches('"'), target.as_ref()).map(|served| served.value);
            prop_assert_eq!(first, second);
        }
    }

    #[test]
    fn what_is_written_reads_back(flags in vec(flag(), 0..4), segments in vec(segment(), 0..4)) {
        let text = serde_json::to_string(&flags).unwrap();
        prop_assert!(!text.contains("null"));
        prop_assert_eq!(serde_json::from_str::<Vec<FeatureConfig>>(&text).unwrap(), flags);
        let text = serde_json::to_string(&segments).unwrap();
        prop_assert!(!text.contains("null"));
        prop_assert_eq!(serde_json::from_str::<Vec<Segment>>(&text).unwrap(), segments);
    }

    #[test]
    fn serving_rules_written_for_old_flat_ones_mean_the_same(
        segments in vec(segment(), 0..6),
        target in target(),
    ) {
        let flags: Vec<_> = SEGMENTS.iter().map(|segment| asks_for(segment)).collect();
        let new: Vec<_> = segments.iter().map(Segment::with_serving_rules).collect();
        prop_assert!(new.iter().all(|segment| segment.rules.is_empty()));
        let old = Snapshot::compile(flags.clone(), segments);
        let new = Snapshot::compile(flags, new);
        prop_assert_eq!(old.evaluate_all(target.as_ref()), new.evaluate_all(target.as_ref()));
    }
}

/// A flag, named as a segment, that serves `true` to its members.
fn asks_for(segment: &str) -> FeatureConfig {
    serde_json::from_value(json!({
        "feature": segment, "kind": "boolean", "state": "on", "offVariation": "false",
        "variations": [{ "identifier": "true", "value": "true" }, { "identifier": "false", "value": "false" }],
        "defaultServe": { "variation": "false" },
        "rules": [{ "priority": 1, "serve": { "variation": "true" },
            "clauses": [{ "attribute": "", "op": "segmentMatch", "values": [segment] }] }],
    }))
    .unwrap()
}

fn user(identifier: &str) -> Target {
    Target {
        identifier: identifier.into(),
        ..Target::default()
    }
}

#[test]
fn rollouts_give_everybody_their_share() {
    let flag = serde_json::from_value(json!({
        "feature": "rollout", "kind": "string", "state": "on", "offVariation": "a",
        "variations": [{ "identifier": "a", "value": "" }, { "identifier": "b", "value": "" }, { "identifier": "c", "value": "" }],
        "defaultServe": { "distribution": { "bucketBy": "identifier", "variations": [
            { "variation": "a", "weight": 25 }, { "variation": "b", "weight": 50 }, { "variation": "c", "weight": 25 } ] } },
    }))
    .unwrap();
    let snapshot = Snapshot::compile(vec![flag], vec![]);
    let mut counts = std::collections::BTreeMap::new();
    for id in 0..100_000 {
        let target = user(&format!("user-{id}"));
        *counts
            .entry(
                snapshot
                    .evaluate("rollout", Some(&target))
                    .unwrap()
                    .identifier,
            )
            .or_insert(0_u32) += 1;
    }
    // The ids are fixed, so this either always holds or never. A fair draw strays by 0.16 points (one sigma) at most.
    for (variation, expected) in [("a", 25_000), ("b", 50_000), ("c", 25_000)] {
        assert!(counts[variation].abs_diff(expected) < 1_000, "{counts:?}");
    }
}

#[test]
fn chains_may_be_longer_than_the_stack() {
    const LENGTH: usize = 100_000;
    let all = json!({ "kind": "boolean", "state": "on", "offVariation": "false", "defaultServe": { "variation": "true" },
        "variations": [{ "identifier": "true", "value": "true" }, { "identifier": "false", "value": "false" }] });
    let template: FeatureConfig = {
        let mut template = all;
        template["feature"] = json!("");
        serde_json::from_value(template).unwrap()
    };
    let needs = |flag: usize| Prerequisite {
        feature: format!("f{flag:06}"),
        variations: vec!["true".into()],
    };
    for last in [Some(needs(0)), None] {
        let circle = last.is_some();
        let mut flags: Vec<_> = (0..LENGTH)
            .map(|at| FeatureConfig {
                feature: format!("f{at:06}"),
                prerequisites: if at + 1 < LENGTH {
                    vec![needs(at + 1)]
                } else {
                    last.iter().cloned().collect()
                },
                ..template.clone()
            })
            .collect();
        let snapshot = Snapshot::compile(flags.clone(), vec![]);
        assert_eq!(snapshot.problems().len(), usize::from(circle));
        assert!(
            snapshot
                .evaluate_all(None)
                .iter()
                .all(|served| served.value == "true")
        );
        flags[LENGTH - 1].state = State::Off;
        let snapshot = Snapshot::compile(flags, vec![]);
        let served = snapshot.evaluate_all(None);
        assert!(served.iter().all(|served| served.value == "false"));
        assert_eq!(snapshot.evaluate("f000000", None).unwrap().value, "false");
    }
}

#[test]
fn nested_groups_may_be_deeper_than_the_stack() {
    const DEPTH: usize = 100_000;
    let group = |at: usize, values: Vec<String>, included: &[&str]| Segment {
        identifier: format!("s{at:06}"),
        included: included
            .iter()
            .map(|id| SegmentTarget {
                identifier: (*id).into(),
                ..SegmentTarget::default()
            })
            .collect(),
        rules: vec![Clause {
            op: "segmentMatch".into(),
            values,
            ..Clause::default()
        }],
        ..Segment::default()
    };
    let mut segments: Vec<_> = (0..DEPTH)
        .map(|at| group(at, vec![format!("s{:06}", at + 1)], &[]))
        .collect();
    segments.push(group(DEPTH, vec![], &["ada"]));
    let snapshot = Snapshot::compile(vec![asks_for("s000000")], segments);
    assert_eq!(
        snapshot
            .evaluate("s000000", Some(&user("ada")))
            .unwrap()
            .value,
        "true"
    );
    assert_eq!(
        snapshot
            .evaluate("s000000", Some(&user("bob")))
            .unwrap()
            .value,
        "false"
    );
}

/// Every flag needs both flags of the next level: 2^60 ways down.
#[test]
fn many_ways_to_one_flag_are_walked_once() {
    const LEVELS: usize = 60;
    let mut flags = Vec::new();
    for level in 0..=LEVELS {
        for side in ["l", "r"] {
            let mut flag = asks_for("missing");
            flag.feature = format!("{side}{level:02}");
            flag.default_serve.variation = Some("true".into());
            if level < LEVELS {
                flag.prerequisites = ["l", "r"]
                    .map(|side| Prerequisite {
                        feature: format!("{side}{:02}", level + 1),
                        variations: vec!["true".into()],
                    })
                    .to_vec();
            }
            flags.push(flag);
        }
    }
    let snapshot = Snapshot::compile(flags, vec![]);
    let explanation = snapshot.explain("l00", None);
    assert!(
        matches!(&explanation.result, Outcome::Served { evaluation, .. } if evaluation.value == "true")
    );
    let looked_at = explanation
        .steps
        .iter()
        .filter(|step| matches!(step, Step::Prerequisite { .. }))
        .count();
    assert!(looked_at <= 4 * LEVELS, "{looked_at}");
}

#[test]
fn threads_share_a_snapshot() {
    fn shared<T: Send + Sync>(_: &T) {}
    let snapshot = Snapshot::compile(vec![asks_for("s0")], vec![]);
    shared(&snapshot);
    std::thread::scope(|scope| {
        for id in 0..4 {
            let snapshot = &snapshot;
            scope.spawn(move || {
                let target = user(&format!("user-{id}"));
                assert_eq!(
                    snapshot.evaluate("s0", Some(&target)).unwrap().value,
                    "false"
                );
            });
        }
    });
}

fn rank(snapshot: &Snapshot) -> Vec<String> {
    let mut problems: Vec<String> = snapshot
        .problems()
        .iter()
        .map(ToString::to_string)
        .collect();
    problems.sort();
    problems
}

proptest! {
    /// Flags and groups that are replaced, added and removed one by one leave the same as compiling what is there then.
    #[test]
    fn a_change_of_one_is_as_good_as_compiling_all(
        flags in vec(flag(), 0..5),
        segments in vec(segment(), 0..4),
        new_flags in vec(flag(), 0..6),
        new_segments in vec(segment(), 0..4),
        gone in vec(name(&["f1", "f3", "s1"]), 0..2),
        target in target(),
    ) {
        let mut snapshot = Snapshot::compile(flags, segments);
        for flag in new_flags {
            snapshot.replace_flag(flag);
        }
        for segment in new_segments {
            snapshot.replace_segment(segment);
        }
        for name in gone {
            snapshot.remove_flag(&name);
            snapshot.remove_segment(&name);
        }
        let whole = Snapshot::compile(snapshot.flags().to_vec(), snapshot.segments().to_vec());
        prop_assert_eq!(snapshot.evaluate_all(target.as_ref()), whole.evaluate_all(target.as_ref()));
        for flag in whole.flags() {
            prop_assert_eq!(snapshot.explain(&flag.feature, target.as_ref()), whole.explain(&flag.feature, target.as_ref()));
        }
        let twice = |problem: &String| !problem.contains("it is there twice");
        let rest = |snapshot: &Snapshot| rank(snapshot).into_iter().filter(twice).collect::<Vec<_>>();
        prop_assert_eq!(rest(&snapshot), rest(&whole));
    }
}
