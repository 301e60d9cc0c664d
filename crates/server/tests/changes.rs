//! The log of changes: what is in it, who is, and how its last change is undone.

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use common::admin::ask_as;
use common::listening::eventually;
use common::*;
use flagwire_server::Settings;
use flagwire_server::auth::{AdminTokens, Hashed, Permission};
use flagwire_server::change_log::ChangeLog;
use flagwire_server::source::Source as _;
use flagwire_server::source::file::FileSource;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

const TEXT: &str = "# The shop\nflags:\n  a: true   # at night\n  # Looks.\n  theme:\n    variations: { classic: 1, ocean: 2 }\n    default: classic\ngroups:\n  staff: { include: [ada] }\n";

/// A server whose flags are in a file, with the tokens `ana`, who may edit, and `bo`, who may read.
struct Shop {
    server: Server,
    directory: TempDir,
    _stop: watch::Sender<bool>,
}

impl Shop {
    fn open() -> Self {
        let mut tokens = AdminTokens::default();
        for (name, may) in [("ana", Permission::Edit), ("bo", Permission::Read)] {
            tokens.add(name, may, Hashed::of(name)).unwrap();
        }
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("flags.yaml");
        fs::write(&path, TEXT).unwrap();
        let settings = Settings {
            admin_tokens: tokens,
            ..settings()
        };
        let server = server_with(settings, None);
        let fallback = directory.path().join("state/changes.jsonl");
        let log = ChangeLog::new("development", &path, &fallback);
        server.environment.log_changes_in(log);
        let (stop, stopping) = watch::channel(false);
        let source = Box::new(FileSource::open(&path).unwrap());
        tokio::spawn(source.run(Arc::clone(&server.environment), stopping));
        Self {
            server,
            directory,
            _stop: stop,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path("flags.yaml")).unwrap()
    }

    async fn post(&self, who: &str, path: &str, body: &str) -> (StatusCode, Value) {
        ask_as(&self.server, who, Method::POST, path, body).await
    }

    async fn edit(&self, flag: &str, body: &str) {
        let path = format!("/admin/flags/{flag}");
        let (status, reply) = self.post("ana", &path, body).await;
        assert_eq!(status, StatusCode::OK, "{reply}");
    }

    async fn undo(&self, change: &Value) -> (StatusCode, Value) {
        let id = change["id"].as_str().unwrap();
        self.post("ana", &format!("/admin/changes/{id}/undo"), "")
            .await
    }

    async fn refused(&self, change: &Value, expected: &str) {
        let before = self.text();
        let (status, reply) = self.undo(change).await;
        let message = reply["message"].as_str().unwrap();
        assert_eq!(status, StatusCode::CONFLICT, "{message}");
        assert!(message.contains(expected), "{message}");
        assert_eq!(self.text(), before);
    }

    /// The changes that a query lists, as a reader gets them.
    async fn changes(&self, query: &str) -> Vec<Value> {
        let path = format!("/admin/changes{query}");
        let (status, reply) = ask_as(&self.server, "bo", Method::GET, &path, "").await;
        assert_eq!(status, StatusCode::OK, "{reply}");
        reply["changes"].as_array().unwrap().clone()
    }

    /// Saves the file by hand, and waits until that is logged.
    async fn save(&self, text: &str, changes: usize) -> Vec<Value> {
        fs::write(self.path("flags.yaml"), text).unwrap();
        let mut logged = self.server.environment.watch_generation();
        let listed = async {
            loop {
                let listed = self.changes("").await;
                if listed.len() >= changes {
                    return listed;
                }
                // The log follows the change.
                drop(tokio::time::timeout(Duration::from_millis(50), logged.changed()).await);
            }
        };
        eventually(listed, || self.text()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_logged_with_who_when_and_both_texts_and_undone_to_the_byte() {
    let shop = Shop::open();
    assert_eq!(shop.changes("").await, Vec::<Value>::new());
    let ocean = r#"{"default": "ocean"}"#;
    shop.edit("theme", ocean).await;
    let edited = shop.text();
    // An edit that changes nothing is none.
    shop.edit("theme", ocean).await;
    let [change] = &shop.changes("").await[..] else {
        panic!("one change is logged")
    };
    let from =
        "  # Looks.\n  theme:\n    variations: { classic: 1, ocean: 2 }\n    default: classic";
    assert_eq!(change["by"], "ana");
    assert_eq!(change["what"], json!({ "flag": "theme" }));
    assert_eq!(change["change"], "serves ocean by default");
    assert_eq!(change["environment"], "development");
    assert_eq!(change["from"], from);
    assert_eq!(
        change["to"],
        from.replace("default: classic", "default: ocean")
    );
    assert_eq!(change["last"], true);
    let at = change["at"].as_str().unwrap();
    assert!(
        at.len() == 24 && at.ends_with('Z') && at.contains('T'),
        "{at}"
    );

    let (status, reply) = shop.undo(change).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    assert_eq!(shop.text(), TEXT);
    let list = shop.changes("?flag=theme").await;
    assert_eq!(list.len(), 2);
    assert_eq!(list[0]["change"], "undid: serves ocean by default");
    assert_eq!(list[0]["undoes"], change["id"]);
    assert_eq!(
        (&list[0]["last"], &list[1]["last"]),
        (&json!(true), &json!(false))
    );
    shop.refused(change, "flag `theme` has been changed since by ana, at ")
        .await;
    // What was undone is done again by undoing that.
    assert_eq!(shop.undo(&list[0]).await.0, StatusCode::OK);
    assert_eq!(shop.text(), edited);

    let lines = fs::read_to_string(shop.path("flags.changes.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 3);
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["id"], change["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_definitions_are_undone_whether_added_changed_or_deleted() {
    let shop = Shop::open();
    let send = async |method: Method, path: &str, body: Value| {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, reply) = ask_as(&shop.server, "ana", method, path, &body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {reply}");
        reply
    };
    let size = json!({ "definition": { "variations": { "small": 4, "large": 9 }, "default": "small" }, "revision": null });
    send(Method::PUT, "/admin/flags/size", size).await;
    let theme = "/admin/flags/theme/definition";
    let old = send(Method::GET, theme, Value::Null).await;
    let mut new = old["definition"].clone();
    new["rules"] = json!([{ "when": { "group": "staff" }, "serve": "ocean" }]);
    let new = json!({ "definition": new, "revision": old["revision"] });
    send(Method::PUT, "/admin/flags/theme", new).await;
    let with_rule = shop.text();
    send(Method::DELETE, "/admin/flags/theme", Value::Null).await;
    assert!(!shop.text().contains("theme"));

    let list = shop.changes("").await;
    let words: Vec<&str> = list
        .iter()
        .map(|one| one["change"].as_str().unwrap())
        .collect();
    assert_eq!(
        words,
        [
            "deleted",
            "rules changed: 0 → 1",
            "created, on, serves small"
        ]
    );
    assert_eq!(shop.undo(&list[0]).await.0, StatusCode::OK);
    assert_eq!(
        shop.text(),
        with_rule,
        "it is where it was, with its comments"
    );
    shop.refused(&list[1], "has been changed since by ana")
        .await;
    assert_eq!(shop.undo(&list[2]).await.0, StatusCode::OK);
    assert!(!shop.text().contains("size"));
    assert!(shop.text().contains("a: true   # at night"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_changes_and_undoes_none() {
    let shop = Shop::open();
    shop.edit("a", r#"{"state": "off"}"#).await;
    let change = shop.changes("?limit=1").await[0].clone();
    let path = format!("/admin/changes/{}/undo", change["id"].as_str().unwrap());
    let (status, reply) = shop.post("bo", &path, "").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(reply["message"], "token `bo` may read, not edit");
    assert_eq!(shop.post("", &path, "").await.0, StatusCode::UNAUTHORIZED);
    let unknown = "/admin/changes/ffff/undo";
    assert_eq!(shop.post("ana", unknown, "").await.0, StatusCode::NOT_FOUND);
    let (status, _) = ask_as(
        &shop.server,
        "bo",
        Method::GET,
        "/admin/changes?before=ffff",
        "",
    )
    .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_by_hand_is_logged_too_and_undone_as_well() {
    let shop = Shop::open();
    shop.edit("a", r#"{"state": "off"}"#).await;
    let edited = shop.text();
    let by_hand = edited
        .replace("# The shop\n", "")
        .replace("default: classic", "default: ocean")
        .replace("[ada]", "[ada, bo]")
        .replace("groups:", "  new: 5\ngroups:");
    let list = shop.save(&by_hand, 4).await;
    assert_eq!(list.len(), 4);
    let of = |what: Value| list.iter().find(|one| one["what"] == what).unwrap();
    let theme = of(json!({ "flag": "theme" }));
    assert_eq!(
        (&theme["by"], &theme["change"]),
        (
            &json!("file"),
            &json!("default: classic → ocean, while off: classic → ocean")
        )
    );
    let group = of(json!({ "group": "staff" }));
    assert_eq!(group["to"], "  staff: { include: [ada, bo] }");
    let new = of(json!({ "flag": "new" }));
    assert_eq!(
        (&new["from"], &new["to"]),
        (&Value::Null, &json!("  new: 5"))
    );
    assert!(new["change"].as_str().unwrap().starts_with("created, "));
    for change in [theme, group, new] {
        let (status, reply) = shop.undo(change).await;
        assert_eq!(status, StatusCode::OK, "{reply}");
    }
    assert_eq!(shop.text(), edited.replace("# The shop\n", ""));
    // The edit before is still the last one of its flag.
    let first = shop.changes("?flag=a").await;
    assert_eq!(shop.undo(&first[0]).await.0, StatusCode::OK);
    assert_eq!(shop.text(), TEXT.replace("# The shop\n", ""));
    shop.refused(new, "flag `new` has been changed since by ana")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_changed_in_the_file_since_is_not_overwritten() {
    let shop = Shop::open();
    shop.edit("a", r#"{"state": "off"}"#).await;
    let change = shop.changes("").await[0].clone();
    // A comment is no change of the flag, but of its text.
    let commented = shop.text().replace("# at night", "# at day");
    fs::write(shop.path("flags.yaml"), commented).unwrap();
    let refused = async {
        loop {
            // Until the new text is found, somebody may be writing it.
            let (status, reply) = shop.undo(&change).await;
            assert_eq!(status, StatusCode::CONFLICT, "{reply}");
            if reply["message"]
                .as_str()
                .unwrap()
                .contains("changed since in the file")
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    eventually(refused, || shop.text()).await;
    assert!(shop.text().contains("# at day"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_holds_up_no_edit_and_is_said() {
    let shop = Shop::open();
    let log = shop.path("flags.changes.jsonl");
    fs::create_dir(&log).unwrap();
    shop.edit("a", r#"{"state": "off"}"#).await;
    assert!(shop.text().contains("off"));
    let warning = || shop.server.environment.status().warning;
    assert!(warning().unwrap().contains("flags.changes.jsonl"));
    fs::remove_dir(&log).unwrap();
    shop.edit("a", r#"{"state": "on"}"#).await;
    assert_eq!(warning(), None);
    assert_eq!(shop.changes("").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_hears_that_changes_were_logged() {
    let shop = Shop::open();
    let request = axum::http::Request::get("/admin/events")
        .header("host", "127.0.0.1:7700")
        .header("authorization", "Bearer bo")
        .body(axum::body::Body::empty())
        .unwrap();
    let mut stream = shop.server.stream(request).await;
    shop.edit("a", r#"{"state": "off"}"#).await;
    loop {
        let frame = stream.frame().await.expect("the stream ended");
        if frame.starts_with("event: changes\n") {
            break;
        }
    }
}

#[tokio::test]
async fn flags_of_no_file_have_no_log() {
    let server = server();
    let (status, reply) = ask_as(&server, "", Method::GET, "/admin/changes", "").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(
        reply["message"]
            .as_str()
            .unwrap()
            .contains("change them there")
    );
}
