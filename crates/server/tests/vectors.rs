//! Runs the evaluation crate's vectors through HTTP: the server must return the crate's results unchanged.

mod common;

use std::path::Path;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::*;
use flagwire_server::environment::Configuration;
use serde_json::{Value, json};

/// Returns whether a served value equals the expected one, by the flag's kind.
fn holds(evaluation: &Value, expected: &Value) -> bool {
    let value = evaluation["value"].as_str().unwrap();
    match evaluation["kind"]
        .as_str()
        .unwrap()
        .to_ascii_lowercase()
        .as_str()
    {
        "boolean" => *expected == json!(value.eq_ignore_ascii_case("true")),
        "int" | "number" => value.trim().parse::<f64>().ok() == expected.as_f64(),
        "json" => {
            serde_json::from_str::<Value>(value).ok()
                == serde_json::from_str(expected.as_str().unwrap()).ok()
        }
        _ => expected.as_str() == Some(value),
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn every_vector_that_the_protocol_can_ask_for_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../evaluation/vectors");
    let (mut asked, mut skipped) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let server = server_with(settings(), None);
        server.environment.apply(Configuration {
            flags: serde_json::from_value(file["flags"].clone()).unwrap(),
            segments: serde_json::from_value(file["segments"].clone()).unwrap(),
        });
        let token = server.token(CLIENT_KEY, Value::Null).await;
        for test in file["tests"].as_array().unwrap() {
            let Some(identifier) = test["target"]
                .as_str()
                .filter(|_| test["local"] != json!(true))
            else {
                // In the protocol there is always a target.
                skipped += 1;
                continue;
            };
            let targets = file["targets"].as_array().unwrap();
            let target = targets
                .iter()
                .find(|target| target["identifier"] == identifier)
                .unwrap();
            let flag = test["flag"].as_str().unwrap();
            let all = format!(
                "/client/env/development/target/{}/evaluations",
                percent_encoded(identifier)
            );
            let ask = async |path: &str| {
                let request = Request::get(path)
                    .header("authorization", format!("Bearer {token}"))
                    .header("harness-target", STANDARD.encode(target.to_string()))
                    .body(Body::empty())
                    .unwrap();
                read(server.send(request).await).await
            };
            let (status, one) = ask(&format!("{all}/{}", percent_encoded(flag))).await;
            let (_, every) = ask(&all).await;
            let among = every
                .as_array()
                .unwrap()
                .iter()
                .find(|evaluation| evaluation["flag"] == flag);
            let context = format!("{}: {test}: {status} {one}", path.display());
            asked += 1;
            if test["expected"].is_null() {
                assert_eq!((status, among), (StatusCode::NOT_FOUND, None), "{context}");
                continue;
            }
            assert_eq!((status, among), (StatusCode::OK, Some(&one)), "{context}");
            assert!(holds(&one, &test["expected"]), "{context}");
            if let Some(variation) = test["variation"].as_str() {
                assert_eq!(one["identifier"], variation, "{context}");
            }
        }
    }
    println!("{asked} asked, {skipped} skipped");
    assert!(
        asked >= 400,
        "only {asked} vectors were asked, {skipped} skipped"
    );
}
