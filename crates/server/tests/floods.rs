//! Tests how much memory the program takes, as the system counts it, before a flood of connections and requests, at its
//! height and after it.
//!
//! `cargo test --test floods -- --nocapture` prints the memory. With `FLAGWIRE_FLOODS=full` each flood is ten times as
//! large. The limits of memory leave some room, and time is not limited.
#![cfg(target_os = "linux")]

mod common;

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::running::command;
use common::transport::{Io, Site, Transport, certify};
use hyper::Request;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const MIB: usize = 1024 * 1024;

/// Returns how many bytes a process may keep after a flood: tables that have grown, and small pieces of its allocator,
/// which grow with the flood and are used again in the next one.
fn kept() -> usize {
    (14 + 10 * scale()) * MIB
}

fn scale() -> usize {
    match std::env::var("FLAGWIRE_FLOODS").as_deref() {
        Ok("full") => 10,
        _ => 1,
    }
}

/// A running program with evaluations of 700 kB for each target.
struct Program {
    child: Child,
    site: Site,
    token: String,
    _directory: TempDir,
}

impl Program {
    async fn start(transport: Transport) -> Self {
        let directory = TempDir::new().unwrap();
        let value = "x".repeat(11_500);
        let flags: Vec<String> = (0..60).map(|n| format!("  f{n}: \"{value}\"")).collect();
        let flags = format!("flags:\n{}\n", flags.join("\n"));
        std::fs::write(directory.path().join("flags.yaml"), flags).unwrap();
        let (certificate, key) = (
            directory.path().join("certificate.pem"),
            directory.path().join("key.pem"),
        );
        let trusted = certify(&certificate, &key);
        let mut command = command(directory.path());
        if transport != Transport::Plain {
            command
                .args(["--tls-certificate", "certificate.pem"])
                .args(["--tls-key", "key.pem"]);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim_end().rsplit_once("://").unwrap().1;
        let address: SocketAddr = address.parse().unwrap();
        let site = Site::at(transport, address, trusted);
        // The output is read to its end, as the program could otherwise end when it writes to a closed pipe.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        let mut program = Self {
            child,
            site,
            token: String::new(),
            _directory: directory,
        };
        let body = r#"{"apiKey":"flagwire-dev-client-key","target":{"identifier":"user-42"}}"#;
        let request = Request::post("/client/auth")
            .header("content-type", "application/json")
            .body(body.into())
            .unwrap();
        let reply = program.site.connect().await.send(request).await.unwrap();
        let (_, reply) = common::read(reply).await;
        reply["authToken"]
            .as_str()
            .unwrap()
            .clone_into(&mut program.token);
        // One request is made first, so that what is set up once counts as memory before the flood.
        program.evaluations("user-42").await;
        program
    }

    async fn evaluations(&self, target: &str) {
        let request = common::get(&evaluations(target), &self.token);
        let reply = self.site.connect().await.send(request).await.unwrap();
        let (_, flags) = common::read(reply).await;
        assert_eq!(flags.as_array().map(Vec::len), Some(60));
    }

    /// Returns a number that the system reports about the memory of the process, in bytes.
    fn memory(&self, what: &str) -> usize {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what));
        let number = line.unwrap().split_whitespace().next().unwrap();
        number.parse::<usize>().unwrap() * 1024
    }

    fn rss(&self) -> usize {
        self.memory("VmRSS:")
    }

    /// Runs a flood, which returns its sockets, and asserts that memory grows by less than `bound` and is returned
    /// afterwards.
    async fn survives<T>(&self, name: &str, bound: usize, flood: impl AsyncFnOnce() -> T) {
        let before = self.rss();
        // From here on the system measures the highest use of memory.
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
        let held = flood().await;
        settled(|| self.rss()).await;
        self.evaluations("somebody-else").await;
        let height = self.memory("VmHWM:");
        drop(held);
        // Waits until the memory is returned, for at most a minute.
        let started = Instant::now();
        while self.rss() > before + kept() && started.elapsed() < Duration::from_secs(60) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.evaluations("and-another-one").await;
        let after = self.rss();
        let mib = |bytes: usize| format!("{:.1} MiB", bytes as f64 / MIB as f64);
        println!(
            "{name}: before {}, at its height {} (may be {}), after {}",
            mib(before),
            mib(height),
            mib(before + bound),
            mib(after)
        );
        assert!(height <= before + bound, "{name}: {}", mib(height));
        assert!(after <= before + kept(), "{name}: {}", mib(after));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn evaluations(target: &str) -> String {
    format!("/client/env/development/target/{target}/evaluations")
}

/// Waits until the measured value has not grown for a while.
async fn settled(measure: impl Fn() -> usize) {
    let mut last = measure();
    let mut same = 0;
    while same < 10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let now = measure();
        same = if now > last { 0 } else { same + 1 };
        last = now;
    }
}

type Sender = h2::client::SendRequest<Bytes>;

/// A connection of HTTP/2 whose streams have no window, and the task that drives it.
async fn without_windows(site: &Site) -> (Sender, tokio::task::AbortHandle) {
    let io = site.raw(false).await.unwrap();
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(0)
        .initial_max_send_streams(100)
        .handshake::<_, Bytes>(io)
        .await
        .unwrap();
    (sender, tokio::spawn(connection).abort_handle())
}

struct Held<T>(
    #[allow(dead_code, reason = "it is kept open")] T,
    Vec<tokio::task::AbortHandle>,
);

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        for task in &self.1 {
            task.abort();
        }
    }
}

#[tokio::test]
async fn replies_that_are_not_taken() {
    let program = Program::start(Transport::Http2).await;
    let connections = 3 * scale();
    let flood = async || {
        let (mut senders, mut replies, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
        for connection in 0..connections {
            let (sender, task) = without_windows(&program.site).await;
            tasks.push(task);
            for n in 0..100 {
                let path = evaluations(&format!("user-{connection}-{n}"));
                let request = Request::get(format!("https://{}{path}", program.site.address))
                    .header("authorization", format!("Bearer {}", program.token))
                    .body(())
                    .unwrap();
                let mut sender = sender.clone().ready().await.unwrap();
                replies.push(sender.send_request(request, true).unwrap());
            }
            senders.push(sender);
        }
        Held((senders, replies), tasks)
    };
    // Five replies of 700 kB each, and what TLS and h2 need. All hundred would be 70 MiB.
    let bound = connections * 10 * MIB + 32 * MIB;
    program.survives("windows of 0", bound, flood).await;

    let flood = async || {
        let (mut replies, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..connections {
            let (sender, task) = without_windows(&program.site).await;
            tasks.push(task);
            for _ in 0..100 {
                let request = Request::get(format!("https://{}/stream", program.site.address))
                    .header("authorization", format!("Bearer {}", program.token))
                    .body(())
                    .unwrap();
                let mut sender = sender.clone().ready().await.unwrap();
                let (reply, _) = sender.send_request(request, true).unwrap();
                replies.push(reply);
            }
        }
        Held(replies, tasks)
    };
    let bound = connections * 10 * MIB + 32 * MIB;
    program
        .survives("streams without windows", bound, flood)
        .await;
}

#[tokio::test]
async fn slow_bodies() {
    let program = Program::start(Transport::Http2).await;
    let connections = 3 * scale();
    let flood = async || {
        let (mut bodies, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..connections {
            let (sender, task) = without_windows(&program.site).await;
            tasks.push(task);
            for _ in 0..100 {
                let path = "/metrics/development";
                let request = Request::post(format!("https://{}{path}", program.site.address))
                    .header("authorization", format!("Bearer {}", program.token))
                    .header("content-length", "1000000")
                    .body(())
                    .unwrap();
                let mut sender = sender.clone().ready().await.unwrap();
                let (reply, mut body) = sender.send_request(request, false).unwrap();
                // The last bytes of the body are never sent.
                body.send_data(vec![b' '; 990_000].into(), false).unwrap();
                bodies.push((reply, body));
            }
        }
        Held(bodies, tasks)
    };
    // All hundred would be 94 MiB. Buffers grow by doubling, so they may take twice what is in them.
    let bound = connections * 16 * MIB + 32 * MIB;
    program.survives("bodies without end", bound, flood).await;
}

/// Each head names one long header that was sent once, again and again: few bytes on the way, 350 kB each when unpacked.
#[tokio::test]
async fn packed_heads() {
    let program = Program::start(Transport::Http2).await;
    let connections = 3 * scale();
    let flood = async || {
        let mut sockets = Vec::new();
        for _ in 0..connections {
            let mut socket = program.site.raw(false).await.unwrap();
            let mut bytes = PREFACE.to_vec();
            // A literal with the new name `a`, which joins the table as entry 62, its value 3,900 bytes long.
            let mut literal = vec![0x40, 1, b'a', 0x7f];
            let mut length = 3_900_usize - 127;
            while length >= 128 {
                literal.push(u8::try_from(length % 128).unwrap() | 0x80);
                length /= 128;
            }
            literal.push(u8::try_from(length).unwrap());
            literal.extend(std::iter::repeat_n(b'v', 3_900));
            for n in 0..100_u32 {
                // POST https://x/ without a body yet, so that it waits. The authority stays out of the table.
                let mut head = b"\x83\x87\x84\x01\x01x".to_vec();
                if n == 0 {
                    head.extend_from_slice(&literal);
                }
                head.extend([0x80 | 62; 85]);
                bytes.extend(frame(1, 4, 2 * n + 1, &head));
            }
            drop(socket.write_all(&bytes).await);
            sockets.push(socket);
        }
        sockets
    };
    // All hundred would be 33 MiB.
    let bound = connections * 12 * MIB + 32 * MIB;
    program.survives("packed heads", bound, flood).await;

    let flood = async || {
        let mut sockets = Vec::new();
        for _ in 0..connections * 10 {
            let mut socket = program.site.raw(false).await.unwrap();
            let mut bytes = PREFACE.to_vec();
            bytes.extend(frame(1, 0, 1, b"\x82\x87\x84\x41\x01x"));
            // Literals that stay out of the table, in continuations of which none is the last.
            let header = [&b"\0\x01b\x7f\x81\x7c"[..], &[b'v'; 16_000]].concat();
            for _ in 0..20 {
                bytes.extend(frame(9, 0, 1, &header));
            }
            drop(socket.write_all(&bytes).await);
            sockets.push(socket);
        }
        sockets
    };
    let bound = connections * 10 * MIB + 32 * MIB;
    program
        .survives("continuations without end", bound, flood)
        .await;

    let flood = async || {
        for _ in 0..connections * 10 {
            let mut socket = program.site.raw(false).await.unwrap();
            let mut bytes = PREFACE.to_vec();
            for n in 0..2_000_u32 {
                bytes.extend(frame(1, 5, 2 * n + 1, b"\x82\x87\x84\x41\x01x"));
                bytes.extend(frame(3, 0, 2 * n + 1, b"\0\0\0\x08"));
            }
            drop(socket.write_all(&bytes).await);
            drop(socket.read_to_end(&mut Vec::new()).await);
        }
    };
    program.survives("resets", 64 * MIB, flood).await;
}

/// What HTTP/2 sends before anything else.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

#[tokio::test]
async fn connections_of_http_1_1() {
    for transport in [Transport::Plain, Transport::Tls] {
        let program = Program::start(transport).await;
        let connections = 60 * scale();
        let each = async |requests: &dyn Fn(usize) -> Vec<u8>| {
            let mut sockets: Vec<Box<dyn Io>> = Vec::new();
            for n in 0..connections {
                let mut socket = program.site.raw(true).await.unwrap();
                drop(socket.write_all(&requests(n)).await);
                sockets.push(socket);
            }
            sockets
        };
        let name = |what: &str| format!("{transport:?}: {what}");
        let idle = async || each(&|_| Vec::new()).await;
        let bound = connections * 200 * 1024 + 32 * MIB;
        program.survives(&name("silence"), bound, idle).await;

        let heads = async || {
            let long = "x".repeat(300_000);
            each(&|_| format!("GET /live HTTP/1.1\r\nharness-target: {long}").into_bytes()).await
        };
        let bound = connections * MIB + 32 * MIB;
        program
            .survives(&name("heads without end"), bound, heads)
            .await;

        let bodies = async || {
            let head = format!(
                "POST /metrics/development HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 1000000\r\n\r\n",
                program.token
            );
            each(&|_| [head.as_bytes(), &[b' '; 990_000]].concat()).await
        };
        let bound = connections * 3 * MIB + 32 * MIB;
        program
            .survives(&name("bodies without end"), bound, bodies)
            .await;

        let replies = async || {
            each(&|n| {
                let path = evaluations(&format!("user-{n}"));
                format!(
                    "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
                    program.token
                )
                .into_bytes()
            })
            .await
        };
        let bound = connections * 2 * MIB + 32 * MIB;
        program
            .survives(&name("replies that are not taken"), bound, replies)
            .await;
    }
}

/// The kernel takes connections that the program cannot: each try to accept one fails, twenty times a second.
#[test]
fn a_program_without_free_files_says_so_seldom_and_goes_on_when_there_are_some() {
    let directory = TempDir::new().unwrap();
    let inner = command(directory.path());
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "ulimit -n 40; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(directory.path());
    let log = directory.path().join("log");
    let mut child = shell
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    let address = line.trim_end().rsplit_once("://").unwrap().1.to_owned();
    let failures = || {
        let text = std::fs::read_to_string(&log).unwrap();
        text.matches("cannot accept a connection").count()
    };
    let started = Instant::now();
    let sockets: Vec<_> = (0..60)
        .map(|_| std::net::TcpStream::connect(&address).unwrap())
        .collect();
    while failures() == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    // In this time the program tries about twenty more times.
    std::thread::sleep(Duration::from_secs(1));
    let most = 1 + usize::try_from(started.elapsed().as_secs() / 10).unwrap();
    assert!(failures() <= most, "{}", failures());
    drop(sockets);
    let mut socket = std::net::TcpStream::connect(&address).unwrap();
    let request = "GET /live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    std::io::Write::write_all(&mut socket, request.as_bytes()).unwrap();
    let mut reply = String::new();
    std::io::Read::read_to_string(&mut socket, &mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    drop(child.kill());
    drop(child.wait());
}
