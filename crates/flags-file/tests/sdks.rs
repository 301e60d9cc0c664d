//! Tests of the list of differences between published server SDKs: what it finds in a file, and that documents and the tests with
//! the real SDKs have the same list.

use std::fs;
use std::path::Path;

use flagwire_flags_file::{parse_whole, sdks};

fn project_file(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(name)).unwrap()
}

fn found(file: &str) -> Vec<String> {
    let parsed = parse_whole(file).unwrap();
    let found = sdks::find(&parsed.configuration);
    found
        .iter()
        .map(|finding| finding.at(&parsed.places).to_string())
        .collect()
}

#[test]
fn a_flag_is_named_with_its_place_the_rule_and_what_each_sdk_makes_of_it() {
    let file = "flags:\n  plain: true\n  gold:\n    default: false\n    rules:\n      - when: { plan: gold, country: DE }\n        serve: true\n";
    assert_eq!(
        found(file),
        [
            "3:3: flag `gold` has several conditions in one rule of a flag; here: all must hold; Node 1.8.12, Python 1.7.5, Java 1.5.2: one is enough"
        ]
    );
}

#[test]
fn a_flag_is_named_for_groups_of_groups_and_for_the_flags_that_it_requires() {
    let file = "flags:\n  needing: { default: true, off: false, requires: { inner: true } }\n  inner:\n    default: false\n    rules:\n      - when: { group: outer }\n        serve: true\ngroups:\n  outer:\n    rules:\n      - { group: deep }\n  deep:\n    rules:\n      - { email: { matches: ^a } }\n";
    let lines = found(file);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].starts_with("2:3: flag `needing` requires `inner`, which has `match`; "),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("3:3: flag `inner` has `match`; "),
        "{lines:?}"
    );
}

#[test]
fn texts_that_only_look_alike_are_not_named() {
    let file = "flags:\n  by-text:\n    default: false\n    rules:\n      - when: { plan: [gold, silver] }\n        serve: true\n      - when: { identifier: [\"007\"] }\n        serve: true\n      - when: { beta: \"true\" }\n        serve: true\n  shared:\n    default: { true: 30, false: 70 }\n";
    assert_eq!(found(file), [] as [&str; 0]);
}

#[test]
fn the_documentation_has_the_same_table_and_versions() {
    let guide = project_file("docs/guides/coming-from-harness.md");
    for difference in sdks::DIFFERENCES {
        let cells = difference.sdks.map(|cell| cell.unwrap_or("the same"));
        let row = format!(
            "| {} | {} | {} |",
            difference.rule,
            difference.here,
            cells.join(" | ")
        );
        assert!(guide.contains(&row), "the guide lacks the row {row}");
    }
    let table = guide
        .lines()
        .skip_while(|line| !line.starts_with("| rule |"));
    let rows = table.take_while(|line| line.starts_with('|')).count();
    assert_eq!(rows, sdks::DIFFERENCES.len() + 2);
    let languages = project_file("docs/guides/server-sdks.md");
    for sdk in sdks::SDKS {
        assert!(guide.contains(&sdk.to_string()), "{sdk}");
        let row = languages
            .lines()
            .find(|line| line.starts_with(&format!("| {}, ", sdk.language)));
        assert!(row.is_some_and(|row| row.contains(sdk.version)), "{sdk}");
    }
}

#[test]
fn each_difference_is_evaluated_by_the_real_sdks_in_the_versions_that_are_listed() {
    let planted = project_file("tests/interop/old-service/environment.mjs");
    for difference in sdks::DIFFERENCES {
        let name = difference.name;
        let keys = [format!("\n  \"{name}\": {{"), format!("\n  {name}: {{")];
        assert!(keys.iter().any(|key| planted.contains(key)), "{name}");
    }
    let [node, python, java] = sdks::SDKS.map(|sdk| sdk.version);
    for (file, text) in [
        (
            "tests/interop/package.json",
            format!("\"@harnessio/ff-nodejs-server-sdk\": \"{node}\""),
        ),
        (
            "tests/interop/python/requirements.txt",
            format!("harness-featureflags=={python}"),
        ),
        (
            "tests/interop/java/pom.xml",
            format!("<version>{java}</version>"),
        ),
    ] {
        assert!(project_file(file).contains(&text), "{file}: {text}");
    }
}
