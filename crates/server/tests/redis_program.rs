//! Tests three processes of the program that share flags through Redis, one of which is killed under load.

mod common;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::listening::*;
use common::replicas::*;
use common::running::Running;
use common::*;
use serde_json::Value;
use tempfile::TempDir;

const ALL: &str = "/client/env/development/target/user-42/evaluations";

struct Process {
    running: Running,
    /// Starts a replica with its own state directory, as on a separate machine.
    directory: TempDir,
}

impl Process {
    fn start(redis: &RedisServer, upstream: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let (url, lease) = (redis.url(), LEASE.as_millis().to_string());
        let args = [
            "--upstream",
            upstream,
            "--api-key",
            SERVER_KEY,
            "--redis",
            &url,
            "--redis-lease-ms",
            &lease,
            "--metrics-ms",
            "100",
        ];
        let running = Running::logging(directory.path(), &args, log);
        assert!(running.printed.contains("shares through redis://"));
        Self { running, directory }
    }

    fn json(&self, path: &str) -> Value {
        let reply = self.running.get(path, "", "");
        let start = reply.find('{').unwrap();
        let end = reply.rfind('}').unwrap();
        serde_json::from_str(&reply[start..=end]).unwrap()
    }

    fn status(&self) -> Value {
        self.json("/status")["environments"]["development"].clone()
    }

    async fn until(&self, condition: impl Fn(&Value) -> bool) -> Value {
        loop {
            let status = self.status();
            if condition(&status) {
                return status;
            }
            // A process has no event to wait for, so the status is polled.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn serves(&self, token: &str, value: &str) {
        let wanted = format!("\"flag\":\"dark-mode\",\"identifier\":\"{value}\"");
        while !self.running.get(ALL, token, "").contains(&wanted) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// Reads events on a thread until one contains `wanted`.
    fn stream_until(&self, token: &str, wanted: &'static str) -> std::thread::JoinHandle<()> {
        let mut socket = TcpStream::connect(&self.running.address).unwrap();
        write!(
            socket,
            "GET /stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
        )
        .unwrap();
        let mut lines = BufReader::new(socket).lines();
        // The first comment shows that the stream is open.
        while lines.next().unwrap().unwrap() != ":" {}
        std::thread::spawn(move || while !lines.next().unwrap().unwrap().contains(wanted) {})
    }
}

fn signal(process: &Process, signal: &str) {
    let pid = process.running.child.id().to_string();
    let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(sent.success());
}

/// Requests all evaluations again and again. Returns the number of replies, and the number of wrong ones.
fn load(
    address: String,
    token: String,
    stop: Arc<AtomicBool>,
) -> std::thread::JoinHandle<(usize, usize)> {
    std::thread::spawn(move || {
        let (good, bad) = (AtomicUsize::new(0), AtomicUsize::new(0));
        while !stop.load(Ordering::SeqCst) {
            let ask = || -> std::io::Result<String> {
                let mut socket = TcpStream::connect(&address)?;
                write!(
                    socket,
                    "GET {ALL} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
                )?;
                let mut line = String::new();
                BufReader::new(socket).read_line(&mut line)?;
                Ok(line)
            };
            let as_it_should_be = ask().is_ok_and(|line| line.starts_with("HTTP/1.1 200"));
            let counter = if as_it_should_be { &good } else { &bad };
            counter.fetch_add(1, Ordering::SeqCst);
        }
        (good.into_inner(), bad.into_inner())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_killed_under_load_is_missed_by_nobody() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let upstream = server();
    let socket = listen(app_of(&upstream)).await;
    let url = format!("http://{}/", socket.address);
    let mut first = Process::start(&redis, &url);
    let leads = |status: &Value| status["replica"]["role"] == "leader";
    first
        .until(|status| leads(status) && status["state"] == "live")
        .await;
    let second = Process::start(&redis, &url);
    let third = Process::start(&redis, &url);
    for one in [&second, &third] {
        let leader = first.status();
        one.until(|status| {
            let replica = &status["replica"];
            status["state"] == "live"
                && replica["role"] == "follower"
                && replica["connected"] == true
                && replica["leader"] == leader["replica"]["name"]
                && status["version"] == leader["version"]
        })
        .await;
    }
    // No secret is configured: all replicas sign with a shared one, and accept each other's tokens.
    let token = first.running.token();
    for one in [&second, &third] {
        assert!(
            one.running.get(ALL, &token, "").contains("200 OK"),
            "{}",
            one.log()
        );
    }

    let stop = Arc::new(AtomicBool::new(false));
    let loads = [&second, &third].map(|one| {
        let address = one.running.address.clone();
        load(address, token.clone(), Arc::clone(&stop))
    });
    let readers = [&second, &third].map(|one| one.stream_until(&token, "\"value\":\"true\""));
    first.running.child.kill().unwrap();
    first.running.child.wait().unwrap();
    upstream.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    for reader in readers {
        reader.join().unwrap();
    }
    for one in [&second, &third] {
        one.serves(&token, "true").await;
    }
    stop.store(true, Ordering::SeqCst);
    for load in loads {
        let (good, bad) = load.join().unwrap();
        assert!(good > 0 && bad == 0, "{good} good, {bad} bad");
    }

    // A flushed Redis is filled again, and gets the secret back.
    redis.flush().await;
    let refills = |one: &Process| one.status()["replica"]["refills"].as_u64().unwrap();
    while refills(&second) + refills(&third) == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut connection = redis.connect().await;
    let mut secrets = async || -> usize {
        let mut count = redis::cmd("SCARD");
        count.arg("flagwire:token-secrets");
        count.query_async(&mut connection).await.unwrap()
    };
    while secrets().await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(secrets().await, 1, "each took the first one's");

    // A leader that is stopped for longer than its lease loses it, and follows once it continues.
    let (asleep, other) = if leads(&second.status()) {
        (&second, &third)
    } else {
        (&third, &second)
    };
    signal(asleep, "-STOP");
    other.until(leads).await;
    upstream.save(FLAGS);
    other.serves(&token, "false").await;
    signal(asleep, "-CONT");
    asleep
        .until(|status| status["replica"]["role"] == "follower")
        .await;
    asleep.serves(&token, "false").await;
    other.until(leads).await;
    upstream.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    for one in [&second, &third] {
        one.serves(&token, "true").await;
    }

    // This replica starts while the upstream is down.
    let address = socket.kill();
    let cold = Process::start(&redis, &url);
    cold.serves(&token, "true").await;
    assert_eq!(secrets().await, 1);
    // A leader hands over whose upstream is down, and then nobody leads for a moment.
    loop {
        let metrics = [&second, &third, &cold].map(|one| one.running.get("/metrics", "", ""));
        let have = |line: &str| metrics.iter().filter(|text| text.contains(line)).count();
        if have("flagwire_redis_up{environment=\"development\"} 1") == 3
            && have("flagwire_replica_leader{environment=\"development\"} 1") == 1
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // A leader that is asked to stop releases its lease, so that the others do not have to wait for its end.
    let _socket = listen_on(&address.to_string(), app_of(&upstream)).await;
    upstream.save(FLAGS);
    let (leader, other) = if leads(&second.status()) {
        (second, third)
    } else {
        (third, second)
    };
    let (code, _) = leader.running.terminate();
    assert_eq!(code, Some(0));
    for one in [&other, &cold] {
        one.serves(&token, "false").await;
    }
}
