use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::parse;

fn flag(name: &str) -> Entry {
    Entry::Flag(name.to_owned())
}

fn group(name: &str) -> Entry {
    Entry::Group(name.to_owned())
}

fn read(text: &str, entry: &Entry) -> Definition {
    definition(text, entry).unwrap().unwrap()
}

/// Replaces a definition, and checks that the old one can be put back.
fn replace(text: &str, entry: &Entry, wanted: &Json) -> String {
    let old = read(text, entry);
    let new = put(text, entry, wanted, Some(&old.revision))
        .unwrap_or_else(|error| panic!("{error}\n{text}\n{wanted}"));
    let revision = read(&new, entry).revision;
    let back = put(&new, entry, &old.json, Some(&revision))
        .unwrap_or_else(|error| panic!("undo: {error}\n{new}\n{}", old.json));
    assert_eq!(parse(&back).unwrap(), parse(text).unwrap(), "{back}");
    new
}

fn replaced(text: &str, wanted: &Json, expected: &str) {
    assert_eq!(replace(text, &flag("a"), wanted), expected);
}

fn add(text: &str, entry: &Entry, wanted: &Json) -> String {
    put(text, entry, wanted, None).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn a_value_becomes_a_map_and_a_value_again() {
    let text = "flags:\n  a: true   # why\n  z: 1\n";
    let longer = "flags:\n  a:   # why\n    default: true\n    rules:\n      - when: { plan: gold }\n        serve: false\n  z: 1\n";
    let wanted =
        json!({ "default": true, "rules": [{ "when": { "plan": "gold" }, "serve": false }] });
    replaced(text, &wanted, longer);
    replaced(
        text,
        &json!({ "default": false }),
        &text.replace("true ", "false "),
    );
    replaced(
        text,
        &json!({ "value": true, "state": "off" }),
        &text.replace("true ", "{ value: true, state: off } "),
    );
    let shorter = replace(longer, &flag("a"), &json!({ "default": true }));
    assert_eq!(shorter, "flags:\n  a:   # why\n    default: true\n  z: 1\n");
}

const RULES: &str = r#"# Our flags.
flags:
  # The look.
  a:
    # Three of them.
    variations:
      x: 1 # the first
      w: 2
      # Not yet.
      z: 3
    default: { x: 70, w: 30 } # slowly
    off: x
    targets: { w: [ann, # boss
      'bob'] }
    rules: # from top to bottom
      # Gold first.
      - when: { plan: gold } # paid
        serve: w
      # Staff.
      - name: staff
        # Only ours.
        when: { group: staff }
        serve: z # all

      - when:
          email: { ends-with: "@x.y" } # ours
          country: [AT, 'DE']
        serve: { x: 50, w: 50 }
        by: country
    # The end of it.

  # The next.
  b: true

groups:
  # Ours.
  staff: { include: [ann, eve] }
"#;

/// The definition of `a`, changed.
fn with(change: impl FnOnce(&mut serde_json::Map<String, Json>)) -> Json {
    let mut json = read(RULES, &flag("a")).json;
    change(json.as_object_mut().unwrap());
    json
}

fn rules(json: &mut serde_json::Map<String, Json>) -> &mut Vec<Json> {
    json.get_mut("rules").unwrap().as_array_mut().unwrap()
}

#[test]
fn a_definition_is_read_as_it_is_written() {
    let json = read(RULES, &flag("a")).json;
    assert_eq!(json["variations"], json!({ "x": 1, "w": 2, "z": 3 }));
    assert_eq!(json["default"], json!({ "x": 70, "w": 30 }));
    assert_eq!(json["rules"][2]["when"]["country"], json!(["AT", "DE"]));
    assert_eq!(read(RULES, &flag("b")).json, json!(true));
    assert_eq!(
        read(RULES, &group("staff")).json,
        json!({ "include": ["ann", "eve"] })
    );
    assert_eq!(definition(RULES, &flag("c")).unwrap(), None);
    let odd = "flags:\n  a: { value: 1.50, tags: [007, 1.10, on, null] }\n";
    let json = read(odd, &flag("a")).json;
    assert_eq!(json["value"], json!(1.5));
    assert_eq!(json["tags"], json!(["007", "1.10", "on", null]));
}

#[test]
fn nothing_to_change_changes_nothing() {
    for entry in [flag("a"), flag("b"), group("staff")] {
        assert_eq!(replace(RULES, &entry, &read(RULES, &entry).json), RULES);
    }
    let spelled = with(|json| {
        rules(json)[2]["serve"] = json!({ "x": 50, "w": 50 });
    });
    assert_eq!(replace(RULES, &flag("a"), &spelled), RULES);
}

#[test]
fn only_what_differs_gets_a_new_text() {
    let cases: Vec<(Json, Vec<(&str, &str)>)> = vec![
        (
            with(|json| json["default"] = json!({ "x": 60, "w": 40 })),
            vec![("{ x: 70, w: 30 } #", "{ x: 60, w: 40 } #")],
        ),
        (
            with(|json| json["default"] = json!("w")),
            vec![("default: { x: 70, w: 30 } #", "default: w #")],
        ),
        (
            with(|json| json["targets"] = json!({ "w": ["ann", "bob", "user 7"] })),
            vec![("'bob'] }", "'bob', user 7] }")],
        ),
        (
            with(|json| json["targets"] = json!({ "w": ["bob"] })),
            vec![(
                "[ann, # boss\n      'bob'] }",
                "['bob' # boss\n                   ] }",
            )],
        ),
        (
            with(|json| {
                json.shift_remove("targets");
            }),
            vec![("    targets: { w: [ann, # boss\n      'bob'] }\n", "")],
        ),
        (
            with(|json| rules(json)[1]["serve"] = json!("x")),
            vec![("serve: z # all", "serve: x # all")],
        ),
        (
            with(|json| rules(json)[1]["when"] = json!({ "group": "staff", "plan": "gold" })),
            vec![("{ group: staff }", "{ group: staff, plan: gold }")],
        ),
        (
            with(|json| rules(json)[2]["when"] = json!({ "country": ["AT", "DE", "CH"] })),
            vec![(
                "          email: { ends-with: \"@x.y\" } # ours\n          country: [AT, 'DE']",
                "          country: [AT, 'DE', CH]",
            )],
        ),
        (
            with(|json| {
                rules(json).remove(0);
            }),
            vec![(
                "      # Gold first.\n      - when: { plan: gold } # paid\n        serve: w\n",
                "",
            )],
        ),
        (
            with(|json| {
                rules(json).swap(0, 1);
            }),
            vec![
                (
                    "      # Gold first.\n      - when: { plan: gold } # paid\n        serve: w\n",
                    "",
                ),
                (
                    "        serve: z # all\n",
                    "        serve: z # all\n      # Gold first.\n      - when: { plan: gold } # paid\n        serve: w\n",
                ),
            ],
        ),
        (
            with(|json| {
                rules(json).insert(1, json!({ "when": { "beta": true }, "serve": "z" }));
            }),
            vec![(
                "        serve: w\n",
                "        serve: w\n      - when: { beta: true }\n        serve: z\n",
            )],
        ),
        (
            with(|json| {
                json.shift_remove("rules");
            }),
            vec![
                (
                    RULES
                        .split_once("    rules:")
                        .unwrap()
                        .1
                        .split_once("    # The end")
                        .unwrap()
                        .0,
                    "",
                ),
                ("    rules:", ""),
            ],
        ),
        (
            with(|json| {
                rules(json)[1].as_object_mut().unwrap().shift_remove("name");
            }),
            vec![(
                "- name: staff\n        # Only ours.\n        when: { group: staff }\n",
                "- when: { group: staff }\n        # Only ours.\n",
            )],
        ),
        (
            with(|json| {
                json["variations"] = json!({ "x": 1, "w": 2, "z": 3, "v": 4 });
            }),
            vec![("      z: 3\n", "      z: 3\n      v: 4\n")],
        ),
        (
            with(|json| {
                json.insert("requires".to_owned(), json!({ "b": true }));
            }),
            vec![("    # The end", "    requires: { b: true }\n    # The end")],
        ),
    ];
    for (wanted, changes) in cases {
        let expected = changes.iter().fold(RULES.to_owned(), |text, (old, new)| {
            assert!(text.contains(old), "{old}");
            text.replacen(old, new, 1)
        });
        assert_eq!(replace(RULES, &flag("a"), &wanted), expected, "{wanted}");
    }
}

#[test]
fn a_new_flag_or_group_stands_behind_the_others() {
    let on = json!(true);
    assert_eq!(add("", &flag("new"), &on), "flags:\n  new: true\n");
    assert_eq!(
        add("# none\n", &flag("new"), &on),
        "# none\nflags:\n  new: true\n"
    );
    for empty in ["", " {}", " null", " ~", " []"] {
        if empty == " []" {
            continue;
        }
        let text = format!("flags:{empty} # none\ngroups: {{}}\n");
        assert_eq!(
            add(&text, &flag("new"), &on),
            "flags: # none\n  new: true\ngroups: {}\n"
        );
    }
    assert_eq!(
        add("flags: { a: true }", &flag("new"), &on),
        "flags: { a: true, new: true }"
    );
    assert_eq!(
        add(
            "{\"flags\": {\"a\": true}}",
            &flag("new"),
            &json!({ "default": true, "requires": { "a": true } })
        ),
        "{\"flags\": {\"a\": true, \"new\": { \"default\": true, \"requires\": { \"a\": true } }}}"
    );
    assert_eq!(
        add(
            "{\n  \"flags\": {\n    \"a\": true\n  }\n}\n",
            &flag("new"),
            &on
        ),
        "{\n  \"flags\": {\n    \"a\": true,\n    \"new\": true\n  }\n}\n"
    );
    assert_eq!(
        add(
            "{\n  \"flags\": {\n    \"a\": true\n  }\n}\n",
            &group("g"),
            &json!({ "include": ["x"] })
        ),
        "{\n  \"flags\": {\n    \"a\": true\n  },\n  \"groups\": { \"g\": { \"include\": [\"x\"] } }\n}\n"
    );
    assert_eq!(
        add(
            "flags:\r\n  a: true\r\n",
            &group("g"),
            &json!({ "include": ["x"] })
        ),
        "flags:\r\n  a: true\r\ngroups:\r\n  g:\r\n    include: [x]\r\n"
    );
    assert_eq!(
        add("flags:\n  a: true # no line end", &flag("new"), &on),
        "flags:\n  a: true # no line end\n  new: true"
    );
    let spelled = json!({ "description": "New: a try", "variations": { "on": 1, "z": "1" }, "default": "z", "targets": { "z": ["42", "user 7"] },
        "rules": [{ "when": { "plan": ["gold", "silver"], "version": { "after": "10" } }, "serve": { "on": 30, "z": 70 } }], "state": "off" });
    let new = add(
        RULES,
        &flag("new"),
        &spelled
            .as_object()
            .map(|map| {
                let mut map = map.clone();
                map.insert("kind".to_owned(), "string".into());
                map.insert("variations".to_owned(), json!({ "on": "1", "z": "yes" }));
                Json::Object(map)
            })
            .unwrap(),
    );
    let expected = "  b: true\n\n  new:\n    description: \"New: a try\"\n    variations:\n      \"on\": \"1\"\n      z: \"yes\"\n    default: z\n    targets: { z: [42, user 7] }\n    rules:\n      - when: { plan: [gold, silver], version: { after: \"10\" } }\n        serve: { \"on\": 30, z: 70 }\n    state: off\n    kind: string\n";
    assert_eq!(new, RULES.replace("  b: true\n", expected));
    assert_eq!(delete(&new, &flag("new"), None).unwrap(), RULES);
}

#[test]
fn a_flag_is_deleted_with_the_comments_directly_above_it() {
    assert_eq!(
        delete(RULES, &flag("b"), None).unwrap(),
        RULES.replace("\n  # The next.\n  b: true\n", "")
    );
    let start = RULES.find("  # The look.").unwrap();
    let end = RULES.find("  # The next.").unwrap();
    assert_eq!(
        delete(RULES, &flag("a"), None).unwrap(),
        format!("{}{}", &RULES[..start], &RULES[end..])
    );
    for (text, expected) in [
        ("flags:\n  a: true\n", "flags:\n"),
        ("flags: { a: true } # x\n", "flags: {} # x\n"),
        ("flags: { a: true, b: 1 }\n", "flags: { b: 1 }\n"),
        ("flags: { b: 1, a: true }\n", "flags: { b: 1 }\n"),
        (
            "flags:\n  # Two of a kind.\n\n  # One.\n  a: true\n  b: 1\n",
            "flags:\n  # Two of a kind.\n\n  b: 1\n",
        ),
        (
            "flags:\n  b: 1\n\n  # About what follows.\n\n  a: true\n  # c: 2\n",
            "flags:\n  b: 1\n\n  # About what follows.\n\n  # c: 2\n",
        ),
        (
            "flags:\n  b: 1\n  a:\n    default: true\n    # soon: x\n  c: 1\n",
            "flags:\n  b: 1\n  c: 1\n",
        ),
        // A tab before a comment is no indentation in YAML.
        (
            "flags:\n  b: 1\n  # One.\n  \t# Two.\n  a: true\n    \t# Three.\n",
            "flags:\n  b: 1\n",
        ),
    ] {
        assert_eq!(delete(text, &flag("a"), None).unwrap(), expected, "{text}");
    }
}

#[test]
fn what_is_needed_elsewhere_is_not_deleted() {
    let text = "flags:\n  a: true\n  b: { default: true, requires: { a: true } }\n  c: { default: true, rules: [{ when: { group: g }, serve: false }] }\ngroups:\n  g: { include: [x] }\n  h: { rules: [{ group: g }] }\n";
    let say = |entry: &Entry| delete(text, entry, None).unwrap_err().to_string();
    assert_eq!(
        say(&flag("a")),
        "the flag `a` cannot be deleted while flag `b` requires it; change it first"
    );
    assert_eq!(
        say(&group("g")),
        "the group `g` cannot be deleted while flag `c`, group `h` name it; change them first"
    );
    assert_eq!(say(&flag("z")), "there is no flag `z`");
    assert_eq!(say(&group("z")), "there is no group `z`");
    assert!(delete(text, &group("h"), None).is_ok());
}

#[test]
fn mistakes_name_their_place_in_the_definition() {
    let text = "flags:\n  a: { variations: { x: 1, y: 2 }, default: x }\n  b: { default: true, requires: { a: y } }\n";
    let revision = read(text, &flag("a")).revision;
    let mistakes = |wanted: &Json| match put(text, &flag("a"), wanted, Some(&revision)) {
        Err(EditError::Mistakes(mistakes)) => mistakes
            .into_iter()
            .map(|one| (one.path, one.message))
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let one = |wanted: &Json, path: &str, message: &str| {
        let found = mistakes(wanted);
        assert!(
            found.len() == 1 && found[0].0 == path && found[0].1.contains(message),
            "{found:?}"
        );
    };
    one(
        &json!({ "variations": { "x": 1 }, "default": "z" }),
        "default",
        "has no variation `z`",
    );
    one(
        &json!({ "variations": { "x": 1, "y": 2 }, "default": "x", "rules": [{ "when": { "plan": "gold" }, "serve": { "x": 60, "y": 30 } }] }),
        "rules[0].serve",
        "make 90 %",
    );
    one(
        &json!({ "variations": { "x": 1, "y": 2 }, "default": "x", "ruels": [] }),
        "ruels",
        "did you mean `rules`?",
    );
    one(
        &json!({ "variations": { "x": 1, "y": 2 }, "default": "x", "rules": [{ "when": { "group": "staff" }, "serve": "y" }] }),
        "rules[0].when.group",
        "`staff`, which is not defined",
    );
    one(
        &json!({ "variations": { "x": 1, "y": 2 }, "default": "x", "requires": { "c": true } }),
        "requires.c",
        "`c`, which is not defined",
    );
    one(
        &json!({ "variations": { "x": 1, "y": 2 }, "default": "x", "targets": { "x": ["ann"], "y": ["ann"] } }),
        "targets.y[0]",
        "names `ann`",
    );
    one(
        &json!({ "variations": { "x": 1 }, "default": "x" }),
        "",
        "requires variation `y` of flag `a`",
    );
    one(
        &json!({ "variations": { "x": 1, "y": 2 }, "default": "x", "requires": { "b": true } }),
        "",
        "`a`: ",
    );
    let named = put(text, &flag("a b"), &json!(true), None).unwrap_err();
    assert!(matches!(&named, EditError::Mistakes(_)), "{named:?}");
    assert!(named.to_string().contains("has ` ` in it"), "{named}");
}

#[test]
fn a_definition_that_has_changed_is_not_overwritten() {
    let text = "flags:\n  a: true # why\n";
    let revision = read(text, &flag("a")).revision;
    assert_eq!(revision, read("flags: { a: true }", &flag("a")).revision);
    let say = |entry: &Entry, revision: Option<&str>| {
        put(text, entry, &json!(false), revision)
            .unwrap_err()
            .to_string()
    };
    assert!(say(&flag("a"), None).starts_with("there is a flag `a` already"));
    assert!(
        say(&flag("a"), Some("x")).starts_with("somebody else has changed the flag `a` meanwhile")
    );
    assert!(
        say(&flag("b"), Some("x")).starts_with("somebody else has deleted the flag `b` meanwhile")
    );
    assert!(delete(text, &flag("a"), Some("x")).is_err());
    assert!(delete(text, &flag("a"), Some(&revision)).is_ok());
}

#[test]
fn the_full_form_is_edited_in_the_full_form() {
    let text = r#"flags:
  # First.
  - feature: a
    kind: string
    state: "on" # now
    variations:
      - { identifier: "x", value: "1" } # one
      - { identifier: "w", value: "2" }
    offVariation: x
    defaultServe: { variation: x }
    rules:
      # gold
      - clauses: [{ attribute: plan, op: equal, values: [gold] }]
        serve: { variation: w }
"#;
    let old = read(text, &flag("a"));
    assert!(old.full);
    let mut wanted = old.json;
    wanted["defaultServe"]["variation"] = "w".into();
    wanted["state"] = "off".into();
    wanted["rules"].as_array_mut().unwrap().push(
        json!({ "priority": 2, "clauses": [{ "attribute": "email", "op": "in", "values": ["a"] }], "serve": { "variation": "x" } }),
    );
    let new = replace(text, &flag("a"), &wanted);
    assert_eq!(
        new,
        text.replace("\"on\"", "off")
            .replace("{ variation: x }", "{ variation: w }")
            + "      - priority: 2\n        clauses: [{ attribute: email, op: in, values: [a] }]\n        serve: { variation: x }\n"
    );
    // In a list, also what is sent in the short form is written in the full form.
    let new = add(
        text,
        &flag("new"),
        &json!({ "default": true, "rules": [{ "when": { "plan": "gold" }, "serve": false }] }),
    );
    assert!(new.starts_with(text), "{new}");
    assert!(read(&new, &flag("new")).full);
    assert_eq!(parse(&new).unwrap().flags[1].rules.len(), 1);
    assert_eq!(delete(&new, &flag("new"), None).unwrap(), text);
}

#[test]
fn a_layout_that_cannot_be_edited_is_refused() {
    let text = "flags:\n  a: &both { default: true }\n  b: *both\n";
    let wanted = json!({ "default": false });
    for name in ["a", "b"] {
        let revision = read(text, &flag(name)).revision;
        let error = put(text, &flag(name), &wanted, Some(&revision)).unwrap_err();
        assert!(matches!(error, EditError::Refused(_)), "{error}");
    }
    assert!(matches!(
        delete(text, &flag("a"), None),
        Err(EditError::Refused(_))
    ));
    assert_eq!(
        delete(text, &flag("b"), None).unwrap(),
        "flags:\n  a: &both { default: true }\n"
    );
}

#[test]
fn names_that_are_numbers_keep_their_place() {
    let text = "flags:\n  a:\n    variations: { control: a, 20: b, 3: c }\n    default: { control: 50, 20: 30, 3: 20 }\n    off: control\n    rules:\n      - when: { plan: gold }\n        serve: { control: 10, 20: 90 }\n";
    // As `JSON.parse` and `JSON.stringify` of JavaScript order the keys.
    let sent = json!({ "variations": { "3": "c", "20": "b", "control": "a" }, "default": { "3": 20, "20": 30, "control": 50 }, "off": "control",
        "rules": [{ "when": { "plan": "gold" }, "serve": { "20": 90, "control": 10 } }] });
    replaced(text, &sent, text);
    let mut changed = sent;
    changed["default"] = json!({ "3": 10, "20": 40, "control": 50 });
    replaced(
        text,
        &changed,
        &text.replace("20: 30, 3: 20", "20: 40, 3: 10"),
    );
}

/// What a random flag may have, as lines of text, and each comment with its own number.
fn a_flag(name: &str, shape: usize, comments: &mut usize) -> String {
    let mut c = || {
        *comments += 1;
        format!("# c{comments}c")
    };
    match shape % 6 {
        0 => format!("  {}\n  {name}: true {}\n", c(), c()),
        1 => format!(
            "  {name}: {{ default: true, state: off, rules: [{{ when: {{ plan: gold }}, serve: false }}] }} {}\n",
            c()
        ),
        2 => format!(
            "  {}\n  {name}: {}\n    {}\n    variations: {{ x: 1, y: 2, z: 3 }} {}\n    default: x {}\n    rules:\n      {}\n      - when: {{ plan: gold }} {}\n        serve: y\n\n      {}\n      - when:\n          country: [AT, DE] {}\n          {}\n          beta: true\n        serve: {{ x: 40, y: 60 }}\n    {}\n\n",
            c(),
            c(),
            c(),
            c(),
            c(),
            c(),
            c(),
            c(),
            c(),
            c(),
            c()
        ),
        3 => format!(
            "  {name}:\n    description: >\n      Some words\n      in lines\n    default: {}\n      true: 30 {}\n      false: 70\n    off: false\n    targets:\n      true:\n        - ann {}\n        - bob\n        {}\n        - eve\n",
            c(),
            c(),
            c(),
            c()
        ),
        4 => format!(
            "\n  {name}:\n    value: {{ text: \"a: b\", list: [1, {}\n      two] }}\n    tags: [x, y]\n",
            c()
        ),
        _ => format!(
            "  \"{name}\":\n    variations:\n      small: 4 {}\n      {}\n      large: 12\n    default: small\n    targets: {{ large: [ann, {}\n      'b c', 42] }}\n",
            c(),
            c(),
            c()
        ),
    }
}

/// A change of a definition that a person may make.
fn changed(old: &Json, how: usize, pick: usize) -> Json {
    let mut new = match old {
        Json::Object(_) => old.clone(),
        value => json!({ "default": value }),
    };
    let map = new.as_object_mut().unwrap();
    let variation = match map.get("variations") {
        Some(Json::Object(known)) => known.keys().nth(pick % known.len()).unwrap().clone(),
        _ => ["true", "false"][pick % 2].to_owned(),
    };
    let rule = json!({ "when": { "plan": format!("p{pick}") }, "serve": variation });
    let has_value = map.contains_key("value");
    match how % 10 {
        0 => {
            map.insert("state".to_owned(), ["on", "off"][pick % 2].into());
        }
        1 => {
            map.insert(
                "description".to_owned(),
                format!("It is: {pick}\n#no").into(),
            );
        }
        _ if has_value => {
            map.insert(
                "value".to_owned(),
                json!({ "text": "x", "list": [1, "two", pick] }),
            );
        }
        2 => {
            map.insert("default".to_owned(), variation.into());
        }
        3 => {
            let rules = map.entry("rules").or_insert_with(|| json!([]));
            let rules = rules.as_array_mut().unwrap();
            rules.insert(pick % (rules.len() + 1), rule);
        }
        4 => {
            if let Some(Json::Array(rules)) = map.get_mut("rules") {
                rules.remove(pick % rules.len());
                if rules.is_empty() {
                    map.shift_remove("rules");
                }
            }
        }
        5 => {
            if let Some(Json::Array(rules)) = map.get_mut("rules") {
                rules.reverse();
            }
        }
        6 => {
            if let Some(Json::Array(rules)) = map.get_mut("rules") {
                let at = pick % rules.len();
                rules[at]["serve"] = variation.into();
                rules[at]["when"]["extra"] = json!({ "starts-with": pick.to_string() });
            }
        }
        7 => {
            let mut targets = serde_json::Map::new();
            targets.insert(variation, json!(["bob", format!("t {pick}"), pick]));
            map.insert("targets".to_owned(), Json::Object(targets));
        }
        8 => {
            if let Some(Json::Object(targets)) = map.get_mut("targets")
                && let Some(Json::Array(users)) = targets.values_mut().next()
            {
                users.remove(pick % users.len());
                users.push(format!("new-{pick}").into());
            }
        }
        _ => {
            if let Some(Json::Object(known)) = map.get_mut("variations") {
                known.insert(format!("v{pick}"), json!(pick));
            }
        }
    }
    new
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is changed about one flag, the file reads as wanted, all other text is still there byte for byte, and the change
    /// can be taken back.
    #[test]
    fn random_edits_of_random_files_keep_everything_else(
        shapes in prop::collection::vec(0_usize..6, 1..6),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, 0_usize..7), 1..5),
        windows in any::<bool>(),
    ) {
        let mut comments = 0;
        let mut text = "# c0c\nflags:\n".to_owned();
        for (at, shape) in shapes.iter().enumerate() {
            text.push_str(&a_flag(&format!("f{at}"), *shape, &mut comments));
        }
        if windows {
            text = text.replace('\n', "\r\n");
        }
        parse(&text).unwrap();
        for (index, how, pick) in edits {
            let before = parse(&text).unwrap();
            if before.flags.is_empty() {
                break;
            }
            let name = index.get(&before.flags).feature.clone();
            let entry = flag(&name);
            let old = read(&text, &entry);
            let others = |text: &str| {
                let mut flags = parse(text).unwrap().flags;
                flags.retain(|flag| flag.feature != name);
                flags
            };
            // The text of every other flag, with the comments above it.
            let kept: Vec<String> = before.flags.iter().filter(|flag| flag.feature != name).map(|flag| own_text(&text, &flag.feature)).collect();
            let new = if how >= 10 {
                let new = delete(&text, &entry, Some(&old.revision)).unwrap();
                let back = put(&new, &entry, &old.json, None).unwrap();
                let sorted = |text: &str| {
                    let mut flags = parse(text).unwrap().flags;
                    flags.sort_by(|a, b| a.feature.cmp(&b.feature));
                    flags
                };
                prop_assert_eq!(sorted(&back), sorted(&text));
                new
            } else {
                let wanted = changed(&old.json, how, pick);
                let new = replace(&text, &entry, &wanted);
                // The flag says the same as it would in a file of its own.
                let alone = format!("{{\"flags\": {{\"{name}\": {wanted}}}}}");
                let flag = parse(&new).unwrap().flags.into_iter().find(|flag| flag.feature == name).unwrap();
                prop_assert_eq!(&flag, &parse(&alone).unwrap().flags[0]);
                if how % 10 < 2 {
                    // All comments of a flag stay where none of the commented parts changes.
                    for number in 0..=comments {
                        let comment = format!("# c{number}c");
                        prop_assert_eq!(text.contains(&comment), new.contains(&comment), "{}\n{}", text, new);
                    }
                }
                new
            };
            prop_assert_eq!(others(&new), others(&text));
            for kept in kept {
                prop_assert!(new.contains(&kept), "{}\n---\n{}\n---\n{}", text, new, kept);
            }
            prop_assert!(new.contains("# c0c"));
            prop_assert_eq!(windows, new.contains("\r\n"));
            prop_assert!(!windows || !new.replace("\r\n", "").contains('\n'));
            text = new;
        }
    }
}

/// The lines of a flag, with the comments directly above it.
fn own_text(text: &str, name: &str) -> String {
    let document = node::parse(text).unwrap();
    let (_, part) = part(&document, &flag(name)).unwrap();
    let at = position(part, part.get(name).unwrap()).unwrap();
    let style = Style::of(text, &document);
    let lines = Layout::of(text, &style, part).unwrap().lines(at).unwrap();
    let mut start = text[..lines.start].rfind('\n').map_or(0, |at| at + 1);
    while let Some(above) = text[..start.saturating_sub(1)].rfind('\n')
        && text[above + 1..start].starts_with("  #")
    {
        start = above + 1;
    }
    text[start..lines.end].to_owned()
}
