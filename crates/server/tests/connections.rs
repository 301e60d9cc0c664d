//! Tests streams and limits on a socket, byte for byte.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::transport::PATIENT;
use common::*;
use flagwire_server::Settings;
use flagwire_server::serve::{Serving, Timeouts};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

async fn serve(server: &Server, timeouts: Timeouts) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Serving {
        timeouts,
        ..Serving::default()
    };
    tokio::spawn(serving.run(listener, server.app.clone(), server.stop.subscribe()));
    address
}

struct Client {
    socket: TcpStream,
    text: String,
}

impl Client {
    async fn send(address: SocketAddr, request: &str) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), request).await
    }

    /// Opens a connection with a small buffer on this side, so that the server's buffer is soon full.
    async fn send_with_little_room(address: SocketAddr, request: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::over(socket.connect(address).await.unwrap(), request).await
    }

    async fn over(mut socket: TcpStream, request: &str) -> Self {
        socket.write_all(request.as_bytes()).await.unwrap();
        Self {
            socket,
            text: String::new(),
        }
    }

    /// Reads up to and including `end`, or to the end of the connection.
    async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.text.find(end) {
                let rest = self.text.split_off(at + end.len());
                return std::mem::replace(&mut self.text, rest);
            }
            let mut buffer = vec![0; 64 * 1024];
            match self.socket.read(&mut buffer).await {
                Ok(0) | Err(_) => return std::mem::take(&mut self.text),
                Ok(read) => self
                    .text
                    .push_str(std::str::from_utf8(&buffer[..read]).unwrap()),
            }
        }
    }

    async fn remaining(&mut self) -> String {
        self.until("\0").await
    }

    /// Reads one chunk of a chunked body, without its length.
    async fn chunk(&mut self) -> String {
        let length = self.until("\r\n").await;
        let length = usize::from_str_radix(length.trim_end(), 16).expect(&length);
        let mut chunk = String::new();
        while chunk.len() < length + 2 {
            chunk.push_str(&self.until("\n").await);
        }
        assert_eq!(chunk.len(), length + 2);
        chunk.strip_suffix("\r\n").unwrap().to_owned()
    }
}

fn stream_request(token: &str, more: &str) -> String {
    format!(
        "GET /stream?cluster=1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn a_stream_is_a_chunked_body_and_the_last_on_its_connection() {
    let server = server();
    let address = serve(&server, PATIENT).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let request = stream_request(&token, "origin: https://shop.example.com\r\n");
    let mut client = Client::send(address, &request).await;
    let head = client.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for line in [
        "content-type: text/event-stream\r\n",
        "cache-control: no-cache, no-transform\r\n",
        "x-accel-buffering: no\r\n",
        "access-control-allow-origin: *\r\n",
        "transfer-encoding: chunked\r\n",
        "connection: close\r\n",
    ] {
        assert!(head.contains(line), "{line} is not in {head}");
    }
    assert_eq!(client.chunk().await, ":\n\n");
    assert_eq!(server.environment.streams(), 1);

    let saved = server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    let event = client.chunk().await;
    assert!(
        event.starts_with(
            "event: *\ndata: {\"event\":\"patch\",\"domain\":\"flag\",\"identifier\":\"dark-mode\""
        ) && event.contains(&format!("\"version\":{}", saved[0].version)),
        "{event}"
    );
    let id = event.rsplit_once("id: ").unwrap().1.trim_end().to_owned();

    // Several configurations at the same time make at most one chunk each, and all of them arrive.
    for rps in 200..210 {
        server.save(&FLAGS.replace("rps: 100", &format!("rps: {rps}")));
    }
    let mut all = String::new();
    while !all.contains("{\\\"rps\\\":209}") {
        all.push_str(&client.chunk().await);
    }

    // A reader that reconnects gets the missed events with the first bytes.
    let request = stream_request(&token, &format!("last-event-id: {id}\r\n"));
    let mut back = Client::send(address, &request).await;
    back.until("\r\n\r\n").await;
    let missed = back.chunk().await;
    assert!(
        missed.starts_with(":\n\nevent: *\n") && missed.contains("{\\\"rps\\\":209}"),
        "{missed}"
    );

    server.stop.send_replace(true);
    assert_eq!(client.remaining().await, "0\r\n\r\n");
}

#[tokio::test]
async fn a_reader_of_http_1_0_gets_no_chunks() {
    let server = server();
    let address = serve(&server, PATIENT).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let request = stream_request(&token, "").replace("HTTP/1.1", "HTTP/1.0");
    let mut client = Client::send(address, &request).await;
    let head = client.until("\r\n\r\n").await;
    assert!(
        head.contains("200 OK") && !head.contains("chunked"),
        "{head}"
    );
    assert_eq!(client.until("\n\n").await, ":\n\n");
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    assert!(client.until("\n\n").await.starts_with("event: *\n"));
    server.stop.send_replace(true);
    assert_eq!(client.remaining().await, "");
}

#[tokio::test]
async fn head_has_no_body_and_a_refused_stream_leaves_the_connection_open() {
    let server = server();
    let address = serve(&server, PATIENT).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let live = "GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let head = stream_request(&token, "").replace("GET", "HEAD");
    let refused = stream_request("nonsense", "");
    let mut client = Client::send(address, &format!("{head}{refused}{live}")).await;
    let all = client.remaining().await;
    let statuses: Vec<&str> = all
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|reply| &reply[..3])
        .collect();
    assert_eq!(statuses, ["200", "401", "200"], "{all}");
    assert_eq!(server.environment.streams(), 0);
}

#[tokio::test]
async fn a_stream_on_a_connection_that_was_used_before_works_too() {
    let server = server();
    let address = serve(&server, PATIENT).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let mut client = Client::send(address, "GET /live HTTP/1.1\r\nhost: x\r\n\r\n").await;
    client.until("{\"live\":true}").await;
    let request = stream_request(&token, "");
    client.socket.write_all(request.as_bytes()).await.unwrap();
    client.until("\r\n\r\n").await;
    assert_eq!(client.chunk().await, ":\n\n");
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_order_before_the_stream_takes_the_connection() {
    let server = server();
    let address = serve(&server, PATIENT).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let evaluations = format!(
        "GET /client/env/development/target/user-42/evaluations HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let live = "GET /live HTTP/1.1\r\nhost: x\r\n\r\n";
    let stream = stream_request(&token, "");
    // A request after the stream on the same connection gets no answer.
    let mut client = Client::send(address, &format!("{evaluations}{live}{stream}{live}")).await;
    for end in ["\"flag\":\"page-size\"", "{\"live\":true}"] {
        let reply = client.until(end).await;
        assert!(reply.contains("HTTP/1.1 200 OK\r\n"), "{reply}");
        assert!(!reply.contains("text/event-stream"), "{reply}");
    }
    let head = client.until("\r\n\r\n").await;
    assert!(
        head.contains("content-type: text/event-stream\r\n"),
        "{head}"
    );
    assert_eq!(client.chunk().await, ":\n\n");
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    assert!(client.chunk().await.starts_with("event: *\n"));
    server.stop.send_replace(true);
    assert_eq!(client.remaining().await, "0\r\n\r\n");
}

#[tokio::test]
async fn a_reader_that_goes_is_noticed_and_one_that_talks_is_not_minded() {
    let server = server();
    let address = serve(&server, PATIENT).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let mut client = Client::send(address, &stream_request(&token, "")).await;
    client.until("\r\n\r\n").await;
    assert_eq!(client.chunk().await, ":\n\n");
    client.socket.write_all(&[b'x'; 10_000]).await.unwrap();
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    assert!(client.chunk().await.starts_with("event: *\n"));
    drop(client);
    while server.environment.streams() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_off_and_the_others_are_not_kept_waiting() {
    let server = server();
    let address = serve(&server, PATIENT).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let request = stream_request(&token, "");
    let mut stuck = Client::send_with_little_room(address, &request).await;
    stuck.until("\r\n\r\n").await;
    let mut quick = Client::send(address, &request).await;
    quick.until("\r\n\r\n").await;
    // This is more than the kernel buffers for a reader that does not read, and then more configurations than a reader may lag behind.
    let long = "x".repeat(4_000);
    for round in 0..450 {
        server.save(&format!("flags: {{ greeting: \"{round} {long}\" }}"));
        quick.until(&format!("\"value\":\"{round} xxx")).await;
    }
    assert!(!stuck.remaining().await.contains("449 xxx"));
    while server.environment.streams() > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn refused_heads_say_what_to_do() {
    let server = server();
    let address = serve(&server, PATIENT).await;
    let long = "x".repeat(2_000_000);
    for (request, status, what) in [
        (
            format!("GET /live HTTP/1.1\r\nhost: x\r\nharness-target: {long}\r\n\r\n"),
            "431 Request Header Fields Too Large",
            "together they may take 352 KiB",
        ),
        (
            format!("GET /live HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200)),
            "431 Request Header Fields Too Large",
            "there may be 100 of them",
        ),
        (
            format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", &long[..100_000]),
            "414 URI Too Long",
            "65,534 bytes",
        ),
    ] {
        let mut client = Client::send(address, &request).await;
        let reply = client.remaining().await;
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{head}"
        );
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["code"], status[..3]);
        assert!(body["message"].as_str().unwrap().contains(what), "{body}");
    }
}

#[tokio::test]
async fn a_large_body_is_answered_though_it_is_still_being_sent() {
    let server = server();
    let address = serve(&server, PATIENT).await;
    let body = "x".repeat(3_000_000);
    let request = format!(
        "POST /client/auth HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let reply = Client::send(address, &request).await.remaining().await;
    assert!(
        reply.starts_with("HTTP/1.1 413 Payload Too Large\r\n"),
        "{reply}"
    );
}

#[tokio::test]
async fn who_takes_too_long_is_told_and_an_idle_connection_is_closed() {
    let server = server();
    // A part of it passes on a busy machine before an honest client has sent its request.
    let short = Duration::from_millis(400);
    for (timeouts, request, begin) in [
        (
            Timeouts {
                head: short,
                ..PATIENT
            },
            "GET /live HTT",
            "HTTP/1.1 408 Request Timeout\r\n",
        ),
        (
            Timeouts {
                request: short,
                ..PATIENT
            },
            "POST /client/auth HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10\r\n\r\n{",
            "HTTP/1.1 408 Request Timeout\r\n",
        ),
        (
            Timeouts {
                idle: short,
                ..PATIENT
            },
            "GET /live HTTP/1.1\r\nhost: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\n",
        ),
        (
            Timeouts {
                idle: short,
                ..PATIENT
            },
            "",
            "",
        ),
    ] {
        let address = serve(&server, timeouts).await;
        let reply = Client::send(address, request).await.remaining().await;
        assert!(reply.starts_with(begin), "{request}: {reply}");
        assert_eq!(reply.is_empty(), begin.is_empty());
    }
}

#[tokio::test]
async fn a_stream_is_no_idle_connection() {
    let server = server();
    let short = Duration::from_millis(400);
    let timeouts = Timeouts {
        head: short,
        idle: short,
        request: short,
        write: short,
    };
    let address = serve(&server, timeouts).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let mut client = Client::send(address, &stream_request(&token, "")).await;
    client.until("\r\n\r\n").await;
    assert_eq!(client.chunk().await, ":\n\n");
    // An idle connection ends in the meantime.
    Client::send(address, "").await.remaining().await;
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    assert!(client.chunk().await.starts_with("event: *\n"));
}

/// Opens a stream for a target by the token in the header.
async fn open(address: SocketAddr, token: &str) -> Client {
    let mut client = Client::send(address, &stream_request(token, "")).await;
    client.until("\r\n\r\n").await;
    assert_eq!(client.chunk().await, ":\n\n");
    client
}

/// Opens a stream as a native `EventSource` does.
async fn open_by_ticket(server: &Server, address: SocketAddr) -> Client {
    let reply = server.sign_in(CLIENT_KEY, ada()).await;
    let url = reply["streamUrl"].as_str().unwrap();
    let mut client =
        Client::send(address, &format!("GET /{url} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    client.until("\r\n\r\n").await;
    assert!(client.chunk().await.contains("\"open\":true"));
    client
}

#[tokio::test]
async fn silent_streams_get_heartbeats_each_of_its_kind_and_events_in_between() {
    let settings = Settings {
        heartbeat: Duration::from_millis(20),
        ..settings()
    };
    let server = server_with(settings, Some(FLAGS));
    let address = serve(&server, PATIENT).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let mut streams = [
        (open(address, &token).await, ":\n\n"),
        (
            open_by_ticket(&server, address).await,
            "event: heartbeat\ndata: {}\n\n",
        ),
        (open(address, &token).await, ":\n\n"),
    ];
    for round in 0..3 {
        for (stream, beat) in &mut streams {
            for _ in 0..2 {
                assert_eq!(stream.chunk().await, *beat);
            }
        }
        server.save(&FLAGS.replace("rps: 100", &format!("rps: {}", 1000 + round)));
        for (stream, beat) in &mut streams {
            let event = loop {
                let chunk = stream.chunk().await;
                if chunk != *beat {
                    break chunk;
                }
            };
            assert!(event.contains(&(1000 + round).to_string()), "{event}");
        }
    }
}

#[tokio::test]
async fn a_reader_that_pauses_gets_all_it_has_missed_whole_and_in_order() {
    let server = server();
    let address = serve(&server, PATIENT).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let request = stream_request(&token, "");
    let mut slow = Client::send_with_little_room(address, &request).await;
    slow.until("\r\n\r\n").await;
    assert_eq!(slow.chunk().await, ":\n\n");
    let mut quick = open(address, &token).await;
    // This is more than the kernel buffers for a reader that does not read, but fewer configurations than a reader may lag behind.
    let long = "x".repeat(8_000);
    for round in 0..200 {
        server.save(&format!("flags: {{ greeting: \"{round} {long}\" }}"));
        quick.until(&format!("\"value\":\"{round} xxx")).await;
    }
    let mut next = 0;
    while next < 200 {
        // Events that waited together may come in one chunk.
        let chunk = slow.chunk().await;
        for event in chunk.split_inclusive("\n\n") {
            if event.contains("\"identifier\":\"greeting\"") {
                let value = format!("\"value\":\"{next} {long}\"");
                assert!(event.contains(&value), "{next} is missing");
                next += 1;
            }
        }
    }
}

#[tokio::test]
async fn places_of_readers_that_left_are_used_again() {
    let server = server();
    let address = serve(&server, PATIENT).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let mut streams = Vec::new();
    for round in 0..4 {
        while streams.len() < 40 {
            streams.push(open(address, &token).await);
        }
        server.save(&FLAGS.replace("rps: 100", &format!("rps: {}", 1000 + round)));
        for stream in &mut streams {
            let event = stream.chunk().await;
            assert!(event.contains(&(1000 + round).to_string()), "{event}");
        }
        let mut place = 0;
        streams.retain(|_| {
            place += 1;
            place % (round + 2) != 0
        });
        while server.environment.streams() > streams.len() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(server.environment.streams(), streams.len());
    }
}

#[tokio::test]
async fn one_that_talks_without_end_keeps_nobody_waiting() {
    let server = server();
    let address = serve(&server, PATIENT).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let mut others = Vec::new();
    let mut talkers = Vec::new();
    // There are enough for each thread to have some of both kinds.
    for _ in 0..8 {
        let (_, mut talker) = open(address, &token).await.socket.into_split();
        talkers.push(tokio::spawn(async move {
            while talker.write_all(&[b'x'; 16 * 1024]).await.is_ok() {}
        }));
        others.push(open(address, &token).await);
    }
    for round in 0..20 {
        server.save(&FLAGS.replace("rps: 100", &format!("rps: {}", 1000 + round)));
        for other in &mut others {
            let event = other.chunk().await;
            assert!(event.contains(&(1000 + round).to_string()), "{event}");
        }
    }
    assert_eq!(server.environment.streams(), 16, "nor is it cut off");
    for talker in &talkers {
        talker.abort();
    }
}

#[tokio::test]
async fn streams_on_sockets_say_farewell_and_end_when_the_server_stops() {
    let server = server();
    let address = serve(&server, PATIENT).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let mut streams = Vec::new();
    for _ in 0..10 {
        streams.push((open(address, &token).await, false));
        streams.push((open_by_ticket(&server, address).await, true));
    }
    server.stop.send_replace(true);
    for (mut stream, heeds_retry) in streams {
        if heeds_retry {
            let farewell = stream.chunk().await;
            assert!(farewell.starts_with("retry: "), "{farewell}");
        }
        assert_eq!(stream.remaining().await, "0\r\n\r\n");
    }
    while server.environment.streams() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
