use flagwire_evaluation::model::{Serve, State};

use flagwire_evaluation::model::FeatureConfig;

use super::*;

mod as_written;
mod exports;

fn problems(text: &str) -> Vec<String> {
    parse(text)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn flag(text: &str) -> FeatureConfig {
    let mut flags = parse(text).unwrap().flags;
    assert_eq!(flags.len(), 1);
    flags.remove(0)
}

/// Text, and the one problem it must lead to.
const MISTAKES: &[(&str, &str)] = &[
    (
        "- a",
        "1:1: the file holds a list; start it with `flags:` and put the flags below",
    ),
    (
        "flag:\n  a: true\n",
        "1:1: unknown key `flag` (did you mean `flags`?); the file has two parts, `flags` and `groups`",
    ),
    (
        "flags: 7\n",
        "1:8: `flags` holds a number; write one flag a line below it, as `name: …`",
    ),
    (
        "flags:\n  a b: true\n",
        "2:3: the name `a b` of a flag has ` ` in it; use letters, digits, `-`, `_`, `.`, `$` and `@`",
    ),
    (
        "flags:\n  a:\n",
        "2:4: flag `a` has no value; write `a: true`, say",
    ),
    (
        "flags:\n  a: [1]\n",
        "2:6: flag `a` holds a list; put a JSON value under `value`, as in `a: { value: […] }`",
    ),
    (
        "flags:\n  a: { kind: strin, value: x }\n",
        "2:14: unknown kind `strin` in flag `a` (did you mean `string`?); it is one of: boolean, int, string, json",
    ),
    (
        "flags:\n  a: { kind: int, value: x }\n",
        "2:26: flag `a` is of kind int, but this value is text; write a number",
    ),
    (
        "flags:\n  a: { value: 1, default: 2 }\n",
        "2:18: flag `a` has `value`, one value for everybody, and so no `default`; write `variations` and `default` instead of `value`",
    ),
    (
        "flags:\n  a: { state: maybe, value: 1 }\n",
        "2:15: the state of flag `a` is either `on` or `off`",
    ),
    (
        "flags:\n  a: { variations: { x: 1 } }\n",
        "2:6: flag `a` needs a `default`: the variation to serve where no rule matches, one of: x",
    ),
    (
        "flags:\n  a: { variations: { x: 1, y: two }, default: x }\n",
        "2:31: flag `a` is of kind int, but this value is text; write a number",
    ),
    (
        "flags:\n  a: { variations: { one: 1 }, default: ona }\n",
        "2:41: flag `a` has no variation `ona` (did you mean `one`?); it has: one",
    ),
    (
        "flags:\n  a: { default: { true: 30, false: 60 } }\n",
        "2:17: the shares in flag `a` make 90 %; change them so that they make 100",
    ),
    (
        "flags:\n  a: { default: { true: 30.5, false: 69.5 } }\n",
        "2:25: the share of `true` in flag `a` is a whole number of percent, from 0 to 100",
    ),
    (
        "flags:\n  a: { variations: { x: 1, y: 2 }, default: { x: 50, y: 50 } }\n",
        "2:6: flag `a` has shares as its default and so needs `off`: the variation to serve while it is off, one of: x, y",
    ),
    (
        "flags:\n  a: { default: true, rules: [{ serve: true }] }\n",
        "2:31: rule 1 of flag `a` needs `when`: its conditions, as in `when: { plan: gold }`",
    ),
    (
        "flags:\n  a: { default: true, rules: [{ when: { plan: gold } }] }\n",
        "2:31: rule 1 of flag `a` needs `serve`: a variation, one of: true, false",
    ),
    (
        "flags:\n  a: { default: true, rules: [{ when: { plan: { starts: g } }, serve: true }] }\n",
        "2:49: unknown key `starts` in the condition on `plan` in rule 1 of flag `a`; it may have: is, is-exactly, in, starts-with, ends-with, contains, matches, after",
    ),
    (
        "flags:\n  a: { default: true, rules: [{ when: { plan: { matches: '(' } }, serve: true }] }\n",
        "2:58: `matches` in rule 1 of flag `a` is not a regular expression: unclosed group",
    ),
    (
        "flags:\n  a: { default: true, rules: [{ when: { group: staf }, serve: true }] }\ngroups: { staff: { include: [x] } }\n",
        "2:48: flag `a` names the group `staf`, which is not defined (did you mean `staff`?); add it under `groups`",
    ),
    (
        "flags:\n  a: { value: true, requires: { b: true } }\n",
        "2:33: flag `a` requires the flag `b`, which is not defined",
    ),
    (
        "flags:\n  a:\n    default: true\n    rules:\n      - { when: { group: [staff, staf] }, serve: true }\ngroups: { staff: { include: [x] } }\n",
        "5:34: flag `a` names the group `staf`, which is not defined (did you mean `staff`?); add it under `groups`",
    ),
    (
        "flags: { a: true }\ngroups:\n  g:\n    rules:\n      - { group: h }\n",
        "5:18: group `g` names the group `h`, which is not defined; add it under `groups`",
    ),
    (
        "flags:\n  - feature: a\n    kind: boolean\n    state: on\n    variations: [{ identifier: t, value: 'true' }]\n    offVariation: t\n    defaultServe: { variation: t }\n    prerequisites: [{ feature: b, variations: [t] }]\n",
        "8:32: flag `a` requires the flag `b`, which is not defined",
    ),
    (
        "flags:\n  a:\n    default: true\n    targets:\n      true: [ada, ben]\n      false: [eve, ada]\n",
        "6:20: `targets` of flag `a` names `ada` for `true` in line 5 and for `false` here; remove one of the two",
    ),
    (
        "flags:\n  a: { value: true, requires: { b: x } }\n  b: true\n",
        "2:33: flag `a` requires variation `x` of flag `b`, which has no such variation",
    ),
    (
        "groups:\n  g: { includes: [x] }\n",
        "2:8: unknown key `includes` in group `g` (did you mean `include`?); it may have: name, include, exclude, rules",
    ),
    (
        "groups:\n  g: { include: [] }\n",
        "2:17: `include` of group `g` is an empty list; remove it or fill it",
    ),
    (
        "flags:\n  - kind: boolean\n",
        "2:5: a flag in a list needs its name under `feature`; or write a map from name to flag",
    ),
    (
        "flags:\n  - { feature: a, kind: boolean, state: on, variations: [{ identifier: t, value: true }], offVariation: t, defaultServe: { variation: x } }\n",
        "2:122: flag `a` has no variation `x`; it has: t",
    ),
    (
        "flags:\n  - feature: a\n    kind: boolean\n    state: on\n    variations: [{ identifier: t, value: 'true', nam: x }]\n    offVariation: t\n    defaultServe: { variation: t }\n",
        "5:50: unknown key `nam` in a variation of flag `a` (did you mean `name`?); it may have: identifier, name, value, description",
    ),
    (
        "flags:\n  a:\n    kind: boolean\n    state: on\n    variations: [{ identifier: t, value: true }]\n    offVariation: t\n    defaultServe: { distribution: { variations: [{ variation: t, weight: 99 }] } }\n",
        "7:19: the weights in flag `a` make 99; change them so that they make 100",
    ),
    (
        "flags:\n  a:\n    kind: boolean\n    state: on\n    variations: [{ identifier: t, value: true }]\n    offVariation: t\n    defaultServe: { variation: t }\n    rules: [{ priority: one }]\n",
        "8:25: `rules[0].priority` of flag `a` holds `one`; write a whole number",
    ),
    (
        "flags:\n  - { feature: a, state: on }\n",
        "2:5: flag `a` has no `kind`; add it",
    ),
    (
        "flags:\n  - { feature: a, kind: boolean, variations: [x] }\n",
        "2:47: `variations[0]` of flag `a` holds `x`; write a map",
    ),
    (
        "flags:\n  - { feature: a, kind: boolean, state: on }\n",
        "2:5: flag `a` has no variations; list them, each with `identifier` and `value`",
    ),
    (
        "flags:\n  - { feature: a, kind: boolean, rules: x }\n",
        "2:41: `rules` of flag `a` holds `x`; write a list",
    ),
    (
        "flags:\n\ta: true\n",
        "2:2: a tab is no indentation in YAML; put blanks in its place",
    ),
    (
        "flags:\n  a: true\n   b: true\n",
        "3:5: a `:` with a blank after it starts a value here; indent the line as the one above, or put a text with `: ` in quotes",
    ),
    (
        "flags:\n  a: true\n b: true\n",
        "3:2: this does not belong to the lines above; indent it as they are, or put a text with special characters in quotes",
    ),
    (
        "flags:\n  a: {x: 1\n",
        "2:6: this bracket is never closed; add `}` or `]`",
    ),
    (
        "flags:\n  a: 'it's'\n",
        "2:10: text goes on after its quotes; write a quote within single quotes twice, as in `'it''s'`",
    ),
    (
        "flags:\n  a: !!int on\n",
        "2:12: this is no number for its tag; write the number without a tag",
    ),
];

#[test]
fn what_is_too_deep_or_grows_by_aliases_is_refused_at_its_place() {
    let deep = format!(
        "flags:\n  a: {{ kind: json, value: {}{} }}\n",
        "[".repeat(50),
        "]".repeat(50)
    );
    let mut grows = "a: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 0..8 {
        let list = vec![format!("*l{level}"); 10].join(", ");
        grows.push_str(&format!("b{level}: &l{} [{list}]\n", level + 1));
    }
    for (text, place) in [(deep, "2:"), (grows, "6:")] {
        let found = problems(&text);
        assert!(
            found.len() == 1 && found[0].starts_with(place) && found[0].contains("too deep"),
            "{found:?}"
        );
    }
}

#[test]
fn every_mistake_is_placed_and_says_what_to_do() {
    let wrong: Vec<_> = MISTAKES
        .iter()
        .map(|(text, expected)| (text, problems(text), expected))
        .filter(|(_, found, expected)| found != &[**expected])
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn broken_syntax_and_keys_given_twice_are_placed() {
    for (text, said) in [
        (
            "flags:\n  a: true\n  a: false\n",
            "3:3: the key `a` is there twice, first in line 2; remove one of the two",
        ),
        (
            "flags: { a: true }\n---\nflags: { b: true }\n",
            "3:1: a second document starts here; a file holds one, so remove the line `---`",
        ),
        (
            "flags: { a: *nothing }\n",
            "1:13: an alias (`*name`) names an anchor (`&name`) that is not above it",
        ),
    ] {
        assert_eq!(problems(text), [said]);
    }
    for (text, place) in [
        ("flags:\n  a: [\n", "2:6"),
        ("flags:\n\ta: 1\n", "2:"),
        ("flags:\n  a: true\n  a: false\n", "3:3"),
        ("flags: {a: \"x}", "1:"),
        ("a: *nothing\n", "1:"),
    ] {
        let found = problems(text);
        assert_eq!(found.len(), 1, "{text}");
        assert!(found[0].starts_with(place), "{text:?} gives {found:?}");
        assert!(
            found[0].len() > place.len() + 5,
            "a reason is given: {found:?}"
        );
    }
}

#[test]
fn a_flag_given_twice_in_a_list_is_a_mistake() {
    let one = "  - { feature: a, kind: boolean, state: on, variations: [{ identifier: t, value: true }], offVariation: t, defaultServe: { variation: t } }\n";
    assert_eq!(
        problems(&format!("flags:\n{one}{one}")),
        ["3:16: flag `a` is already defined in line 2; remove one of the two"]
    );
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let text =
        "groups:\n  g: { rule: [] }\nflags:\n  a: [1]\n  b: true\n  c: { state: x, value: 1 }\n";
    let lines: Vec<String> = problems(text)
        .iter()
        .map(|line| line.split(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(lines, ["2", "4", "6"]);
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let refs = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
    }
    assert!(parse(&text).is_err());
    assert!(parse(&format!("flags: {}", "[".repeat(100_000))).is_err());
}

#[test]
fn the_shortest_form_is_a_flag_of_the_kind_of_its_value() {
    let boolean = flag("flags: { a: true }");
    assert_eq!(
        (
            boolean.kind.as_str(),
            boolean.variations.len(),
            boolean.off_variation.as_str()
        ),
        ("boolean", 2, "false")
    );
    assert_eq!(boolean.default_serve.variation.as_deref(), Some("true"));
    for (text, kind, value) in [
        ("50", "int", "50"),
        ("-1.5", "int", "-1.5"),
        ("hi", "string", "hi"),
        ("\"\"", "string", ""),
        ("\"50\"", "string", "50"),
        (
            "{ value: { b: [1, 2.5, null], a: x } }",
            "json",
            r#"{"b":[1,2.5,null],"a":"x"}"#,
        ),
        ("{ kind: string, value: 50 }", "string", "50"),
        ("{ kind: json, value: \"text\" }", "json", "\"text\""),
    ] {
        let flag = flag(&format!("flags: {{ a: {text} }}"));
        assert_eq!(
            (flag.kind.as_str(), flag.variations[0].value.as_str()),
            (kind, value),
            "{text}"
        );
        assert_eq!(flag.state, State::On);
    }
}

#[test]
fn on_and_off_mean_what_they_say() {
    assert_eq!(
        flag("flags: { a: { value: 1, state: off } }").state,
        State::Off
    );
    let flag = flag("flags: { a: { default: off, rules: [{ when: { x: y }, serve: on }] } }");
    assert_eq!(flag.default_serve.variation.as_deref(), Some("false"));
    assert_eq!(flag.rules[0].serve.variation.as_deref(), Some("true"));
}

#[test]
fn rules_targets_and_requirements_become_the_wire_form() {
    let text = "
flags:
  other: true
  a:
    variations: { x: 1, y: 2 }
    default: { x: 25, y: 75 }
    by: email
    off: x
    requires: { other: [true, false] }
    targets: { y: [u1, 2] }
    rules:
      - { name: gold, when: { plan: [gold, 1], age: { after: 3 }, group: [g, h] }, serve: y }
      - { when: { plan: gold }, serve: { x: 50, y: 50 }, by: plan }
groups:
  g: { include: [u7], exclude: [u9], rules: [{ mail: { is-exactly: m } }, { group: h }] }
  h: { name: Aitch, include: u1 }
";
    let configuration = parse(text).unwrap();
    let flag = serde_json::to_value(&configuration.flags[1]).unwrap();
    assert_eq!(
        flag["defaultServe"],
        serde_json::json!({"distribution": {"bucketBy": "email", "variations": [{"variation": "x", "weight": 25}, {"variation": "y", "weight": 75}]}})
    );
    assert_eq!(
        flag["prerequisites"],
        serde_json::json!([{"feature": "other", "variations": ["true", "false"]}])
    );
    assert_eq!(
        flag["variationToTargetMap"][0]["targets"][1]["identifier"],
        "2"
    );
    let clauses: Vec<_> = configuration.flags[1].rules[0]
        .clauses
        .iter()
        .map(|clause| {
            (
                clause.attribute.as_str(),
                clause.op.as_str(),
                clause.values.join(","),
            )
        })
        .collect();
    assert_eq!(
        clauses,
        [
            ("plan", "in", "gold,1".to_owned()),
            ("age", "gt", "3".to_owned()),
            ("", "segmentMatch", "g,h".to_owned())
        ]
    );
    assert_eq!(
        flag["rules"][1]["serve"]["distribution"]["bucketBy"],
        "plan"
    );
    assert_eq!(flag["rules"][1]["priority"], 2);
    let groups = serde_json::to_value(&configuration.segments).unwrap();
    assert_eq!(
        groups[0]["servingRules"][0]["clauses"][0]["op"],
        "equal_sensitive"
    );
    assert_eq!(groups[0]["excluded"][0]["identifier"], "u9");
    assert_eq!(
        (&groups[1]["name"], &groups[1]["included"][0]["identifier"]),
        (&"Aitch".into(), &"u1".into())
    );
}

/// The example of the protocol's description, as JSON, which is YAML.
#[test]
fn the_full_form_is_read_as_it_is_served() {
    let text = r#"{"flags": [{
        "project": "shop", "environment": "production", "feature": "checkout-v2", "kind": "boolean", "state": "on", "version": 12,
        "variations": [{"identifier": "true", "name": "On", "value": "true", "description": ""}, {"identifier": "false", "name": "Off", "value": "false"}],
        "offVariation": "false", "defaultServe": {"variation": "false", "distribution": null}, "prerequisites": null,
        "variationToTargetMap": [{"variation": "true", "targets": [{"identifier": "user-42", "name": "Ada"}], "targetSegments": ["beta"]}],
        "rules": [{"ruleId": "r1", "priority": 1,
            "clauses": [{"id": "c1", "attribute": "", "op": "segmentMatch", "values": ["beta"], "negate": false}],
            "serve": {"distribution": {"bucketBy": "identifier", "variations": [{"variation": "true", "weight": 30}, {"variation": "false", "weight": 70}]}}}]
    }], "groups": [{"identifier": "beta", "name": "Beta", "version": 4, "createdAt": 1700000000000, "tags": [{"name": "t", "identifier": "t"}],
        "included": [{"identifier": "user-7", "name": "Bob", "environment": "", "project": "", "account": "", "org": ""}],
        "rules": [{"id": "c1", "attribute": "email", "op": "ends_with", "values": ["@example.com"], "negate": false}]}]}"#;
    let configuration = parse(text).unwrap();
    let flag = &configuration.flags[0];
    assert_eq!(
        (flag.version, flag.state, flag.rules.len()),
        (Some(12), State::On, 1)
    );
    assert_eq!(
        flag.default_serve,
        Serve {
            variation: Some("false".to_owned()),
            distribution: None
        }
    );
    assert_eq!(configuration.segments[0].rules[0].op, "ends_with");
    // What is served can be saved as a flags file.
    let again = serde_json::json!({"flags": configuration.flags, "groups": configuration.segments})
        .to_string();
    assert_eq!(parse(&again).unwrap(), configuration);
}

#[test]
fn a_file_with_comments_only_has_no_flags() {
    for text in [
        "# nothing yet\n",
        "flags:\n",
        "flags:\ngroups:\n",
        "flags: {}\n",
    ] {
        assert_eq!(parse(text).unwrap(), Configuration::default(), "{text}");
    }
}

#[test]
fn bytes_that_say_nothing_of_flags_are_no_flags_file() {
    for nothing in ["", "\n", "# only this\n", "---\n", "{}\n", "\u{feff}"] {
        let problems = parse_bytes(nothing.as_bytes()).unwrap_err();
        assert!(
            problems[0].place().is_none() && problems[0].reason().contains("write `flags:`"),
            "{nothing:?}: {problems:?}"
        );
    }
    for none in ["flags:\n", "# none\nflags: {}\n", "groups:\n"] {
        assert!(parse_bytes(none.as_bytes()).is_ok(), "{none:?}");
    }
}

#[test]
fn tags_of_the_core_schema_say_what_a_scalar_is() {
    let read = parse("flags: { a: !!str on, b: !!str 007, c: ! yes, d: !!int \"5\", e: !!bool \"true\", f: !!float 2 }").unwrap();
    let kinds: Vec<_> = read
        .flags
        .iter()
        .map(|flag| (flag.kind.as_str(), flag.variations[0].value.as_str()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("string", "on"),
            ("string", "007"),
            ("string", "yes"),
            ("int", "5"),
            ("boolean", "true"),
            ("int", "2")
        ]
    );
    for (text, said) in [
        (
            "flags: { a: !include other.yaml }",
            "1:22: other files cannot be included; put what is in it here",
        ),
        (
            "flags: { a: !!binary aGk= }",
            "1:22: a tag (`!name`) has no meaning here; remove it",
        ),
        (
            "flags: { [a]: 1 }",
            "1:10: a key is a text, and no list or map; put it in quotes",
        ),
        (
            "flags: { <<: 1 }",
            "1:14: `<<` merges a map, or a list of maps, into the one that it is a key of; put `<<` in quotes if it is a name",
        ),
        (
            "flags: &a { b: *a }",
            "1:16: an alias (`*name`) stands inside of what it repeats",
        ),
    ] {
        assert_eq!(problems(text), [said]);
    }
}

#[test]
fn one_anchor_may_be_repeated_many_times() {
    let flags: String = (0..500).map(|n| format!("  f{n}: *one\n")).collect();
    let read = parse(&format!("base: &one {{ default: true }}\nflags:\n{flags}"));
    // Before, more than ten aliases for each anchor were taken for an attack.
    assert_eq!(
        read.unwrap_err()[0].to_string().find("unknown key `base`"),
        Some(5)
    );
    let read = parse(&format!(
        "flags:\n  base: &one {{ default: true }}\n{flags}"
    ))
    .unwrap();
    assert_eq!(read.flags.len(), 501);
}

#[test]
fn the_parts_of_merged_maps_come_after_those_of_the_map_itself() {
    let read = flag(
        "flags: { a: { <<: [{ default: x, kind: string }, { default: y, off: y }], variations: { x: 1, y: 2 }, off: x } }",
    );
    assert_eq!(
        (read.kind.as_str(), read.off_variation.as_str()),
        ("string", "x")
    );
    assert_eq!(read.default_serve.variation.as_deref(), Some("x"));
}

#[test]
fn what_an_export_has_wrong_below_its_environment_is_placed_there() {
    assert_eq!(
        problems(
            "flags:\n  - feature: a\n    kind: boolean\n    variations: [{ identifier: t, value: true }]\n    envProperties:\n      rules:\n        - { priority: one }\n"
        ),
        ["7:23: `rules[0].priority` of flag `a` holds `one`; write a whole number"]
    );
}

#[test]
fn descriptions_are_kept_for_people() {
    let read = parse("flags: { a: { default: true, description: ' why ' }, b: { value: 1, description: '' }, c: true }").unwrap();
    let described: Vec<_> = read
        .flags
        .iter()
        .map(|flag| flag.description.as_deref())
        .collect();
    assert_eq!(described, [Some("why"), None, None]);
    let read = parse("flags: [{ feature: a, description: 7, kind: string, state: on, offVariation: x, variations: [{ identifier: x, value: x }], defaultServe: { variation: x } }]").unwrap();
    assert_eq!(read.flags[0].description.as_deref(), Some("7"));
}

/// The schema that editors use must not call a good file wrong, nor pass what is wrong by its shape.
#[test]
fn the_schema_agrees_with_the_reader_on_shapes() {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let verdicts = |text: &str| {
        let json = node::parse(text).unwrap().to_json();
        (parse(text).is_ok(), validator.is_valid(&json))
    };
    assert_eq!(verdicts(SAMPLE), (true, true), "the sample");
    for good in [
        "",
        "flags:",
        "flags: { a: true, b: 1.5, c: text, d: { value: [1, 2], state: off } }",
        "flags: { a: { kind: bool, default: on, off: off, description: why } }",
        "flags: { a: { variations: { x: 1, y: 2 }, default: { x: 30, y: 70 }, by: email, off: x, targets: { y: [u, 7] } } }",
        "flags: { a: true, b: { default: true, requires: { a: true }, rules: [{ name: n, when: { plan: [x, y], group: g, age: { after: 5 } }, serve: { true: 1, false: 99 }, by: z }] } }\ngroups: { g: {} }",
        "groups: { g: { name: G, include: [a, 1], exclude: b, rules: [{ plan: { in: [x] }, email: { ends-with: [y] } }] } }",
        "flags: [{ feature: a, description: why, kind: boolean, state: on, offVariation: f, variations: [{ identifier: t, value: true }, { identifier: f, value: 'false' }], defaultServe: { variation: t }, rules: null }]",
        "groups: [{ identifier: g, included: [{ identifier: x }], rules: [{ attribute: a, op: equal, values: [1], negate: false }] }]",
        "flags: { a: { variations: { null: x, 007: y }, kind: string, default: null, off: 007, targets: { 007: [null, ~, 1.10] }, by: 12 } }",
        "flags: { a: { default: true, tags: [x, 7], owner: ada, metadata: { team: x, cost: 1, live: true } }, b: { default: true, tags: x, owner: [a, b] } }",
        "flags: [{ identifier: a, name: A, archived: false, createdAt: 1, tags: [{ name: t, identifier: t }], owner: [''], kind: boolean, variations: [{ identifier: t, value: true }], envProperties: { state: on, offVariation: t, defaultServe: { variation: t }, variationMap: null, rules: [] }, anything: { else: 1 } }]",
    ] {
        assert_eq!(verdicts(good), (true, true), "{good}");
    }
    for bad in [
        "flag: {}",
        "flags: 7",
        "flags: { 'a b': true }",
        "flags: { a: { defualt: true } }",
        "flags: { a: [1] }",
        "flags: { a: { default: true, state: maybe } }",
        "flags: { a: { default: { true: 1.5, false: 98.5 }, off: false } }",
        "flags: { a: { kind: strin, value: x } }",
        "flags: { a: { default: true, rules: [{ serve: true }] } }",
        "flags: { a: { default: true, rules: [{ when: {}, serve: true }] } }",
        "flags: { a: { default: true, rules: [{ when: { x: { starts: y } }, serve: true }] } }",
        "flags: { a: { default: true, rules: [{ when: { x: { is: [y, z] } }, serve: true }] } }",
        "groups: { g: { includes: [a] } }",
        "groups: { g: { included: [{ name: x }] } }",
        "flags: [{ kind: boolean, offVariation: f }]",
        "flags: { a: { offVariation: f, rulez: [] } }",
        "flags: { a: { default: true, metadata: { x: [1] } } }",
        "flags: { a: { default: true, tags: { a: b } } }",
        "flags: { a: { default: true, createdAt: 1 } }",
    ] {
        assert_eq!(verdicts(bad), (false, false), "{bad}");
    }
}

/// The document, the reader and the schema say the same of the same keys.
#[test]
fn what_the_document_says_of_flags_files_is_so() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SERVER.md");
    let document = std::fs::read_to_string(path).unwrap();
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let described = &schema["$defs"]["shortFlag"]["anyOf"][1]["properties"];
    assert_eq!(described.as_object().unwrap().len(), short::FLAG_KEYS.len());
    for key in short::FLAG_KEYS {
        assert!(document.contains(&format!("`{key}`")), "{key}");
        assert!(described.get(key).is_some(), "{key}");
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    let blocks = document
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|block| block.starts_with("flags:"));
    let mut number = 0;
    for block in blocks {
        assert!(parse(block).is_ok(), "{block}: {:?}", problems(block));
        assert!(validator.is_valid(&node::parse(block).unwrap().to_json()));
        number += 1;
    }
    assert!(number >= 2);
    for refused in [
        "flags: { dark-mode: on }",
        "flags: { a: 007 }",
        "flags: { a: 1_000 }",
        "flags: { a: 0b11 }",
        "flags: { a: .nan }",
    ] {
        assert!(parse(refused).is_err(), "{refused}");
    }
}
