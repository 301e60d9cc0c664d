//! From an environment to a flags file, and the proof that both serve the same.

mod environment;

use flagwire_evaluation::Snapshot;
use flagwire_evaluation::model::Configuration;
use flagwire_evaluation::model::{FeatureConfig, State};
use flagwire_flags_file::import::{Source, convert};
use flagwire_flags_file::proof::prove;
use flagwire_flags_file::{export, parse, parse_whole};
use serde_json::{Value, json};

fn source(flags: &[Value], groups: &[Value]) -> Source {
    let bytes = |list: &[Value]| serde_json::to_vec(list).unwrap();
    Source::from_replies(&bytes(flags), &bytes(groups)).unwrap()
}

fn environment() -> Configuration {
    let source = source(&environment::flags(), &environment::groups());
    assert_eq!(source.unknown, []);
    source.configuration
}

fn differing(original: &Configuration, written: &Configuration) -> (usize, String) {
    let proof = prove(original, written, |_, _| {});
    let shown: String = proof.differences.iter().map(ToString::to_string).collect();
    (proof.differing, format!("{proof}\n{shown}"))
}

#[test]
fn an_environment_that_uses_everything_serves_the_same_from_its_file() {
    let original = environment();
    let conversion = convert(&original, &["Of a test.".to_owned()]);
    assert_eq!(conversion.refused, []);
    let parsed = parse_whole(&conversion.text).unwrap_or_else(|problems| {
        panic!("{}\n{}", problems[0], conversion.text);
    });
    let written = parsed.configuration;
    let snapshot = Snapshot::compile(written.flags.clone(), written.segments.clone());
    assert_eq!(snapshot.problems(), [], "it passes the check");
    let proof = prove(&original, &written, |_, _| {});
    let shown: String = proof.differences.iter().map(ToString::to_string).collect();
    assert_eq!(proof.differing, 0, "{shown}");
    assert_eq!(proof.flags, environment::FLAGS);
    assert!(proof.flags * proof.targets >= 200_000, "{proof}");
    assert!(proof.to_string().ends_with(": 0 differences"), "{proof}");
    // Most of it is short.
    let full = conversion.text.matches("offVariation:").count();
    assert!(
        full < environment::FLAGS / 2,
        "{full} flags are in the full form"
    );
}

/// Changes what was read, and says whether there was something to change.
type Misread = fn(&mut Configuration) -> bool;

/// Whatever is read otherwise than it was meant is found, and shown with the way to each answer.
#[test]
fn planted_misreadings_are_each_reported() {
    // As many as it takes to have something to misread in each way.
    let original = source(&environment::flags()[..64], &environment::groups()).configuration;
    let text = convert(&original, &[]).text;
    let misreadings: [(&str, Misread); 16] = [
        ("priority", |file| {
            some_rule(file, 2, |rules| rules.swap(0, 1));
            let rules = file.flags.iter_mut().flat_map(|flag| &mut flag.rules);
            rules.for_each(|rule| rule.priority = 0);
            true
        }),
        ("equal for in", |file| {
            some_clause(file, "in", |clause| clause.op = "equal".into())
        }),
        ("case", |file| {
            some_clause(file, "equal_sensitive", |clause| clause.op = "equal".into())
        }),
        ("starts for contains", |file| {
            some_clause(file, "contains", |clause| clause.op = "starts_with".into())
        }),
        ("order", |file| {
            some_clause(file, "gt", |clause| clause.values[0] = "11".into())
        }),
        ("pattern", |file| {
            some_clause(file, "match", |clause| {
                clause.values[0] = "[a-b]+@(shop|store)".into();
            })
        }),
        ("any for all", |file| {
            some_rule(file, 1, |rules| {
                rules.iter_mut().for_each(|rule| rule.clauses.truncate(1));
            })
        }),
        ("weight", |file| {
            some_shares(file, |shares| {
                shares.variations[0].weight += 1;
                shares.variations[1].weight -= 1;
            })
        }),
        ("bucket by", |file| {
            some_shares(file, |shares| shares.bucket_by = "name".into())
        }),
        ("prerequisite", |file| {
            file.flags
                .iter_mut()
                .for_each(|flag| flag.prerequisites.clear());
            true
        }),
        ("variation of a prerequisite", |file| {
            let required = file
                .flags
                .iter_mut()
                .flat_map(|flag| &mut flag.prerequisites);
            required.for_each(|required| required.variations.truncate(1));
            true
        }),
        ("negate, as if it were acted on", |file| {
            let clauses = file.flags.iter_mut().flat_map(|flag| &mut flag.rules);
            clauses.for_each(|rule| rule.clauses.retain(|clause| clause.values != ["silver"]));
            true
        }),
        ("kind", |file| {
            let flag = file
                .flags
                .iter_mut()
                .find(|flag| flag.kind == "int")
                .unwrap();
            flag.kind = "string".into();
            true
        }),
        ("off variation", |file| {
            let flag = file
                .flags
                .iter_mut()
                .find(|flag| flag.state == State::Off)
                .unwrap();
            let other = flag
                .variations
                .iter()
                .find(|v| v.identifier != flag.off_variation);
            flag.off_variation = other.unwrap().identifier.clone();
            true
        }),
        ("excluded", |file| {
            file.segments
                .iter_mut()
                .for_each(|group| group.excluded.clear());
            true
        }),
        ("a target", |file| {
            let maps = file
                .flags
                .iter_mut()
                .flat_map(|flag| &mut flag.variation_to_target_map);
            let map = maps
                .into_iter()
                .find(|map| map.targets.iter().any(|t| t.identifier == "007"));
            map.unwrap()
                .targets
                .retain(|target| target.identifier != "007");
            true
        }),
    ];
    for (name, misread) in misreadings {
        let mut file = parse(&text).unwrap();
        assert!(misread(&mut file), "{name}: there is nothing to misread");
        let proof = prove(&original, &file, |_, _| {});
        assert!(proof.differing > 0, "{name} was not found");
        assert!((1..=10).contains(&proof.differences.len()));
        let first = proof.differences[0].to_string();
        assert!(
            first.contains("original:") && first.contains("serves"),
            "{first}"
        );
        assert_ne!(
            proof.differences[0].original, proof.differences[0].written,
            "{name}: {first}"
        );
    }
}

/// In each flag that has so many rules.
fn some_rule(
    file: &mut Configuration,
    least: usize,
    change: impl Fn(&mut Vec<flagwire_evaluation::model::Rule>),
) -> bool {
    let flags = file
        .flags
        .iter_mut()
        .filter(|flag| flag.rules.len() >= least);
    flags.map(|flag| change(&mut flag.rules)).count() > 0
}

fn some_clause(
    file: &mut Configuration,
    op: &str,
    change: impl Fn(&mut flagwire_evaluation::model::Clause),
) -> bool {
    let rules = file.flags.iter_mut().flat_map(|flag| &mut flag.rules);
    let clauses = rules.flat_map(|rule| &mut rule.clauses);
    let groups = file
        .segments
        .iter_mut()
        .flat_map(|group| &mut group.serving_rules);
    let clauses = clauses.chain(groups.flat_map(|rule| &mut rule.clauses));
    clauses.filter(|clause| clause.op == op).map(change).count() > 0
}

fn some_shares(
    file: &mut Configuration,
    change: impl Fn(&mut flagwire_evaluation::model::Distribution),
) -> bool {
    let shares = file
        .flags
        .iter_mut()
        // An off flag serves nobody by its shares.
        .filter(|flag| flag.state == State::On && flag.prerequisites.is_empty())
        .filter_map(|flag| flag.default_serve.distribution.as_mut());
    shares
        .filter(|shares| {
            shares.variations.len() > 1
                && shares.variations[0].variation != shares.variations[1].variation
        })
        .take(1)
        .map(change)
        .count()
        == 1
}

#[test]
fn the_text_is_short_where_that_says_the_same() {
    let boolean = |extra: Value| {
        let mut flag = json!({
            "feature": "a", "kind": "boolean", "state": "on",
            "variations": [{ "identifier": "true", "value": "true" }, { "identifier": "false", "value": "false" }],
            "offVariation": "false", "defaultServe": { "variation": "true" },
        });
        flag.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        flag
    };
    for (flag, expected) in [
        (boolean(json!({})), "  a: true\n"),
        (
            boolean(json!({ "state": "off" })),
            "  a: { value: true, state: off }\n",
        ),
        (
            boolean(json!({ "offVariation": "true" })),
            "  a:\n    default: true\n    off: true\n",
        ),
        (
            boolean(
                json!({ "defaultServe": { "distribution": { "bucketBy": "email", "variations": [{ "variation": "true", "weight": 30 }, { "variation": "false", "weight": 70 }] } } }),
            ),
            "  a:\n    default: { true: 30, false: 70 }\n    by: email\n",
        ),
        (
            boolean(json!({ "rules": [
                { "priority": 2, "clauses": [{ "attribute": "plan", "op": "in", "values": ["a", "b"] }], "serve": { "variation": "false" } },
                { "priority": 1, "clauses": [{ "attribute": "age", "op": "equal", "values": ["42"] }, { "attribute": "v", "op": "gt", "values": ["9"] }], "serve": { "variation": "true" } },
            ] })),
            "  a:\n    default: true\n    rules:\n      - when: { age: 42, v: { after: \"9\" } }\n        serve: true\n      - when: { plan: [a, b] }\n        serve: false\n",
        ),
        // Two conditions on one attribute have no short form.
        (
            boolean(json!({ "rules": [
                { "priority": 1, "clauses": [{ "attribute": "e", "op": "starts_with", "values": ["a"] }, { "attribute": "e", "op": "ends_with", "values": ["b"] }], "serve": { "variation": "false" } },
            ] })),
            "  a:\n    kind: boolean\n    state: \"on\"\n    variations: [{ identifier: \"true\", value: \"true\" }, { identifier: \"false\", value: \"false\" }]\n    offVariation: \"false\"\n    defaultServe: { variation: \"true\" }\n    rules:\n      - priority: 1\n        clauses:\n          - { attribute: e, op: starts_with, values: [a] }\n          - { attribute: e, op: ends_with, values: [b] }\n        serve: { variation: \"false\" }\n",
        ),
        (
            json!({
                "feature": "a", "kind": "string", "state": "on", "description": " What it does ",
                "variations": [{ "identifier": "on", "value": "7", "name": "Shown", "description": "to\nall" }, { "identifier": "b", "value": "x" }],
                "offVariation": "b", "defaultServe": { "variation": "on" },
            }),
            "  a:\n    description: What it does\n    variations:\n      \"on\": \"7\" # Shown: to all\n      b: x\n    default: \"on\"\n    off: b\n",
        ),
    ] {
        let original = source(&[flag], &[]).configuration;
        let text = convert(&original, &[]).text;
        assert_eq!(text, format!("flags:\n{expected}"));
        let (differing, shown) = differing(&original, &parse(&text).unwrap());
        assert_eq!(differing, 0, "{shown}");
    }
}

#[test]
fn the_editors_schema_takes_what_is_written() {
    let schema: Value = serde_json::from_str(flagwire_flags_file::SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let text = convert(&environment(), &[]).text;
    let document = flagwire_flags_file::node::parse(&text).unwrap().to_json();
    let wrong: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path))
        .collect();
    assert_eq!(wrong, [] as [String; 0]);
}

#[test]
fn the_order_of_the_source_says_nothing_and_there_and_back_is_the_same_file() {
    let original = environment();
    let text = convert(&original, &[]).text;
    let mut turned = original.clone();
    turned.flags.reverse();
    turned.segments.reverse();
    assert_eq!(convert(&turned, &[]).text, text);
    let exported = export(&parse(&text).unwrap(), "production");
    assert_eq!(export(&parse(&exported).unwrap(), "production"), exported);
    let mut again = Source::default();
    again.add_file(&exported, None).unwrap();
    assert_eq!(again.unknown, []);
    let back = convert(&again.configuration, &[]).text;
    let second = convert(&parse(&back).unwrap(), &[]).text;
    assert_eq!(second, back);
    assert_eq!(first_difference(&back, &text), None);
    let (differing, shown) = differing(&original, &parse(&exported).unwrap());
    assert_eq!(differing, 0, "{shown}");
}

/// The first lines of two files that differ, comments excepted.
fn first_difference<'a>(
    left: &'a str,
    right: &'a str,
) -> Option<(Option<&'a str>, Option<&'a str>)> {
    let (left, right) = (comparable(left), comparable(right));
    let lines =
        (0..left.len().max(right.len())).map(|at| (left.get(at).copied(), right.get(at).copied()));
    lines.into_iter().find(|(left, right)| left != right)
}

/// What a file says, comments excepted.
fn comparable(text: &str) -> Vec<&str> {
    let code = |line| {
        str::split(line, " # ")
            .next()
            .unwrap_or_default()
            .trim_end()
    };
    text.lines()
        .map(code)
        .filter(|line| !line.is_empty() && !line.trim_start().starts_with('#'))
        .collect()
}

mod random {
    use proptest::prelude::*;

    use super::*;

    /// Texts that need care: short ones, so that they meet.
    fn word() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-c]{1,2}",
            Just("on".to_owned()),
            Just("007".to_owned()),
            Just("".to_owned()),
            Just("group".to_owned()),
            Just("identifier".to_owned()),
            Just("a: #\"'\n".to_owned()),
            Just("null".to_owned()),
            Just("1.5".to_owned()),
        ]
    }

    fn serve() -> impl Strategy<Value = Value> {
        let variation = prop_oneof![Just("true"), Just("false"), Just("b")];
        let share = (variation.clone(), -10_i64..90)
            .prop_map(|(variation, weight)| json!({ "variation": variation, "weight": weight }));
        prop_oneof![
            3 => variation.prop_map(|variation| json!({ "variation": variation })),
            2 => (word(), prop::collection::vec(share, 0..4)).prop_map(|(by, shares)| json!({ "distribution": { "bucketBy": by, "variations": shares } })),
            1 => Just(json!({})),
        ]
    }

    fn clause() -> impl Strategy<Value = Value> {
        let op = prop_oneof![
            Just("equal"),
            Just("equal_sensitive"),
            Just("in"),
            Just("starts_with"),
            Just("ends_with"),
            Just("contains"),
            Just("match"),
            Just("gt"),
            Just("segmentMatch"),
            Just("segmentMatch"),
        ];
        let values = prop::collection::vec(prop_oneof![word(), "g[0-3]"], 0..3);
        (word(), op, values, any::<bool>()).prop_map(|(attribute, op, values, negate)| {
            json!({ "attribute": attribute, "op": op, "values": values, "negate": negate })
        })
    }

    fn flag() -> impl Strategy<Value = Value> {
        let rules =
            prop::collection::vec((0..3, prop::collection::vec(clause(), 1..3), serve()), 0..4);
        let map = prop::collection::vec(
            (
                prop_oneof![Just("true"), Just("false")],
                prop::collection::vec(word(), 0..3),
                prop::collection::vec("g[0-3]", 0..2),
            ),
            0..3,
        );
        let required = prop::collection::vec(
            (
                "f[0-5]",
                prop::collection::vec(prop_oneof![Just("true"), Just("b"), Just("x")], 0..3),
            ),
            0..2,
        );
        let kind = prop_oneof![
            Just(("boolean", ["true", "false", "true"])),
            Just(("string", ["1", "on", "a\n"])),
            Just(("int", ["1", "-2.5", "01"])),
            Just(("json", ["[1, 2]", "{\"a\":\"b\"}", "null"]))
        ];
        ("f[0-5]", any::<bool>(), any::<bool>(), kind, rules, map, required, serve()).prop_map(|(name, on, third, (kind, values), rules, map, required, serve)| {
            let mut variations: Vec<Value> = ["true", "false", "b"].iter().zip(values).map(|(id, value)| json!({ "identifier": id, "value": value })).collect();
            if !third { variations.truncate(2); }
            json!({
                "feature": name, "kind": kind, "state": if on { "on" } else { "off" }, "variations": variations,
                "offVariation": "false", "defaultServe": serve,
                "prerequisites": required.into_iter().map(|(feature, variations)| json!({ "feature": feature, "variations": variations })).collect::<Vec<_>>(),
                "variationToTargetMap": map.into_iter().map(|(variation, targets, groups)| json!({
                    "variation": variation, "targetSegments": groups,
                    "targets": targets.into_iter().map(|id| json!({ "identifier": id })).collect::<Vec<_>>(),
                })).collect::<Vec<_>>(),
                "rules": rules.into_iter().map(|(priority, clauses, serve)| json!({ "priority": priority, "clauses": clauses, "serve": serve })).collect::<Vec<_>>(),
            })
        })
    }

    fn group() -> impl Strategy<Value = Value> {
        let ids = || {
            prop::collection::vec(word(), 0..3).prop_map(|ids| {
                ids.into_iter()
                    .map(|id| json!({ "identifier": id }))
                    .collect::<Vec<_>>()
            })
        };
        let rules = prop::collection::vec((0..3, prop::collection::vec(clause(), 0..3)), 0..3);
        ("g[0-2]", ids(), ids(), rules, prop::collection::vec(clause(), 0..2)).prop_map(|(name, included, excluded, rules, old)| json!({
            "identifier": name, "name": name, "included": included, "excluded": excluded, "rules": old,
            "servingRules": rules.into_iter().map(|(priority, clauses)| json!({ "priority": priority, "clauses": clauses })).collect::<Vec<_>>(),
        }))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn any_configuration_serves_the_same_from_its_file(flags in prop::collection::vec(flag(), 1..5), groups in prop::collection::vec(group(), 0..4)) {
            let original = source(&flags, &groups).configuration;
            let conversion = convert(&original, &[]);
            let written = parse(&conversion.text).map_err(|problems| TestCaseError::fail(format!("{}\n{}", problems[0], conversion.text)))?;
            prop_assert_eq!(written.flags.len() + conversion.refused.iter().filter(|r| r.subject == flagwire_evaluation::Subject::Flag).count(), {
                let mut names: Vec<&str> = original.flags.iter().map(|flag: &FeatureConfig| flag.feature.as_str()).collect();
                names.sort_unstable();
                names.dedup();
                names.len()
            });
            let snapshot = Snapshot::compile(written.flags.clone(), written.segments.clone());
            prop_assert_eq!(snapshot.problems(), &[]);
            let (differing, shown) = differing(&conversion.carried(&original), &written);
            prop_assert_eq!(differing, 0, "{}\n{}", shown, conversion.text);
            let mut again = Source::default();
            again.add_file(&export(&written, "production"), None).unwrap();
            let back = convert(&again.configuration, &[]).text;
            prop_assert_eq!(first_difference(&back, &conversion.text), None, "{}", conversion.text);
        }
    }
}
