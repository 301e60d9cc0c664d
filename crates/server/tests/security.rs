//! Tests which key or token each endpoint accepts, and which it refuses.

mod common;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use common::*;
use flagwire_server::Settings;
use flagwire_server::auth::Hashed;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Which kind of key an endpoint accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum For {
    Clients,
    BackEnds,
    Both,
}

/// Every endpoint that needs a token. `{environment}` stands for the environment.
const ENDPOINTS: [(Method, &str, For); 13] = [
    (
        Method::GET,
        "/client/env/{environment}/target/{target}/evaluations",
        For::Clients,
    ),
    (
        Method::GET,
        "/client/env/{environment}/target/{target}/evaluations/{flag}",
        For::Clients,
    ),
    (
        Method::GET,
        "/client/env/{environment}/target/evaluations",
        For::Clients,
    ),
    (
        Method::GET,
        "/client/env/{environment}/target/evaluations/{flag}",
        For::Clients,
    ),
    (
        Method::GET,
        "/client/env/{environment}/evaluations",
        For::Clients,
    ),
    (
        Method::GET,
        "/client/env/{environment}/evaluations/{flag}",
        For::Clients,
    ),
    (
        Method::GET,
        "/client/env/{environment}/feature-configs",
        For::BackEnds,
    ),
    (
        Method::GET,
        "/client/env/{environment}/feature-configs/{flag}",
        For::BackEnds,
    ),
    (
        Method::GET,
        "/client/env/{environment}/target-segments",
        For::BackEnds,
    ),
    (
        Method::GET,
        "/client/env/{environment}/target-segments/{group}",
        For::BackEnds,
    ),
    (
        Method::GET,
        "/client/env/{environment}/stream-ticket",
        For::Both,
    ),
    (Method::POST, "/metrics/{environment}", For::Both),
    (Method::GET, "/stream", For::Both),
];

fn path(template: &str, environment: &str) -> String {
    template
        .replace("{environment}", environment)
        .replace("{target}", "user-42")
        .replace("{flag}", "dark-mode")
        .replace("{group}", "staff")
}

fn request(method: &Method, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let body = if *method == Method::POST {
        Body::from("{}")
    } else {
        Body::empty()
    };
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

async fn status(server: &Server, method: &Method, path: &str, token: &str) -> StatusCode {
    let bearer = format!("Bearer {token}");
    let request = request(method, path, &[("authorization", &bearer)]);
    server.send(request).await.status()
}

#[test]
fn no_endpoint_of_an_environment_is_missing_above() {
    let source = include_str!("../src/routes/mod.rs");
    let served: Vec<&str> = source
        .split('"')
        .filter(|text| text.starts_with('/') && text.contains("{environment}"))
        .collect();
    assert!(served.len() >= 8, "{served:?}");
    for path in served {
        assert!(
            ENDPOINTS.iter().any(|(_, known, _)| *known == path),
            "{path}"
        );
    }
}

#[tokio::test]
async fn each_endpoint_asks_for_a_token_of_this_environment_and_of_the_right_kind() {
    let server = server();
    server
        .other
        .apply(flagwire_server::flags_file::parse(FLAGS).unwrap());
    let client = server.token(CLIENT_KEY, ada()).await;
    let back_end = server.token(SERVER_KEY, json!(null)).await;
    let stranger = server.token("other-key", ada()).await;
    let ticket = server.ticket(CLIENT_KEY, ada()).await;
    for prefix in ["", "/api/1.0"] {
        for (method, template, whose) in &ENDPOINTS {
            let own = prefix.to_owned() + &path(template, "development");
            for nobody in ["", "x", "a.b.c", CLIENT_KEY, &ticket, &client[1..]] {
                assert_eq!(
                    status(&server, method, &own, nobody).await,
                    StatusCode::UNAUTHORIZED,
                    "{own} with {nobody}"
                );
            }
            let allowed = |yes: bool| {
                if yes {
                    StatusCode::OK
                } else {
                    StatusCode::FORBIDDEN
                }
            };
            assert_eq!(
                status(&server, method, &own, &client).await,
                allowed(*whose != For::BackEnds),
                "{own} with a client key"
            );
            assert_eq!(
                status(&server, method, &own, &back_end).await,
                allowed(*whose != For::Clients),
                "{own} with a server key"
            );
            if template.contains("{environment}") {
                assert_eq!(
                    status(&server, method, &own, &stranger).await,
                    StatusCode::FORBIDDEN,
                    "{own} from another environment"
                );
                for not_ours in ["other", "no-such-environment", "Development", "%2e%2e"] {
                    let path = prefix.to_owned() + &path(template, not_ours);
                    for token in [&client, &back_end] {
                        assert_eq!(
                            status(&server, method, &path, token).await,
                            StatusCode::FORBIDDEN,
                            "{path}"
                        );
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_stream_tells_of_its_own_environment_alone() {
    let server = server();
    server
        .other
        .apply(flagwire_server::flags_file::parse(FLAGS).unwrap());
    let token = server.token("other-key", ada()).await;
    let mut stream = server.stream(get("/stream", &token)).await;
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    server.other.apply(
        flagwire_server::flags_file::parse(&FLAGS.replace("greeting: \"\"", "greeting: hi"))
            .unwrap(),
    );
    assert_eq!(stream.event().await["identifier"], "greeting");
}

/// The headers that browsers send with requests of pages, each tried alone.
const FROM_PAGES: [(&str, &str); 4] = [
    ("origin", "https://shop.example.com"),
    ("origin", "null"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-site", "cross-site"),
];

/// Makes every request by which a server key, or a token or ticket given for it, can be used.
async fn uses_of(server: &Server, key: &str, header: (&str, &str)) -> Vec<(String, StatusCode)> {
    let token = server.token(key, ada()).await;
    let ticket = server.sign_in(key, ada()).await["streamUrl"]
        .as_str()
        .unwrap()
        .to_owned();
    let bearer = format!("Bearer {token}");
    let context = r#"{"context":{"targetingKey":"user-42"}}"#;
    let evaluated = server
        .send(
            Request::post("/ofrep/v1/evaluate/flags")
                .header("x-api-key", key)
                .body(Body::from(context))
                .unwrap(),
        )
        .await;
    let events = read(evaluated).await.1["eventStreams"][0]["endpoint"]["requestUri"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut requests = vec![
        Request::post("/client/auth")
            .body(Body::from(json!({ "apiKey": key }).to_string()))
            .unwrap(),
        request(&Method::GET, &format!("/{ticket}"), &[]),
        request(&Method::GET, &events, &[]),
    ];
    for (name, value) in [("x-api-key", key), ("authorization", bearer.as_str())] {
        for path in [
            "/ofrep/v1/evaluate/flags",
            "/ofrep/v1/evaluate/flags/dark-mode",
        ] {
            requests.push(
                Request::post(path)
                    .header(name, value)
                    .body(Body::from(context))
                    .unwrap(),
            );
        }
    }
    for (method, template, whose) in &ENDPOINTS {
        if *whose != For::Clients {
            let path = path(template, "development");
            requests.push(request(method, &path, &[("authorization", &bearer)]));
        }
    }
    let mut answers = Vec::new();
    for mut request in requests {
        let name = format!("{} {} {header:?}", request.method(), request.uri().path());
        let headers: &mut HeaderMap = request.headers_mut();
        headers.insert(
            axum::http::HeaderName::try_from(header.0).unwrap(),
            header.1.parse().unwrap(),
        );
        answers.push((name, server.send(request).await.status()));
    }
    answers
}

#[tokio::test]
async fn a_server_key_is_of_no_use_to_a_page_unless_that_is_wanted() {
    let strict = server();
    for header in FROM_PAGES {
        for (name, status) in uses_of(&strict, SERVER_KEY, header).await {
            assert_eq!(status, StatusCode::FORBIDDEN, "{name}");
        }
    }
    // These requests come from the address bar, or from no browser.
    for header in [("sec-fetch-site", "none"), ("sec-fetch-mode", "cors")] {
        for (name, status) in uses_of(&strict, SERVER_KEY, header).await {
            assert_eq!(status, StatusCode::OK, "{name}");
        }
    }
    let lenient = server_with(
        Settings {
            server_keys_in_browsers: true,
            ..settings()
        },
        Some(FLAGS),
    );
    for header in FROM_PAGES {
        for (name, status) in uses_of(&lenient, SERVER_KEY, header).await {
            assert_eq!(status, StatusCode::OK, "{name}");
        }
    }
}

#[tokio::test]
async fn a_page_that_uses_a_server_key_may_read_why_it_is_refused() {
    let server = server();
    let reply = server
        .send(
            Request::post("/client/auth")
                .header("origin", "https://shop.example.com")
                .body(Body::from(json!({ "apiKey": SERVER_KEY }).to_string()))
                .unwrap(),
        )
        .await;
    assert_eq!(reply.headers()["access-control-allow-origin"], "*");
    let (status, body) = read(reply).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .contains("use a client key"),
        "{body}"
    );
}

#[tokio::test]
async fn the_hash_of_a_key_opens_nothing() {
    let server = server();
    let hash: String = Sha256::digest(CLIENT_KEY)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let hash = format!("sha256:{hash}");
    assert_eq!(Hashed::of(CLIENT_KEY), hash.parse().unwrap());
    for key in [&hash, &hash[7..], "", "sha256:"] {
        let (status, _) = server
            .post("/client/auth", json!({ "apiKey": key }).to_string())
            .await;
        assert!(
            matches!(status, StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST),
            "{key}: {status}"
        );
    }
}
