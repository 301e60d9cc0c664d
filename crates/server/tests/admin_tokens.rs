//! Named admin tokens: who may read, who may edit, and how a server is given its tokens.

mod common;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use common::admin::ask_as;
use common::running::Running;
use common::*;
use flagwire_server::Settings;
use flagwire_server::auth::{AdminTokens, Hashed, Permission};
use flagwire_server::source::Source as _;
use flagwire_server::source::file::FileSource;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::sync::watch;

fn message(reply: &serde_json::Value) -> &str {
    reply["message"].as_str().unwrap()
}

/// A server with the token `root` of `admin`, `aaaa` of `ana`, who may edit, and `bbbb` of `bo`, who may read.
fn guarded() -> (Server, TempDir, watch::Sender<bool>) {
    let mut tokens = AdminTokens::single(Hashed::of("root"));
    for (name, may, token) in [
        ("ana", Permission::Edit, "aaaa"),
        ("bo", Permission::Read, "bbbb"),
    ] {
        tokens.add(name, may, Hashed::of(token)).unwrap();
    }
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    fs::write(&path, "flags: { a: true }\n").unwrap();
    let settings = Settings {
        admin_tokens: tokens,
        ..settings()
    };
    let server = server_with(settings, None);
    let (stop, stopping) = watch::channel(false);
    let source = FileSource::open(&path).unwrap();
    tokio::spawn(Box::new(source).run(Arc::clone(&server.environment), stopping));
    (server, directory, stop)
}

#[tokio::test]
async fn a_reader_sees_everything_and_changes_nothing() {
    let (server, directory, _stop) = guarded();
    let explain = r#"{"target": {"identifier": "ada"}}"#;
    for (method, path, body) in [
        (Method::GET, "/admin/state", ""),
        (Method::GET, "/admin/streams", ""),
        (Method::POST, "/admin/explain", explain),
    ] {
        for token in ["root", "aaaa", "bbbb"] {
            let (status, reply) = ask_as(&server, token, method.clone(), path, body).await;
            assert_eq!(status, StatusCode::OK, "{path} {token}: {reply}");
        }
        for token in ["", "cccc", "bbb", "bo"] {
            let (status, _) = ask_as(&server, token, method.clone(), path, body).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {token}");
        }
    }
    let off = r#"{"state": "off"}"#;
    for (path, body) in [("/admin/flags/a", off), ("/admin/accept", "{}")] {
        let (status, reply) = ask_as(&server, "bbbb", Method::POST, path, body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(message(&reply), "token `bo` may read, not edit");
    }
    let file = directory.path().join("flags.yaml");
    assert_eq!(fs::read_to_string(&file).unwrap(), "flags: { a: true }\n");
    let (status, reply) = ask_as(&server, "aaaa", Method::POST, "/admin/flags/a", off).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    assert!(fs::read_to_string(&file).unwrap().contains("off"));
}

#[tokio::test]
async fn the_page_knows_who_uses_it() {
    let (server, _directory, _stop) = guarded();
    for (token, name, may) in [
        ("root", "admin", "edit"),
        ("aaaa", "ana", "edit"),
        ("bbbb", "bo", "read"),
    ] {
        let (_, reply) = ask_as(&server, token, Method::GET, "/admin/state", "").await;
        assert_eq!(reply["user"], json!({ "name": name, "may": may }));
        assert_ne!(reply["flags"], json!(null));
    }
    let (_, reply) = ask_as(&common::server(), "", Method::GET, "/admin/state", "").await;
    assert_eq!(reply["user"], json!({ "name": "local", "may": "edit" }));
}

fn hash(token: &str) -> String {
    let digits: String = Sha256::digest(token)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{digits}")
}

/// The status that the program answers `GET /admin/state` with, and the user in its reply.
fn state(server: &Running, token: &str) -> String {
    let reply = server.ask(&format!(
        "GET /admin/state HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
    ));
    let user = reply.split("\"user\":").nth(1);
    let user = user.and_then(|rest| rest.split('}').next());
    format!("{} {}", &reply[9..12], user.unwrap_or_default())
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn tokens_come_from_options_the_configuration_and_files_and_are_never_told() {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("flags.yaml"), "flags: { a: true }\n").unwrap();
    write(&at("ana.token"), "token-of-ana-81d\n", 0o644);
    let listed = hash("token-of-cy-22b");
    fs::write(
        at("flagwire.yaml"),
        format!(
            "flags: flags.yaml\nadmin-token: token-of-admin-90c\nadmin-tokens-file: more\nadmin-tokens:\n  - {{ name: ana, may: edit, token-file: ana.token }}\n  - {{ name: cy, may: read, token: '{listed}' }}\n"
        ),
    )
    .unwrap();
    let more = format!(
        "# name may token\ndee edit {}\neli read token-of-eli-57a\n",
        hash("token-of-dee-4fe")
    );
    write(&at("more"), &more, 0o600);
    let server = Running::logging(
        directory.path(),
        &["--config", "flagwire.yaml", "--log-level", "trace"],
        File::create(at("log")).unwrap(),
    );
    let secrets = [
        ("token-of-admin-90c", r#"{"name":"admin","may":"edit""#),
        ("token-of-ana-81d", r#"{"name":"ana","may":"edit""#),
        ("token-of-cy-22b", r#"{"name":"cy","may":"read""#),
        ("token-of-dee-4fe", r#"{"name":"dee","may":"edit""#),
        ("token-of-eli-57a", r#"{"name":"eli","may":"read""#),
    ];
    for (token, user) in secrets {
        assert_eq!(state(&server, token), format!("200 {user}"));
    }
    assert_eq!(state(&server, &listed), "401 ");
    let mut said = server.printed.clone();
    for path in ["/status", "/metrics"] {
        said.push_str(&server.get(path, "", ""));
    }
    server.terminate();
    said.push_str(&fs::read_to_string(at("log")).unwrap());
    for (token, _) in secrets {
        assert!(!said.contains(token), "{token} is told");
        assert!(!said.contains(&hash(token)[7..23]), "{token} is told");
    }
    let warned = |file: &str| said.contains(&format!("{file} holds admin tokens"));
    assert!(warned("ana.token") && !warned("more"), "{said}");
}
