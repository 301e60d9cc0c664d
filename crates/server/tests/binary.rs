//! The program itself: what it prints, what it refuses, and how it ends.

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

use common::running::*;
use tempfile::TempDir;

const EVALUATIONS: &str = "/client/env/development/target/user-42/evaluations";

#[test]
fn without_arguments_it_writes_a_sample_says_so_and_serves_it() {
    let directory = TempDir::new().unwrap();
    let server = Running::start(directory.path(), &[]);
    assert!(
        server.printed.contains("a commented sample was written"),
        "{}",
        server.printed
    );
    assert!(
        server.printed.contains("flagwire-dev-client-key")
            && server.printed.contains("flagwire-dev-server-key")
    );
    let reply = server.get(EVALUATIONS, &server.token(), "");
    for expected in [
        r#"{"flag":"dark-mode","identifier":"false","value":"false","kind":"boolean"}"#,
        r#"{"flag":"free-shipping","identifier":"true","value":"true","kind":"boolean"}"#,
        r#"{"flag":"page-size","identifier":"large","value":"12","kind":"int"}"#,
        r#"{"flag":"theme","identifier":"classic","value":"classic","kind":"string"}"#,
    ] {
        assert!(reply.contains(expected), "{reply}");
    }
    assert!(
        server
            .ask("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .contains("<!doctype html>")
    );
    drop(server);
    let again = Running::start(directory.path(), &[]);
    assert!(!again.printed.contains("sample"), "{}", again.printed);
}

#[test]
fn a_token_outlives_a_restart_and_its_secret_is_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = TempDir::new().unwrap();
    let first = Running::start(directory.path(), &[]);
    let token = first.token();
    drop(first);
    let secret = std::fs::metadata(directory.path().join(".flagwire/token-secret")).unwrap();
    assert_eq!(secret.permissions().mode() & 0o777, 0o600);
    let second = Running::start(directory.path(), &[]);
    assert!(
        second
            .get(EVALUATIONS, &token, "")
            .starts_with("HTTP/1.1 200")
    );
}

#[test]
fn a_header_of_256_kilobytes_is_taken_and_one_much_longer_is_431() {
    let directory = TempDir::new().unwrap();
    let server = Running::start(directory.path(), &[]);
    let token = server.token();
    let reply = server.get(
        EVALUATIONS,
        &token,
        &format!("harness-target: {}\r\n", "A".repeat(262_100)),
    );
    assert!(
        reply.starts_with("HTTP/1.1 200"),
        "{}",
        &reply[..reply.len().min(200)]
    );
    let mut socket = TcpStream::connect(&server.address).unwrap();
    // The server may answer and close the connection before everything was sent.
    drop(write!(
        socket,
        "GET / HTTP/1.1\r\nhost: x\r\nharness-target: {}\r\n\r\n",
        "A".repeat(600_000)
    ));
    let mut head = [0; 12];
    socket.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 431");
}

#[test]
fn a_broken_file_at_start_is_exit_code_1_with_every_mistake_placed() {
    let directory = TempDir::new().unwrap();
    std::fs::write(
        directory.path().join("flags.yaml"),
        "flags:\n  a: true\n  b:\n    default: maybe\n  c: { defalt: true }\n",
    )
    .unwrap();
    let (code, said) = fails(directory.path(), &[]);
    assert_eq!(code, Some(1));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert_eq!(
        lines[0],
        "flags.yaml:4:14: flag `b` has no variation `maybe`; it has: true, false"
    );
    assert!(
        lines[1].starts_with(
            "flags.yaml:5:8: unknown key `defalt` in flag `c` (did you mean `default`?)"
        ),
        "{said}"
    );
}

#[test]
fn what_cannot_be_served_safely_is_refused() {
    let directory = TempDir::new().unwrap();
    for (args, reason) in [
        (&["--listen", "0.0.0.0:0"][..], "development keys"),
        (&["--client-key", "k", "--server-key", "k"], "use two"),
        (
            &["--flags", "/nonexistent/flags.yaml"],
            "cannot write a sample",
        ),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flagwire-server"));
        let output = command
            .current_dir(directory.path())
            .args(["--drain-seconds", "0"])
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(reason), "{args:?}: {said}");
    }
}

/// Brings output into one form: lists are written `a, b`, files end in a line end, and names replace addresses.
#[test]
fn values_of_variables_are_trimmed_and_what_can_never_match_is_refused() {
    let program = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flagwire-server"));
        command
            .envs(variables.iter().copied())
            .args(["--listen", "localhost:0", "--drain-seconds", "0"])
            .args(args);
        command
    };
    for (variable, value, reason) in [
        (
            "FLAGWIRE_CORS_ORIGINS",
            "shop.example.com",
            "that is not an origin",
        ),
        ("FLAGWIRE_CORS_ORIGINS", "https://*.example.com", "wildcard"),
        (
            "FLAGWIRE_CLIENT_KEYS",
            "a b",
            "has a blank or a line end in it",
        ),
        (
            "FLAGWIRE_LISTEN",
            "no-such-host.invalid:1",
            "cannot be resolved",
        ),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flagwire-server"));
        let output = command.env(variable, value).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{variable}={value}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(reason), "{variable}={value}: {said}");
    }
    let directory = TempDir::new().unwrap();
    let mut child = program(
        &[
            (
                "FLAGWIRE_CORS_ORIGINS",
                "http://a.example, https://Shop.example/\n",
            ),
            ("FLAGWIRE_CLIENT_KEYS", " first , second\n"),
            ("FLAGWIRE_UPSTREAM", ""),
            ("FLAGWIRE_EVENT_EVALUATIONS", "yes\n"),
        ],
        &[],
    )
    .current_dir(directory.path())
    .stdout(Stdio::piped())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    std::fs::write(directory.path().join("flags.yaml"), "flags: { a: true }\n").unwrap();
    let first = lines.next().unwrap().unwrap();
    let address = first.rsplit_once("://").unwrap().1.to_owned();
    for (key, origin) in [
        ("first", "http://a.example"),
        ("second", "https://shop.example"),
    ] {
        let body = format!(r#"{{"apiKey":"{key}","target":{{"identifier":"u"}}}}"#);
        let mut socket = TcpStream::connect(&address).unwrap();
        write!(
            socket,
            "POST /client/auth HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200"), "{key}: {reply}");
        assert!(
            reply.contains(&format!("access-control-allow-origin: {origin}\r\n")),
            "{reply}"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_key_that_is_none_is_refused() {
    let directory = TempDir::new().unwrap();
    for (args, reason) in [
        (["--client-key", ""], "a key is empty"),
        (["--server-key", "sha256:12"], "64 hexadecimal digits"),
        (["--admin-token", " "], "a key is empty"),
        (
            ["--client-key", "open sesame"],
            "'--client-key <KEY>': a key has a blank",
        ),
        (["--admin-token", "open sesame"], "a key has a blank"),
        (["--server-key", "sha256:sesame"], "64 hexadecimal digits"),
    ] {
        let (code, said) = fails(directory.path(), &args);
        assert_eq!(code, Some(2), "{args:?}");
        assert!(said.contains(reason), "{args:?}: {said}");
        assert!(!said.contains("sesame"), "it may be a secret: {said}");
    }
}

#[test]
fn keys_set_explicitly_replace_the_development_keys() {
    let directory = TempDir::new().unwrap();
    let server = Running::start(
        directory.path(),
        &[
            "--client-key",
            "one",
            "--client-key",
            "two",
            "--server-key",
            "three",
        ],
    );
    assert!(!server.printed.contains("flagwire-dev"));
    for (key, status) in [
        ("one", "200"),
        ("two", "200"),
        ("three", "200"),
        ("flagwire-dev-client-key", "401"),
    ] {
        assert!(
            server
                .sign_in(key)
                .starts_with(&format!("HTTP/1.1 {status}")),
            "{key}"
        );
    }
}

#[test]
fn connections_past_the_limit_of_an_address_are_in_the_metrics() {
    let directory = TempDir::new().unwrap();
    let server = Running::start(directory.path(), &["--connections-per-address", "1"]);
    let mut first = TcpStream::connect(&server.address).unwrap();
    let mut ask = |path: &str, end: &str| {
        write!(first, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut reply = Vec::new();
        while !reply.ends_with(end.as_bytes()) {
            let mut byte = [0];
            first.read_exact(&mut byte).unwrap();
            reply.extend(byte);
        }
        String::from_utf8(reply).unwrap()
    };
    ask("/live", "}");
    let refused = server.ask("GET /live HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    let metrics = ask("/metrics", "# EOF\n");
    for line in [
        "flagwire_connections_refused_total 1",
        "flagwire_http_requests_total{method=\"GET\",route=\"/live\",status=\"200\"} 1",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}: {metrics}");
    }
    assert!(
        !metrics.contains("status=\"503\""),
        "it is no failure of the server: {metrics}"
    );
}

#[test]
fn it_stops_in_order_ends_streams_and_logs_requests_without_secrets() {
    let directory = TempDir::new().unwrap();
    let server = Running::start(
        directory.path(),
        &["--log-level", "debug", "--log-format", "json"],
    );
    let reply = server.sign_in("flagwire-dev-client-key");
    let ticket = reply
        .split("ticket=")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(
        stream,
        "GET /stream?cluster=1&ticket={ticket} HTTP/1.1\r\nhost: x\r\n\r\n"
    )
    .unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while !line.contains("event: heartbeat") {
        line.clear();
        assert_ne!(stream.read_line(&mut line).unwrap(), 0);
    }
    let token = reply
        .split("\"authToken\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0));
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(
        rest.ends_with("0\r\n\r\n"),
        "the stream ended in good order: {rest:?}"
    );

    let requests: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["message"] == "request")
        .collect();
    let told: Vec<_> = requests
        .iter()
        .map(|one| {
            (
                one["method"].as_str().unwrap(),
                one["path"].as_str().unwrap(),
                one["status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("POST", "/client/auth", 200), ("GET", "/stream", 200)]
    );
    assert!(requests.iter().all(|one| one["micros"].is_u64()));
    for secret in [
        "flagwire-dev-client-key",
        &ticket,
        &token,
        "ada@example.com",
    ] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn a_file_broken_while_running_is_told_with_its_place_and_the_last_good_one_stays() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    std::fs::write(&path, "flags:\n  a: true\n").unwrap();
    let mut server = Running::start(directory.path(), &["--log-level", "info"]);
    let token = server.token();
    let mut log = BufReader::new(server.child.stderr.take().unwrap());
    std::fs::write(&path, "flags:\n  a: true\n  b: { state: maybe }\n").unwrap();
    let mut line = String::new();
    while !line.contains("flags.yaml:3:") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0);
    }
    assert!(line.contains("ERROR"), "{line}");
    assert!(
        server
            .get(EVALUATIONS, &token, "")
            .contains(r#"[{"flag":"a","#)
    );
}

#[test]
fn check_says_where_mistakes_are_and_schema_prints_what_editors_need() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    file(
        "good.yaml",
        "flags: { a: true, b: { value: 7 } }\ngroups: { g: { include: [x] } }\n",
    );
    file("bad.yaml", "flags:\n  a: { defualt: true }\n");
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flagwire-server"));
        let Output {
            status,
            stdout,
            stderr,
        } = command
            .current_dir(directory.path())
            .args(args)
            .output()
            .unwrap();
        (
            status.code(),
            String::from_utf8(stdout).unwrap(),
            String::from_utf8(stderr).unwrap(),
        )
    };
    let (code, out, _) = run(&["check", "good.yaml"]);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "good.yaml: 2 flags, 1 group, no mistakes\n")
    );
    let (code, out, err) = run(&["check", "good.yaml", "bad.yaml", "none.yaml"]);
    assert_eq!(code, Some(1));
    assert!(
        out.contains("good.yaml")
            && err.contains("bad.yaml:2:8: unknown key `defualt`")
            && err.contains("none.yaml"),
        "{err}"
    );
    // A value that can be read but cannot work is reported with its place too.
    let circle = "flags:\n  a: { value: true, requires: { b: true } }\n  b: { value: true, requires: { a: true } }\n";
    std::fs::write(directory.path().join("circle.yaml"), circle).unwrap();
    let (code, _, err) = run(&["check", "circle.yaml"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains("circle.yaml:2:3: `a`: its prerequisites lead back to itself"),
        "{err}"
    );
    let (code, out, _) = run(&["schema"]);
    assert_eq!(
        (code, out.as_str()),
        (Some(0), flagwire_server::flags_file::SCHEMA)
    );
}

#[test]
fn several_environments_come_from_one_configuration_file() {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    file("one.yaml", "flags: { which: one }\n");
    file("two.yaml", "flags: { which: two }\n");
    file(
        "flagwire.yaml",
        "environments:\n  first: { flags: one.yaml, client-keys: [key-one] }\n  second: { flags: two.yaml, client-keys: [key-two] }\n",
    );
    let server = Running::start(directory.path(), &["--config", "flagwire.yaml"]);
    for (key, environment, value) in [("key-one", "first", "one"), ("key-two", "second", "two")] {
        let reply = server.sign_in(key);
        let token = reply
            .split("\"authToken\":\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let path = format!("/client/env/{environment}/target/user-42/evaluations/which");
        assert!(
            server
                .get(&path, token, "")
                .contains(&format!("\"value\":\"{value}\""))
        );
        let other = if environment == "first" {
            "second"
        } else {
            "first"
        };
        let path = format!("/client/env/{other}/target/user-42/evaluations/which");
        assert!(server.get(&path, token, "").starts_with("HTTP/1.1 403"));
    }
    let (code, _) = server.terminate();
    assert_eq!(code, Some(0));
    let (code, err) = fails(directory.path(), &["--upstream", "http://127.0.0.1:1"]);
    assert!(code != Some(0) && err.contains("--api-key"), "{err}");
}
