use super::*;
use crate::parse;

fn off(text: &str, flag: &str) -> Result<String, EditError> {
    apply(
        text,
        flag,
        &Edit {
            state: Some(false),
            ..Edit::default()
        },
    )
}

fn default(text: &str, flag: &str, variation: &str) -> Result<String, EditError> {
    apply(
        text,
        flag,
        &Edit {
            default: Some(variation.to_owned()),
            ..Edit::default()
        },
    )
}

/// What differs, line by line, as `-old` and `+new`.
fn diff(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let gone = old
        .iter()
        .filter(|line| !new.contains(line))
        .map(|line| format!("-{line}"));
    let come = new
        .iter()
        .filter(|line| !old.contains(line))
        .map(|line| format!("+{line}"));
    gone.chain(come).collect()
}

const SAMPLE: &str = crate::SAMPLE;

#[test]
fn every_flag_of_the_sample_can_be_flipped_and_flipped_back_to_the_same_meaning() {
    let before = parse(SAMPLE).unwrap();
    for flag in &before.flags {
        let name = &flag.feature;
        let flipped = off(SAMPLE, name).unwrap();
        assert!(
            diff(SAMPLE, &flipped).len() <= 2,
            "{name}: {:?}",
            diff(SAMPLE, &flipped)
        );
        let back = apply(
            &flipped,
            name,
            &Edit {
                state: Some(true),
                ..Edit::default()
            },
        )
        .unwrap();
        assert_eq!(parse(&back).unwrap(), before, "{name}");
        for variation in &flag.variations {
            let changed = default(SAMPLE, name, &variation.identifier).unwrap();
            assert!(diff(SAMPLE, &changed).len() <= 2, "{name}");
        }
    }
}

#[test]
fn only_the_place_concerned_changes() {
    let text = "# top\nflags:\n  a: true   # why\n\n  b:\n    # inner\n    variations: { x: 1, z: 2 } # pair\n    default: x # now\n    state: on # for good\n";
    assert_eq!(
        default(text, "a", "false").unwrap(),
        text.replace("a: true ", "a: false ")
    );
    assert_eq!(
        off(text, "a").unwrap(),
        text.replace("a: true ", "a: { value: true, state: off } ")
    );
    assert_eq!(
        default(text, "b", "z").unwrap(),
        text.replace("default: x", "default: z")
    );
    assert_eq!(
        off(text, "b").unwrap(),
        text.replace("state: on", "state: off")
    );
}

#[test]
fn a_state_is_added_where_there_is_none() {
    let block = "flags:\n  b:\n    # inner\n    default: true\n";
    assert_eq!(
        off(block, "b").unwrap(),
        "flags:\n  b:\n    # inner\n    state: off\n    default: true\n"
    );
    let windows = "flags:\r\n  b:\r\n    default: true\r\n";
    assert_eq!(
        off(windows, "b").unwrap(),
        "flags:\r\n  b:\r\n    state: off\r\n    default: true\r\n"
    );
    let flow = "flags: { b: { default: true } }";
    assert_eq!(
        off(flow, "b").unwrap(),
        "flags: { b: { state: off, default: true } }"
    );
    let json = r#"{"flags": {"b": {"default": true}}}"#;
    assert_eq!(
        off(json, "b").unwrap(),
        r#"{"flags": {"b": {"state": "off", "default": true}}}"#
    );
}

#[test]
fn a_rollout_gives_way_to_a_variation() {
    let flow = "flags:\n  c:\n    default: { true: 30, false: 70 } # slowly\n    off: false\n";
    assert_eq!(
        default(flow, "c", "true").unwrap(),
        flow.replace("{ true: 30, false: 70 }", "true")
    );
    let block =
        "flags:\n  c:\n    default:\n      true: 30 # some\n      false: 70\n    off: false\n";
    assert_eq!(
        default(block, "c", "true").unwrap(),
        "flags:\n  c:\n    default:\n      true\n    off: false\n"
    );
}

#[test]
fn the_full_form_is_edited_too() {
    let text = r#"flags:
  - feature: f
    kind: string
    state: "on"
    variations:
      - { identifier: "a", value: "1" }
      - { identifier: "b b", value: "2" }
    offVariation: a
    defaultServe: { variation: a } # here
  - feature: g
    kind: boolean
    state: on
    variations: [{ identifier: "true", value: "true" }, { identifier: "false", value: "false" }]
    offVariation: "false"
    defaultServe:
      distribution:
        bucketBy: identifier
        variations: [{ variation: "true", weight: 50 }, { variation: "false", weight: 50 }]
"#;
    assert_eq!(off(text, "f").unwrap(), text.replace("\"on\"", "\"off\""));
    assert_eq!(
        default(text, "f", "b b").unwrap(),
        text.replace("{ variation: a } #", "{ variation: \"b b\" } #")
    );
    let changed = default(text, "g", "true").unwrap();
    let flag = parse(&changed).unwrap().flags.pop().unwrap();
    assert_eq!(
        flag.default_serve,
        Serve {
            variation: Some("true".to_owned()),
            distribution: None
        }
    );
}

#[test]
fn nothing_to_change_changes_nothing() {
    let text = "flags:\n  a: true\n";
    assert_eq!(default(text, "a", "true").unwrap(), text);
    assert_eq!(apply(text, "a", &Edit::default()).unwrap(), text);
}

#[test]
fn what_cannot_be_done_is_said() {
    let text = "flags:\n  a: true\n";
    assert!(matches!(off(text, "b"), Err(EditError::UnknownFlag(_))));
    let error = default(text, "a", "maybe").unwrap_err().to_string();
    assert_eq!(
        error,
        "flag `a` has no variation `maybe`; it has: true, false"
    );
    let error = off("flags:\n  a: [\n", "a").unwrap_err().to_string();
    assert!(
        error.starts_with("the flags file has a mistake at "),
        "{error}"
    );
}

#[test]
fn a_flag_that_shares_its_text_with_another_is_refused() {
    let text = "flags:\n  a: &both { default: true }\n  b: *both\n";
    let error = off(text, "b").unwrap_err();
    assert!(matches!(error, EditError::Refused(_)), "{error}");
    assert!(matches!(off(text, "a"), Err(EditError::Refused(_))));
}

fn target(
    text: &str,
    flag: &str,
    target: &str,
    variation: Option<&str>,
) -> Result<String, EditError> {
    apply(
        text,
        flag,
        &Edit {
            target: Some(TargetEdit {
                identifier: target.to_owned(),
                variation: variation.map(str::to_owned),
            }),
            ..Edit::default()
        },
    )
}

/// Who is named for what, in the order of the file.
fn named(text: &str) -> Vec<(String, Vec<String>)> {
    let mut flags = parse(text).unwrap().flags;
    let flag = flags.remove(0);
    let entries = flag.variation_to_target_map.into_iter();
    entries
        .map(|entry| {
            let targets = entry.targets.into_iter().map(|one| one.identifier);
            (entry.variation, targets.collect())
        })
        .collect()
}

/// A flag, the target and its variation, and the text that comes of it.
const OVERRIDES: &[(&str, &str, Option<&str>, &str)] = &[
    // A value becomes a map.
    (
        "flags:\n  a: true   # why\n  z: 1\n",
        "bob",
        Some("false"),
        "flags:\n  a: { default: true, targets: { false: [bob] } }   # why\n  z: 1\n",
    ),
    (
        "flags:\n  a: { value: false, state: off } # why\n",
        "bob",
        Some("true"),
        "flags:\n  a: { default: false, targets: { true: [bob] }, state: off } # why\n",
    ),
    // A new entry stands behind the default.
    (
        "flags:\n  a:\n    variations: { x: 1, z: 2 }\n    default: x # now\n    # later\n    rules: []\n",
        "user 7",
        Some("z"),
        "flags:\n  a:\n    variations: { x: 1, z: 2 }\n    default: x # now\n    targets: { z: [\"user 7\"] }\n    # later\n    rules: []\n",
    ),
    (
        "flags:\n  a: { variations: { x: 1, z: 2 }, default: x }",
        "42",
        Some("z"),
        "flags:\n  a: { variations: { x: 1, z: 2 }, default: x, targets: { z: [\"42\"] } }",
    ),
    (
        "flags:\r\n  a:\r\n    default: true\r\n",
        "bob",
        Some("false"),
        "flags:\r\n  a:\r\n    default: true\r\n    targets: { false: [bob] }\r\n",
    ),
    (
        "{\"flags\": {\"a\": {\"default\": true}}}",
        "bob",
        Some("false"),
        "{\"flags\": {\"a\": {\"default\": true, \"targets\": { \"false\": [\"bob\"] }}}}",
    ),
    // Lists grow at their end.
    (
        "flags:\n  a:\n    default: true\n    targets: { false: [ann, # first\n      zoe] } # few\n",
        "bob",
        Some("false"),
        "flags:\n  a:\n    default: true\n    targets: { false: [ann, # first\n      zoe, bob] } # few\n",
    ),
    (
        "flags:\n  a:\n    default: true\n    targets:\n      false:\n        - ann # first\n        # nobody else\n    off: false\n",
        "bob",
        Some("false"),
        "flags:\n  a:\n    default: true\n    targets:\n      false:\n        - ann # first\n        - bob\n        # nobody else\n    off: false\n",
    ),
    (
        "flags:\n  a:\n    default: true\n    targets:\n      false: ann # first\n",
        "bob",
        Some("true"),
        "flags:\n  a:\n    default: true\n    targets:\n      false: ann # first\n      true: [bob]\n",
    ),
    (
        "flags:\n  a:\n    default: true\n    targets: { false: ann }\n",
        "bob",
        Some("false"),
        "flags:\n  a:\n    default: true\n    targets: { false: [ann, bob] }\n",
    ),
    (
        "flags:\n  a:\n    default: true\n    targets: {}\n",
        "bob",
        Some("false"),
        "flags:\n  a:\n    default: true\n    targets: { false: [bob] }\n",
    ),
    // Gone again, with what is empty then.
    (
        "flags:\n  a:\n    default: true\n    targets:\n      # by hand\n      false:\n        - bob # him\n    off: false\n",
        "bob",
        None,
        "flags:\n  a:\n    default: true\n      # by hand\n    off: false\n",
    ),
    (
        "flags:\n  a:\n    default: true\n    targets:\n      false:\n        - bob\n        - ann # her\n",
        "bob",
        None,
        "flags:\n  a:\n    default: true\n    targets:\n      false:\n        - ann # her\n",
    ),
    (
        "flags:\n  a: { default: true, targets: { false: [ann, bob, zoe], true: [eve] } }\n",
        "bob",
        None,
        "flags:\n  a: { default: true, targets: { false: [ann, zoe], true: [eve] } }\n",
    ),
    (
        "flags:\n  a: { default: true, targets: { false: [ann], true: [bob] } }\n",
        "bob",
        None,
        "flags:\n  a: { default: true, targets: { false: [ann] } }\n",
    ),
    (
        "flags:\n  a: { default: true, targets: { false: [bob] }, off: false }\n",
        "bob",
        None,
        "flags:\n  a: { default: true, off: false }\n",
    ),
    // From one variation to another.
    (
        "flags:\n  a: { default: true, targets: { false: [bob], true: [ann] } }\n",
        "bob",
        Some("true"),
        "flags:\n  a: { default: true, targets: { true: [ann, bob] } }\n",
    ),
    (
        "flags:\n  a:\n    default: true\n    targets:\n      false: bob\n",
        "bob",
        Some("true"),
        "flags:\n  a:\n    default: true\n    targets:\n      true: [bob]\n",
    ),
    // Nothing to do.
    (
        "flags:\n  a: { default: true, targets: { false: [bob] } }\n",
        "bob",
        Some("false"),
        "flags:\n  a: { default: true, targets: { false: [bob] } }\n",
    ),
    ("flags:\n  a: true\n", "bob", None, "flags:\n  a: true\n"),
];

#[test]
fn a_target_gets_a_variation_of_its_own_and_loses_it() {
    for (text, identifier, variation, expected) in OVERRIDES {
        let new = target(text, "a", identifier, *variation)
            .unwrap_or_else(|error| panic!("{text}\n{error}"));
        assert_eq!(new, *expected, "{text}");
        let served = named(&new)
            .into_iter()
            .find(|(_, targets)| targets.iter().any(|one| one == identifier));
        assert_eq!(
            served.map(|(variation, _)| variation).as_deref(),
            *variation
        );
    }
}

#[test]
fn any_name_of_a_target_is_written_so_that_it_is_read_back() {
    for name in [
        "a",
        "4",
        "true",
        "null",
        "on",
        "~",
        "- x",
        "a: b",
        "a #b",
        "\"",
        "'",
        "\\",
        "[",
        "é",
        "😀",
        "a,b",
        "*x",
        "&x",
        "!x",
        "%x",
        "@x",
        "`x",
        " x ",
        "1e3",
        "0x1F",
        "2024-01-01",
        ".inf",
        "<b>&",
        "\u{2028}",
    ] {
        for text in [
            "flags:\n  a: true\n",
            "flags:\n  - feature: a\n    kind: boolean\n    state: on\n    variations: [{ identifier: \"true\", value: \"true\" }, { identifier: \"false\", value: \"false\" }]\n    offVariation: \"false\"\n    defaultServe: { variation: \"true\" }\n",
        ] {
            let new = target(text, "a", name, Some("false"))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(
                named(&new),
                [("false".to_owned(), vec![name.to_owned()])],
                "{new}"
            );
            assert_eq!(named(&target(&new, "a", name, None).unwrap()), []);
        }
    }
}

#[test]
fn targets_of_the_full_form_are_edited_too() {
    let text = r#"flags:
  - feature: f
    kind: string
    state: on
    variations:
      - { identifier: a, value: "1" }
      - { identifier: b, value: "2" }
    offVariation: a
    defaultServe: { variation: a } # here
"#;
    let entry =
        "    variationToTargetMap: [{ variation: b, targets: [{ identifier: bob, name: bob }] }]\n";
    let one = target(text, "f", "bob", Some("b")).unwrap();
    assert_eq!(one, format!("{text}{entry}"));
    assert_eq!(target(&one, "f", "bob", None).unwrap(), text);

    let map = "    variationToTargetMap:\n      - variation: b # staff\n        targetSegments: [staff]\n      - variation: a\n        targets:\n          - identifier: ann\n            name: Ann\n";
    let groups = "groups: { staff: { include: [x] } }\n";
    let text = format!("{text}{map}{groups}");
    // Behind a group that it may be a member of, the target would get that group's variation.
    let new = target(&text, "f", "bob", Some("a")).unwrap();
    let first = "      - { variation: a, targets: [{ identifier: bob, name: bob }] }\n";
    assert_eq!(
        new,
        text.replace(
            "      - variation: b",
            &format!("{first}      - variation: b")
        )
    );
    assert_eq!(target(&new, "f", "bob", Some("a")).unwrap(), new);
    assert_eq!(target(&new, "f", "bob", None).unwrap(), text);
    let new = target(&text, "f", "bob", Some("b")).unwrap();
    assert_eq!(
        new,
        text.replace(
            "[staff]\n",
            "[staff]\n        targets: [{ identifier: bob, name: bob }]\n"
        )
    );
    let new = target(&text, "f", "ann", None).unwrap();
    assert_eq!(named(&new), [("b".to_owned(), vec![])]);
    assert!(new.contains("# staff"), "{new}");
}

#[test]
fn the_variation_of_an_off_flag_can_be_chosen() {
    let off = |text: &str, variation: &str| {
        let edit = Edit {
            off: Some(variation.to_owned()),
            ..Edit::default()
        };
        apply(text, "a", &edit).unwrap()
    };
    assert_eq!(
        off("flags:\n  a: true # x\n", "true"),
        "flags:\n  a: { default: true, off: true } # x\n"
    );
    assert_eq!(
        off(
            "flags:\n  a:\n    variations: { x: 1, z: 2 }\n    default: x\n",
            "z"
        ),
        "flags:\n  a:\n    variations: { x: 1, z: 2 }\n    default: x\n    off: z\n"
    );
    assert_eq!(
        off(
            "flags:\n  a: { variations: { x: 1, z: 2 }, default: x, off: x }\n",
            "z"
        ),
        "flags:\n  a: { variations: { x: 1, z: 2 }, default: x, off: z }\n"
    );
    assert_eq!(off("flags:\n  a: true\n", "false"), "flags:\n  a: true\n");
}

#[test]
fn several_changes_at_once_are_made_together_or_not_at_all() {
    let text = "flags:\n  a: true # x\n";
    let all = Edit {
        state: Some(false),
        default: Some("false".to_owned()),
        off: Some("true".to_owned()),
        target: Some(TargetEdit {
            identifier: "bob".to_owned(),
            variation: Some("true".to_owned()),
        }),
    };
    assert_eq!(
        apply(text, "a", &all).unwrap(),
        "flags:\n  a: { default: false, targets: { true: [bob] }, off: true, state: off } # x\n"
    );
    let wrong = Edit {
        off: Some("maybe".to_owned()),
        ..all
    };
    assert!(matches!(
        apply(text, "a", &wrong),
        Err(EditError::UnknownVariation { .. })
    ));
}

#[test]
fn a_flag_with_one_variation_has_none_for_single_targets() {
    let error = target("flags:\n  a: hello\n", "a", "bob", Some("default")).unwrap_err();
    assert!(
        error.to_string().contains("give it more `variations`"),
        "{error}"
    );
}

/// What a step has made of a value is a value again once nothing else is left of it.
#[test]
fn a_boolean_that_an_edit_has_spelled_out_becomes_a_value_again() {
    let edit = |text: &str, edit: Edit| apply(text, "a", &edit).unwrap();
    let target = |variation: Option<&str>| Edit {
        target: Some(TargetEdit {
            identifier: "maya".to_owned(),
            variation: variation.map(str::to_owned),
        }),
        ..Edit::default()
    };
    let state = |on| Edit {
        state: Some(on),
        ..Edit::default()
    };
    for text in [
        "flags:\n  a: false # why\n  b: 1\n",
        "flags: { a: true, b: 1 }\n",
        "{\"flags\": {\"a\": true}}\n",
    ] {
        let named = edit(text, target(Some("true")));
        assert_ne!(named, text);
        assert_eq!(edit(&named, target(None)), text);
        let off = edit(text, state(false));
        assert_ne!(off, text);
        assert_eq!(edit(&off, state(true)), text);
    }
    // What somebody has laid out over lines, or has said more about, stays a map.
    for (text, left) in [
        (
            "flags:\n  a:\n    default: true\n    targets: { false: [maya] }\n",
            "flags:\n  a:\n    default: true\n",
        ),
        (
            "flags:\n  a: { description: x, default: true, targets: { false: [maya] } }\n",
            "flags:\n  a: { description: x, default: true }\n",
        ),
    ] {
        assert_eq!(edit(text, target(None)), left);
    }
}
