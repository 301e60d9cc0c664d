//! Tests that keys, tokens, tickets and targets do not appear in the log, the status or errors, and that only the owner can read
//! the files on disk.

mod common;

use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::running::*;
use flagwire_server::flags_file;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const CLIENT: &str = "client-key-9f1c0d7a";
const BACK_END: &str = "server-key-5be2a417";
const RELAYED: &str = "relay-client-key-77d0";
const ADMIN: &str = "admin-token-c3a9e6";
const SIGNING: &str = "signing-secret-2d90b6-0123456789abcdef";
/// A secret in the URL of an upstream, as a gateway may require it.
const QUERY: &str = "gateway-token-41e7";
const EMAIL: &str = "ada@example.com";

/// The pause between two requests to another process.
fn moment() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}

fn between<'t>(text: &'t str, start: &str, end: char) -> &'t str {
    text.split(start)
        .nth(1)
        .expect(text)
        .split(end)
        .next()
        .unwrap()
}

/// Reads a stream until its first bytes show that it is open.
fn open_stream(server: &Running, path: &str, headers: &str) {
    let mut socket = TcpStream::connect(&server.address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n").unwrap();
    let mut lines = BufReader::new(socket).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "HTTP/1.1 200 OK");
    let mut lines = lines.skip_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()));
    // This is the first heartbeat, as a comment or an event.
    assert!(
        lines.any(|line| line.is_ok_and(|line| line.starts_with([':', 'e']))),
        "{path}"
    );
}

fn post(server: &Running, path: &str, headers: &str, body: &str) -> String {
    server.ask(&format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// Uses each endpoint that takes a secret with right and wrong ones. Returns the tokens and tickets from the replies.
fn use_all(server: &Running, key: &str, environment: &str) -> Vec<String> {
    let reply = server.sign_in(key);
    let token = between(&reply, "\"authToken\":\"", '"').to_owned();
    let ticket = between(&reply, "ticket=", '"').to_owned();
    let path = format!("/client/env/{environment}/target/user-42/evaluations");
    assert!(server.get(&path, &token, "").starts_with("HTTP/1.1 200"));
    for wrong in [&token[1..], &format!("{token}x"), key] {
        assert!(server.get(&path, wrong, "").starts_with("HTTP/1.1 401"));
    }
    open_stream(server, &format!("/stream?cluster=1&ticket={ticket}"), "");
    open_stream(
        server,
        "/stream",
        &format!("authorization: Bearer {token}\r\napi-key: {key}\r\n"),
    );
    assert!(
        server
            .get(&format!("/stream?ticket={ticket}x"), &token, "")
            .starts_with("HTTP/1.1 401")
    );
    let context = format!(r#"{{"context":{{"targetingKey":"user-42","email":"{EMAIL}"}}}}"#);
    let all = post(
        server,
        "/ofrep/v1/evaluate/flags",
        &format!("x-api-key: {key}\r\n"),
        &context,
    );
    let events = between(&all, "\"requestUri\":\"", '"');
    open_stream(server, events, "");
    // These are damaged or in the wrong place, as a faulty client would send them.
    post(
        server,
        "/client/auth",
        "",
        &format!(r#"{{"apiKey":"{key}x"}}"#),
    );
    post(server, "/client/auth", "", &format!(r#"{{"apiKey":"{key}"#));
    post(
        server,
        "/ofrep/v1/evaluate/flags",
        &format!("x-api-key: {key}x\r\n"),
        &context,
    );
    let metrics = format!("/metrics/{environment}");
    let header = format!("authorization: Bearer {token}\r\n");
    post(server, &metrics, &header, &context);
    post(server, &metrics, &header, &format!("{{\"{EMAIL}"));
    let admin = |token: &str| format!("authorization: Bearer {token}\r\n");
    for (token, change) in [(ADMIN, "on"), (ADMIN, "perhaps"), (&ADMIN[1..], "on")] {
        post(
            server,
            "/admin/flags/dark-mode",
            &admin(token),
            &format!(r#"{{"state":"{change}"}}"#),
        );
    }
    server.ask(&format!(
        "GET /admin/state HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{}\r\n",
        admin(ADMIN)
    ));
    let refetch = between(&all, "ticket=", '"').to_owned();
    [token, ticket, refetch]
        .iter()
        // All tokens have the same header; the payload and the signature must not appear.
        .flat_map(|jwt| jwt.split('.').skip(1).map(str::to_owned))
        .collect()
}

#[test]
fn at_the_loudest_no_secret_is_in_the_log_the_status_or_the_metrics() {
    let directory = TempDir::new().unwrap();
    let part = |name: &str| {
        let path = directory.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let (origin_at, relay_at) = (part("origin"), part("relay"));
    fs::write(origin_at.join("flags.yaml"), flags_file::SAMPLE).unwrap();
    let log = |at: &Path| File::create(at.join("log")).unwrap();
    let loud = ["--log-level", "trace", "--admin-token", ADMIN];
    let origin = Running::logging(
        &origin_at,
        &[
            &loud[..],
            &["--client-key", CLIENT, "--server-key", BACK_END],
            &["--token-secret", SIGNING],
        ]
        .concat(),
        log(&origin_at),
    );
    let upstream = format!("http://{}/?token={QUERY}", origin.address);
    let relay = Running::logging(
        &relay_at,
        &[
            &loud[..],
            &["--client-key", RELAYED, "--upstream", &upstream],
            &["--api-key", BACK_END, "--log-format", "json"],
        ]
        .concat(),
        log(&relay_at),
    );
    // This server's key is refused.
    let refused_at = part("refused");
    let wrong = "no-such-server-key-1c44";
    let refused = Running::logging(
        &refused_at,
        &[
            &loud[..],
            &["--client-key", RELAYED, "--upstream", &upstream],
            &["--api-key", wrong],
        ]
        .concat(),
        log(&refused_at),
    );
    let ready = |server: &Running| server.get("/ready", "", "").starts_with("HTTP/1.1 200");
    while !ready(&relay) {
        moment();
    }
    while !refused
        .get("/status", "", "")
        .contains("refuses the sign-in")
    {
        moment();
    }

    let mut secrets = use_all(&origin, CLIENT, "development");
    secrets.extend(use_all(&relay, RELAYED, "development"));
    // Changes arrive through the relay's session and stream.
    let path = origin_at.join("flags.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\n# saved\n")).unwrap();
    let mut said = String::new();
    for server in [&origin, &relay, &refused] {
        for path in ["/status", "/metrics", "/ready"] {
            said.push_str(&server.get(path, "", ""));
        }
        said.push_str(&server.printed);
    }
    for server in [origin, relay, refused] {
        server.terminate();
    }
    for at in [&origin_at, &relay_at, &refused_at] {
        let log = fs::read_to_string(at.join("log")).unwrap();
        assert!(log.contains("TRACE") || log.contains("DEBUG"), "{log}");
        said.push_str(&log);
    }
    assert!(said.contains("/client/auth"), "requests are logged");
    secrets.extend(
        [
            CLIENT, BACK_END, RELAYED, wrong, ADMIN, SIGNING, QUERY, EMAIL,
        ]
        .map(str::to_owned),
    );
    for secret in [CLIENT, BACK_END, RELAYED, wrong, ADMIN] {
        let hash: String = Sha256::digest(secret)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        secrets.push(hash[..16].to_owned());
    }
    for secret in secrets {
        let found = said.lines().find(|line| line.contains(&secret));
        assert_eq!(found, None, "{secret} is told");
    }
}

#[test]
fn a_configuration_may_hold_hashes_in_place_of_keys() {
    let directory = TempDir::new().unwrap();
    let hash = |key: &str| {
        let digits: String = Sha256::digest(key)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("sha256:{digits}")
    };
    fs::write(directory.path().join("flags.yaml"), "flags: { a: true }\n").unwrap();
    fs::write(
        directory.path().join("flagwire.yaml"),
        format!(
            "environments:\n  development: {{ flags: flags.yaml, client-keys: ['{}'] }}\n",
            hash(CLIENT)
        ),
    )
    .unwrap();
    let admin = hash(ADMIN);
    let server = Running::start(
        directory.path(),
        &["--config", "flagwire.yaml", "--admin-token", &admin],
    );
    assert!(server.sign_in(CLIENT).starts_with("HTTP/1.1 200"));
    assert!(server.sign_in(&hash(CLIENT)).starts_with("HTTP/1.1 401"));
    let overview = |token: &str| {
        server.ask(&format!("GET /admin/state HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"))
    };
    assert!(overview(ADMIN).starts_with("HTTP/1.1 200"));
    assert!(overview(&admin).starts_with("HTTP/1.1 401"));
}

#[test]
fn a_secret_that_others_could_read_is_theirs_no_longer_and_that_is_said() {
    let directory = TempDir::new().unwrap();
    let state = directory.path().join(".flagwire");
    let path = state.join("token-secret");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;

    let server = Running::start(directory.path(), &[]);
    assert_eq!((mode(&state), mode(&path)), (0o700, 0o600));
    let (_, log) = server.terminate();
    assert!(!log.contains("could be used by others"), "{log}");

    let before = fs::read(&path).unwrap();
    for wide in [0o644, 0o660, 0o606] {
        fs::set_permissions(&path, Permissions::from_mode(wide)).unwrap();
        let server = Running::start(directory.path(), &[]);
        let (_, log) = server.terminate();
        assert!(
            log.contains(&format!("could be used by others (mode {wide:o})")),
            "{log}"
        );
        assert_eq!(mode(&path), 0o600);
    }
    assert_eq!(fs::read(&path).unwrap(), before, "tokens stay good");
}
