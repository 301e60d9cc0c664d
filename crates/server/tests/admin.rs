//! The admin page's endpoints: what they show, and whom they keep out.

mod common;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use common::*;
use flagwire_server::Settings;
use flagwire_server::auth::Hashed;
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
        ("/admin/page.js", "text/javascript"),
    ] {
        let response = server.send(request(Method::GET, path, &[LOCAL], "")).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert!(
            response.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with(content_type)
        );
        assert!(
            response.headers()["content-security-policy"]
                .to_str()
                .unwrap()
                .contains("frame-ancestors 'none'")
        );
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin")
        );
    }
}

#[tokio::test]
async fn flags_are_shown_in_words() {
    let (_, overview) = read(
        server()
            .send(request(Method::GET, "/admin/state", &[LOCAL], ""))
            .await,
    )
    .await;
    assert_eq!(overview["environment"], "development");
    assert_eq!(overview["editable"], false);
    let flags = overview["flags"].as_array().unwrap();
    assert_eq!(flags[2]["flag"], "limits");
    assert_eq!(
        flags[2]["rules"],
        json!([{"when": "if plan is gold", "serves": "gold"}])
    );
    assert_eq!(
        flags[3]["rules"],
        json!([{"when": "if in group staff", "serves": "large"}])
    );
    assert_eq!(
        overview["groups"][0]["members"],
        json!(["if email ends with @example.com"])
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
        overview["flags"][0]["default"], "true",
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

    for (flag, body, wanted) in [
        ("nope", r#"{"state": "on"}"#, StatusCode::NOT_FOUND),
        ("theme", r#"{"default": "c"}"#, StatusCode::BAD_REQUEST),
        ("theme", r#"{"state": "maybe"}"#, StatusCode::BAD_REQUEST),
        ("theme", r#"{"colour": "red"}"#, StatusCode::BAD_REQUEST),
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
        for (method, path) in [
            (Method::GET, "/admin/state"),
            (Method::GET, "/admin/events"),
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
            admin_token: Some(Hashed::of("secret")),
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
    std::fs::write(directory.path().join("flags.yaml"), "flags:\n  a: [\n").unwrap();
    assert_eq!(stream.frame().await.unwrap(), "event: status\ndata: {}\n\n");
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
    assert_eq!(overview["flags"][0]["default"], "true");
    std::fs::write(directory.path().join("flags.yaml"), "flags:\n  a: false\n").unwrap();
    assert_eq!(stream.event().await["identifier"], "a");
    server.stop.send_replace(true);
    while stream.frame().await.is_some() {}
}
