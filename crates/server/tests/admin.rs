//! The admin page's endpoints: what they show, and which requests they refuse.

mod common;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use common::*;
use flagwire_server::Settings;
use flagwire_server::auth::{AdminTokens, Hashed};
use flagwire_server::source::Source as _;
use flagwire_server::source::file::FileSource;
use serde_json::{Value, json};
use tokio::sync::watch;

fn request(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

const LOCAL: (&str, &str) = ("host", "127.0.0.1:7700");
const JSON: (&str, &str) = ("content-type", "application/json");

async fn get_local(server: &Server, path: &str) -> (StatusCode, Value) {
    read(server.send(request(Method::GET, path, &[LOCAL], "")).await).await
}

async fn post_local(server: &Server, path: &str, body: &str) -> (StatusCode, Value) {
    let request = request(Method::POST, path, &[LOCAL, JSON], body);
    read(server.send(request).await).await
}

/// The next event of the page's stream.
async fn told(stream: &mut Stream) -> (String, Value) {
    let frame = stream.frame().await.expect("the stream ended");
    let (name, data) = frame.trim_end().split_once('\n').unwrap();
    (
        name.strip_prefix("event: ").unwrap().to_owned(),
        serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap(),
    )
}

/// A server whose flags are in a file.
fn with_file(text: &str) -> (Server, tempfile::TempDir, watch::Sender<bool>) {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    std::fs::write(&path, text).unwrap();
    let server = server_with(settings(), None);
    let (stop, stopping) = watch::channel(false);
    let source =
        Box::new(FileSource::open(&path).unwrap()).run(Arc::clone(&server.environment), stopping);
    tokio::spawn(source);
    (server, directory, stop)
}

#[tokio::test]
async fn the_page_and_its_parts_are_served_with_a_policy() {
    let server = server();
    for (path, content_type) in [
        ("/", "text/html"),
        ("/admin", "text/html"),
        ("/admin/page.css", "text/css"),
        ("/admin/main.js", "text/javascript"),
        ("/admin/walk.js", "text/javascript"),
    ] {
        let response = server.send(request(Method::GET, path, &[LOCAL], "")).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert!(
            response.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with(content_type)
        );
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin")
        );
    }
}

#[tokio::test]
async fn flags_are_described() {
    let (_, overview) = get_local(&server(), "/admin/state").await;
    assert_eq!(overview["environment"], "development");
    assert_eq!(overview["environments"], json!(["development", "other"]));
    assert_eq!(overview["editable"], false);
    let flags = overview["flags"].as_array().unwrap();
    assert_eq!(flags[2]["flag"], "limits");
    let plan =
        json!({ "attribute": "plan", "op": "equal", "values": { "first": ["gold"], "total": 1 } });
    assert_eq!(
        flags[2]["rules"],
        json!([{ "name": "rule-1", "clauses": [plan], "serve": { "variation": "gold" } }])
    );
    assert_eq!(flags[2]["serve"], json!({ "variation": "free" }));
    let email = json!({ "attribute": "email", "op": "ends_with", "values": { "first": ["@example.com"], "total": 1 } });
    assert_eq!(overview["groups"][0]["rules"], json!([[email]]));

    let known = overview["content"].as_str().unwrap();
    let (_, again) = get_local(&server(), &format!("/admin/state?content={known}")).await;
    assert_eq!(again["content"], known);
    assert_eq!(again["flags"], Value::Null, "the page has them already");
    let (_, again) = get_local(&server(), "/admin/state?content=other").await;
    assert_ne!(again["flags"], Value::Null);
}

#[tokio::test]
async fn long_lists_are_cut_and_descriptions_are_told() {
    let users: Vec<String> = (0..150).map(|n| format!("u{n}")).collect();
    let text = format!(
        "flags:\n  a: {{ default: false, description: why, tags: [checkout, 007], owner: ada, metadata: {{ team: x }}, targets: {{ true: [{}] }} }}\n",
        users.join(", ")
    );
    let (_, overview) = get_local(&server_with(settings(), Some(&text)), "/admin/state").await;
    let flag = &overview["flags"][0];
    assert_eq!(flag["description"], "why");
    assert_eq!(flag["tags"], json!(["checkout", "007"]));
    assert_eq!(flag["owner"], json!(["ada"]));
    assert_eq!(flag["metadata"], json!({"team": "x"}));
    let targets = &flag["overrides"][0]["targets"];
    assert_eq!(targets["total"], 150);
    assert_eq!(targets["first"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn each_environment_is_shown_by_name() {
    let server = server();
    server
        .other
        .apply(flagwire_server::flags_file::parse("flags: { only-here: true }").unwrap());
    let (_, overview) = get_local(&server, "/admin/state?environment=other").await;
    assert_eq!(overview["environment"], "other");
    assert_eq!(overview["flags"][0]["flag"], "only-here");
    let (status, reply) = get_local(&server, "/admin/state?environment=none").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(
        reply["message"],
        "there is no environment `none`; there are: development, other"
    );
    let body = r#"{"target": {"identifier": "x"}, "flag": "only-here"}"#;
    let (_, told) = post_local(&server, "/admin/explain?environment=other", body).await;
    assert_eq!(told["flags"][0]["served"]["evaluation"]["value"], "true");
}

#[tokio::test]
async fn why_a_target_gets_what_it_gets_is_told_step_by_step() {
    let server = server();
    let ask = async |body: Value| post_local(&server, "/admin/explain", &body.to_string()).await;
    let (status, told) = ask(json!({ "target": ada(), "flag": "limits" })).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(told["environment"], "development");
    let flag = &told["flags"][0];
    assert_eq!(flag["served"]["evaluation"]["identifier"], "gold");
    assert_eq!(flag["served"]["reason"], "rule");
    assert_eq!(flag["steps"][0], json!({ "step": "state", "on": true }));
    assert_eq!(flag["steps"][1]["clauses"][0]["actual"], "gold");

    let (_, told) = ask(json!({ "target": { "identifier": "nobody" } })).await;
    let flags = told["flags"].as_array().unwrap();
    assert_eq!(flags.len(), 4, "all flags");
    assert_eq!(flags[2]["served"]["evaluation"]["identifier"], "free");
    assert_eq!(
        flags[2]["steps"],
        json!([]),
        "steps only for one flag, or on demand"
    );
    let (_, told) = ask(json!({ "target": { "identifier": "nobody" }, "steps": true })).await;
    assert_ne!(told["flags"][2]["steps"], json!([]));
    let (_, told) = ask(json!({ "flag": "limits" })).await;
    assert_eq!(told["flags"][0]["steps"][1], json!({ "step": "noTarget" }));

    for (body, wanted) in [
        (json!({ "flag": "none" }), StatusCode::NOT_FOUND),
        (json!({ "target": {} }), StatusCode::BAD_REQUEST),
        (
            json!({ "target": { "identifier": "" } }),
            StatusCode::BAD_REQUEST,
        ),
        (json!({ "target": [] }), StatusCode::BAD_REQUEST),
        (json!({ "targets": [] }), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(ask(body.clone()).await.0, wanted, "{body}");
    }
    let (status, _) = read(
        server
            .send(request(Method::POST, "/admin/explain", &[LOCAL], "{}"))
            .await,
    )
    .await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn open_streams_are_listed_without_what_opens_them() {
    let server = server();
    let reply = server.sign_in(CLIENT_KEY, ada()).await;
    let token = reply["authToken"].as_str().unwrap();
    let mut by_token = server.stream(get("/stream", token)).await;
    by_token.frame().await.unwrap();
    let (_, ticket) = server
        .get("/client/env/development/stream-ticket", token)
        .await;
    let url = format!("/{}", ticket["streamUrl"].as_str().unwrap());
    let by_ticket = server.stream(request(Method::GET, &url, &[], "")).await;
    let back_end = server.token(SERVER_KEY, Value::Null).await;
    let by_server = server.stream(get("/stream", &back_end)).await;

    let (_, listing) = get_local(&server, "/admin/streams").await;
    assert_eq!(listing["total"], 3);
    assert_eq!(
        listing["byTransport"],
        json!([["fetch", 1], ["eventSource", 1], ["server", 1]])
    );
    let targets: Vec<_> = listing["streams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["target"].clone())
        .collect();
    assert_eq!(
        targets,
        [Value::Null, json!("user-42"), json!("user-42")],
        "the newest first"
    );
    assert!(listing["streams"][0]["since"].as_i64().unwrap() > 1_700_000_000);
    let text = listing.to_string();
    for secret in [token, &back_end, CLIENT_KEY, SERVER_KEY, "ada@example.com"] {
        assert!(!text.contains(secret), "{text}");
    }
    let (_, found) = get_local(&server, "/admin/streams?search=USER").await;
    assert_eq!(
        (&found["total"], &found["matching"]),
        (&json!(3), &json!(2))
    );

    drop((by_token, by_ticket, by_server));
    let (_, listing) = get_local(&server, "/admin/streams").await;
    assert_eq!(
        (&listing["total"], &listing["streams"]),
        (&json!(0), &json!([]))
    );
}

#[tokio::test]
async fn a_flip_is_written_into_the_file_with_everything_else_kept() {
    let text = "# top\nflags:\n  dark-mode: false   # for the night\n  theme: # looks\n    variations: { a: a, b: b }\n    default: a # for now\n";
    let (server, directory, _stop) = with_file(text);
    let token = server.token(CLIENT_KEY, ada()).await;
    let mut stream = server.stream(get("/stream", &token)).await;
    let post = async |flag: &str, body: &str| {
        let path = format!("/admin/flags/{flag}");
        read(
            server
                .send(request(
                    Method::POST,
                    &path,
                    &[
                        LOCAL,
                        JSON,
                        ("sec-fetch-site", "same-origin"),
                        ("origin", "http://127.0.0.1:7700"),
                    ],
                    body,
                ))
                .await,
        )
        .await
    };
    let file = || std::fs::read_to_string(directory.path().join("flags.yaml")).unwrap();

    let (status, overview) = post("dark-mode", r#"{"default": "true"}"#).await;
    assert_eq!(status, StatusCode::OK, "{overview}");
    assert_eq!(
        overview["flags"][0]["serve"]["variation"], "true",
        "it is in force when the reply comes"
    );
    assert_eq!(file(), text.replace("dark-mode: false", "dark-mode: true"));
    assert_eq!(stream.event().await["evaluations"][0]["value"], "true");

    let (status, overview) = post("theme", r#"{"state": "off", "default": "b"}"#).await;
    assert_eq!(status, StatusCode::OK, "{overview}");
    let expected = text
        .replace("dark-mode: false", "dark-mode: true")
        .replace("    variations", "    state: off\n    variations")
        .replace("default: a", "default: b");
    assert_eq!(file(), expected);
    let (status, overview) = post(
        "theme",
        r#"{"off": "a", "target": {"identifier": "maya", "variation": "a"}}"#,
    )
    .await;
    assert_eq!(status, StatusCode::OK, "{overview}");
    let overrides =
        json!([{ "variation": "a", "targets": { "first": ["maya"], "total": 1 }, "groups": [] }]);
    assert_eq!(overview["flags"][1]["overrides"], overrides);
    let expected = expected.replace(
        "    default: b # for now\n",
        "    default: b # for now\n    targets: { a: [maya] }\n    off: a\n",
    );
    assert_eq!(file(), expected);

    for (flag, body, wanted) in [
        ("nope", r#"{"state": "on"}"#, StatusCode::NOT_FOUND),
        ("theme", r#"{"default": "c"}"#, StatusCode::BAD_REQUEST),
        ("theme", r#"{"state": "maybe"}"#, StatusCode::BAD_REQUEST),
        ("theme", r#"{"colour": "red"}"#, StatusCode::BAD_REQUEST),
        ("theme", "{}", StatusCode::BAD_REQUEST),
        ("theme", r#"{"off": "c"}"#, StatusCode::BAD_REQUEST),
        (
            "theme",
            r#"{"target": {"identifier": ""}}"#,
            StatusCode::BAD_REQUEST,
        ),
        (
            "theme",
            r#"{"target": {"identifier": "a\nb"}}"#,
            StatusCode::BAD_REQUEST,
        ),
        (
            "theme",
            r#"{"target": {"identifier": "x", "variation": "c"}}"#,
            StatusCode::BAD_REQUEST,
        ),
        ("theme", "{", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(post(flag, body).await.0, wanted, "{flag} {body}");
    }
    assert_eq!(file(), expected);

    std::fs::write(directory.path().join("flags.yaml"), "flags:\n  theme: [\n").unwrap();
    let (status, reply) = post("theme", r#"{"state": "on"}"#).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(
        reply["message"].as_str().unwrap().contains("mistake at"),
        "{reply}"
    );
}

#[tokio::test]
async fn a_source_that_cannot_be_edited_says_so() {
    let (status, reply) = read(
        server()
            .send(request(
                Method::POST,
                "/admin/flags/limits",
                &[LOCAL, JSON],
                r#"{"state":"off"}"#,
            ))
            .await,
    )
    .await;
    assert_eq!(
        (status, &reply["code"]),
        (StatusCode::CONFLICT, &json!("409"))
    );
    let message = reply["message"].as_str().unwrap();
    assert!(message.contains("change them there"), "{message}");
}

#[tokio::test]
async fn other_sites_and_foreign_names_are_kept_out() {
    let server = server();
    let cases: [&[(&str, &str)]; 7] = [
        &[LOCAL, ("origin", "https://evil.example")],
        &[LOCAL, ("origin", "null")],
        &[LOCAL, ("origin", "http://127.0.0.1:9999")],
        &[LOCAL, ("sec-fetch-site", "cross-site")],
        &[LOCAL, ("sec-fetch-site", "same-site")],
        &[
            ("host", "evil.example"),
            ("origin", "http://evil.example"),
            ("sec-fetch-site", "same-origin"),
        ],
        &[],
    ];
    for headers in cases {
        // A client on a socket always says which host it means, in HTTP/2 in the address.
        if transport::wanted().is_some() && headers.iter().all(|(name, _)| *name != "host") {
            continue;
        }
        for (method, path) in [
            (Method::GET, "/admin/state"),
            (Method::GET, "/admin/events"),
            (Method::GET, "/admin/streams"),
            (Method::POST, "/admin/explain"),
            (Method::POST, "/admin/flags/limits"),
        ] {
            let headers = [headers, &[JSON]].concat();
            let response = server
                .send(request(method, path, &headers, r#"{"state":"off"}"#))
                .await;
            assert_eq!(
                response.status(),
                StatusCode::FORBIDDEN,
                "{path} {headers:?}"
            );
        }
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let response = server
            .send(request(
                Method::POST,
                "/admin/flags/limits",
                &[LOCAL, ("content-type", content_type)],
                r#"{"state":"off"}"#,
            ))
            .await;
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let preflight = [
        LOCAL,
        ("origin", "https://evil.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let response = server
        .send(request(
            Method::OPTIONS,
            "/admin/flags/limits",
            &preflight,
            "",
        ))
        .await;
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
}

#[tokio::test]
async fn beyond_this_machine_it_takes_the_admin_token() {
    let open = server_with(
        Settings {
            loopback: false,
            ..settings()
        },
        Some(FLAGS),
    );
    let (status, reply) = read(
        open.send(request(Method::GET, "/admin/state", &[LOCAL], ""))
            .await,
    )
    .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(reply["message"].as_str().unwrap().contains("--admin-token"));

    let guarded = server_with(
        Settings {
            loopback: false,
            admin_tokens: AdminTokens::single(Hashed::of("secret")),
            ..settings()
        },
        Some(FLAGS),
    );
    let ask = async |authorization: &str| {
        let headers = [
            ("host", "flags.example.com"),
            ("authorization", authorization),
        ];
        read(
            guarded
                .send(request(Method::GET, "/admin/state", &headers, ""))
                .await,
        )
        .await
    };
    for wrong in ["", "Bearer", "Bearer secre", "Bearer secret2", "Basic"] {
        assert_eq!(ask(wrong).await.0, StatusCode::UNAUTHORIZED, "{wrong}");
    }
    let (status, overview) = ask("Bearer secret").await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(overview["flags"], Value::Null);
}

#[tokio::test]
async fn the_page_hears_of_changes_and_of_a_file_that_has_become_broken() {
    let (server, directory, _stop) = with_file("flags:\n  a: true\n");
    server
        .environment
        .watch_status()
        .wait_for(|status| status.healthy)
        .await
        .unwrap();
    let mut stream = server
        .stream(request(Method::GET, "/admin/events", &[LOCAL], ""))
        .await;
    assert_eq!(stream.frame().await.unwrap(), ":\n\n");
    assert_eq!(told(&mut stream).await, ("history".to_owned(), json!([])));
    std::fs::write(directory.path().join("flags.yaml"), "flags:\n  a: [\n").unwrap();
    let (name, entry) = told(&mut stream).await;
    assert_eq!(
        (&*name, &entry["kind"], &entry["state"]),
        ("activity", &json!("source"), &json!("degraded"))
    );
    assert_eq!(told(&mut stream).await, ("state".to_owned(), json!({})));
    let (_, overview) = read(
        server
            .send(request(Method::GET, "/admin/state", &[LOCAL], ""))
            .await,
    )
    .await;
    assert!(
        overview["source"]["error"]
            .as_str()
            .unwrap()
            .contains("flags.yaml:2:6: "),
        "{overview}"
    );
    assert_eq!(overview["flags"][0]["serve"]["variation"], "true");
    std::fs::write(directory.path().join("flags.yaml"), "flags:\n  a: false\n").unwrap();
    let (name, entry) = told(&mut stream).await;
    assert_eq!((&*name, &entry["identifier"]), ("activity", &json!("a")));
    assert_eq!(entry["details"], json!(["default: true → false"]));
    let mut again = server
        .stream(request(Method::GET, "/admin/events", &[LOCAL], ""))
        .await;
    assert_eq!(again.frame().await.unwrap(), ":\n\n");
    let (name, history) = told(&mut again).await;
    assert_eq!(
        (&*name, &history[1]),
        ("history", &entry),
        "who comes later is told, too"
    );
    server.stop.send_replace(true);
    while stream.frame().await.is_some() {}
}
