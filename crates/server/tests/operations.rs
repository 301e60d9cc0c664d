//! Tests what operators rely on: probes, status, metrics, limits.

mod common;

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use common::listening::*;
use common::*;
use flagwire_server::environment::{SourceState, SourceStatus};
use flagwire_server::{flags_file, serve};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

async fn plain(server: &Server, path: &str) -> (StatusCode, Value) {
    read(
        server
            .send(Request::get(path).body(Body::empty()).unwrap())
            .await,
    )
    .await
}

async fn text(server: &Server, path: &str) -> String {
    let reply = server
        .send(Request::get(path).body(Body::empty()).unwrap())
        .await;
    assert_eq!(reply.status(), StatusCode::OK);
    String::from_utf8(
        reply
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
}

/// Makes a server with two environments that both have flags.
fn full() -> Server {
    let server = server();
    server.other.apply(flags_file::parse(FLAGS).unwrap());
    server
}

#[tokio::test]
async fn it_is_alive_at_once_and_ready_with_the_first_configuration_of_every_environment() {
    let server = server();
    assert_eq!(plain(&server, "/live").await.0, StatusCode::OK);
    let (status, body) = plain(&server, "/ready").await;
    assert_eq!(
        (status, &body["waitingFor"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!(["other"]))
    );
    server.other.apply(flags_file::parse("flags: {}").unwrap());
    assert_eq!(plain(&server, "/ready").await.0, StatusCode::OK);
    server.stop.send_replace(true);
    let ready = Request::get("/ready").body(Body::empty()).unwrap();
    let (status, body) = read(server.send_without_socket(ready).await).await;
    assert_eq!(
        (status, &body["stopping"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!(true))
    );
}

#[tokio::test]
async fn the_status_tells_how_each_environment_stands() {
    let server = full();
    let stand = |state, error: Option<&str>, fresh_at| SourceStatus {
        source: "http://up".to_owned(),
        state,
        healthy: error.is_none(),
        error: error.map(str::to_owned),
        fresh_at,
        ..SourceStatus::default()
    };
    let token = server.token(CLIENT_KEY, ada()).await;
    let _stream = server.stream(get("/stream", &token)).await;
    server
        .environment
        .set_status(stand(SourceState::Live, None, None));
    let (_, body) = plain(&server, "/status").await;
    let one = &body["environments"]["development"];
    let content = server.environment.current().unwrap().content.clone();
    for (field, expected) in [
        ("source", json!("http://up")),
        ("state", json!("live")),
        ("healthy", json!(true)),
        ("version", json!(content)),
        ("age", json!(0)),
        ("clients", json!(1)),
        ("flags", json!(4)),
        ("error", Value::Null),
    ] {
        assert_eq!(one[field], expected, "{field}: {one}");
    }
    assert!(one["since"].as_i64() > Some(1_700_000_000));

    let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    server
        .environment
        .set_status(stand(SourceState::Degraded, Some("gone"), Some(hour_ago)));
    let (_, body) = plain(&server, "/status").await;
    let one = &body["environments"]["development"];
    assert_eq!(
        (&one["state"], &one["error"]),
        (&json!("degraded"), &json!("gone"))
    );
    assert!(
        (3600..3700).contains(&one["age"].as_u64().unwrap()),
        "{one}"
    );
    assert_eq!(
        plain(&server, "/ready").await.0,
        StatusCode::OK,
        "old flags are better than none"
    );
}

#[tokio::test]
async fn prometheus_reads_requests_by_route_and_how_environments_stand() {
    let server = full();
    let token = server.token(CLIENT_KEY, ada()).await;
    let _stream = server.stream(get("/stream", &token)).await;
    for target in ["user-42", "user-43"] {
        server
            .get(
                &format!("/client/env/development/target/{target}/evaluations"),
                &token,
            )
            .await;
    }
    plain(&server, "/no-such-place").await;
    let text = text(&server, "/metrics").await;
    for line in [
        "flagwire_http_requests_total{method=\"GET\",route=\"/client/env/{environment}/target/{target}/evaluations\",status=\"200\"} 2",
        "flagwire_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1",
        "flagwire_http_request_duration_seconds_count{route=\"/client/auth\"} 1",
        "flagwire_streams{environment=\"development\"} 1",
        "flagwire_streams{environment=\"other\"} 0",
        "flagwire_flags{environment=\"development\"} 4",
        "flagwire_ready{environment=\"other\"} 1",
        "flagwire_configurations_total{environment=\"development\"} 1",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    assert!(
        !text.contains("user-42") && !text.contains(CLIENT_KEY),
        "targets and keys are nobody's business"
    );
}

#[tokio::test]
async fn a_body_past_the_limit_is_413_and_reports_may_be_larger() {
    let server = server();
    let large = |bytes: usize| {
        json!({"apiKey": CLIENT_KEY, "target": {"identifier": "t", "name": "x".repeat(bytes)}})
            .to_string()
    };
    assert_eq!(
        server.post("/client/auth", large(60_000)).await.0,
        StatusCode::OK
    );
    for path in [
        "/client/auth",
        "/api/1.0/client/auth",
        "/ofrep/v1/evaluate/flags",
    ] {
        let request = Request::post(path)
            .header("x-api-key", CLIENT_KEY)
            .body(Body::from(large(70_000)))
            .unwrap();
        // The request is refused before or after the key is checked, and never served.
        let (status, body) = read(server.send(request).await).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::PAYLOAD_TOO_LARGE, &json!("413")),
            "{path}"
        );
    }
    let token = server.token(CLIENT_KEY, ada()).await;
    let report = async |bytes: usize| {
        let request = Request::post("/metrics/development")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(
                json!({"metricsData": [], "targetData": "x".repeat(bytes)}).to_string(),
            ))
            .unwrap();
        server.send(request).await.status()
    };
    assert_eq!(report(900_000).await, StatusCode::OK);
    assert_eq!(report(1_100_000).await, StatusCode::PAYLOAD_TOO_LARGE);
}

/// Returns the first line of the reply to raw bytes.
async fn ask(address: std::net::SocketAddr, request: Vec<u8>) -> String {
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    // The server may stop reading in the middle of the bytes.
    let writing = tokio::spawn(async move {
        drop(writer.write_all(&request).await);
        writer
    });
    let mut reply = vec![0; 512];
    let read = reader.read(&mut reply).await.unwrap();
    drop(writing);
    String::from_utf8_lossy(&reply[..read])
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_head_past_the_limit_is_431() {
    let server = server();
    let socket = listen(app_of(&server)).await;
    let request = |bytes: usize| {
        format!(
            "GET /live HTTP/1.1\r\nhost: x\r\nharness-target: {}\r\n\r\n",
            "x".repeat(bytes)
        )
        .into_bytes()
    };
    assert_eq!(
        ask(socket.address, request(262_144)).await,
        "HTTP/1.1 200 OK"
    );
    let too_long = ask(socket.address, request(2_000_000)).await;
    assert!(too_long.starts_with("HTTP/1.1 431"), "{too_long}");
    let many = format!("GET /live HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200)).into_bytes();
    assert!(ask(socket.address, many).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn connections_of_one_address_are_limited_and_come_free_again() {
    let server = server();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = serve::Limits {
        connections_per_address: 2,
    };
    let serving = serve::serve(
        listener,
        server.app.clone(),
        server.stop.subscribe(),
        limits,
        Duration::ZERO,
    );
    tokio::spawn(serving);
    let live = b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n".to_vec();
    let open = async || {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(&live).await.unwrap();
        let mut reply = vec![0; 512];
        let read = socket.read(&mut reply).await.unwrap_or(0);
        (
            socket,
            String::from_utf8_lossy(&reply[..read]).contains("200 OK"),
        )
    };
    let (first, ok) = open().await;
    assert!(ok);
    let (_second, ok) = open().await;
    assert!(ok);
    assert!(!open().await.1, "a third one is refused");
    drop(first);
    // The server notices that later.
    while !open().await.1 {
        tokio::task::yield_now().await;
    }
}

/// Tests refusals on every path, while the body is still being sent, and that pages can read them.
#[tokio::test]
async fn a_connection_past_the_limit_is_told_why_and_counted() {
    let server = server();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = serve::Serving {
        limits: serve::Limits {
            connections_per_address: 1,
        },
        ..serve::Serving::default()
    };
    let refused = serving.refused.clone();
    tokio::spawn(serving.run(listener, server.app.clone(), server.stop.subscribe()));
    let mut first = TcpStream::connect(address).await.unwrap();
    first
        .write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(first.read(&mut [0; 512]).await.unwrap() > 0);
    let body = "x".repeat(3_000_000);
    let sign_in = format!(
        "POST /client/auth HTTP/1.1\r\nhost: x\r\norigin: https://shop.example.com\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for (count, request) in [
        sign_in.as_str(),
        "GET /live HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).await.unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        for line in ["retry-after: 2", "connection: close"] {
            assert!(head.lines().any(|one| one == line), "{line} in {head}");
        }
        assert_eq!(
            head.contains("access-control-allow-origin: *"),
            !request.contains("/live"),
            "{head}"
        );
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["code"], "503");
        assert!(
            body["message"].as_str().unwrap().contains("close some"),
            "{body}"
        );
        assert_eq!(refused.get(), count as u64 + 1);
    }
    // The server does not wait for connections without a request.
    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(silent.read(&mut [0; 8]).await.unwrap(), 0);

    // With this many connections the refusal is sent at once, before a request. The test opens them again if this machine was too
    // busy to open all of them within the time limit of the first.
    let mut reply = String::new();
    while reply.is_empty() {
        let mut silent = Vec::new();
        for _ in 0..64 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut last = TcpStream::connect(address).await.unwrap();
        last.read_to_string(&mut reply).await.unwrap();
    }
    assert!(
        reply.starts_with("HTTP/1.1 503 ") && reply.contains("retry-after: 2\r\n"),
        "{reply}"
    );
    first
        .write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(
        first.read(&mut [0; 512]).await.unwrap() > 0,
        "the first one goes on"
    );
}
