//! Flags pasted from exports, and what is said about flags.

use serde_json::json;

use super::*;

/// As the management API gives one, of one environment.
const EXPORTED: &str = r#"flags:
  - {
      "project": "shop", "createdAt": 1662647079713, "modifiedAt": 1663932739913, "name": "New checkout",
      "identifier": "new_checkout", "description": "The new one", "kind": "boolean", "archived": false, "permanent": false,
      "owner": ["ada@example.com", ""], "tags": [{ "name": "Checkout", "identifier": "checkout" }],
      "variations": [{ "identifier": "true", "name": "True", "value": "true" }, { "identifier": "false", "name": "False", "value": "false" }],
      "defaultOnVariation": "true", "defaultOffVariation": "false", "prerequisites": [], "services": [], "results": null,
      "envProperties": {
        "environment": "production", "state": "on", "version": 7, "offVariation": "false", "pipelineConfigured": false,
        "defaultServe": { "variation": "true" },
        "variationMap": [{ "variation": "false", "targets": [{ "identifier": "u1", "name": "U" }], "targetSegments": [] }],
        "rules": [{ "ruleId": "r", "priority": 1, "clauses": [{ "attribute": "plan", "op": "equal", "values": ["gold"] }], "serve": { "variation": "false" } }],
        "modifiedAt": 1663932740299
      }
    }
"#;

#[test]
fn a_flag_of_a_management_api_is_read_with_what_holds_for_its_environment() {
    let parsed = parse_whole(EXPORTED).unwrap();
    let flag = &parsed.configuration.flags[0];
    assert_eq!(
        (flag.feature.as_str(), flag.state, flag.version),
        ("new_checkout", State::On, Some(7))
    );
    assert_eq!(flag.environment, "production");
    assert_eq!(flag.off_variation, "false");
    assert_eq!(flag.default_serve.variation.as_deref(), Some("true"));
    assert_eq!(flag.variation_to_target_map[0].targets[0].identifier, "u1");
    assert_eq!(flag.rules[0].clauses[0].values, ["gold"]);
    assert_eq!(flag.description.as_deref(), Some("The new one"));
    assert_eq!(flag.owner, ["ada@example.com"]);
    assert_eq!(flag.tags[0].identifier, "checkout");
    let warnings: Vec<&str> = parsed.warnings.iter().map(Problem::reason).collect();
    assert!(
        warnings.contains(&"`createdAt` has no meaning here and is ignored"),
        "{warnings:?}"
    );
    assert!(
        warnings.contains(&"`modifiedAt` has no meaning here, nor in 1 more place, and is ignored"),
        "{warnings:?}"
    );
    assert!(
        warnings
            .iter()
            .all(|warning| warning.contains("is ignored")),
        "{warnings:?}"
    );
}

#[test]
fn edits_change_what_counts_and_leave_all_that_is_said() {
    for edit in [
        Edit {
            state: Some(false),
            ..Edit::default()
        },
        Edit {
            default: Some("false".to_owned()),
            ..Edit::default()
        },
        Edit {
            off: Some("true".to_owned()),
            ..Edit::default()
        },
        Edit {
            target: Some(TargetEdit {
                identifier: "007".to_owned(),
                variation: Some("false".to_owned()),
            }),
            ..Edit::default()
        },
    ] {
        let new = edit::apply(EXPORTED, "new_checkout", &edit)
            .unwrap_or_else(|error| panic!("{edit:?}: {error}"));
        let (old, new) = (EXPORTED.lines().count(), new.lines().count());
        assert_eq!(old, new);
    }
    let short = "flags:\n  a: # why\n    tags: [checkout, 007]\n    owner: ada\n    metadata: { team: x, cost: 1.5, live: true }\n    default: true\n";
    let before = flag(short);
    let new = edit::apply(
        short,
        "a",
        &Edit {
            default: Some("false".to_owned()),
            ..Edit::default()
        },
    )
    .unwrap();
    assert_eq!(new, short.replace("default: true", "default: false"));
    let after = flag(&new);
    assert_eq!(
        (&before.tags, &before.owner, &before.metadata),
        (&after.tags, &after.owner, &after.metadata)
    );
    let tags: Vec<&str> = after.tags.iter().map(|tag| tag.name.as_str()).collect();
    assert_eq!(tags, ["checkout", "007"]);
    assert_eq!(after.owner, ["ada"]);
    assert_eq!(
        serde_json::Value::from(after.metadata),
        json!({"team": "x", "cost": 1.5, "live": true})
    );
}

#[test]
fn keys_without_a_meaning_are_named_once_and_nearly_known_ones_are_mistakes() {
    let one = |more: &str, name: &str| {
        format!(
            "  - {{ feature: {name}, kind: boolean, state: on, offVariation: t, variations: [{{ identifier: t, value: true{more} }}], defaultServe: {{ variation: t }}{more} }}\n"
        )
    };
    let file = |more: &str| format!("flags:\n{}{}", one(more, "a"), one(more, "b"));
    let parsed = parse_whole(&file(", invented: 1")).unwrap();
    let warnings: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["2:105: `invented` has no meaning here, nor in 3 more places, and is ignored"]
    );
    assert_eq!(parse_whole(&file("")).unwrap().warnings, []);
    assert!(problems(&file(", valu: 1"))[0].contains("did you mean `value`?"));
    let archived =
        parse_whole(&file("").replace("feature: a", "feature: a, archived: true")).unwrap();
    assert!(
        archived
            .warnings
            .iter()
            .any(|warning| warning.reason().contains("is archived")),
        "{archived:?}"
    );
    // In the short form nothing comes of an export.
    assert!(
        problems("flags: { a: { default: true, createdAt: 1 } }")[0]
            .contains("unknown key `createdAt`")
    );
}

#[test]
fn what_is_said_about_a_flag_is_checked() {
    for (text, expected) in [
        ("tags: { a: b }", "a tag of flag `a` is a text"),
        ("tags: [[x]]", "a tag of flag `a` is a text"),
        ("owner: { a: b }", "`owner` of flag `a` holds a map"),
        ("metadata: [x]", "the `metadata` of flag `a` is a map"),
        (
            "metadata: { x: [1] }",
            "the `metadata` of flag `a` is a map",
        ),
        ("metadata: { x: 9007199254740993 }", "past 9007199254740992"),
    ] {
        let found = problems(&format!("flags: {{ a: {{ default: true, {text} }} }}"));
        assert!(found[0].contains(expected), "{found:?}");
    }
    let none =
        flag("flags: { a: { default: true, description: null, tags: , owner: ~, metadata: } }");
    assert_eq!(
        (none.description, none.tags.len(), none.owner.len()),
        (None, 0, 0)
    );
    let several = EXPORTED
        .replace("\"envProperties\": {", "\"envProperties\": [{")
        .replace(
            "740299\n      }",
            "740299\n      }, { \"environment\": \"test\" }]",
        );
    assert!(
        problems(&several)[0].contains("of several environments"),
        "{several}"
    );
}
