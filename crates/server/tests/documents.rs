//! Tests that docs/OPERATIONS.md and the files in packaging/ agree with the program.
//!
//! `UPDATE_DOCS=1 cargo test -p flagwire-server --test documents` writes the list of options.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::Request;
use clap::{Arg, ArgAction, CommandFactory as _};
use common::*;
use flagwire_server::config::Options;
use flagwire_server::flags_file;
use http_body_util::BodyExt as _;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const START: &str = "<!-- options: written by a test -->\n";
const END: &str = "<!-- end of options -->";

fn row(arg: &Arg) -> String {
    let many = matches!(arg.get_action(), ArgAction::Append);
    let value = arg
        .get_value_names()
        .map(|names| format!(" {}", names[0]))
        .unwrap_or_default();
    let variable = arg.get_env().map_or(String::new(), |name| {
        format!("`{}`", name.to_string_lossy())
    });
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let choices: Vec<_> = arg
        .get_possible_values()
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    let choices = match choices.as_slice() {
        [] => String::new(),
        choices => format!(" {}.", choices.join(" or ")),
    };
    format!(
        "| `--{}{value}`{} | {variable} | {} | {}.{choices} |\n",
        arg.get_long().unwrap(),
        if many { " …" } else { "" },
        defaults.join(", "),
        help.trim_end_matches('.').replace('|', "\\|"),
    )
}

#[test]
fn the_list_of_options_is_what_the_program_takes() {
    let mut list = "| option | variable | default | meaning |\n|---|---|---|---|\n".to_owned();
    for arg in Options::command().get_arguments() {
        if !arg.is_hide_set() && arg.get_long().is_some() {
            list.push_str(&row(arg));
        }
    }
    let path = root().join("docs/OPERATIONS.md");
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(START).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{START}{list}{END}{after}")).unwrap();
    } else {
        assert_eq!(there, list, "run with UPDATE_DOCS=1 to write the list");
    }
}

#[test]
fn what_an_environment_may_have_is_listed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flagwire.yaml");
    fs::write(&path, "environments: { a: { no-such-key: 1 } }").unwrap();
    let error = Options::read(["flagwire-server", "--config", path.to_str().unwrap()])
        .unwrap_err()
        .to_string();
    let keys = error.split("it may have: ").nth(1).expect(&error);
    let keys = keys.lines().next().unwrap();
    let document = text("docs/OPERATIONS.md");
    let mut number = 0;
    for key in keys.split(", ") {
        assert!(document.contains(&format!("| `{key}` |")), "{key}");
        number += 1;
    }
    assert!(number >= 7, "{error}");
}

/// Returns the names of the metrics at `/metrics`, with the suffixes of samples.
async fn exposed() -> BTreeSet<String> {
    let server = server();
    server.other.apply(flags_file::parse(FLAGS).unwrap());
    let token = server.token(CLIENT_KEY, ada()).await;
    let _stream = server.stream(get("/stream", &token)).await;
    let report = r#"{"metricsData": [{"timestamp": 1, "count": 1, "metricsType": "FFMETRICS", "attributes": [
        {"key": "featureIdentifier", "value": "dark-mode"}, {"key": "variationIdentifier", "value": "true"}]}]}"#;
    let request = Request::post("/metrics/development")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::from(report))
        .unwrap();
    assert!(server.send(request).await.status().is_success());
    let reply = server
        .send(Request::get("/metrics").body(Body::empty()).unwrap())
        .await;
    let bytes = reply.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let mut names: BTreeSet<String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next().map(str::to_owned))
        .collect();
    // These metrics exist only with Redis, which this server does not use.
    let source = include_str!("../src/prometheus.rs");
    for (name, ending) in [
        ("replica_leader", ""),
        ("source_chosen", ""),
        ("redis_up", ""),
        ("redis_failures", "_total"),
        ("redis_refills", "_total"),
    ] {
        assert!(source.contains(&format!("\"{name}\"")), "{name}");
        names.insert(format!("flagwire_{name}{ending}"));
    }
    names
}

/// Returns all names of metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| {
            word.strip_prefix("flagwire_")
                .is_some_and(|rest| !rest.is_empty())
        })
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn every_metric_is_listed_and_nothing_else_is_asked_for() {
    let exposed = exposed().await;
    let document = text("docs/OPERATIONS.md");
    let listed = named(&document);
    for name in &exposed {
        let family = name
            .trim_end_matches("_bucket")
            .trim_end_matches("_sum")
            .trim_end_matches("_count");
        assert!(
            listed.contains(name) || listed.contains(family),
            "{name} is not in the list of metrics"
        );
    }
    let dashboard: Value = serde_json::from_str(&text("packaging/grafana-dashboard.json")).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        queries.extend(variable["definition"].as_str().map(str::to_owned));
    }
    assert!(queries.len() >= 10, "{queries:?}");
    queries.push(text("packaging/prometheus-alerts.yaml"));
    for query in &queries {
        let names = named(query);
        assert!(!names.is_empty(), "{query} asks for nothing of this server");
        for name in names {
            assert!(
                exposed.contains(&name),
                "{name}, of {query}, is not exposed: {exposed:?}"
            );
        }
    }
    for name in listed {
        let known = |ending: &str| exposed.contains(&format!("{name}{ending}"));
        assert!(known("") || known("_count"), "{name} is not exposed");
    }
}

#[test]
fn the_unit_and_the_container_start_the_program_with_options_it_has() {
    let command = Options::command();
    for path in ["packaging/flagwire-server.service", "Containerfile"] {
        let text = text(path);
        let mut number = 0;
        for word in text.split(|c: char| c.is_whitespace() || "\"',=[].".contains(c)) {
            let known = if let Some(long) = word.strip_prefix("--") {
                // The tool that builds and runs the image has its own options.
                if matches!(
                    long,
                    "from" | "release" | "locked" | "chown" | "read-only" | "cap-drop"
                ) {
                    continue;
                }
                command
                    .get_arguments()
                    .any(|arg| arg.get_long() == Some(long))
            } else if word.starts_with("FLAGWIRE_") {
                command
                    .get_arguments()
                    .any(|arg| arg.get_env().is_some_and(|name| name == word))
            } else {
                continue;
            };
            number += 1;
            assert!(known, "{path}: {word}");
        }
        assert!(number > 0, "{path} sets no option");
    }
}
