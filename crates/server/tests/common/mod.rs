//! Runs a server without a socket, and reads its streams.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part of this"
)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use flagwire_server::auth::{AdminTokens, Grant, Hashed, KeyKind, Keys};
use flagwire_server::environment::Environment;
use flagwire_server::environment::changes::Difference;
use flagwire_server::serve::Serving;
use flagwire_server::{AppState, Settings, app, flags_file};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

pub const CLIENT_KEY: &str = "a-client-key";
pub const SERVER_KEY: &str = "a-server-key";

pub const FLAGS: &str = r#"
flags:
  dark-mode: false
  limits:
    variations: { free: { rps: 1 }, gold: { rps: 100 } }
    default: free
    rules: [{ when: { plan: gold }, serve: gold }]
  page-size: { variations: { small: 4, large: 12 }, default: small, rules: [{ when: { group: staff }, serve: large }] }
  greeting: ""
groups:
  staff: { rules: [{ email: { ends-with: "@example.com" } }] }
"#;

pub fn ada() -> Value {
    json!({"identifier": "user-42", "name": "Ada", "attributes": {"plan": "gold", "email": "ada@example.com"}})
}

pub struct Server {
    pub app: Router,
    pub environment: Arc<Environment>,
    pub other: Arc<Environment>,
    pub stop: watch::Sender<bool>,
    pub site: tokio::sync::OnceCell<Option<transport::Site>>,
}

pub fn settings() -> Settings {
    Settings {
        event_evaluations: true,
        // The interval is long, so that a heartbeat in a test can only be the first one.
        heartbeat: Duration::from_secs(3600),
        ticket_seconds: 60,
        cors_origins: vec!["*".to_owned()],
        admin_tokens: AdminTokens::default(),
        server_keys_in_browsers: false,
        loopback: true,
    }
}

/// Makes a server with a client key and a server key for `development`, and a client key for `other`.
pub fn server_with(settings: Settings, flags: Option<&str>) -> Server {
    let environment = Arc::new(Environment::new("development"));
    if let Some(flags) = flags {
        environment.apply(flags_file::parse(flags).unwrap());
    }
    let (stop, stopping) = watch::channel(false);
    server_of_with(environment, settings, stop, stopping)
}

pub fn keys() -> Keys {
    let mut keys = Keys::default();
    let grant = |environment: &str, kind| Grant {
        environment: environment.to_owned(),
        kind,
    };
    for (key, environment, kind) in [
        (CLIENT_KEY, "development", KeyKind::Client),
        (SERVER_KEY, "development", KeyKind::Server),
        ("other-key", "other", KeyKind::Client),
    ] {
        keys.add(Hashed::of(key), grant(environment, kind));
    }
    keys
}

pub fn server_of(
    environment: Arc<Environment>,
    stop: watch::Sender<bool>,
    stopping: watch::Receiver<bool>,
) -> Server {
    server_of_with(environment, settings(), stop, stopping)
}

fn server_of_with(
    environment: Arc<Environment>,
    settings: Settings,
    stop: watch::Sender<bool>,
    stopping: watch::Receiver<bool>,
) -> Server {
    let other = Arc::new(Environment::new("other"));
    let state = AppState::new(
        vec![Arc::clone(&environment), Arc::clone(&other)],
        keys(),
        settings,
        b"test secret",
        stopping,
    );
    Server {
        app: app(state),
        environment,
        other,
        stop,
        site: tokio::sync::OnceCell::new(),
    }
}

pub fn server() -> Server {
    server_with(settings(), Some(FLAGS))
}

impl Server {
    pub fn save(&self, flags: &str) -> Vec<Difference> {
        self.environment.apply(flags_file::parse(flags).unwrap())
    }

    /// Sends a request without a socket, or over the transport of [`transport::wanted`].
    pub async fn send(&self, request: Request<Body>) -> Response<Body> {
        let site = self.site.get_or_init(async || {
            let (app, stopping) = (self.app.clone(), self.stop.subscribe());
            let serving = Serving::default();
            Some(transport::serve_over(transport::wanted()?, app, stopping, serving).await)
        });
        match site.await {
            None => self.send_without_socket(request).await,
            Some(site) => site.connect().await.send(request).await.unwrap(),
        }
    }

    /// Sends a request without a socket, which also works after the server's sockets were closed.
    pub async fn send_without_socket(&self, request: Request<Body>) -> Response<Body> {
        self.app.clone().oneshot(request).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .body(body.into())
            .unwrap();
        read(self.send(request).await).await
    }

    pub async fn get(&self, path: &str, token: &str) -> (StatusCode, Value) {
        read(self.send(get(path, token)).await).await
    }

    /// Returns the reply to a sign-in.
    pub async fn sign_in(&self, key: &str, target: Value) -> Value {
        let (status, reply) = self
            .post(
                "/client/auth",
                json!({"apiKey": key, "target": target}).to_string(),
            )
            .await;
        assert_eq!(status, StatusCode::OK, "{reply}");
        reply
    }

    pub async fn token(&self, key: &str, target: Value) -> String {
        self.sign_in(key, target).await["authToken"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Returns the ticket that opens the stream by URL.
    pub async fn ticket(&self, key: &str, target: Value) -> String {
        let reply = self.sign_in(key, target).await;
        let url = reply["streamUrl"].as_str().unwrap();
        url.split_once("ticket=").unwrap().1.to_owned()
    }

    pub async fn stream(&self, request: Request<Body>) -> Stream {
        let response = self.send(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream {
            body: response.into_body(),
            text: String::new(),
        }
    }
}

pub fn get(path: &str, token: &str) -> Request<Body> {
    Request::get(path)
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap()
}

pub async fn read(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

pub struct Stream {
    body: Body,
    text: String,
}

impl Stream {
    /// Returns the next frame with its blank line, or `None` at the end of the stream.
    pub async fn frame(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                return Some(std::mem::replace(&mut self.text, rest));
            }
            let data = self.body.frame().await?.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    /// Returns the data of the next event, and skips heartbeats.
    pub async fn event(&mut self) -> Value {
        loop {
            let frame = self.frame().await.expect("the stream ended");
            if frame.starts_with("event: *\n") {
                let data = frame
                    .lines()
                    .nth(1)
                    .unwrap()
                    .strip_prefix("data: ")
                    .unwrap();
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}

pub mod admin;
pub mod gate;
pub mod listening;
pub mod replicas;
pub mod running;
pub mod transport;
