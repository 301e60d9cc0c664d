//! Tests TLS and HTTP/2 with real handshakes, hyper's HTTP/2 client, and certificates made for the test.

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, Version};
use common::*;
use flagwire_server::serve::{Certificates, Limits, Serving};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Writes a self-signed certificate for localhost and its key. Returns the certificate.
fn certify(directory: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    // The key is written first: a server that reads in between finds a pair that does not match, and keeps the one
    // before.
    std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(directory.join("certificate.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

async fn serve(server: &Server, directory: &Path) -> SocketAddr {
    serve_within(server, directory, Limits::default()).await
}

async fn serve_within(server: &Server, directory: &Path, limits: Limits) -> SocketAddr {
    let certificates = Certificates::load(
        &directory.join("certificate.pem"),
        &directory.join("key.pem"),
    );
    let certificates = Arc::new(certificates.unwrap());
    tokio::spawn(Arc::clone(&certificates).follow(server.stop.subscribe()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Serving {
        tls: Some(certificates),
        limits,
        ..Serving::default()
    };
    tokio::spawn(serving.run(listener, server.app.clone(), server.stop.subscribe()));
    address
}

async fn connect(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    let socket = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").unwrap(), socket)
        .await
}

async fn http2(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
) -> SendRequest<Full<hyper::body::Bytes>> {
    let stream = connect(address, trusted, &["h2", "http/1.1"])
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    client
}

fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    body: String,
) -> Request<Full<hyper::body::Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("https://localhost:{}{path}", address.port()))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Full::from(body))
        .unwrap()
}

#[tokio::test]
async fn requests_and_streams_share_one_connection_in_http_2() {
    let directory = TempDir::new().unwrap();
    let trusted = certify(directory.path());
    let server = server();
    let address = serve(&server, directory.path()).await;
    let mut client = http2(address, &trusted).await;

    let body = json!({"apiKey": CLIENT_KEY, "target": ada()}).to_string();
    let reply = client
        .send_request(request(address, "POST", "/client/auth", "", body))
        .await
        .unwrap();
    assert_eq!(
        (reply.status(), reply.version()),
        (StatusCode::OK, Version::HTTP_2)
    );
    let (_, reply) = read(reply.map(Body::new)).await;
    let token = reply["authToken"].as_str().unwrap();

    // These are more streams than a browser opens over HTTP/1.1.
    let mut streams = Vec::new();
    for _ in 0..20 {
        let open = request(address, "GET", "/stream?cluster=1", token, String::new());
        let reply = client.send_request(open).await.unwrap();
        assert_eq!(reply.status(), StatusCode::OK);
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        assert!(!reply.headers().contains_key("connection"));
        streams.push(reply.into_body());
    }
    for stream in &mut streams {
        let first = stream.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&first[..], b":\n\n");
    }
    assert_eq!(server.environment.streams(), 20);
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    for stream in &mut streams {
        let event = stream.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(event.starts_with(b"event: *\ndata: "), "{event:?}");
    }
    let path = "/client/env/development/target/user-42/evaluations/dark-mode";
    let one = client
        .send_request(request(address, "GET", path, token, String::new()))
        .await
        .unwrap();
    assert_eq!(read(one.map(Body::new)).await.1["value"], "true");

    server.stop.send_replace(true);
    for stream in streams {
        let rest = stream.collect().await.expect("ended in good order");
        assert!(rest.to_bytes().is_empty());
    }
}

#[tokio::test]
async fn limits_hold_in_http_2_too() {
    let directory = TempDir::new().unwrap();
    let trusted = certify(directory.path());
    let server = server();
    let address = serve(&server, directory.path()).await;
    let mut client = http2(address, &trusted).await;
    let body = "x".repeat(100_000);
    let reply = client
        .send_request(request(address, "POST", "/client/auth", "", body))
        .await
        .unwrap();
    assert_eq!(reply.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let large = |bytes: usize| {
        let mut one = request(address, "GET", "/live", "", String::new());
        let value = "x".repeat(bytes).parse().unwrap();
        one.headers_mut().insert("harness-target", value);
        one
    };
    let reply = client.send_request(large(262_144)).await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    let reply = client.send_request(large(400_000)).await.unwrap();
    assert_eq!(reply.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn a_client_of_http_1_1_is_served_and_refused_as_without_tls() {
    let directory = TempDir::new().unwrap();
    let trusted = certify(directory.path());
    let server = server();
    let address = serve(&server, directory.path()).await;
    let token = server.token(CLIENT_KEY, ada()).await;
    for protocols in [&["http/1.1"][..], &[]] {
        let mut stream = connect(address, &trusted, protocols).await.unwrap();
        let many = format!("GET /live HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
        stream.write_all(many.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(
            reply.starts_with("HTTP/1.1 431 ") && reply.contains("there may be 100 of them"),
            "{reply}"
        );
    }
    let mut stream = connect(address, &trusted, &["http/1.1"]).await.unwrap();
    let request =
        format!("GET /stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    while !text.ends_with(":\n\n\r\n") {
        text.push(char::from(stream.read_u8().await.unwrap()));
    }
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    while !text.contains("\"identifier\":\"dark-mode\"") {
        text.push(char::from(stream.read_u8().await.unwrap()));
    }
    server.stop.send_replace(true);
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn a_new_certificate_is_served_without_a_restart() {
    let directory = TempDir::new().unwrap();
    let first = certify(directory.path());
    let server = server();
    let address = serve(&server, directory.path()).await;
    let open = connect(address, &first, &["h2"]).await.unwrap();
    let second = certify(directory.path());
    while connect(address, &second, &["h2"]).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(connect(address, &first, &["h2"]).await.is_err());
    drop(open);
}

/// The files are named in the configuration file, by paths relative to its directory.
#[tokio::test]
async fn the_program_follows_the_files_that_its_configuration_names_and_survives_a_hangup() {
    let directory = TempDir::new().unwrap();
    let certificates = directory.path().join("certificates");
    std::fs::create_dir(&certificates).unwrap();
    let first = certify(&certificates);
    let settings = "listen: 127.0.0.1:0\ntls-certificate: certificates/certificate.pem\n\
                    tls-key: certificates/key.pem\nflags: flags.yaml\n";
    let file = directory.path().join("flagwire.yaml");
    std::fs::write(&file, settings).unwrap();
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_flagwire-server"))
        .current_dir("/")
        .arg("--config")
        .arg(&file)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).await.unwrap();
    let address = line
        .trim_end()
        .strip_prefix("flagwire-server listening on https://")
        .expect(&line);
    let address: SocketAddr = address.parse().unwrap();
    connect(address, &first, &["h2"]).await.unwrap();

    let pid = child.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-HUP", &pid]).status().unwrap();
    assert!(sent.success());
    let second = certify(&certificates);
    while connect(address, &second, &["h2"]).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(child.try_wait().unwrap(), None, "it ended");
    }
    let mut client = http2(address, &second).await;
    let live = request(address, "GET", "/live", "", String::new());
    let reply = client.send_request(live).await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_connection_past_the_limit_is_told_why_in_either_version() {
    let directory = TempDir::new().unwrap();
    let trusted = certify(directory.path());
    let server = server();
    let limits = Limits {
        connections_per_address: 1,
    };
    let address = serve_within(&server, directory.path(), limits).await;
    let live = || request(address, "GET", "/live", "", String::new());
    let mut first = http2(address, &trusted).await;
    let reply = first.send_request(live()).await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);

    let mut past = http2(address, &trusted).await;
    let reply = past.send_request(live()).await.unwrap();
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.headers()["retry-after"], "2");
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["code"], "503");
    // The connection past the limit gets a GOAWAY frame.
    while past.ready().await.is_ok() && past.send_request(live()).await.is_ok() {}

    let mut past = connect(address, &trusted, &["http/1.1"]).await.unwrap();
    past.write_all(b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut reply = String::new();
    past.read_to_string(&mut reply).await.unwrap();
    assert!(
        reply.starts_with("HTTP/1.1 503 ")
            && reply.contains("connection: close\r\n")
            && reply.contains("\"code\":\"503\""),
        "{reply}"
    );
    let reply = first.send_request(live()).await.unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
}

#[test]
fn files_that_cannot_be_used_are_refused_with_what_to_do() {
    let directory = TempDir::new().unwrap();
    certify(directory.path());
    let other = TempDir::new().unwrap();
    certify(other.path());
    std::fs::write(directory.path().join("empty.pem"), "").unwrap();
    let other_key = other.path().join("key.pem").display().to_string();
    for (args, reason) in [
        (&["--tls-certificate", "certificate.pem"][..], "--tls-key"),
        (
            &["--tls-certificate", "none.pem", "--tls-key", "key.pem"],
            "cannot read none.pem",
        ),
        (
            &["--tls-certificate", "empty.pem", "--tls-key", "key.pem"],
            "empty.pem holds no certificate",
        ),
        (
            &[
                "--tls-certificate",
                "certificate.pem",
                "--tls-key",
                "empty.pem",
            ],
            "empty.pem holds no private key",
        ),
        (
            &[
                "--tls-certificate",
                "certificate.pem",
                "--tls-key",
                &other_key,
            ],
            "cannot be used with the key in",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_flagwire-server"))
            .current_dir(directory.path())
            .args(["--listen", "127.0.0.1:0"])
            .args(args)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{args:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(reason), "{args:?}: {said}");
    }
}
