//! Tests the endpoints with the requests of published clients.

mod common;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use common::*;
use serde_json::{Value, json};

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(payload)
            .unwrap(),
    )
    .unwrap()
}

fn value_of<'a>(list: &'a Value, flag: &str) -> &'a Value {
    list.as_array()
        .unwrap()
        .iter()
        .find(|one| one["flag"] == flag)
        .unwrap()
}

const EVALUATIONS: &str = "/client/env/development/target/user-42/evaluations";

#[tokio::test]
async fn signing_in_gives_a_token_that_any_client_can_read() {
    let server = server();
    for (key, kind) in [(CLIENT_KEY, "Client"), (SERVER_KEY, "Server")] {
        let claims = claims(&server.token(key, ada()).await);
        assert_eq!(claims["environment"], "development");
        assert_eq!(claims["environmentIdentifier"], "development");
        assert_eq!(claims["clusterIdentifier"], "1");
        assert_eq!(claims["key_type"], kind);
        assert!(claims["accountID"].is_string());
        assert!(
            claims.get("exp").is_none(),
            "published clients never ask for a second token"
        );
    }
}

#[tokio::test]
async fn a_bad_sign_in_is_400_and_an_unknown_key_401_with_code_and_message() {
    let server = server();
    for body in [
        "",
        "[]",
        "{",
        "{}",
        r#"{"apiKey":""}"#,
        r#"{"apiKey":7}"#,
        r#"{"apiKey":"a-client-key","target":{}}"#,
        r#"{"apiKey":"a-client-key","target":{"identifier":""}}"#,
    ] {
        let (status, reply) = server.post("/client/auth", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(reply["code"], "400");
        assert!(!reply["message"].as_str().unwrap().is_empty());
    }
    let (status, reply) = server.post("/client/auth", r#"{"apiKey":"nope"}"#).await;
    assert_eq!(
        (status, &reply["code"]),
        (StatusCode::UNAUTHORIZED, &json!("401"))
    );
}

#[tokio::test]
async fn half_a_character_in_a_target_is_replaced_in_the_body_and_in_the_header() {
    let server = server();
    let (status, reply) = server
        .post(
            "/client/auth",
            r#"{"apiKey":"a-client-key","target":{"identifier":"ada \ud83c","attributes":{"nick":"Party \ud83c"}}}"#,
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    let token = reply["authToken"].as_str().unwrap();
    assert_eq!(
        claims(token)["target"]["attributes"]["nick"],
        "Party \u{FFFD}"
    );
    let header = base64::engine::general_purpose::STANDARD
        .encode(r#"{"identifier":"user-42","attributes":{"plan":"gold","nick":"\udf89"}}"#);
    let mut request = get(EVALUATIONS, token);
    request
        .headers_mut()
        .insert("harness-target", header.parse().unwrap());
    let (status, _) = read(server.send(request).await).await;
    assert_eq!(status, StatusCode::OK);
    let metrics =
        r#"{"metricsData":[{"count":1,"attributes":[{"key":"target","value":"\ud83c"}]}]}"#;
    let mut request = Request::post("/metrics/development")
        .body(Body::from(metrics))
        .unwrap();
    let bearer = format!("Bearer {token}");
    request
        .headers_mut()
        .insert("authorization", bearer.parse().unwrap());
    assert_eq!(server.send(request).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn slashes_too_many_in_an_address_are_read_over() {
    let server = server();
    let body = json!({"apiKey": CLIENT_KEY, "target": ada()}).to_string();
    for path in [
        "//client/auth",
        "/api/1.0//client/auth",
        "//api//1.0/client//auth",
    ] {
        let (status, reply) = server.post(path, body.clone()).await;
        assert_eq!(status, StatusCode::OK, "{path}: {reply}");
    }
    let token = server.token(CLIENT_KEY, ada()).await;
    let (status, list) = server
        .get(&format!("/{EVALUATIONS}?cluster=1"), &token)
        .await;
    assert_eq!(status, StatusCode::OK, "{list}");
    for path in ["//nothing", "/client/auth/more", "//", "//admin"] {
        assert_eq!(server.get(path, &token).await.0, StatusCode::NOT_FOUND);
    }
    let (status, _) = server.get("//client/auth", &token).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn targets_whose_names_addresses_cannot_hold_are_served() {
    let server = server();
    // These are the paths to which URL parsers resolve `target/./evaluations` and `target/../evaluations`.
    for (identifier, path) in [
        (".", "/client/env/development/target/evaluations"),
        ("..", "/client/env/development/evaluations"),
        (
            "evaluations",
            "/client/env/development/target/evaluations/evaluations",
        ),
    ] {
        let target = json!({"identifier": identifier, "attributes": {"plan": "gold"}});
        let token = server.token(CLIENT_KEY, target).await;
        let (status, list) = server.get(path, &token).await;
        assert_eq!(status, StatusCode::OK, "{identifier}: {list}");
        let (status, ordinary) = server.get(EVALUATIONS, &token).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            list.as_array().unwrap().len(),
            ordinary.as_array().unwrap().len()
        );
        if identifier == "evaluations" {
            continue;
        }
        let flag = list[0]["flag"].as_str().unwrap();
        let (status, one) = server.get(&format!("{path}/{flag}"), &token).await;
        assert_eq!((status, &one), (StatusCode::OK, &list[0]), "{identifier}");
    }
}

#[tokio::test]
async fn evaluations_are_a_bare_list_of_texts_under_both_bases() {
    let server = server();
    let token = server.token(CLIENT_KEY, ada()).await;
    for base in ["", "/api/1.0"] {
        let (status, list) = server
            .get(&format!("{base}{EVALUATIONS}?cluster=1&unknown=x"), &token)
            .await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            list,
            json!([
                {"flag": "dark-mode", "identifier": "false", "value": "false", "kind": "boolean"},
                {"flag": "greeting", "identifier": "default", "value": "", "kind": "string"},
                {"flag": "limits", "identifier": "gold", "value": "{\"rps\":100}", "kind": "json"},
                {"flag": "page-size", "identifier": "large", "value": "12", "kind": "int"},
            ])
        );
        let (status, one) = server
            .get(&format!("{base}{EVALUATIONS}/limits?cluster=1"), &token)
            .await;
        assert_eq!((status, &one), (StatusCode::OK, value_of(&list, "limits")));
    }
}

#[tokio::test]
async fn an_unknown_flag_is_404_and_so_is_an_unknown_address() {
    let server = server();
    let token = server.token(CLIENT_KEY, ada()).await;
    for path in [
        &format!("{EVALUATIONS}/nope"),
        "/nope",
        "/api/1.0/nope",
        "/api/2.0/client/auth",
    ] {
        let (status, reply) = server.get(path, &token).await;
        assert_eq!(
            (status, &reply["code"]),
            (StatusCode::NOT_FOUND, &json!("404")),
            "{path}"
        );
    }
    let (status, _) = server.get("/client/auth", &token).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn without_a_valid_token_nothing_is_told() {
    let server = server();
    let paths = [
        EVALUATIONS,
        "/client/env/development/target/user-42/evaluations/limits",
        "/client/env/development/feature-configs",
        "/client/env/development/target-segments",
        "/client/env/development/stream-ticket",
        "/stream",
        "/stream?ticket=nonsense",
    ];
    let ticket = server.ticket(CLIENT_KEY, ada()).await;
    for path in paths {
        for token in ["", "nonsense", "a.b.c", &ticket] {
            let (status, reply) = server.get(path, token).await;
            assert_eq!(
                (status, &reply["code"]),
                (StatusCode::UNAUTHORIZED, &json!("401")),
                "{path} {token}"
            );
        }
        let (status, _) = read(
            server
                .send(Request::get(path).body(Body::empty()).unwrap())
                .await,
        )
        .await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn the_wrong_key_kind_and_the_wrong_environment_are_403() {
    let server = server();
    let client = server.token(CLIENT_KEY, ada()).await;
    let back_end = server.token(SERVER_KEY, Value::Null).await;
    for (path, token) in [
        (EVALUATIONS, &back_end),
        ("/client/env/development/feature-configs", &client),
        ("/client/env/development/feature-configs/limits", &client),
        ("/client/env/development/target-segments", &client),
        ("/client/env/development/target-segments/staff", &client),
        ("/client/env/other/target/user-42/evaluations", &client),
        ("/client/env/other/feature-configs", &back_end),
        ("/client/env/other/stream-ticket", &client),
    ] {
        let (status, reply) = server.get(path, token).await;
        assert_eq!(
            (status, &reply["code"]),
            (StatusCode::FORBIDDEN, &json!("403")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_environment_without_configuration_asks_to_come_back() {
    let server = server();
    let token = server.token("other-key", ada()).await;
    let response = server
        .send(get("/client/env/other/target/user-42/evaluations", &token))
        .await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn the_target_comes_from_the_header_else_the_token_else_the_path_alone() {
    let server = server();
    let with_header = async |token: &str, identifier: &str, header: &str| {
        let request = Request::get(format!(
            "/client/env/development/target/{identifier}/evaluations/page-size"
        ))
        .header("authorization", format!("Bearer {token}"))
        .header("harness-target", header)
        .body(Body::empty())
        .unwrap();
        let (status, one) = read(server.send(request).await).await;
        assert_eq!(status, StatusCode::OK, "{one}");
        one["value"].as_str().unwrap().to_owned()
    };
    let encode = |json: Value| base64::engine::general_purpose::STANDARD.encode(json.to_string());
    let ada_token = server.token(CLIENT_KEY, ada()).await;
    let bob = json!({"identifier": "bob", "attributes": {"email": "bob@elsewhere.org"}});
    let bob_token = server.token(CLIENT_KEY, bob.clone()).await;
    let staff_bob =
        encode(json!({"identifier": "bob", "attributes": {"email": "bob@example.com"}}));

    assert_eq!(
        with_header(&bob_token, "bob", &staff_bob).await,
        "12",
        "the header is newer than the token"
    );
    assert_eq!(
        with_header(&ada_token, "user-42", "not base64!").await,
        "12",
        "an unreadable header is as none"
    );
    assert_eq!(
        with_header(&ada_token, "user-42", &encode(bob)).await,
        "12",
        "a header about somebody else is as none"
    );
    assert_eq!(
        with_header(&ada_token, "carol", "").await,
        "4",
        "nothing is known of carol but her name"
    );
    let long = encode(
        json!({"identifier": "bob", "attributes": {"email": "bob@example.com", "pad": "x".repeat(150_000)}}),
    );
    assert_eq!(
        with_header(&bob_token, "bob", &long).await,
        "12",
        "a header of 200 kB is read"
    );
}

#[tokio::test]
async fn a_path_is_decoded_and_a_target_too_long_for_the_token_is_kept() {
    let server = server();
    let target = json!({"identifier": "a b/c?d#ü", "attributes": {"plan": "gold", "pad": "x".repeat(10_000)}});
    let token = server.token(CLIENT_KEY, target).await;
    assert!(token.len() < 2000, "{}", token.len());
    let (status, one) = server
        .get(
            "/client/env/development/target/a%20b%2Fc%3Fd%23%C3%BC/evaluations/limits",
            &token,
        )
        .await;
    assert_eq!(
        (status, &one["identifier"]),
        (StatusCode::OK, &json!("gold"))
    );
    let (status, reply) = server
        .get("/client/env/development/target/%FF/evaluations", &token)
        .await;
    assert_eq!(
        (status, &reply["code"]),
        (StatusCode::BAD_REQUEST, &json!("400"))
    );
}

#[tokio::test]
async fn a_known_tag_is_304_until_configuration_or_target_change() {
    let server = server();
    let token = server.token(CLIENT_KEY, ada()).await;
    let ask = async |token: &str, tag: &str| {
        let mut request = get(EVALUATIONS, token);
        request
            .headers_mut()
            .insert("if-none-match", tag.parse().unwrap());
        let response = server.send(request).await;
        (
            response.status(),
            response.headers()["etag"].to_str().unwrap().to_owned(),
        )
    };
    let (status, tag) = ask(&token, "\"other\"").await;
    assert_eq!(status, StatusCode::OK);
    for known in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"other\", {tag}"),
        "*".to_owned(),
    ] {
        assert_eq!(
            ask(&token, &known).await,
            (StatusCode::NOT_MODIFIED, tag.clone()),
            "{known}"
        );
    }
    let silver = server
        .token(
            CLIENT_KEY,
            json!({"identifier": "user-42", "attributes": {"plan": "silver"}}),
        )
        .await;
    assert_eq!(ask(&silver, &tag).await.0, StatusCode::OK);
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    let (status, newer) = ask(&token, &tag).await;
    assert_eq!(status, StatusCode::OK);
    server.save(FLAGS);
    assert_eq!(
        ask(&token, &newer).await,
        (StatusCode::OK, tag),
        "the same content has the same tag again"
    );
}

#[tokio::test]
async fn rules_come_whole_and_groups_in_the_shape_asked_for() {
    let server = server();
    let token = server.token(SERVER_KEY, Value::Null).await;
    let (_, flags) = server
        .get(
            "/api/1.0/client/env/development/feature-configs?cluster=1",
            &token,
        )
        .await;
    let names: Vec<_> = flags
        .as_array()
        .unwrap()
        .iter()
        .map(|flag| flag["feature"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["dark-mode", "greeting", "limits", "page-size"]);
    let (_, flag) = server
        .get("/client/env/development/feature-configs/limits", &token)
        .await;
    assert_eq!(flag, flags[2]);
    assert_eq!(flag["environment"], "development");
    assert_eq!(flag["state"], "on");
    assert!(flag["version"].as_i64().unwrap() > 0);
    assert_eq!(flag["rules"][0]["clauses"][0]["op"], "equal");
    assert_eq!(
        flag["variationToTargetMap"],
        json!([]),
        "null breaks one of the published clients"
    );

    let (_, groups) = server
        .get("/client/env/development/target-segments?rules=v2", &token)
        .await;
    assert_eq!(
        groups[0]["servingRules"][0]["clauses"][0]["op"],
        "ends_with"
    );
    assert!(groups[0].get("rules").is_none());
    let (_, group) = server
        .get("/client/env/development/target-segments/staff", &token)
        .await;
    assert_eq!(group["rules"][0]["op"], "ends_with");
    assert!(group.get("servingRules").is_none());

    for path in [
        "/client/env/development/feature-configs/nope",
        "/client/env/development/target-segments/nope",
    ] {
        assert_eq!(server.get(path, &token).await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn metrics_are_counted_and_only_malformed_json_is_refused() {
    let server = server();
    let token = server.token(CLIENT_KEY, ada()).await;
    let post = async |body: &str| {
        let request = Request::post("/api/1.0/metrics/development?cluster=1")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body.to_owned()))
            .unwrap();
        read(server.send(request).await).await
    };
    let data = |count: u64| {
        json!({"timestamp": 1, "count": count, "metricsType": "FFMETRICS", "attributes": [
            {"key": "featureIdentifier", "value": "limits"}, {"key": "variationIdentifier", "value": "gold"}]})
    };
    let report = json!({"metricsData": [data(3), data(4), {"count": "x"}, 7]}).to_string();
    assert_eq!(
        post(&report).await,
        (StatusCode::OK, Value::Null),
        "the body is empty"
    );
    for odd in [
        "{}",
        "[]",
        "null",
        r#"{"metricsData": null, "targetData": [{}]}"#,
    ] {
        assert_eq!(post(odd).await.0, StatusCode::OK, "{odd}");
    }
    assert_eq!(post("{").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(
        server.environment.usage.totals(),
        [("limits".to_owned(), "gold".to_owned(), 7)]
    );
}

/// Tests metrics as the SDKs for Java, Ruby, .NET and iOS report them, and after reports of flags that do not exist.
#[tokio::test]
async fn a_flag_is_counted_by_its_name_alone_and_whatever_else_is_reported() {
    let server = server();
    let token = server.token(CLIENT_KEY, ada()).await;
    let report = |items: Vec<Value>| {
        Request::post("/metrics/development")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(json!({ "metricsData": items }).to_string()))
            .unwrap()
    };
    let item = |named: &str, flag: &str, variation: &str, count: Value| {
        json!({"timestamp": 1, "count": count, "metricsType": "FFMETRICS", "attributes": [
            {"key": named, "value": flag}, {"key": "variationIdentifier", "value": variation}]})
    };
    for round in 0..12 {
        let invented = (0..1_000).map(|n| {
            let flag = format!("invented-{round}-{n}");
            item("featureIdentifier", &flag, "true", json!(1))
        });
        let reply = server.send(report(invented.collect())).await;
        assert_eq!(reply.status(), StatusCode::OK);
    }
    let real =
        ["featureName", "featureIdentifier"].map(|named| item(named, "limits", "gold", json!(7)));
    server.send(report(real.to_vec())).await;
    let odd = [
        json!(9_223_372_036_854_775_808_u64),
        json!(-5),
        json!(1.5),
        json!(1e300),
        json!("3"),
        json!(null),
    ];
    let odd = odd.map(|count| item("featureName", "limits", "gold", count));
    server.send(report(odd.to_vec())).await;
    server
        .send(report(vec![item(
            "featureName",
            "limits",
            "gold",
            json!(2.0),
        )]))
        .await;
    assert_eq!(
        server.environment.usage.totals(),
        [("limits".to_owned(), "gold".to_owned(), 16)]
    );
    assert_eq!(server.environment.usage.unknown(), 12_000);
    let metrics = Request::get("/metrics").body(Body::empty()).unwrap();
    let text = server.send(metrics).await.into_body();
    let text = http_body_util::BodyExt::collect(text).await.unwrap();
    let text = String::from_utf8(text.to_bytes().to_vec()).unwrap();
    for line in [
        "flagwire_evaluations_total{environment=\"development\",flag=\"limits\",variation=\"gold\"} 16",
        "flagwire_evaluations_unknown_total{environment=\"development\"} 12000",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[tokio::test]
async fn a_preflight_allows_every_header_that_published_clients_send() {
    let server = server();
    let wanted = "authorization,api-key,accept,cache-control,content-type,harness-accountid,harness-environmentid,harness-sdk-info,harness-target,if-none-match,last-event-id";
    for path in ["/stream", "/api/1.0/client/auth", EVALUATIONS] {
        let request = Request::options(path)
            .header("origin", "https://shop.example.com")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", wanted)
            .body(Body::empty())
            .unwrap();
        let response = server.send(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        let header = |name: &str| {
            response.headers()[name]
                .to_str()
                .unwrap()
                .to_ascii_lowercase()
        };
        assert_eq!(header("access-control-allow-origin"), "*");
        let allowed = header("access-control-allow-headers");
        for name in wanted.split(',') {
            assert!(allowed.split(',').any(|one| one.trim() == name), "{name}");
        }
        assert!(header("access-control-max-age").parse::<u64>().unwrap() > 0);
    }
    // Errors must be readable from other origins too.
    let mut request = get(EVALUATIONS, "nonsense");
    request
        .headers_mut()
        .insert("origin", "https://shop.example.com".parse().unwrap());
    let response = server.send(request).await;
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(
        response.headers()["access-control-expose-headers"],
        "etag,retry-after"
    );
}

/// Tests that a page of another origin can sign in without a preflight: with the type that `fetch` gives to a text, and no headers
/// of its own.
#[tokio::test]
async fn a_page_signs_in_without_a_preflight() {
    let server = server();
    let body = r#"{"apiKey":"a-client-key","target":{"identifier":"maya"}}"#;
    for path in ["/client/auth", "/api/1.0/client/auth"] {
        let request = Request::post(path)
            .header("origin", "https://shop.example.com")
            .header("content-type", "text/plain;charset=UTF-8")
            .body(Body::from(body))
            .unwrap();
        let response = server.send(request).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
    }
}

/// Tests CORS with any header, because tracing and middleware add their own to every request of a page.
#[tokio::test]
async fn a_preflight_allows_any_header_but_answers_no_junk() {
    let server = server();
    let preflight = |path: &str, names: &[&[u8]]| {
        let mut request = Request::options(path)
            .header("origin", "https://shop.example.com")
            .header("access-control-request-method", "POST")
            .body(Body::empty())
            .unwrap();
        for names in names {
            let value = axum::http::HeaderValue::from_bytes(names).unwrap();
            request
                .headers_mut()
                .append("access-control-request-headers", value);
        }
        server.send(request)
    };
    let wanted = "authorization,b3,baggage,newrelic,request-id,sentry-trace,traceparent,tracestate,x-datadog-origin,x-of-mine";
    for path in [
        EVALUATIONS,
        "/client/auth",
        "/stream",
        "/metrics/development",
        "/ofrep/v1/evaluate/flags",
        "/ofrep/v1/evaluate/flags/dark-mode",
        "/ofrep/v1/events",
        "/api/1.0/client/auth",
    ] {
        let response = preflight(path, &[wanted.as_bytes()]).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let headers = response.headers();
        assert_eq!(headers["access-control-allow-headers"], wanted, "{path}");
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }
    let long = "a".repeat(4097);
    for junk in [
        &[&b""[..]][..],
        &[b"a,,b"],
        &[b"a b"],
        &[b"a: b"],
        &[b"<script>"],
        &[b"\xff"],
        &[long.as_bytes()],
        &[b"a", b"b"],
    ] {
        let response = preflight("/client/auth", junk).await;
        assert_eq!(response.status(), StatusCode::OK, "{junk:?}");
        let headers = response.headers();
        assert!(
            !headers.contains_key("access-control-allow-headers"),
            "{junk:?}"
        );
    }
    for path in [
        "/admin/state",
        "/admin/flags/dark-mode",
        "/status",
        "/metrics",
        "/",
    ] {
        let response = preflight(path, &[wanted.as_bytes()]).await;
        let headers = response.headers();
        assert!(
            !headers
                .keys()
                .any(|name| name.as_str().starts_with("access-control")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn listed_origins_only_where_origins_are_listed() {
    let server = server_with(
        flagwire_server::Settings {
            cors_origins: vec!["https://shop.example.com".to_owned()],
            ..settings()
        },
        Some(FLAGS),
    );
    for (origin, allowed) in [
        ("https://shop.example.com", true),
        ("https://evil.example", false),
    ] {
        let mut request = get("/stream", "nonsense");
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        let response = server.send(request).await;
        assert_eq!(
            response
                .headers()
                .contains_key("access-control-allow-origin"),
            allowed,
            "{origin}"
        );
    }
}
