//! Scalars that YAML would take for something else than what is written.

use proptest::prelude::*;

use super::*;

/// Each a number, a boolean or nothing for some reader of YAML.
const SCALARS: &[&str] = &[
    "007",
    "01234",
    "1.10",
    "+15551234",
    "1e5",
    "12345678901234567890",
    "0x10",
    "0o17",
    "0b11",
    ".5",
    "5.",
    "1_000",
    "-0",
    "1e999",
    ".inf",
    "-.INF",
    ".nan",
    "null",
    "Null",
    "~",
    "true",
    "True",
    "FALSE",
    "on",
    "OFF",
    "yes",
    "No",
    "y",
    "N",
    "2026-11-28",
    "2026-11-28T18:00:00Z",
    "12:30:45",
    "=",
    "0.1000",
    "9007199254740993",
];

#[test]
fn what_stands_for_a_text_counts_as_it_is_written() {
    for scalar in SCALARS {
        let text = format!(
            "
flags:
  short:
    variations: {{ {scalar}: {scalar}, other: {scalar} }}
    kind: string
    default: {scalar}
    off: {scalar}
    by: {scalar}
    targets: {{ {scalar}: [{scalar}, x], other: {scalar}9 }}
    rules:
      - {{ name: r, when: {{ {scalar}: {scalar} }}, serve: {scalar} }}
      - {{ when: {{ a: [{scalar}], b: {{ starts-with: {scalar} }} }}, serve: {{ {scalar}: 100 }} }}
  needs: {{ default: true, requires: {{ short: {scalar} }} }}
  full:
    kind: string
    state: on
    variations: [{{ identifier: {scalar}, value: {scalar} }}]
    offVariation: {scalar}
    defaultServe: {{ variation: {scalar} }}
    variationToTargetMap: [{{ variation: {scalar}, targets: [{{ identifier: {scalar}9, name: n }}] }}]
    rules: [{{ priority: 1, clauses: [{{ attribute: a, op: in, values: [{scalar}] }}], serve: {{ variation: {scalar} }} }}]
groups:
  g: {{ include: [{scalar}], exclude: {scalar}, rules: [{{ a: {scalar} }}] }}
"
        );
        // In the full form exports say `null` for what is not there.
        let nothing = matches!(*scalar, "null" | "Null" | "~");
        let text = if nothing {
            let full = text.find("  full:").unwrap();
            let groups = text.find("groups:").unwrap();
            format!("{}{}", &text[..full], &text[groups..])
        } else {
            text
        };
        let read = parse(&text).unwrap_or_else(|problems| panic!("{scalar}: {problems:?}"));
        let short = &read.flags[0];
        let wanted = (*scalar).to_owned();
        assert_eq!(short.variations[0].identifier, wanted);
        assert_eq!(short.variations[0].value, wanted);
        assert_eq!(short.variations[1].value, wanted);
        assert_eq!(short.default_serve.variation.as_ref(), Some(&wanted));
        assert_eq!(short.off_variation, wanted);
        let map = &short.variation_to_target_map;
        assert_eq!(map[0].variation, wanted);
        assert_eq!(map[0].targets[0].identifier, wanted);
        assert_eq!(map[1].targets[0].identifier, format!("{scalar}9"));
        let clause = &short.rules[0].clauses[0];
        assert_eq!((&clause.attribute, &clause.values[0]), (&wanted, &wanted));
        for clause in &short.rules[1].clauses {
            assert_eq!(clause.values, [wanted.as_str()]);
        }
        let shares = short.rules[1].serve.distribution.as_ref().unwrap();
        assert_eq!(shares.variations[0].variation, wanted);
        assert_eq!(read.flags[1].prerequisites[0].variations, [wanted.as_str()]);
        let group = &read.segments[0];
        assert_eq!(group.included[0].identifier, wanted);
        assert_eq!(group.excluded[0].identifier, wanted);
        assert_eq!(group.serving_rules[0].clauses[0].values, [wanted.as_str()]);
        if !nothing {
            let full = &read.flags[2];
            assert_eq!(full.variations[0].identifier, wanted);
            assert_eq!(full.variations[0].value, wanted);
            assert_eq!(full.off_variation, wanted);
            assert_eq!(full.rules[0].clauses[0].values, [wanted.as_str()]);
            let target = &full.variation_to_target_map[0].targets[0];
            assert_eq!(target.identifier, format!("{scalar}9"));
        }
    }
}

#[test]
fn a_word_that_may_be_a_boolean_is_refused_with_both_ways_to_write_it() {
    for (word, boolean) in [
        ("on", true),
        ("ON", true),
        ("yes", true),
        ("Y", true),
        ("off", false),
        ("OFF", false),
        ("No", false),
        ("n", false),
        ("tRue", true),
    ] {
        for text in [
            format!("flags: {{ dark-mode: {word} }}"),
            format!("flags: {{ a: {{ value: {word} }} }}"),
            format!("flags: {{ a: {{ kind: boolean, value: {word} }} }}"),
            format!("flags: {{ a: {{ kind: json, value: {{ x: [{word}] }} }} }}"),
            format!("flags: {{ a: {{ variations: {{ a: {word}, b: x }}, default: a }} }}"),
            format!("flags: {{ a: {{ variations: {{ a: true, b: {word} }}, default: a }} }}"),
            format!("flags: {{ a: {{ default: true, metadata: {{ x: {word} }} }} }}"),
            format!(
                "flags: {{ a: {{ offVariation: t, kind: boolean, state: on, variations: [{{ identifier: t, value: {word} }}], defaultServe: {{ variation: t }} }} }}"
            ),
        ] {
            let found = problems(&text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            let place = format!(
                "1:{}: ",
                text.rfind(&format!(" {word}"))
                    .or_else(|| text.rfind(&format!("[{word}")))
                    .unwrap()
                    + 2
            );
            let cures = format!("write `{boolean}` for the boolean or `\"{word}\"` for the text");
            assert!(
                found[0].contains(&cures) && found[0].starts_with(&place),
                "{text}: {found:?}"
            );
        }
    }
    // Where the words have a meaning, or are said to be texts.
    for text in [
        "flags: { a: { value: on, kind: string } }",
        "flags: { a: { default: on, state: off, off: off, rules: [{ when: { x: yes }, serve: off }] } }",
        "flags: { a: { variations: { no: no, yes: yes }, default: no } }",
        "flags: { a: { variations: { a: text, b: on }, default: a } }",
        "flags: { a: true, b: { default: true, requires: { a: on } } }",
        "flags: { a: \"on\", b: 'Yes', c: { value: { x: \"off\" } } }",
    ] {
        assert!(parse(text).is_ok(), "{text}: {:?}", problems(text));
    }
    let met =
        parse("flags: { a: true, b: { default: True, off: FALSE, requires: { a: [on, False] } } }")
            .unwrap();
    assert_eq!(met.flags[1].prerequisites[0].variations, ["true", "false"]);
    assert_eq!(
        met.flags[1].default_serve.variation.as_deref(),
        Some("true")
    );
}

#[test]
fn numbers_that_readers_disagree_about_or_nobody_can_hold_are_refused() {
    for (number, reason) in [
        ("007", "read differently"),
        ("-010", "read differently"),
        ("01.5", "read differently"),
        ("1_000", "read differently"),
        ("0b11", "read differently"),
        ("9007199254740993", "past 9007199254740992"),
        ("-9007199254740993", "past 9007199254740992"),
        ("0x20000000000001", "past 9007199254740992"),
        ("12345678901234567890", "past 9007199254740992"),
        ("123456789012345678901234567890", "past 9007199254740992"),
        ("1e999", "no number that JSON can hold"),
        (".inf", "no number that JSON can hold"),
        (".nan", "no number that JSON can hold"),
        ("1e-999", "too small"),
    ] {
        for text in [
            format!("flags: {{ a: {number} }}"),
            format!("flags: {{ a: {{ kind: int, value: {number} }} }}"),
            format!("flags: {{ a: {{ value: {{ x: {number} }} }} }}"),
            format!("flags: {{ a: {{ variations: {{ a: 1, b: {number} }}, default: a }} }}"),
        ] {
            let found = problems(&text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(
                found[0].contains(reason) && found[0].contains(&format!("\"{number}\"")),
                "{found:?}"
            );
            assert_eq!(found[0].find(": "), Some(4), "line and column: {found:?}");
        }
        assert_eq!(
            flag(&format!(
                "flags: {{ a: {{ kind: string, value: {number} }} }}"
            ))
            .variations[0]
                .value,
            number
        );
    }
    for (number, value) in [
        ("1.10", "1.1"),
        ("+5", "5"),
        ("0x10", "16"),
        (".5", "0.5"),
        ("1e5", "100000"),
        ("-9007199254740992", "-9007199254740992"),
        ("!!int \"5\"", "5"),
        ("!!float 5", "5"),
    ] {
        let flag = flag(&format!("flags: {{ a: {number} }}"));
        assert_eq!(
            (flag.kind.as_str(), flag.variations[0].value.as_str()),
            ("int", value),
            "{number}"
        );
    }
}

#[test]
fn a_comparison_with_a_number_is_warned_about() {
    let warnings = |text: &str| -> Vec<String> {
        let parsed = parse_whole(text).unwrap();
        parsed.warnings.iter().map(ToString::to_string).collect()
    };
    let full = |value: &str| {
        format!(
            "flags: {{ a: {{ kind: boolean, state: on, offVariation: t, variations: [{{ identifier: t, value: true }}], defaultServe: {{ variation: t }}, rules: [{{ clauses: [{{ attribute: age, op: gt, values: [{value}] }}], serve: {{ variation: t }} }}] }} }}"
        )
    };
    for text in [
        "flags: { a: { default: false, rules: [{ when: { age: { after: 9 } }, serve: true }] } }"
            .to_owned(),
        "groups: { g: { rules: [{ age: { after: [1.5] } }] } }".to_owned(),
        full("9"),
    ] {
        let found = warnings(&text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(
            found[0].starts_with("1:") && found[0].contains("compares texts"),
            "{found:?}"
        );
    }
    for text in [
        "flags: { a: { default: false, rules: [{ when: { age: { after: \"9\" }, day: { after: 2026-11-28 }, at: { after: a } }, serve: true }] } }".to_owned(),
        "flags: { a: { default: false, rules: [{ when: { age: { is: 9 } }, serve: true }] } }".to_owned(),
        full("\"9\""),
    ] {
        assert_eq!(warnings(&text), [""; 0], "{text}");
    }
}

#[test]
fn aliases_and_merged_maps_keep_what_is_written_elsewhere() {
    let read = parse("flags:\n  b: &f { variations: { c: &x 007, d: \"8\" }, kind: string, default: d, targets: { c: [*x, &y 1e5] } }\n  a: { <<: *f, default: c, rules: [{ when: { z: *y }, serve: d }] }\n").unwrap();
    let a = &read.flags[1];
    assert_eq!(a.variations[0].value, "007");
    let targets = &a.variation_to_target_map[0].targets;
    assert_eq!(
        (
            targets[0].identifier.as_str(),
            targets[1].identifier.as_str()
        ),
        ("007", "1e5")
    );
    assert_eq!(a.rules[0].clauses[0].values, ["1e5"]);
}

#[test]
fn keys_are_compared_as_they_are_written() {
    let two = flag("flags: { a: { variations: { 1: a, 0x1: b, 1.0: c, 01: d }, default: 0x1 } }");
    assert_eq!(two.variations.len(), 4);
    assert_eq!(
        problems("flags:\n  a: { variations: { x: 1,\n    \"x\": 2 }, default: x }\n"),
        ["3:5: the key `x` is there twice, first in line 2; remove one of the two"]
    );
}

fn override_of(text: &str, identifier: &str) -> String {
    let change = Edit {
        target: Some(TargetEdit {
            identifier: identifier.to_owned(),
            variation: Some("true".to_owned()),
        }),
        ..Edit::default()
    };
    edit::apply(text, "x", &change).unwrap_or_else(|error| panic!("{identifier:?}: {error}"))
}

fn overrides(text: &str) -> Vec<String> {
    flag(text).variation_to_target_map[0]
        .targets
        .iter()
        .map(|target| target.identifier.clone())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// As it is written by hand, and beside what is written by an edit.
    #[test]
    fn a_plain_scalar_is_the_text_that_it_is_written_as(
        scalar in "[-+.]?[0-9a-fA-Fxob_.:eEyYnNosf~=]{1,12}|[-+]?[0-9]{1,30}(\\.[0-9]{0,5})?([eE][-+]?[0-9]{1,3})?|[ynofusYESNOF]{1,5}|[a-z0-9 ]{1,8}",
        added in "\\PC{1,12}",
    ) {
        let scalar = scalar.trim();
        // Else it is no plain scalar, or a key of a map.
        prop_assume!(!scalar.is_empty() && !matches!(scalar, "-" | "<<") && !scalar.ends_with(':') && !scalar.contains(": "));
        for text in [
            format!("flags:\n  x:\n    default: false\n    targets: {{ true: [{scalar}] }}\n"),
            format!("flags:\n  x:\n    default: false\n    targets:\n      true:\n        - {scalar} # why\n"),
        ] {
            prop_assert_eq!(&overrides(&text), &[scalar.to_owned()]);
            if added != scalar {
                let text = override_of(&text, &added);
                prop_assert_eq!(&overrides(&text), &[scalar.to_owned(), added.clone()], "{}", text);
            }
        }
    }

    #[test]
    fn any_text_is_written_so_that_it_is_read_as_the_same(identifier in "\\PC{1,20}|[\u{0}-\u{ff}]{1,8}|[\u{2028}\u{2029}\u{85}\u{feff}\u{7f}\u{a0}\u{fffd}\u{fffe}\u{1f600}a'\"\\\\ ]{1,8}|[-+.]?[0-9a-fA-Fxob_.:eEyYnN~]{1,12}") {
        for text in ["flags:\n  x:\n    default: false\n", "{\"flags\": {\"x\": {\"default\": false}}}"] {
            let once = override_of(text, &identifier);
            prop_assert_eq!(overrides(&once), [identifier.as_str()], "{}", once);
            let twice = override_of(&once, "somebody else");
            prop_assert_eq!(&overrides(&twice)[0], &identifier);
            let gone = edit::apply(&twice, "x", &Edit { target: Some(TargetEdit { identifier: identifier.clone(), variation: None }), ..Edit::default() }).unwrap();
            prop_assert!(overrides(&gone).iter().all(|one| *one != identifier));
        }
    }
}
