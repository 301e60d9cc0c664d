//! Flags and groups that are added, edited and deleted by the admin page's endpoints.

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use common::replicas::*;
use common::*;
use flagwire_server::source::Source as _;
use flagwire_server::source::file::{FileOrigin, FileSource};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

const FILE: &str = "# Ours.\nflags:\n  # Dark colours.\n  dark-mode: false # for now\n\n  # Staff see more.\n  page-size:\n    variations: { small: 4, large: 12 }\n    default: small # of two\n    rules:\n      # Gold pays.\n      - when: { plan: gold } # paid\n        serve: large\n\n  shop: { default: true, requires: { dark-mode: false } }\n\ngroups:\n  # All of us.\n  staff: { include: [ann] }\n";

/// A server whose flags are in a file.
struct Site {
    server: Server,
    path: PathBuf,
    _directory: TempDir,
    _stop: watch::Sender<bool>,
}

impl Site {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("flags.yaml");
        std::fs::write(&path, FILE).unwrap();
        let server = server_with(settings(), None);
        let (stop, stopping) = watch::channel(false);
        let source = FileSource::open(&path).unwrap();
        tokio::spawn(Box::new(source).run(Arc::clone(&server.environment), stopping));
        Self {
            server,
            path,
            _directory: directory,
            _stop: stop,
        }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.path).unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = send(&self.server, Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    async fn put(&self, path: &str, definition: Value, revision: Value) -> (StatusCode, Value) {
        let body = json!({ "definition": definition, "revision": revision });
        send(&self.server, Method::PUT, path, Some(&body)).await
    }

    /// Puts a definition, which is expected to work.
    async fn define(&self, path: &str, definition: Value, revision: Value) {
        let (status, body) = self.put(path, definition, revision).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        // The reply says what is in force now, and no more.
        let content = self.server.environment.current().unwrap().content.clone();
        assert_eq!(body, json!({ "content": content }));
    }
}

async fn send(
    server: &Server,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request
        .header("host", "127.0.0.1:7700")
        .header("content-type", "application/json");
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    read(server.send(request.body(body).unwrap()).await).await
}

#[tokio::test]
async fn a_flag_is_added_edited_and_deleted_and_the_rest_of_the_file_stays() {
    let site = Site::new();
    let token = site.server.token(CLIENT_KEY, ada()).await;
    let mut stream = site.server.stream(get("/stream", &token)).await;
    assert!(stream.frame().await.unwrap().starts_with(':'));

    site.define(
        "/admin/flags/banner",
        json!({ "default": true, "description": "A: banner" }),
        Value::Null,
    )
    .await;
    let event = stream.event().await;
    assert_eq!(
        (&event["event"], &event["identifier"]),
        (&json!("create"), &json!("banner"))
    );
    let added = FILE.replace(
        "  shop: { default: true, requires: { dark-mode: false } }\n",
        "  shop: { default: true, requires: { dark-mode: false } }\n\n  banner:\n    default: true\n    description: \"A: banner\"\n",
    );
    assert_eq!(site.text(), added);

    let page = site.get("/admin/flags/page-size/definition").await;
    assert_eq!(page["form"], "short");
    let mut definition = page["definition"].clone();
    definition["rules"] = json!([
        { "when": { "group": "staff" }, "serve": { "small": 20, "large": 80 } },
        definition["rules"][0],
    ]);
    site.define(
        "/admin/flags/page-size",
        definition,
        page["revision"].clone(),
    )
    .await;
    let event = stream.event().await;
    assert_eq!(
        (&event["event"], &event["identifier"]),
        (&json!("patch"), &json!("page-size"))
    );
    let edited = added.replace(
        "    rules:\n",
        "    rules:\n      - when: { group: staff }\n        serve: { small: 20, large: 80 }\n",
    );
    assert_eq!(site.text(), edited);

    let (status, body) = send(&site.server, Method::DELETE, "/admin/flags/banner", None).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let event = stream.event().await;
    assert_eq!(
        (&event["event"], &event["identifier"]),
        (&json!("delete"), &json!("banner"))
    );
    assert_eq!(
        site.text(),
        edited.replace(
            "\n  banner:\n    default: true\n    description: \"A: banner\"\n",
            ""
        )
    );
}

#[tokio::test]
async fn groups_are_added_edited_and_deleted() {
    let site = Site::new();
    site.define(
        "/admin/groups/beta",
        json!({ "rules": [{ "plan": "gold" }] }),
        Value::Null,
    )
    .await;
    let with = format!("{FILE}  beta:\n    rules: [{{ plan: gold }}]\n");
    assert_eq!(site.text(), with);
    let staff = site.get("/admin/groups/staff/definition").await;
    assert_eq!(staff["definition"], json!({ "include": ["ann"] }));
    site.define(
        "/admin/groups/staff",
        json!({ "include": ["ann", "bob"] }),
        staff["revision"].clone(),
    )
    .await;
    assert_eq!(site.text(), with.replace("[ann]", "[ann, bob]"));
    let (status, _) = send(&site.server, Method::DELETE, "/admin/groups/beta", None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(site.text(), FILE.replace("[ann]", "[ann, bob]"));
}

#[tokio::test]
async fn mistakes_are_answered_with_the_sentences_of_check_and_their_place() {
    let site = Site::new();
    let revision = site.get("/admin/flags/page-size/definition").await["revision"].clone();
    let wrong = json!({ "variations": { "small": 4 }, "default": "small", "rules": [{ "when": { "plan": "gold" }, "serve": "large" }] });
    let (status, body) = site.put("/admin/flags/page-size", wrong, revision).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    let message = "rule 1 of flag `page-size` has no variation `large`; it has: small";
    assert_eq!(
        body,
        json!({ "code": "400", "message": message, "mistakes": [{ "path": "rules[0].serve", "message": message }] })
    );
    for (path, definition, expected) in [
        (
            "/admin/flags/new",
            json!({ "default": true, "requires": { "none": true } }),
            "`none`, which is not defined",
        ),
        ("/admin/flags/new", Value::Null, "has no value"),
        (
            "/admin/groups/new",
            json!({ "include": [] }),
            "is an empty list",
        ),
        ("/admin/flags/n%20w", json!(true), "has ` ` in it"),
    ] {
        let (status, body) = site.put(path, definition, Value::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(
            body["message"].as_str().unwrap().contains(expected),
            "{body}"
        );
    }
    let (status, body) = send(
        &site.server,
        Method::PUT,
        "/admin/flags/new",
        Some(&json!({ "flag": 1 })),
    )
    .await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    assert_eq!(site.text(), FILE);
}

#[tokio::test]
async fn a_definition_that_somebody_else_has_changed_is_not_overwritten() {
    let site = Site::new();
    let old = site.get("/admin/flags/dark-mode/definition").await;
    let (status, _) = send(
        &site.server,
        Method::POST,
        "/admin/flags/dark-mode",
        Some(&json!({ "default": "true" })),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    let path = "/admin/flags/dark-mode";
    for (path, revision, expected) in [
        (
            path,
            old["revision"].clone(),
            "somebody else has changed the flag `dark-mode` meanwhile",
        ),
        (path, Value::Null, "there is a flag `dark-mode` already"),
        (
            "/admin/flags/gone",
            json!("1"),
            "somebody else has deleted the flag `gone` meanwhile",
        ),
    ] {
        let (status, body) = site
            .put(path, json!({ "default": false, "off": true }), revision)
            .await;
        assert_eq!(status, StatusCode::CONFLICT, "{body}");
        assert!(
            body["message"].as_str().unwrap().starts_with(expected),
            "{body}"
        );
    }
    let path = format!("{path}?revision={}", old["revision"].as_str().unwrap());
    let (status, body) = send(&site.server, Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::CONFLICT, "{body}");
    assert_eq!(
        site.text(),
        FILE.replace("dark-mode: false #", "dark-mode: true #")
    );
}

#[tokio::test]
async fn what_others_need_is_not_deleted_and_what_is_not_there_is_404() {
    let site = Site::new();
    let (status, body) = send(&site.server, Method::DELETE, "/admin/flags/dark-mode", None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let message =
        "the flag `dark-mode` cannot be deleted while flag `shop` requires it; change it first";
    assert_eq!(body["message"], message);
    for (method, path, message) in [
        (
            Method::DELETE,
            "/admin/flags/gone",
            "there is no flag `gone`",
        ),
        (
            Method::DELETE,
            "/admin/groups/gone",
            "there is no group `gone`",
        ),
        (
            Method::GET,
            "/admin/flags/gone/definition",
            "there is no flag `gone`",
        ),
        (
            Method::GET,
            "/admin/groups/gone/definition",
            "there is no group `gone`",
        ),
    ] {
        let (status, body) = send(&site.server, method, path, None).await;
        assert_eq!(
            (status, &body["message"]),
            (StatusCode::NOT_FOUND, &json!(message))
        );
    }
    assert_eq!(site.text(), FILE);
}

#[tokio::test]
async fn flags_that_come_from_elsewhere_are_changed_there() {
    let server = server();
    for (method, path) in [
        (Method::GET, "/admin/flags/dark-mode/definition"),
        (Method::PUT, "/admin/flags/dark-mode"),
        (Method::DELETE, "/admin/flags/dark-mode"),
        (Method::PUT, "/admin/groups/staff"),
    ] {
        let body = json!({ "definition": true, "revision": null });
        let (status, body) = send(&server, method, path, Some(&body)).await;
        assert_eq!(status, StatusCode::CONFLICT, "{body}");
        assert!(
            body["message"]
                .as_str()
                .unwrap()
                .ends_with("change them there"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_follower_has_the_leader_make_its_edits() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.yaml");
    std::fs::write(&file, FILE).unwrap();
    let owner = replica(options(&redis.url(), "owner"), FileOrigin(file.clone()));
    owner.leads().await;
    let nowhere = directory.path().join("nowhere.yaml");
    let other = replica(options(&redis.url(), "other"), FileOrigin(nowhere));
    other.server.serves("dark-mode", "false").await;

    let path = "/admin/flags/page-size";
    let (status, page) = send(
        &other.server,
        Method::GET,
        &format!("{path}/definition"),
        None,
    )
    .await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let mut definition = page["definition"].clone();
    definition["default"] = "large".into();
    let body = json!({ "definition": definition, "revision": page["revision"] });
    let (status, reply) = send(&other.server, Method::PUT, path, Some(&body)).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        FILE.replace("default: small", "default: large")
    );
    let (status, reply) = send(&other.server, Method::PUT, path, Some(&body)).await;
    assert_eq!(status, StatusCode::CONFLICT, "{reply}");
    definition["default"] = "huge".into();
    let body = json!({ "definition": definition, "revision": null });
    let (status, reply) = send(&other.server, Method::PUT, "/admin/flags/new", Some(&body)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{reply}");
    assert_eq!(reply["mistakes"][0]["path"], "default");
    let (status, reply) = send(&other.server, Method::DELETE, "/admin/groups/none", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{reply}");
    let (status, reply) = send(&other.server, Method::DELETE, "/admin/flags/shop", None).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    assert!(!std::fs::read_to_string(&file).unwrap().contains("shop"));
}
