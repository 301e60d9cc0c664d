//! Tests the program with every way in which a flags file changes, or appears late.

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use common::running::*;
use serde_json::Value;
use tempfile::TempDir;

const KEY: &str = "a-key-of-ones-own";

fn flags(number: u32) -> String {
    format!("flags:\n  number: {number}\n")
}

fn start(directory: &Path, path: &str) -> Running {
    // The state directory is not beside the flags file, as the server would then make the directory of that file.
    Running::start(
        directory,
        &["--flags", path, "--client-key", KEY, "--state-dir", "."],
    )
}

fn token(server: &Running) -> String {
    let reply = server.sign_in(KEY);
    let (_, body) = reply.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).expect(&reply);
    body["authToken"].as_str().unwrap().to_owned()
}

/// A stream of the program.
struct Told(BufReader<TcpStream>);

impl Told {
    fn by(server: &Running) -> Self {
        let token = token(server);
        let mut socket = TcpStream::connect(&server.address).unwrap();
        write!(
            socket,
            "GET /stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
        )
        .unwrap();
        let mut told = Self(BufReader::new(socket));
        // Once the stream is open, no event is missed.
        while told.line() != ":\n" {}
        told
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the stream ended");
        line
    }

    /// Waits for the next event, and asserts that it carries this number.
    fn expect(&mut self, number: u32) {
        loop {
            let line = self.line();
            let Some(event) = line
                .strip_prefix("data: ")
                .and_then(|data| serde_json::from_str::<Value>(data).ok())
                .filter(|event| event["domain"] == "flag")
            else {
                continue;
            };
            let value = &event["evaluations"][0]["value"];
            assert_eq!(*value, Value::String(number.to_string()), "{event}");
            return;
        }
    }
}

fn status(server: &Running) -> Value {
    let reply = server.ask("GET /status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let (_, body) = reply.split_once("\r\n\r\n").unwrap();
    let mut body: Value = serde_json::from_str(body).unwrap();
    body["environments"]["development"].take()
}

/// Polls the status until it meets a condition, as a test has no notification from another process.
fn until(server: &Running, condition: impl Fn(&Value) -> bool) -> Value {
    loop {
        let status = status(server);
        if condition(&status) {
            return status;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn is_ready(server: &Running) -> bool {
    server
        .ask("GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .starts_with("HTTP/1.1 200")
}

#[test]
fn however_the_file_is_saved_the_streams_hear_of_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    let beside = directory.path().join("beside.yaml");
    fs::write(&path, flags(0)).unwrap();
    let server = start(directory.path(), "flags.yaml");
    let mut told = Told::by(&server);
    // The file is truncated and written.
    fs::write(&path, flags(1)).unwrap();
    told.expect(1);
    // Another file is renamed over it.
    fs::write(&beside, flags(2)).unwrap();
    fs::rename(&beside, &path).unwrap();
    told.expect(2);
    // The file is deleted, and made again once that is noticed.
    fs::remove_file(&path).unwrap();
    let gone = until(&server, |status| status["healthy"] == false);
    assert_eq!(
        (&gone["state"], &gone["flags"]),
        (&"degraded".into(), &1.into())
    );
    assert!(is_ready(&server));
    fs::write(&path, flags(3)).unwrap();
    told.expect(3);
    // Half of the file is written, and the rest once that is noticed.
    fs::write(&path, "flags:\n  number: {").unwrap();
    until(&server, |status| status["healthy"] == false);
    fs::write(&path, flags(4)).unwrap();
    told.expect(4);
    // A link takes its place, and then another link.
    for number in 5..7 {
        let real = directory.path().join(format!("real-{number}.yaml"));
        fs::write(&real, flags(number)).unwrap();
        symlink(&real, &beside).unwrap();
        fs::rename(&beside, &path).unwrap();
        told.expect(number);
    }
}

#[test]
fn a_config_map_is_followed_through_its_swaps() {
    let directory = TempDir::new().unwrap();
    let mount = directory.path().join("mounted");
    let put = |number: u32| {
        fs::create_dir(mount.join(format!("..{number}"))).unwrap();
        fs::write(mount.join(format!("..{number}/flags.yaml")), flags(number)).unwrap();
        symlink(format!("..{number}"), mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    // The file is mounted late: at first not even its directory is there.
    let server = start(directory.path(), "mounted/flags.yaml");
    assert!(!is_ready(&server));
    fs::create_dir(&mount).unwrap();
    put(0);
    symlink("..data/flags.yaml", mount.join("flags.yaml")).unwrap();
    until(&server, |status| status["state"] == "live");
    let mut told = Told::by(&server);
    for number in 1..4 {
        put(number);
        fs::remove_dir_all(mount.join(format!("..{}", number - 1))).unwrap();
        told.expect(number);
    }
}

#[test]
fn a_file_that_is_not_there_yet_is_waited_for_and_no_example_served_in_its_place() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    let server = start(directory.path(), "flags.yaml");
    assert!(
        server.printed.contains("there is no flags.yaml yet"),
        "{}",
        server.printed
    );
    assert!(!path.exists());
    let waiting = status(&server);
    assert_eq!(waiting["state"], "starting");
    assert!(
        waiting["error"].as_str().unwrap().contains("waited for"),
        "{waiting}"
    );
    assert!(!is_ready(&server));

    // If the first text has a mistake, the server does not end and serves nothing.
    fs::write(&path, "flags:\n  numbr: [1]\n").unwrap();
    let wrong = until(&server, |status| {
        status["error"]
            .as_str()
            .unwrap_or_default()
            .contains(":2:10:")
    });
    assert_eq!(wrong["state"], "starting");
    assert!(!is_ready(&server));

    fs::write(&path, flags(7)).unwrap();
    let live = until(&server, |status| status["healthy"] == true);
    assert_eq!(
        (&live["state"], &live["flags"]),
        (&"live".into(), &1.into())
    );
    assert!(is_ready(&server));
    let mut told = Told::by(&server);
    fs::write(&path, flags(8)).unwrap();
    told.expect(8);
}

fn answers(server: &Running) -> bool {
    server
        .ask("GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .starts_with("HTTP/1.1 200")
}

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_pipe_in_place_of_the_file_stops_neither_answers_nor_the_end() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    fs::write(&path, flags(0)).unwrap();
    let server = start(directory.path(), "flags.yaml");
    fs::remove_file(&path).unwrap();
    make_pipe(&path);
    let pipe = until(&server, |status| {
        let error = status["error"].as_str().unwrap_or_default();
        error.contains("not a regular file")
    });
    assert_eq!(
        (&pipe["state"], &pipe["flags"]),
        (&"degraded".into(), &1.into())
    );
    assert!(answers(&server) && is_ready(&server));
    // A regular file that takes its place is served again.
    let beside = directory.path().join("beside.yaml");
    fs::write(&beside, flags(1)).unwrap();
    fs::rename(&beside, &path).unwrap();
    until(&server, |status| status["healthy"] == true);
    fs::remove_file(&path).unwrap();
    make_pipe(&path);
    until(&server, |status| status["healthy"] == false);
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
}

/// A pipe that nobody writes to is read for ever, as a file on a mount whose server is gone.
#[test]
fn a_file_that_hangs_at_the_start_is_waited_for_while_the_server_answers() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    make_pipe(&path);
    let server = start(directory.path(), "flags.yaml");
    assert!(
        server.printed.contains("has not come to an end"),
        "{}",
        server.printed
    );
    assert!(answers(&server) && !is_ready(&server));
    let waiting = status(&server);
    assert_eq!(waiting["state"], "starting");
    let error = waiting["error"].as_str().unwrap();
    assert!(error.contains("flags.yaml"), "{error}");

    let beside = directory.path().join("beside.yaml");
    fs::write(&beside, flags(1)).unwrap();
    fs::rename(&beside, &path).unwrap();
    until(&server, |status| status["state"] == "live");
    assert!(is_ready(&server));
    // The thread that reads the pipe still hangs.
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn a_loss_is_accepted_by_a_signal() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    let many = |count: u32| {
        let flags: String = (0..count).map(|n| format!("  flag-{n}: true\n")).collect();
        format!("flags:\n{flags}")
    };
    fs::write(&path, many(20)).unwrap();
    let server = start(directory.path(), "flags.yaml");
    fs::write(&path, many(5)).unwrap();
    let doubted = until(&server, |status| !status["doubt"].is_null());
    assert_eq!(doubted["flags"], 20);
    let pid = server.child.id().to_string();
    let told = Command::new("kill").args(["-USR1", &pid]).status();
    assert!(told.unwrap().success());
    until(&server, |status| status["flags"] == 5);
    assert!(status(&server)["doubt"].is_null());
}

#[test]
fn what_a_killed_server_left_unfinished_is_removed_by_the_next() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    fs::write(&path, flags(0)).unwrap();
    let left: Vec<_> = [".", "state"]
        .iter()
        .map(|place| directory.path().join(place).join(".flagwire-Ab12.tmp"))
        .collect();
    fs::create_dir(directory.path().join("state")).unwrap();
    for path in &left {
        fs::write(path, "half").unwrap();
    }
    let server = Running::start(
        directory.path(),
        &[
            "--flags",
            "flags.yaml",
            "--client-key",
            KEY,
            "--state-dir",
            "state",
        ],
    );
    until(&server, |_| left.iter().all(|path| !path.exists()));
}

/// `on` is a boolean for its writer and a text for YAML 1.2: nobody would get the flag, and nothing would say so.
#[test]
fn a_live_flag_changed_to_a_word_for_a_boolean_keeps_its_value_and_the_mistake_is_said() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    fs::write(&path, flags(1)).unwrap();
    let server = start(directory.path(), "flags.yaml");
    let mut told = Told::by(&server);
    fs::write(&path, "flags:\n  number: on\n").unwrap();
    let wrong = until(&server, |status| status["healthy"] == false);
    let error = wrong["error"].as_str().unwrap();
    assert!(
        error.contains(":2:11:") && error.contains("write `true` for the boolean or `\"on\"`"),
        "{error}"
    );
    let served = server.get(
        "/client/env/development/target/u/evaluations/number",
        &token(&server),
        "",
    );
    assert!(served.contains(r#""value":"1""#), "{served}");
    fs::write(&path, flags(2)).unwrap();
    told.expect(2);
}

#[test]
fn warnings_are_printed_by_check_and_logged_once_while_the_file_is_served() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    let text = |number: u32| {
        format!(
            "{}  old: {{ default: false, rules: [{{ when: {{ age: {{ after: 9 }} }}, serve: true }}] }}\n",
            flags(number)
        )
    };
    fs::write(&path, text(1)).unwrap();
    let check = Command::new(env!("CARGO_BIN_EXE_flagwire-server"))
        .current_dir(directory.path())
        .args(["check", "flags.yaml"])
        .output()
        .unwrap();
    assert!(check.status.success());
    let said = String::from_utf8(check.stderr).unwrap();
    assert!(
        said.starts_with("flags.yaml:3:")
            && said.contains(": warning: `after` in rule 1 of flag `old` compares texts"),
        "{said}"
    );
    let log = directory.path().join("log");
    let server = Running::logging(
        directory.path(),
        &[
            "--flags",
            "flags.yaml",
            "--client-key",
            KEY,
            "--state-dir",
            ".",
        ],
        fs::File::create(&log).unwrap(),
    );
    let mut told = Told::by(&server);
    for number in 2..4 {
        fs::write(&path, text(number)).unwrap();
        told.expect(number);
    }
    drop(server);
    let logged = fs::read_to_string(&log).unwrap();
    assert_eq!(logged.matches("compares texts").count(), 1, "{logged}");
}
