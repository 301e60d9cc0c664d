//! Tests that large flags files are read, and that small ones which expand to something huge are refused with a sentence.

mod common;

use std::fmt::Write as _;

use common::*;
use flagwire_server::environment::Environment;
use flagwire_server::flags_file::parse;
use serde_json::json;

#[test]
fn ten_thousand_flags_with_a_rule_each_and_a_thousand_groups_of_a_thousand_fit() {
    let mut text = "flags:\n".to_owned();
    for n in 0..10_000 {
        writeln!(text, "  flag-{n}: {{ description: \"What flag {n} is for\", variations: {{ a: one, b: two }}, default: a, off: b, rules: [{{ when: {{ plan: [gold, silver], country: {{ in: [de, at, ch] }} }}, serve: b }}] }}").unwrap();
    }
    text.push_str("groups:\n");
    for group in 0..1_000 {
        write!(text, "  group-{group}: {{ include: [").unwrap();
        for n in 0..1_000 {
            write!(text, "{}user-{group}-{n}", if n > 0 { ", " } else { "" }).unwrap();
        }
        text.push_str("] }\n");
    }
    let environment = Environment::new("e");
    let parsed = parse(&text).map_err(|problems| problems[0].to_string());
    environment.apply(parsed.unwrap());
    let current = environment.current().unwrap();
    assert_eq!(current.snapshot.flags().len(), 10_000);
    assert_eq!(current.snapshot.segments().len(), 1_000);
    assert_eq!(current.snapshot.problems(), []);
}

#[test]
fn a_file_that_grows_out_of_all_proportion_is_refused_with_a_sentence() {
    let mut aliases = "bomb: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let list = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(aliases, "b{n}: &a{n} [{list}]").unwrap();
    }
    let list = vec!["*long"; 300].join(", ");
    let long = vec!["x"; 1_000].join(", ");
    let repeated = format!("first: &long [{long}]\nsecond: [{list}]\n");
    let deep = format!("flags: {}1{}\n", "[".repeat(5_000), "]".repeat(5_000));
    for text in [aliases, repeated, deep] {
        let problems = parse(&text).unwrap_err();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let problems = problems.join("\n");
        assert!(problems.contains("250000 of them by aliases"), "{problems}");
    }
}

/// Explains all flags with their steps, where each flag requires all flags before it.
#[tokio::test]
async fn explaining_all_flags_of_a_chain_of_prerequisites_is_bounded() {
    let mut text = "flags:\n  f0: true\n".to_owned();
    for n in 1..2_000 {
        let before = n - 1;
        writeln!(
            text,
            "  f{n}: {{ default: true, requires: {{ f{before}: true }} }}"
        )
        .unwrap();
    }
    let server = server_with(settings(), Some(&text));
    let request = |body: serde_json::Value| {
        axum::http::Request::post("/admin/explain")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(axum::body::Body::from(body.to_string()))
            .unwrap()
    };
    let target = json!({ "identifier": "ada" });
    let all = json!({ "target": target, "steps": true });
    let (_, reply) = read(server.send(request(all)).await).await;
    let flags = reply["flags"].as_array().unwrap();
    assert_eq!(flags.len(), 2_000);
    assert!(
        flags
            .iter()
            .all(|flag| flag["served"]["evaluation"]["value"] == "true")
    );
    assert_eq!(flags[1_999]["omitted"], 1);
    let length = reply.to_string().len();
    assert!(length < 2_000_000, "{length}");

    // Without steps no flag is evaluated twice, and nothing is reported as left out.
    let (_, reply) = read(server.send(request(json!({ "target": target }))).await).await;
    assert_eq!(reply["flags"][1_999].get("omitted"), None);
    let body = json!({ "flag": "f1999", "target": target });
    let (_, reply) = read(server.send(request(body)).await).await;
    assert!(reply["flags"][0]["omitted"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn json_that_is_nested_without_end_is_a_bad_request() {
    let server = server();
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let target = format!(r#"{{"identifier":"a","attributes":{{"b":{deep}}}}}"#);
    let sign_in = format!(r#"{{"apiKey":"{CLIENT_KEY}","target":{target}}}"#);
    assert_eq!(server.post("/client/auth", sign_in).await.0, 400);
    let context = format!(r#"{{"context":{{"targetingKey":"a","b":{deep}}}}}"#);
    let request = axum::http::Request::post("/ofrep/v1/evaluate/flags")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {CLIENT_KEY}"))
        .body(axum::body::Body::from(context))
        .unwrap();
    assert_eq!(server.send(request).await.status(), 400);
}
