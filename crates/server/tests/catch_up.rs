//! Tests that back ends which reconnect with an unknown id get an event for each flag and group, in slices.

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use axum::body::Body;
use axum::http::Request;
use common::listening::*;
use common::*;
use serde_json::Value;

fn back(token: &str, id: &str) -> Request<Body> {
    let mut request = get("/stream", token);
    let header = request.headers_mut();
    header.insert("last-event-id", id.parse().unwrap());
    request
}

fn many(flags: usize) -> String {
    let mut text = "flags:\n".to_owned();
    for n in 0..flags {
        text.push_str(&format!("  flag-{n}: false\n"));
    }
    text
}

#[tokio::test]
async fn an_unknown_id_is_answered_with_a_patch_of_everything_and_events_go_on_meanwhile() {
    let server = server_with(settings(), Some(&many(250)));
    let token = server.token(SERVER_KEY, Value::Null).await;
    server.save(&format!("{}  gone: true\n", many(250)));
    server.save(&many(250));
    let mut stream = server.stream(back(&token, "0123456789ab-1")).await;
    // The change is made while the slices are being sent.
    server.save(&many(250).replace("flag-0: false", "flag-0: true"));
    let mut told = BTreeSet::new();
    let mut ids = Vec::new();
    let mut events = 0;
    while ids.is_empty() {
        let frame = stream.frame().await.unwrap();
        let Some(data) = frame.lines().find_map(|line| line.strip_prefix("data: ")) else {
            continue;
        };
        let data: Value = serde_json::from_str(data).unwrap();
        let words = ["event", "domain", "identifier"].map(|word| data[word].as_str().unwrap());
        told.insert(words.join(" "));
        events += 1;
        ids.extend(
            frame
                .lines()
                .find_map(|line| line.strip_prefix("id: "))
                .map(str::to_owned),
        );
    }
    assert_eq!(
        events,
        250 + 1 + 1,
        "all, the one that is gone, and the change"
    );
    assert_eq!(told.len(), 251);
    assert!(told.contains("delete flag gone"));
    // From then on events have ids again.
    server.save(&many(250).replace("flag-7: false", "flag-7: true"));
    for flag in ["flag-0", "flag-7"] {
        let frame = stream.frame().await.unwrap();
        assert!(frame.contains(&format!("\"{flag}\"")), "{frame}");
        assert!(frame.contains("\nid: "), "{frame}");
    }
    let mut again = server.stream(back(&token, &ids[0])).await;
    assert_eq!(again.event().await["identifier"], "flag-0");
    assert_eq!(again.event().await["identifier"], "flag-7");
}

#[tokio::test]
async fn clients_fetch_as_they_open_a_stream_and_are_told_nothing() {
    let server = server();
    let token = server.token(CLIENT_KEY, ada()).await;
    let mut stream = server.stream(back(&token, "0123456789ab-1")).await;
    assert_eq!(stream.frame().await.unwrap(), ":\n\n");
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    assert_eq!(stream.event().await["identifier"], "dark-mode");
}

/// Without it, a back end would have no id to send before the first change, and would miss changes of a restart before
/// that.
#[tokio::test]
async fn a_back_end_gets_an_id_before_the_first_event() {
    let server = server();
    let token = server.token(SERVER_KEY, Value::Null).await;
    let mut stream = server.stream(get("/stream", &token)).await;
    assert_eq!(stream.frame().await.unwrap(), ":\n\n");
    let id = format!("id: {}\n\n", server.environment.stamp());
    assert_eq!(stream.frame().await.unwrap(), id);
    let mut request = get("/stream", &token);
    let header = request.headers_mut();
    header.insert("harness-sdk-info", "Go 0.2.0 Server".parse().unwrap());
    let mut stream = server.stream(request).await;
    assert_eq!(stream.frame().await.unwrap(), ":\n\n");
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    assert!(stream.frame().await.unwrap().starts_with("event: *\n"));
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Returns the processor time of this process in clock ticks of 10 ms.
fn processor_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap();
    let field = |n: usize| fields.split(' ').nth(n).unwrap().parse::<u64>().unwrap();
    field(12) + field(13)
}

/// The test uses real sockets. The readers are threads that keep nothing of what they read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_flags_and_fifty_back_ends_at_once_take_little_memory() {
    const FLAGS: usize = 10_000;
    const READERS: usize = 50;
    let server = server_with(settings(), Some(&many(FLAGS)));
    let token = server.token(SERVER_KEY, Value::Null).await;
    let socket = listen(app_of(&server)).await;
    let (memory, ticks) = (resident_bytes(), processor_ticks());
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (address, token) = (socket.address, token.clone());
            std::thread::spawn(move || {
                let mut socket = TcpStream::connect(address).unwrap();
                write!(socket, "GET /stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nlast-event-id: nobody-1\r\n\r\n").unwrap();
                let mut reader = BufReader::new(socket);
                let (mut events, mut line) = (0, String::new());
                loop {
                    line.clear();
                    assert_ne!(reader.read_line(&mut line).unwrap(), 0, "the stream ended");
                    events += usize::from(line.starts_with("data: "));
                    if line.starts_with("id: ") {
                        return events;
                    }
                }
            })
        })
        .collect();
    let watching = tokio::task::spawn_blocking(move || {
        let mut peak = 0;
        let mut readers = readers;
        let mut all = Vec::new();
        while let Some(reader) = readers.pop() {
            while !reader.is_finished() {
                peak = peak.max(resident_bytes());
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            all.push(reader.join().unwrap());
        }
        (peak, all)
    });
    let (peak, all) = watching.await.unwrap();
    assert_eq!(all, vec![FLAGS; READERS]);
    let grown = peak.saturating_sub(memory) / 1024;
    println!(
        "memory grew by {grown} kB; {} ms of processor time",
        (processor_ticks() - ticks) * 10
    );
    // The frames are 1.3 MB and made once; a copy for each reader would be 65 MB.
    assert!(grown < 24 * 1024, "{grown} kB");
}
