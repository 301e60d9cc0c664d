//! Tests the limits that docs/OPERATIONS.md names, each over HTTP/1.1, over TLS and over HTTP/2.

mod common;

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use common::transport::{Client, PATIENT, Site, Transport, serve_over};
use common::*;
use flagwire_server::Settings;
use flagwire_server::auth::{AdminTokens, Hashed};
use flagwire_server::serve::{Limits, Serving, Timeouts};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A limit that a test waits for. On a busy machine an honest client takes a part of it.
const SHORT: Duration = Duration::from_millis(400);

async fn serve(server: &Server, transport: Transport, timeouts: Timeouts) -> Site {
    let serving = Serving {
        timeouts,
        ..Serving::default()
    };
    serve_over(
        transport,
        server.app.clone(),
        server.stop.subscribe(),
        serving,
    )
    .await
}

async fn status(client: &mut Client, request: Request<Body>) -> StatusCode {
    let reply = client.send(request).await.unwrap();
    let (status, body) = read(reply).await;
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(body["code"], status.as_str(), "{body}");
    }
    status
}

fn post(path: &str, token: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(body.into())
        .unwrap()
}

fn live() -> Request<Body> {
    Request::get("/live").body(Body::empty()).unwrap()
}

/// The first bytes of a client of HTTP/2: the preface, and a frame that leaves all settings at their defaults.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn the_admin_page_works_under_the_servers_own_names_and_no_other() {
    for transport in Transport::ALL {
        let server = server();
        let site = serve(&server, transport, PATIENT).await;
        let mut client = site.connect().await;
        let admin = |path: &str, host: Option<&str>, headers: &[(&str, &str)]| {
            let mut request = Request::get(path);
            if let Some(host) = host {
                request = request.header("host", host);
            }
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.body(Body::empty()).unwrap()
        };
        let own = format!("https://localhost:{}", site.address.port());
        let explain = |origin: &str| {
            let mut request = post("/admin/explain", "", "{}");
            let headers = request.headers_mut();
            headers.insert("origin", origin.parse().unwrap());
            headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
            request
        };
        for (request, expected) in [
            (admin("/", None, &[]), StatusCode::OK),
            (admin("/admin/state", None, &[]), StatusCode::OK),
            (explain(&own), StatusCode::OK),
            (explain("https://evil.example"), StatusCode::FORBIDDEN),
            (
                admin("/admin/state", Some("evil.example"), &[]),
                StatusCode::FORBIDDEN,
            ),
            (
                admin("/admin/state", None, &[("sec-fetch-site", "cross-site")]),
                StatusCode::FORBIDDEN,
            ),
        ] {
            let what = format!("{transport:?} {} {:?}", request.uri(), request.headers());
            assert_eq!(status(&mut client, request).await, expected, "{what}");
        }
    }
}

#[tokio::test]
async fn wrong_admin_tokens_of_one_address_are_looked_at_now_and_then() {
    for transport in Transport::ALL {
        let settings = Settings {
            admin_tokens: AdminTokens::single(Hashed::of("the-right-one")),
            ..settings()
        };
        let server = server_with(settings, Some(FLAGS));
        let site = serve(&server, transport, PATIENT).await;
        let mut client = site.connect().await;
        let with = |token: &str| get("/admin/state", token);
        assert_eq!(
            status(&mut client, with("the-right-one")).await,
            StatusCode::OK
        );
        for _ in 0..50 {
            // The page sends requests without a token until a person enters one.
            let none = Request::get("/admin/state").body(Body::empty()).unwrap();
            assert_eq!(status(&mut client, none).await, StatusCode::UNAUTHORIZED);
        }
        let mut looked_at = 0;
        while status(&mut client, with("a-guess")).await == StatusCode::UNAUTHORIZED {
            looked_at += 1;
        }
        assert!(looked_at >= 10, "{transport:?} {looked_at}");
        let reply = client.send(with("the-right-one")).await.unwrap();
        assert_eq!(reply.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait = reply.headers()["retry-after"].to_str().unwrap();
        assert!((1..=7).contains(&wait.parse::<u32>().unwrap()), "{wait}");
    }
}

#[tokio::test]
async fn a_request_says_which_host_it_is_for() {
    let server = server();
    for transport in [Transport::Plain, Transport::Tls] {
        let site = serve(&server, transport, PATIENT).await;
        for (request, expected) in [
            ("GET /live HTTP/1.1\r\nconnection: close\r\n\r\n", "400"),
            (
                "GET /live HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n",
                "400",
            ),
            ("GET /live HTTP/1.0\r\n\r\n", "200"),
            // The host in the request target counts, so that a `Host` header alone cannot pass for this machine.
            (
                "GET http://evil.example/admin/state HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
                "403",
            ),
        ] {
            let mut socket = site.raw(false).await.unwrap();
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut reply = String::new();
            socket.read_to_string(&mut reply).await.unwrap();
            let begin = format!(" {expected} ");
            assert_eq!(reply.get(8..13), Some(begin.as_str()), "{request}: {reply}");
        }
    }
}

#[tokio::test]
async fn bodies_and_heads_have_the_same_limits() {
    for transport in Transport::ALL {
        let server = server();
        let site = serve(&server, transport, PATIENT).await;
        let token = server.token(CLIENT_KEY, ada()).await;
        let padded = |bytes: usize| {
            let name = "x".repeat(bytes - 13);
            format!("{{\"unused\":\"{name}\"}}")
        };
        let with_headers = |many: usize, bytes: usize| {
            let mut request = live();
            for n in 0..many {
                let name: axum::http::HeaderName = format!("x-{n}").parse().unwrap();
                request.headers_mut().insert(name, "1".parse().unwrap());
            }
            let value = "x".repeat(bytes).parse().unwrap();
            request.headers_mut().insert("harness-target", value);
            request
        };
        let report = "/metrics/development";
        for (request, expected) in [
            (
                post("/client/auth", "", padded(64 * 1024)),
                StatusCode::BAD_REQUEST,
            ),
            (
                post("/client/auth", "", padded(64 * 1024 + 1)),
                StatusCode::PAYLOAD_TOO_LARGE,
            ),
            (post(report, &token, padded(1024 * 1024)), StatusCode::OK),
            (
                post(report, &token, padded(1024 * 1024 + 1)),
                StatusCode::PAYLOAD_TOO_LARGE,
            ),
            (with_headers(90, 262_144), StatusCode::OK),
            (
                with_headers(101, 1),
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            ),
        ] {
            let what = format!("{transport:?} {}", request.uri());
            // A refusal may end the connection of HTTP/1.1.
            let mut client = site.connect().await;
            assert_eq!(status(&mut client, request).await, expected, "{what}");
        }
        for bytes in [64 * 1024 + 1, 1024 * 1024 + 1] {
            let mut request = post("/client/auth", "", padded(bytes));
            let origin = "https://shop.example.com".parse().unwrap();
            request.headers_mut().insert("origin", origin);
            let reply = site.connect().await.send(request).await.unwrap();
            assert_eq!(reply.status(), StatusCode::PAYLOAD_TOO_LARGE);
            let allowed = reply.headers().get("access-control-allow-origin");
            assert!(allowed.is_some(), "pages cannot read why: {transport:?}");
        }
        // h2 itself refuses this head, without a body.
        let mut client = site.connect().await;
        let reply = client.send(with_headers(1, 400_000)).await.unwrap();
        assert_eq!(reply.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        // `http` takes no longer address than the server does, so this one is written by hand.
        if transport != Transport::Http2 {
            let mut socket = site.raw(false).await.unwrap();
            let long = "x".repeat(65_535);
            let request = format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n");
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut reply = String::new();
            socket.read_to_string(&mut reply).await.unwrap();
            assert!(reply.starts_with("HTTP/1.1 414 "), "{reply}");
        }
    }
}

#[tokio::test]
async fn a_head_must_arrive_in_time() {
    for transport in Transport::ALL {
        let server = server();
        let timeouts = Timeouts {
            head: SHORT,
            ..PATIENT
        };
        let site = serve(&server, transport, timeouts).await;
        // In HTTP/2 this is also tried on a connection with an open stream: a request whose head never ends, and half a
        // frame.
        let beginnings: &[&[u8]] = match transport {
            Transport::Http2 => &[
                &PREFACE[..10],
                b"\0\0\x01\x01\0\0\0\0\x01\x82",
                b"\0\0\x10\x01\x04\0\0\0\x01\x82",
                b"\0\0\x06\x04",
            ],
            _ => &[b"GET /live HTT"],
        };
        for beginning in beginnings {
            let mut socket = site.raw(false).await.unwrap();
            if transport == Transport::Http2 && !beginning.starts_with(b"PRI") {
                socket.write_all(PREFACE).await.unwrap();
            }
            socket.write_all(beginning).await.unwrap();
            let mut all = Vec::new();
            // Reading fails where the server has left bytes unread.
            drop(socket.read_to_end(&mut all).await);
            if transport != Transport::Http2 {
                assert!(all.starts_with(b"HTTP/1.1 408 "), "{transport:?} {all:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_must_arrive_in_time_and_a_silent_connection_ends() {
    for transport in Transport::ALL {
        let server = server();
        let timeouts = Timeouts {
            request: SHORT,
            ..PATIENT
        };
        let site = serve(&server, transport, timeouts).await;
        let io = site.raw(false).await.unwrap();
        if transport == Transport::Http2 {
            let (mut client, connection) = h2::client::handshake(io).await.unwrap();
            tokio::spawn(connection);
            let request = Request::post(format!("https://{}/client/auth", site.address));
            let (reply, mut body) = client
                .send_request(request.body(()).unwrap(), false)
                .unwrap();
            body.send_data("{".into(), false).unwrap();
            assert_eq!(reply.await.unwrap().status(), StatusCode::REQUEST_TIMEOUT);
        } else {
            let mut socket = io;
            let request = "POST /client/auth HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10\r\n\r\n{";
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut reply = String::new();
            socket.read_to_string(&mut reply).await.unwrap();
            assert!(reply.starts_with("HTTP/1.1 408 "), "{reply}");
        }

        let timeouts = Timeouts {
            idle: SHORT,
            ..PATIENT
        };
        let site = serve(&server, transport, timeouts).await;
        let mut client = site.connect().await;
        assert_eq!(status(&mut client, live()).await, StatusCode::OK);
        client.ended().await;
    }
}

#[tokio::test]
async fn an_open_stream_is_no_silent_connection() {
    for transport in Transport::ALL {
        let server = server();
        let timeouts = Timeouts {
            head: SHORT,
            idle: SHORT,
            request: SHORT,
            write: SHORT,
        };
        let site = serve(&server, transport, timeouts).await;
        let token = server.token(CLIENT_KEY, ada()).await;
        let mut client = site.connect().await;
        let reply = client.send(get("/stream", &token)).await.unwrap();
        let mut stream = reply.into_body();
        let first = stream.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&first[..], b":\n\n");
        // A connection that does nothing ends in the meantime.
        site.connect().await.ended().await;
        server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
        let event = stream.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(event.starts_with(b"event: *\n"), "{transport:?} {event:?}");
    }
}

/// Returns flags whose evaluations take some megabytes, which is more than the kernel buffers for a client that does
/// not read.
fn large_flags(round: usize) -> String {
    let value = "x".repeat(100_000);
    let flags: Vec<String> = (0..60)
        .map(|n| format!("f{n}: \"{round} {value}\""))
        .collect();
    format!("flags: {{ {} }}", flags.join(", "))
}

const EVALUATIONS: &str = "/client/env/development/target/user-42/evaluations";

/// Sends a request on a connection of its own, and reads nothing of the reply.
async fn unread(site: &Site, path: &str, token: &str) -> Box<dyn std::any::Any + Send> {
    let io = site.raw(true).await.unwrap();
    if site.transport == Transport::Http2 {
        let mut builder = h2::client::Builder::new();
        let (mut client, connection) = builder
            .initial_window_size(0)
            .handshake::<_, bytes::Bytes>(io)
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::get(format!("https://{}{path}", site.address))
            .header("authorization", format!("Bearer {token}"));
        let (reply, _) = client
            .send_request(request.body(()).unwrap(), true)
            .unwrap();
        let reply = reply.await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        return Box::new((client, connection, reply));
    }
    let mut io = io;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    io.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    io.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    Box::new(io)
}

#[tokio::test]
async fn a_reply_of_which_nothing_is_taken_is_given_up() {
    for transport in Transport::ALL {
        let server = server_with(settings(), Some(&large_flags(0)));
        let timeouts = Timeouts {
            write: Duration::from_millis(200),
            idle: SHORT,
            ..PATIENT
        };
        let serving = Serving {
            timeouts,
            limits: Limits {
                connections_per_address: 1,
            },
            ..Serving::default()
        };
        let (app, stopping) = (server.app.clone(), server.stop.subscribe());
        let site = serve_over(transport, app, stopping, serving).await;
        let token = server.token(CLIENT_KEY, ada()).await;
        let stuck = unread(&site, EVALUATIONS, &token).await;
        // Another connection is accepted only once that one is gone.
        while !matches!(
            site.connect().await.send(live()).await,
            Ok(reply) if reply.status() == StatusCode::OK
        ) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(stuck);
    }
}

#[tokio::test]
async fn an_event_stream_of_which_nothing_is_taken_ends() {
    for transport in Transport::ALL {
        let server = server_with(settings(), Some(&large_flags(0)));
        let timeouts = Timeouts {
            write: Duration::from_millis(200),
            ..PATIENT
        };
        let site = serve(&server, transport, timeouts).await;
        let token = server.token(CLIENT_KEY, ada()).await;
        let stuck = unread(&site, "/stream", &token).await;
        while server.environment.streams() == 0 {
            tokio::task::yield_now().await;
        }
        let mut round = 0;
        while server.environment.streams() > 0 {
            round += 1;
            server.save(&large_flags(round));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(stuck);
    }
}

/// The window of the connection stays open, those of its streams do not.
#[tokio::test]
async fn in_http_2_a_reply_with_a_window_of_0_is_reset_and_the_others_go_on() {
    let server = server_with(settings(), Some(&large_flags(0)));
    let timeouts = Timeouts {
        write: SHORT,
        ..PATIENT
    };
    let site = serve(&server, Transport::Http2, timeouts).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    let io = site.raw(false).await.unwrap();
    let mut builder = h2::client::Builder::new();
    let (mut client, mut connection) = builder
        .initial_window_size(0)
        .handshake::<_, bytes::Bytes>(io)
        .await
        .unwrap();
    let mut pings = connection.ping_pong().unwrap();
    tokio::spawn(connection);
    // The reply to this PING arrives after the settings of the server.
    pings.ping(h2::Ping::opaque()).await.unwrap();
    assert_eq!(client.current_max_send_streams(), 100, "as documented");
    let mut bodies = Vec::new();
    for path in [EVALUATIONS, "/stream", EVALUATIONS] {
        let request = Request::get(format!("https://{}{path}", site.address))
            .header("authorization", format!("Bearer {token}"));
        let (reply, _) = client
            .send_request(request.body(()).unwrap(), true)
            .unwrap();
        bodies.push(reply.await.unwrap().into_body());
    }
    for body in &mut bodies {
        let error = body.data().await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(h2::Reason::CANCEL));
    }
    while server.environment.streams() > 0 {
        tokio::task::yield_now().await;
    }
    let request = Request::get(format!("https://{}/live", site.address));
    let (reply, _) = client
        .send_request(request.body(()).unwrap(), true)
        .unwrap();
    assert_eq!(reply.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn replies_that_wait_for_room_are_all_made_for_a_reader_that_takes_them() {
    let server = server_with(settings(), Some(&large_flags(0)));
    let site = serve(&server, Transport::Http2, PATIENT).await;
    let mut readers = Vec::new();
    let client = site.connect().await;
    let client = std::sync::Arc::new(tokio::sync::Mutex::new(client));
    for n in 0..12 {
        let token = server
            .token(CLIENT_KEY, json!({ "identifier": format!("user-{n}") }))
            .await;
        let client = std::sync::Arc::clone(&client);
        let path = format!("/client/env/development/target/user-{n}/evaluations");
        readers.push(tokio::spawn(async move {
            let reply = client.lock().await.send(get(&path, &token)).await.unwrap();
            read(reply).await.1.as_array().map(Vec::len)
        }));
    }
    for reader in readers {
        assert_eq!(reader.await.unwrap(), Some(60));
    }
}

/// Each request and its reset are in one write, as in the attack called rapid reset.
#[tokio::test]
async fn in_http_2_a_client_that_takes_back_what_it_asks_for_is_sent_away() {
    let server = server();
    let site = serve(&server, Transport::Http2, PATIENT).await;
    let mut bytes = PREFACE.to_vec();
    for n in 0..200_u32 {
        let stream = (2 * n + 1).to_be_bytes();
        // GET https://x/ by the static table.
        let head = b"\x82\x87\x84\x41\x01x";
        bytes.extend([&b"\0\0\x06\x01\x05"[..], &stream, head].concat());
        bytes.extend([&b"\0\0\x04\x03\0"[..], &stream, b"\0\0\0\x08"].concat());
    }
    let mut socket = site.raw(false).await.unwrap();
    socket.write_all(&bytes).await.unwrap();
    let mut all = Vec::new();
    drop(socket.read_to_end(&mut all).await);
    let enhance_your_calm = b"\0\0\0\x0b";
    let goodbye = all.windows(4).any(|part| part == enhance_your_calm);
    assert!(goodbye, "{all:?}");
}

/// The head has many small continuations, each of which arrives in time.
#[tokio::test]
async fn in_http_2_a_head_without_end_ends_the_connection() {
    let server = server();
    let site = serve(&server, Transport::Http2, PATIENT).await;
    let mut socket = site.raw(false).await.unwrap();
    let begin = [PREFACE, b"\0\0\x01\x01\x01\0\0\0\x01\x82"].concat();
    socket.write_all(&begin).await.unwrap();
    let more = b"\0\0\x01\x09\0\0\0\0\x01\x84".repeat(100);
    let mut sent = 0;
    while socket.write_all(&more).await.is_ok() {
        sent += more.len();
        assert!(sent < 10_000_000, "it goes on");
    }
}

#[tokio::test]
async fn connections_of_one_address_are_counted() {
    for transport in Transport::ALL {
        let server = server();
        let serving = Serving {
            limits: Limits {
                connections_per_address: 1,
            },
            ..Serving::default()
        };
        let (app, stopping) = (server.app.clone(), server.stop.subscribe());
        let site = serve_over(transport, app, stopping, serving).await;
        let mut first = site.connect().await;
        assert_eq!(status(&mut first, live()).await, StatusCode::OK);
        let reply = site.connect().await.send(live()).await.unwrap();
        assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(reply.headers()["retry-after"], "2");
        let (_, body): (_, Value) = read(reply).await;
        assert_eq!(body["code"], "503");
        assert_eq!(status(&mut first, live()).await, StatusCode::OK);
    }
}
