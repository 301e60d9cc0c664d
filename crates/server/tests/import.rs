//! Tests that the program imports environments from a stand-in for Harness, which speaks its protocol.

mod common;
#[path = "../../flags-file/tests/environment/mod.rs"]
mod environment;
#[path = "import/management.rs"]
mod management;
#[path = "import/spot_checks.rs"]
mod spot_checks;
#[path = "import/stand_in.rs"]
mod stand_in;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use common::running::*;
use serde_json::{Value, json};
use stand_in::{Fault, StandIn};
use tempfile::TempDir;

/// Runs the program. Returns the exit code, the standard output and the standard error.
type Ended = (Option<i32>, String, String);

async fn run(directory: &Path, args: &[&str]) -> Ended {
    let mut command = std::process::Command::new(command(directory).get_program());
    command.current_dir(directory).args(args);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FLAGWIRE_")) {
        command.env_remove(name);
    }
    let output = tokio::process::Command::from(command)
        .output()
        .await
        .unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// Makes a directory with the keys in files.
fn directory() -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, key) in [
        ("server.key", stand_in::SERVER_KEY),
        ("client.key", stand_in::CLIENT_KEY),
        ("other.key", stand_in::OTHER_SERVER_KEY),
        ("wrong.key", "0000-wrong"),
        ("token.key", stand_in::MANAGEMENT_TOKEN),
        ("weak-token.key", stand_in::TOKEN_WITHOUT_RIGHTS),
    ] {
        fs::write(directory.path().join(name), format!("{key}\n")).unwrap();
    }
    directory
}

fn left(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.ends_with(".key")).collect();
    names.sort();
    names
}

fn text(directory: &TempDir, name: &str) -> String {
    fs::read_to_string(directory.path().join(name)).unwrap()
}

/// Returns the arguments of an import from the old service, with the server key of its first environment, and `more` of them.
fn importing<'a>(old: &'a StandIn, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["import", "--from", &old.url, "--api-key-file", "server.key"];
    args.extend_from_slice(more);
    args
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_flags_are_carried_over_proven_and_the_same_each_time() {
    let old = StandIn::start(environment::flags(), environment::groups()).await;
    let directory = directory();
    let import = importing(&old, &[]);
    let (code, out, err) = run(directory.path(), &import).await;
    assert_eq!(code, Some(0), "{out}{err}");
    let proven = out
        .split_once("production: 200 flags × ")
        .and_then(|(_, rest)| rest.split_once(" targets: 0 differences\n"));
    let targets: usize = proven.unwrap().0.replace(',', "").parse().unwrap();
    assert!(200 * targets >= 200_000, "{out}");
    assert!(out.contains("flagwire-server check flags.yaml\n"), "{out}");
    assert!(
        out.contains("baseUrl: \"http://127.0.0.1:7700/api/1.0\""),
        "{out}"
    );
    let written = text(&directory, "flags.yaml");
    assert!(written.starts_with("# The flags of `production`, imported from http://127.0.0.1:"));
    for key in [stand_in::SERVER_KEY, stand_in::TOKEN_END] {
        assert!(!format!("{out}{err}{written}").contains(key));
    }
    let (code, out, err) = run(directory.path(), &["check", "flags.yaml"]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");

    // A file that exists is kept unless it may be overwritten; then it has the same text again.
    fs::write(directory.path().join("flags.yaml"), "flags: {}\n").unwrap();
    let (code, _, err) = run(directory.path(), &import).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("flags.yaml is there already"), "{err}");
    assert_eq!(text(&directory, "flags.yaml"), "flags: {}\n");
    let (code, ..) = run(directory.path(), &[&import[..], &["--force"]].concat()).await;
    assert_eq!(code, Some(0));
    assert_eq!(text(&directory, "flags.yaml"), written);

    // Export and import again give the same file, except for comments.
    let plain = |text: &str| -> Vec<String> {
        let without = |line: &str| {
            let code = line
                .split(" # ")
                .next()
                .unwrap_or_default()
                .trim_end()
                .to_owned();
            (!line.trim_start().starts_with('#') && !code.is_empty()).then_some(code)
        };
        text.lines().filter_map(without).collect()
    };
    let (code, _, err) = run(
        directory.path(),
        &["export", "flags.yaml", "--out", "export.json"],
    )
    .await;
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let back = [
        "import",
        "--from-file",
        "export.json",
        "--out",
        "again.yaml",
    ];
    let (code, out, err) = run(directory.path(), &back).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains(": 0 differences"), "{out}");
    similar(&plain(&text(&directory, "again.yaml")), &plain(&written));
    // The export is itself a flags file.
    let (code, ..) = run(directory.path(), &["check", "export.json"]).await;
    assert_eq!(code, Some(0));
}

fn similar(left: &[String], right: &[String]) {
    for (at, (left, right)) in left.iter().zip(right).enumerate() {
        assert_eq!(left, right, "in line {at}");
    }
    assert_eq!(left.len(), right.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_service_and_half_an_answer_are_tried_again() {
    let old = StandIn::start(environment::flags()[..8].to_vec(), environment::groups()).await;
    old.fail("auth", Fault::Busy);
    old.fail("feature-configs", Fault::Half);
    let directory = directory();
    let (code, out, err) = run(directory.path(), &importing(&old, &[])).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(err.matches("trying again in").count(), 2, "{err}");
    assert!(err.contains("503") && err.contains("is not whole"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_imported_is_said_in_a_sentence_and_leaves_nothing_behind() {
    let old = StandIn::start(Vec::new(), Vec::new()).await;
    let directory = directory();
    fs::write(directory.path().join("empty.key"), "\n").unwrap();
    for (key, sentence) in [
        (
            "wrong.key",
            "the key must be a server key of the environment",
        ),
        (
            "client.key",
            "this is a client key, which may not read rules",
        ),
        ("empty.key", "the file is empty"),
        ("none.key", "none.key: "),
        ("server.key", "there is nothing in this environment"),
    ] {
        let (code, out, err) = run(
            directory.path(),
            &["import", "--from", &old.url, "--api-key-file", key],
        )
        .await;
        assert_eq!((code, out.as_str()), (Some(1), ""), "{key}: {err}");
        assert!(
            err.contains(sentence) && err.contains("nothing was written"),
            "{key}: {err}"
        );
        assert_eq!(left(&directory), [] as [&str; 0]);
    }
    old.fail("feature-configs", Fault::BusyForHours);
    let import = importing(&old, &[]);
    let (code, _, err) = run(directory.path(), &import).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("asks to be left alone for"), "{err}");
    for option in ["--out", "--config"] {
        let (code, _, err) = run(
            directory.path(),
            &[&import[..], &[option, "nowhere/file.yaml"]].concat(),
        )
        .await;
        assert_eq!(code, Some(1));
        assert!(err.contains("there is no directory nowhere"), "{err}");
    }
    // Keys are not accepted as arguments, and a source is required.
    for args in [
        &["import"][..],
        &["import", "--from", &old.url],
        &["import", "--api-key", "x"],
    ] {
        let (code, ..) = run(directory.path(), args).await;
        assert_eq!(code, Some(2), "{args:?}");
    }
    assert_eq!(left(&directory), [] as [&str; 0]);
}

/// Returns a flag with two variations and one rule.
fn flag(name: &str, clause: &Value) -> Value {
    json!({
        "feature": name, "kind": "boolean", "state": "on", "project": "p", "environment": "e",
        "variations": [{ "identifier": "true", "value": "true" }, { "identifier": "false", "value": "false" }],
        "offVariation": "false", "defaultServe": { "variation": "false" },
        "rules": [{ "priority": 1, "clauses": [clause], "serve": { "variation": "true" } }],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unknown_counts_as_a_difference_until_it_is_named() {
    let mut odd = flag(
        "odd",
        &json!({ "attribute": "plan", "op": "sounds_like", "values": ["gold"] }),
    );
    odd["rules"][0]["schedule"] = json!({ "from": 1 });
    let old = StandIn::start(vec![odd], Vec::new()).await;
    let directory = directory();
    let import = importing(&old, &[]);
    let (code, _, err) = run(directory.path(), &import).await;
    assert_eq!(code, Some(1));
    assert!(
        err.contains("flag `odd` has the operator `sounds_like`, which is unknown"),
        "{err}"
    );
    assert!(
        err.contains("flag `odd` has the field `schedule`, which is unknown"),
        "{err}"
    );
    assert_eq!(left(&directory), [] as [&str; 0]);
    let named = ["--ignore", "schedule", "--ignore", "sounds_like"];
    let (code, out, err) = run(directory.path(), &[&import[..], &named].concat()).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        text(&directory, "flags.yaml")
            .contains("# Rule 1 is left out: a condition has the operator `sounds_like`")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_carried_over_is_listed_with_all_that_needs_it() {
    let lookahead = json!({ "attribute": "email", "op": "match", "values": ["(?=a)b"] });
    let mut needing = flag(
        "needing",
        &json!({ "attribute": "plan", "op": "equal", "values": ["gold"] }),
    );
    needing["prerequisites"] = json!([{ "feature": "pattern", "variations": ["true"] }]);
    let in_group = flag(
        "in-group",
        &json!({ "attribute": "", "op": "segmentMatch", "values": ["ahead"] }),
    );
    let fine = flag(
        "fine",
        &json!({ "attribute": "plan", "op": "equal", "values": ["gold"] }),
    );
    let flags = vec![flag("pattern", &lookahead), needing, in_group, fine];
    let group = json!({ "identifier": "ahead", "name": "ahead", "servingRules": [{ "priority": 1, "clauses": [lookahead] }] });
    let old = StandIn::start(flags, vec![group]).await;
    let directory = directory();
    let import = importing(&old, &[]);
    let (code, out, err) = run(directory.path(), &import).await;
    assert_eq!(code, Some(1), "{out}{err}");
    for line in [
        "not carried over: flag `pattern`: ",
        "not carried over: flag `needing`: it requires the flag `pattern`",
        "not carried over: flag `in-group`: it names the group `ahead`",
        "not carried over: group `ahead`: ",
    ] {
        assert!(err.contains(line), "{line}: {err}");
    }
    assert!(out.contains("1 flag × "), "{out}");
    let written = text(&directory, "flags.yaml");
    assert!(
        written.contains("# Not carried over: flag `pattern`: ") && written.contains("\n  fine:\n")
    );
    let (code, ..) = run(directory.path(), &["check"]).await;
    assert_eq!(code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_environments_come_with_a_configuration_that_lets_their_keys_in() {
    let plan = |plan: &str| json!({ "attribute": "plan", "op": "equal", "values": [plan] });
    let old = StandIn::start(vec![flag("production-flag", &plan("gold"))], Vec::new()).await;
    old.second_environment(vec![flag("staging-flag", &plan("silver"))]);
    let directory = directory();
    let import = importing(
        &old,
        &[
            "--api-key-file",
            "other.key",
            "--config",
            "flagwire.yaml",
            "--client-key-file",
            "client.key",
        ],
    );
    let (code, out, err) = run(directory.path(), &import).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(
        left(&directory),
        ["flagwire.yaml", "production.yaml", "staging.yaml"]
    );
    let config = directory.path().join("flagwire.yaml");
    let mode = fs::metadata(&config).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let said = format!(
        "{out}{err}{}{}",
        text(&directory, "flagwire.yaml"),
        text(&directory, "staging.yaml")
    );
    for key in [
        stand_in::SERVER_KEY,
        stand_in::OTHER_SERVER_KEY,
        stand_in::CLIENT_KEY,
    ] {
        assert!(!said.contains(key), "{said}");
    }
    assert!(
        out.contains("flagwire-server --config flagwire.yaml\n"),
        "{out}"
    );

    // The new server accepts the old keys.
    let path = directory.path().to_owned();
    let served = tokio::task::spawn_blocking(move || {
        let server = Running::start(&path, &["--config", "flagwire.yaml"]);
        [stand_in::OTHER_SERVER_KEY, stand_in::CLIENT_KEY].map(|key| {
            let body = json!({ "apiKey": key, "target": { "identifier": "ada", "attributes": { "plan": "gold" } } }).to_string();
            server.ask(&format!(
                "POST /client/auth HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ))
        })
    });
    for reply in served.await.unwrap() {
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_git_experience_and_of_the_endpoints_are_read_too() {
    let directory = directory();
    let git = "featureFlags:\n  flags:\n    - flag:\n        name: Dark mode\n        identifier: dark_mode\n        description: Dark colours\n        permanent: false\n        spec:\n          type: boolean\n          default:\n            onVariation: \"true\"\n            offVariation: \"false\"\n          variations:\n            - identifier: \"true\"\n              value: \"true\"\n            - identifier: \"false\"\n              value: \"false\"\n          environments:\n            - identifier: staging\n              state: \"off\"\n            - identifier: live\n              default: { onVariation: \"true\", offVariation: \"false\" }\n              state: \"on\"\n              targetRules:\n                - targets: [{ identifier: 007 }]\n                  variation: \"false\"\nprojectIdentifier: p\norgIdentifier: o\n";
    fs::write(directory.path().join("git.yaml"), git).unwrap();
    let (code, _, err) = run(directory.path(), &["import", "--from-file", "git.yaml"]).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("--environment-name: live, staging"), "{err}");
    let import = [
        "import",
        "--from-file",
        "git.yaml",
        "--environment-name",
        "live",
    ];
    let (code, out, err) = run(directory.path(), &import).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        text(&directory, "flags.yaml").ends_with("flags:\n  dark_mode:\n    description: Dark colours\n    default: true\n    targets:\n      false:\n        - \"007\"\n"),
        "{}",
        text(&directory, "flags.yaml")
    );

    let list = |name: &str, list: &[Value]| {
        fs::write(
            directory.path().join(name),
            serde_json::to_string(list).unwrap(),
        )
        .unwrap();
    };
    list("feature_config.json", &environment::flags()[..30]);
    list("segments.json", &environment::groups());
    let import = [
        "import",
        "--from-file",
        "feature_config.json",
        "--from-file",
        "segments.json",
        "--out",
        "two.yaml",
    ];
    let (code, out, err) = run(directory.path(), &import).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("30 flags × "), "{out}");
}
