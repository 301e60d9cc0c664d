//! Tests what a relay has on disk after crashes, and what it serves from there.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use common::listening::*;
use common::*;
use flagwire_evaluation::model::FeatureConfig;
use flagwire_server::environment::SourceState;
use flagwire_server::source::saved::SavedConfiguration;
use flagwire_server::source::upstream::UpstreamOptions;
use tempfile::TempDir;

fn kept_in(directory: &Path, options: &UpstreamOptions) -> SavedConfiguration {
    SavedConfiguration::new(directory, "development", &options.source())
}

/// Waits between two looks at the state of another process, which sends no notification.
async fn moment() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

/// Waits until the file holds a flag that serves this variation by default.
async fn wait_for(kept: &SavedConfiguration, variation: &str) {
    let serves = |flag: &FeatureConfig| {
        flag.feature == "dark-mode" && flag.default_serve.variation.as_deref() == Some(variation)
    };
    let reached = async {
        loop {
            // The configuration saved before may lack it.
            let saved = kept.load().unwrap();
            if saved.is_some_and(|(configuration, _)| configuration.flags.iter().any(serves)) {
                return;
            }
            moment().await;
        }
    };
    eventually(reached, || format!("dark-mode: {variation}")).await;
}

fn dark() -> String {
    FLAGS.replace("dark-mode: false", "dark-mode: true")
}

#[tokio::test]
async fn after_a_restart_without_upstream_the_last_good_configuration_is_served_and_said_to_be_old()
{
    let directory = TempDir::new().unwrap();
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let mut options = upstream(socket.address);
    let kept = kept_in(directory.path(), &options);
    options.kept = Some(kept.clone());
    let first = relay(options.clone());
    first.serves("dark-mode", "false").await;
    origin.save(&dark());
    wait_for(&kept, "true").await;
    first.stop.send_replace(true);
    let address = socket.kill();
    let hour_ago = SystemTime::now() - std::time::Duration::from_secs(3600);
    fs::File::options()
        .append(true)
        .open(kept.path())
        .unwrap()
        .set_modified(hour_ago)
        .unwrap();

    let second = relay(options);
    // This is the status before the upstream was asked.
    let status = second.status(|_| true).await;
    assert_eq!(
        (status.state, status.healthy),
        (SourceState::Degraded, false)
    );
    assert!(status.fresh_at.unwrap() < hour_ago + std::time::Duration::from_secs(5));
    let token = second.token(CLIENT_KEY, ada()).await;
    let path = "/client/env/development/target/user-42/evaluations/dark-mode";
    assert_eq!(second.get(path, &token).await.1["value"], "true");
    let status = second
        .status(|status| {
            status
                .error
                .as_ref()
                .is_some_and(|error| error.contains("reached"))
        })
        .await;
    assert_eq!(status.state, SourceState::Degraded);

    // When the upstream is back, the differences are sent as events.
    let mut stream = second.stream(get("/stream", &token)).await;
    origin.save(FLAGS);
    let _socket = listen_on(&address.to_string(), app_of(&origin)).await;
    assert_eq!(stream.event().await["evaluations"][0]["value"], "false");
    wait_for(&kept, "false").await;
}

#[tokio::test]
async fn a_damaged_file_is_no_reason_not_to_start() {
    let directory = TempDir::new().unwrap();
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let mut options = upstream(socket.address);
    let kept = kept_in(directory.path(), &options);
    fs::write(kept.path(), "{\"format\":1").unwrap();
    options.kept = Some(kept.clone());
    let relay = relay(options);
    relay.serves("dark-mode", "false").await;
    while kept.load().is_err() {
        moment().await;
    }
    wait_for(&kept, "false").await;
}

/// Starts the program as a relay. `limit` is the largest file that it may write, in blocks of 512 bytes.
fn program(directory: &Path, upstream: &UpstreamOptions, limit: Option<u32>) -> Child {
    let binary = env!("CARGO_BIN_EXE_flagwire-server");
    let limit = limit.map_or(String::new(), |blocks| {
        format!("trap '' XFSZ; ulimit -f {blocks}; ")
    });
    let mut command = Command::new("sh");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FLAGWIRE_")) {
        command.env_remove(name);
    }
    command
        .args(["-c", &format!("{limit}exec \"$0\" \"$@\""), binary])
        .args([
            "--listen",
            "127.0.0.1:0",
            "--state-dir",
            ".",
            "--upstream",
            upstream.url.as_str(),
        ])
        .args(["--api-key", SERVER_KEY])
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(fs::File::create(directory.join("log")).unwrap())
        .spawn()
        .unwrap()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_leaves_a_file_that_can_be_read() {
    let directory = TempDir::new().unwrap();
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let options = upstream(socket.address);
    let kept = kept_in(directory.path(), &options);
    // A large configuration takes some time to write.
    let large = |n: usize| {
        let flags: String = (0..600)
            .map(|flag| format!("  flag-{flag}: value-{n}\n"))
            .collect();
        FLAGS.replace("flags:\n", &format!("flags:\n{flags}"))
    };
    let mut seen = None;
    for round in 0..8_usize {
        let child = program(directory.path(), &options, None);
        // The program is killed after some writes, whose number depends on the round, in the middle of the next one.
        for n in 0..=round % 4 {
            origin.save(&large(round * 10 + n));
            let before = seen;
            while seen == before {
                seen = fs::metadata(kept.path())
                    .ok()
                    .map(|data| data.modified().unwrap());
                moment().await;
            }
        }
        origin.save(&large(round * 10 + 9));
        while origin.environment.streams() == 0 {
            moment().await;
        }
        end(child);
        let (configuration, _) = kept.load().unwrap().unwrap();
        // The file holds the configuration before the first large one, or a whole large one.
        let flags = configuration.flags.len();
        assert!(matches!(flags, 4 | 604), "round {round}: {flags}");
    }
}

#[tokio::test]
async fn a_full_disk_is_reported_and_survived() {
    let directory = TempDir::new().unwrap();
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let options = upstream(socket.address);
    let kept = kept_in(directory.path(), &options);
    // The configuration saved before stays as it is.
    kept.save(&[], &[]).unwrap();
    // The limit leaves room for the signing secret and the log, but not for a configuration.
    let flags: String = (0..500)
        .map(|flag| format!("  flag-{flag}: true\n"))
        .collect();
    origin.save(&FLAGS.replace("flags:\n", &format!("flags:\n{flags}")));
    let child = program(directory.path(), &options, Some(64));
    let log = directory.path().join("log");
    while !fs::read_to_string(&log)
        .unwrap()
        .contains("cannot keep the configuration on disk")
    {
        moment().await;
    }
    assert_eq!(kept.load().unwrap().unwrap().0.flags.len(), 0);
    // The program still relays changes.
    let follows = || {
        fs::read_to_string(&log)
            .unwrap()
            .matches("flags fetched")
            .count()
    };
    let before = follows();
    while origin.environment.streams() == 0 {
        moment().await;
    }
    origin.save(&dark());
    while follows() == before {
        moment().await;
    }
    // This configuration fits again. A file that is being written when the program is killed would be a half that nobody can take
    // away, so the program is killed when no file is.
    wait_for(&kept, "true").await;
    let halves = || -> Vec<_> {
        fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name.to_string_lossy().starts_with(".flagwire-"))
            .collect()
    };
    let none_left = async {
        while !halves().is_empty() {
            moment().await;
        }
    };
    eventually(none_left, || format!("halves are left: {:?}", halves())).await;
    end(child);
}

#[test]
fn a_disk_too_full_for_the_sample_ends_the_start_and_leaves_no_half_of_it() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("flags.yaml");
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_flagwire-server"))
        .args(["--listen", "127.0.0.1:0", "--state-dir", ".", "--flags"])
        .arg(&path)
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write a sample"), "{said}");
    assert!(!path.exists(), "half a sample is there");
}

/// A pipe that nobody writes to is read for ever, as a file on a mount whose server is gone.
#[tokio::test]
async fn a_state_directory_that_hangs_stops_neither_the_start_nor_the_end() {
    let directory = TempDir::new().unwrap();
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let options = upstream(socket.address);
    let kept = kept_in(directory.path(), &options);
    let made = Command::new("mkfifo").arg(kept.path()).status().unwrap();
    assert!(made.success());
    let mut child = program(directory.path(), &options, None);
    while origin.environment.streams() == 0 {
        moment().await;
    }
    let log = fs::read_to_string(directory.path().join("log")).unwrap();
    assert!(log.contains("what was kept cannot be used"), "{log}");
    assert!(log.contains("has not come to an end"), "{log}");
    let pid = child.id().to_string();
    // It catches the signal only once it serves, a moment after its stream has opened.
    while !catches_terminate(&pid) {
        moment().await;
    }
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await;
    assert_eq!(ended.unwrap().code(), Some(0));
}

/// The start waits for the signing secret, which is read from a pipe, as it would for a slow disk.
#[test]
fn a_signal_during_the_start_ends_the_server_in_order() {
    use std::io::Write as _;

    let directory = TempDir::new().unwrap();
    let secret = directory.path().join("token-secret");
    let made = Command::new("mkfifo").arg(&secret).status().unwrap();
    assert!(made.success());
    fs::write(directory.path().join("flags.yaml"), "flags: { a: true }\n").unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_flagwire-server"))
        .args(["--listen", "127.0.0.1:0", "--flags", "flags.yaml"])
        .args(["--client-key", "a-key-of-ones-own", "--state-dir", "."])
        .current_dir(directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Opens once the server reads at the other end.
    let mut pipe = fs::File::options().write(true).open(&secret).unwrap();
    let sent = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    pipe.write_all(&[b'7'; 32]).unwrap();
    drop(pipe);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Whether a process has a handler for SIGTERM, where the system tells.
fn catches_terminate(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_none_or(|mask| mask & (1 << 14) != 0)
}

/// A file that may hold no more than 1 KiB takes the place of a disk without room.
#[test]
fn an_edit_for_which_there_is_no_room_is_answered_507_and_told_in_the_status() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};

    let directory = TempDir::new().unwrap();
    let flags: String = (0..100).map(|n| format!("  flag-{n}: true\n")).collect();
    let text = format!("flags:\n{flags}");
    let path = directory.path().join("flags.yaml");
    fs::write(&path, &text).unwrap();
    let mut child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_flagwire-server"))
        .args(["--listen", "127.0.0.1:0", "--flags", "flags.yaml"])
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.trim_end().rsplit_once("http://").unwrap().1.to_owned();
    let ask = |request: &str| {
        let mut socket = std::net::TcpStream::connect(&address).unwrap();
        let head = "host: localhost\r\nconnection: close\r\ncontent-type: application/json";
        write!(socket, "{}", request.replace("HEAD", head)).unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).unwrap();
        reply
    };
    let body = r#"{"state":"off"}"#;
    let edit = format!(
        "POST /admin/flags/flag-7 HTTP/1.1\r\nHEAD\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let reply = ask(&edit);
    assert!(reply.starts_with("HTTP/1.1 507"), "{reply}");
    assert!(reply.contains("cannot change flags.yaml"), "{reply}");
    let status = ask("GET /status HTTP/1.1\r\nHEAD\r\n\r\n");
    assert!(
        status.contains(r#""warning":"cannot change flags.yaml"#),
        "{status}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    // With room again the edit is made, and the warning is gone.
    fs::write(&path, "flags:\n  flag-7: true\n  other: true\n").unwrap();
    while !ask("GET /status HTTP/1.1\r\nHEAD\r\n\r\n").contains(r#""flags":2"#) {
        std::thread::yield_now();
    }
    assert!(ask(&edit).starts_with("HTTP/1.1 200"));
    let status = ask("GET /status HTTP/1.1\r\nHEAD\r\n\r\n");
    assert!(status.contains(r#""warning":null"#), "{status}");
    end(child);
    let left = fs::read_dir(directory.path()).unwrap();
    let mut left = left.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    assert!(!left.any(|name| name.starts_with(".flagwire-")));
}
