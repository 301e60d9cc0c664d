//! Tests OpenFeature's remote evaluation protocol, request by request. The published provider runs in `tests/interop`.

mod common;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use common::*;
use flagwire_server::Settings;
use serde_json::{Value, json};

const ALL: &str = "/ofrep/v1/evaluate/flags";

fn request(path: &str, headers: &[(&str, &str)], body: &Value) -> Request<Body> {
    let mut request = Request::post(path).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_string())).unwrap()
}

fn context() -> Value {
    json!({"context": {"targetingKey": "user-42", "plan": "gold", "email": "ada@example.com"}})
}

async fn evaluate(server: &Server, path: &str, body: &Value) -> (StatusCode, Value) {
    read(
        server
            .send(request(path, &[("x-api-key", CLIENT_KEY)], body))
            .await,
    )
    .await
}

async fn all(server: &Server, headers: &[(&str, &str)]) -> Response<Body> {
    let mut with_key = vec![("x-api-key", CLIENT_KEY)];
    with_key.extend_from_slice(headers);
    server.send(request(ALL, &with_key, &context())).await
}

fn tag(response: &Response<Body>) -> String {
    response.headers()["etag"].to_str().unwrap().to_owned()
}

/// Returns the address of the events from the reply.
async fn events_url(response: Response<Body>) -> String {
    let (status, body) = read(response).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let stream = &body["eventStreams"][0];
    assert_eq!(stream["type"], "sse");
    stream["endpoint"]["requestUri"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn one_flag_of_each_kind_with_value_variant_and_reason() {
    let server = server();
    for (flag, value, variant, reason) in [
        ("dark-mode", json!(false), "false", "STATIC"),
        ("limits", json!({"rps": 100}), "gold", "TARGETING_MATCH"),
        ("page-size", json!(12), "large", "TARGETING_MATCH"),
        ("greeting", json!(""), "default", "STATIC"),
    ] {
        let (status, mut body) = evaluate(&server, &format!("{ALL}/{flag}"), &context()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let metadata = body.as_object_mut().unwrap().remove("metadata").unwrap();
        assert_eq!(metadata["flagSetId"], "development");
        let variant = if flag == "greeting" {
            body["variant"].clone()
        } else {
            json!(variant)
        };
        assert_eq!(
            body,
            json!({"key": flag, "value": value, "variant": variant, "reason": reason})
        );
    }
}

#[tokio::test]
async fn reasons_tell_off_and_split() {
    let server = server();
    server.save(
        "flags:\n  off: { state: off, default: true }\n  share: { default: { true: 30, false: 70 }, off: false }\n  half: 1.5\n",
    );
    let (_, body) = evaluate(&server, ALL, &context()).await;
    let by_key = |key: &str| {
        let flags = body["flags"].as_array().unwrap();
        flags
            .iter()
            .find(|flag| flag["key"] == key)
            .unwrap()
            .clone()
    };
    assert_eq!(by_key("off")["reason"], "DISABLED");
    assert_eq!(by_key("share")["reason"], "SPLIT");
    assert_eq!(by_key("half")["value"], json!(1.5));
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_with_the_protocols_codes() {
    let server = server();
    for (body, code) in [
        ("{", "PARSE_ERROR"),
        ("[]", "PARSE_ERROR"),
        ("{\"context\": 7}", "INVALID_CONTEXT"),
        ("{\"context\": null}", "INVALID_CONTEXT"),
        ("{\"context\": {\"targetingKey\": []}}", "INVALID_CONTEXT"),
        ("{\"context\": {\"targetingKey\": 123}}", "INVALID_CONTEXT"),
        ("{\"context\": {\"targetingKey\": true}}", "INVALID_CONTEXT"),
        ("{}", "TARGETING_KEY_MISSING"),
        (
            "{\"context\": {\"targetingKey\": \"\"}}",
            "TARGETING_KEY_MISSING",
        ),
    ] {
        for (path, key) in [
            (ALL.to_owned(), Value::Null),
            (format!("{ALL}/dark-mode"), json!("dark-mode")),
        ] {
            let request = Request::post(&path)
                .header("x-api-key", CLIENT_KEY)
                .body(Body::from(body))
                .unwrap();
            let (status, reply) = read(server.send(request).await).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
            assert_eq!(
                (&reply["errorCode"], &reply["key"]),
                (&json!(code), &key),
                "{body}"
            );
            assert!(reply["errorDetails"].is_string());
        }
    }
    let (status, reply) = evaluate(&server, &format!("{ALL}/no-such"), &context()).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(
        (&reply["errorCode"], &reply["key"]),
        (&json!("FLAG_NOT_FOUND"), &json!("no-such"))
    );
}

/// Tests the reason `STATIC`, which caches rely on: the value is the same for every context.
#[tokio::test]
async fn only_a_flag_that_asks_nothing_about_the_context_is_static() {
    let server = server();
    server.save(
        "flags:\n  plain: true\n  on: { default: true }\n  rule: { default: false, rules: [{ when: { plan: silver }, serve: true }] }\n  named: { default: false, targets: { true: [somebody] } }\n  needs: { default: false, requires: { rule: false } }\n  unmet: { default: true, requires: { rule: true } }\n",
    );
    let (_, body) = evaluate(&server, ALL, &context()).await;
    let reasons: Vec<(&str, &str)> = body["flags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flag| {
            (
                flag["key"].as_str().unwrap(),
                flag["reason"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        reasons,
        [
            ("named", "DEFAULT"),
            ("needs", "DEFAULT"),
            ("on", "STATIC"),
            ("plain", "STATIC"),
            ("rule", "DEFAULT"),
            ("unmet", "DISABLED"),
        ]
    );
    let (_, one) = evaluate(&server, &format!("{ALL}/rule"), &context()).await;
    assert_eq!(one["reason"], "DEFAULT");
}

#[tokio::test]
async fn values_keep_every_digit_and_what_is_no_object_is_an_error() {
    let server = server();
    let flag = |name: &str, kind: &str, value: &str| json!({"feature": name, "kind": kind, "state": "on", "variations": [{"identifier": "v", "value": value}], "offVariation": "v", "defaultServe": {"variation": "v"}});
    server.save(
        &json!({"flags": [
            flag("big", "int", "9007199254740993"),
            flag("list", "json", "[1]"),
            flag("map", "json", "{\"id\":12345678901234567890123}"),
            flag("nothing", "json", "null"),
            flag("text", "json", "\"x\""),
        ]})
        .to_string(),
    );
    let response = server
        .send(request(ALL, &[("x-api-key", CLIENT_KEY)], &context()))
        .await;
    let bytes = http_body_util::BodyExt::collect(response.into_body())
        .await
        .unwrap()
        .to_bytes();
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(
        text.contains(r#""key":"big","value":9007199254740993,"#),
        "{text}"
    );
    assert!(
        text.contains(r#""value":{"id":12345678901234567890123},"#),
        "{text}"
    );
    let body: Value = serde_json::from_str(text).unwrap();
    assert_eq!(body["flags"][4]["value"], "x");
    for (at, name) in [(1, "list"), (3, "nothing")] {
        let flag = &body["flags"][at];
        assert_eq!(
            (&flag["key"], &flag["errorCode"]),
            (&json!(name), &json!("PARSE_ERROR"))
        );
        assert!(
            flag["errorDetails"]
                .as_str()
                .unwrap()
                .contains("put it into an object")
        );
        let (status, one) = evaluate(&server, &format!("{ALL}/{name}"), &context()).await;
        assert_eq!(
            (status, &one["errorCode"]),
            (StatusCode::BAD_REQUEST, &json!("PARSE_ERROR"))
        );
    }
}

#[tokio::test]
async fn metadata_of_a_flag_comes_with_its_evaluation() {
    let server = server();
    server.save("flags: { a: { default: true, metadata: { team: checkout, cost: 1.5, live: true } }, b: true }");
    let own = json!({"team": "checkout", "cost": 1.5, "live": true});
    let (_, all) = evaluate(&server, ALL, &context()).await;
    assert_eq!(all["flags"][0]["metadata"], own);
    assert!(all["flags"][1].get("metadata").is_none());
    let (_, one) = evaluate(&server, &format!("{ALL}/a"), &context()).await;
    assert_eq!(one["metadata"]["team"], "checkout");
    assert_eq!(one["metadata"]["flagSetId"], "development");
    let before = tag(&self::all(&server, &[]).await);
    server.save("flags: { a: { default: true, metadata: { team: search } }, b: true }");
    assert_ne!(
        tag(&self::all(&server, &[]).await),
        before,
        "it is part of the reply"
    );
}

#[tokio::test]
async fn what_is_no_time_or_asked_twice_is_refused_with_the_protocols_codes() {
    let server = server();
    for (query, good) in [
        ("flagConfigLastModified=0", true),
        ("flagConfigLastModified=1771622898", true),
        ("flagConfigLastModified=2026-02-20T21:28:18Z", true),
        (
            "flagConfigLastModified=2026-02-20t21:28:18.250%2B01:00",
            true,
        ),
        ("flagConfigLastModified=2026-02-20T21:28:18+01:00", true),
        ("flagConfigEtag=x&anything=else", true),
        ("flagConfigLastModified=", false),
        ("flagConfigLastModified=-1", false),
        ("flagConfigLastModified=1.5", false),
        ("flagConfigLastModified=yesterday", false),
        ("flagConfigLastModified=2026-02-20", false),
        ("flagConfigLastModified=2026-02-20T21:28:18", false),
        ("flagConfigLastModified=2026-02-20T21:28:18.Z", false),
        ("flagConfigLastModified=2026-02-2%C3%A9T21:28:18Z", false),
        ("flagConfigEtag=a&flagConfigEtag=b", false),
    ] {
        let (status, body) = evaluate(&server, &format!("{ALL}?{query}"), &context()).await;
        assert_eq!(status == StatusCode::OK, good, "{query}: {body}");
        if !good {
            assert_eq!(
                (status, &body["errorCode"]),
                (StatusCode::BAD_REQUEST, &json!("PARSE_ERROR"))
            );
        }
    }
    let (status, body) = evaluate(&server, &format!("{ALL}/%ff"), &context()).await;
    assert_eq!(
        (status, &body["errorCode"]),
        (StatusCode::BAD_REQUEST, &json!("PARSE_ERROR"))
    );
}

#[tokio::test]
async fn a_key_or_a_token_opens_in_either_header_and_nothing_else_does() {
    let server = server();
    let token = server.token(CLIENT_KEY, ada()).await;
    let bearer = |text: &str| format!("Bearer {text}");
    for (name, value, status) in [
        ("x-api-key", CLIENT_KEY.to_owned(), 200),
        ("authorization", bearer(CLIENT_KEY), 200),
        ("x-api-key", token.clone(), 200),
        ("authorization", bearer(&token), 200),
        ("authorization", bearer(SERVER_KEY), 200),
        ("x-api-key", "wrong".to_owned(), 401),
        ("authorization", "Basic abc".to_owned(), 401),
        ("accept", "*/*".to_owned(), 401),
        // The environment has no configuration yet.
        ("x-api-key", "other-key".to_owned(), 503),
    ] {
        let reply = server
            .send(request(ALL, &[(name, &value)], &context()))
            .await;
        assert_eq!(reply.status().as_u16(), status, "{name}: {value}");
    }
    let from_a_page = [
        ("x-api-key", SERVER_KEY),
        ("origin", "https://shop.example"),
    ];
    let reply = server.send(request(ALL, &from_a_page, &context())).await;
    assert_eq!(reply.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_tag_is_over_configuration_and_context() {
    let server = server();
    let first = tag(&all(&server, &[]).await);
    let again = all(&server, &[("if-none-match", &first)]).await;
    assert_eq!(
        (again.status(), tag(&again)),
        (StatusCode::NOT_MODIFIED, first.clone())
    );
    let weak = format!("\"x\", W/{first}");
    assert_eq!(
        all(&server, &[("if-none-match", &weak)]).await.status(),
        StatusCode::NOT_MODIFIED
    );

    let other = json!({"context": {"targetingKey": "user-42", "plan": "silver"}});
    let headers = [("x-api-key", CLIENT_KEY), ("if-none-match", first.as_str())];
    assert_eq!(
        server.send(request(ALL, &headers, &other)).await.status(),
        StatusCode::OK
    );

    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    let changed = all(&server, &[("if-none-match", &first)]).await;
    assert_eq!(changed.status(), StatusCode::OK);
    assert_ne!(tag(&changed), first);
}

#[tokio::test]
async fn a_tag_whose_ticket_has_ended_is_not_honoured() {
    let server = server();
    let first = tag(&all(&server, &[]).await);
    let (hash, _) = first.trim_matches('"').split_once('-').unwrap();
    let old = format!("\"{hash}-1000\"");
    let reply = all(&server, &[("if-none-match", &old)]).await;
    assert_eq!(tag(&reply), first);
    assert!(events_url(reply).await.contains("ticket="));
}

#[tokio::test]
async fn the_event_stream_says_when_to_ask_again_and_costs_a_304_when_nothing_was_missed() {
    let server = server();
    let reply = all(&server, &[]).await;
    let known = tag(&reply);
    let url = events_url(reply).await;
    assert!(url.starts_with("/ofrep/v1/events?ticket="), "{url}");
    let open = async |id: Option<&str>| {
        let mut request = Request::get(&url);
        if let Some(id) = id {
            request = request.header("last-event-id", id);
        }
        let mut stream = server.stream(request.body(Body::empty()).unwrap()).await;
        assert_eq!(stream.frame().await.unwrap(), ":\n\n");
        stream
    };
    let read_event = |frame: String| -> (Value, String) {
        let mut lines = frame.lines();
        let data = lines.next().unwrap().strip_prefix("data: ").unwrap();
        let id = lines.next().unwrap().strip_prefix("id: ").unwrap();
        (serde_json::from_str(data).unwrap(), id.to_owned())
    };

    // Without this event, a change between the reply and the opening of the stream would be missed.
    let mut stream = open(None).await;
    let (event, id) = read_event(stream.frame().await.unwrap());
    assert_eq!(event["type"], "refetchEvaluation");
    assert!(event["lastModified"].is_i64());
    let path = format!(
        "{ALL}?flagConfigEtag={}&flagConfigLastModified={}",
        event["etag"].as_str().unwrap(),
        event["lastModified"]
    );
    let headers = [("x-api-key", CLIENT_KEY), ("if-none-match", known.as_str())];
    assert_eq!(
        server
            .send(request(&path, &headers, &context()))
            .await
            .status(),
        StatusCode::NOT_MODIFIED
    );

    // Two changes at the same time make one event.
    server.save(
        &FLAGS
            .replace("dark-mode: false", "dark-mode: true")
            .replace("rps: 100", "rps: 5"),
    );
    let (changed, new_id) = read_event(stream.frame().await.unwrap());
    assert_ne!(new_id, id);
    let path = format!("{ALL}?flagConfigEtag={}", changed["etag"].as_str().unwrap());
    let reply = server.send(request(&path, &headers, &context())).await;
    assert_eq!(reply.status(), StatusCode::OK);

    // A reader that reconnects gets the events that it missed, and no others.
    let mut back = open(Some(&id)).await;
    assert_eq!(read_event(back.frame().await.unwrap()).1, new_id);
    let mut up_to_date = open(Some(&new_id)).await;
    server.save(FLAGS);
    assert_eq!(read_event(up_to_date.frame().await.unwrap()).1, id);
    assert_eq!(read_event(stream.frame().await.unwrap()).1, id);
}

#[tokio::test]
async fn under_a_prefix_the_events_are_there_too() {
    let server = server();
    let reply = server
        .send(request(
            "/api/1.0/ofrep/v1/evaluate/flags",
            &[("x-api-key", CLIENT_KEY)],
            &context(),
        ))
        .await;
    let url = events_url(reply).await;
    assert!(url.starts_with("/api/1.0/ofrep/v1/events?ticket="), "{url}");
    server
        .stream(Request::get(&url).body(Body::empty()).unwrap())
        .await;
}

#[tokio::test]
async fn tickets_of_one_stream_do_not_open_the_other() {
    let server = server();
    let refetch = events_url(all(&server, &[]).await).await;
    let ticket = refetch.split_once("ticket=").unwrap().1.to_owned();
    let stream = server.ticket(CLIENT_KEY, ada()).await;
    let open = async |path: String| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        server.send(request).await.status()
    };
    assert_eq!(
        open(format!("/ofrep/v1/events?ticket={stream}")).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        open(format!("/stream?ticket={ticket}")).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        open("/ofrep/v1/events".to_owned()).await,
        StatusCode::UNAUTHORIZED
    );
    let (status, _) = server
        .get("/client/env/development/target/t/evaluations", &ticket)
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_heard_of_a_change_elsewhere_waits_a_moment_for_it() {
    let server = server_with(settings(), Some(FLAGS));
    let known = all(&server, &[]).await;
    let (_, before) = read(known).await;
    let changed = FLAGS.replace("dark-mode: false", "dark-mode: true");
    let other = server_with(Settings { ..settings() }, Some(&changed));
    let content = other.environment.current().unwrap().content.clone();
    let path = format!("{ALL}?flagConfigEtag={content}");
    let ask = || server.send(request(&path, &[("x-api-key", CLIENT_KEY)], &context()));
    // The configuration does not arrive, and the reply has the present values.
    let (_, stale) = read(ask().await).await;
    assert_eq!(stale["flags"], before["flags"]);
    // The configuration arrives while the client waits.
    let (reply, ()) = tokio::join!(ask(), async {
        tokio::task::yield_now().await;
        server.save(&changed);
    });
    let (_, fresh) = read(reply).await;
    assert_eq!(fresh["metadata"]["version"], content);
}
