//! Requests of any shape to the server's router: no panic, nothing that is the server's fault, errors that say what to do,
//! and no secret for who did not send it.
//!
//! An input is written as a request is: method and address in the first line, headers, an empty line, the body. `{token}`
//! and the other words of [`Words`] stand for what is only known once the server runs.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use flagwire_fuzz::text;
use flagwire_server::auth::{AdminTokens, Grant, Hashed, KeyKind, Keys};
use flagwire_server::environment::Environment;
use flagwire_server::source::Source as _;
use flagwire_server::source::file::FileSource;
use flagwire_server::{AppState, Settings, app};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

const CLIENT_KEY: &str = "the-client-key-of-the-fuzzing";
const SERVER_KEY: &str = "the-server-key-of-the-fuzzing";
const ADMIN_TOKEN: &str = "the-admin-token-of-the-fuzzing";
const SIGNING: &str = "what-the-fuzzed-server-signs-with";

const FLAGS: &str = "\
flags:
  # For the night.
  dark: { default: false, rules: [{ when: { group: staff }, serve: true }] }
  limits:
    variations: { free: { rps: 1 }, gold: { rps: 100 } }
    default: free
    targets: { gold: [ada] }
  size: { variations: { small: 4, large: 12 }, default: { small: 50, large: 50 }, off: small }
  greeting: \"\"
groups:
  staff: { rules: [{ email: { ends-with: '@example.com' } }] }
";

#[test]
fn any_request_gets_an_answer_that_says_what_to_do() {
    flagwire_fuzz::fuzz("http", 300, check);
}

fn check(input: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(play(&text(input)));
}

struct Server {
    app: Router,
    /// Streams end without it.
    _stop: watch::Sender<bool>,
    _directory: tempfile::TempDir,
}

/// One environment, whose flags come from a file that the admin page may change.
fn server() -> Server {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.yaml");
    std::fs::write(&path, FLAGS).unwrap();
    let environment = Arc::new(Environment::new("development"));
    let (stop, stopping) = watch::channel(false);
    // What it does at once is enough: its configuration and its editor are in place, and nobody else changes the file.
    let source = Box::new(FileSource::open(&path).unwrap());
    drop(source.run(Arc::clone(&environment), stopping.clone()));
    let mut keys = Keys::default();
    for (key, kind) in [(CLIENT_KEY, KeyKind::Client), (SERVER_KEY, KeyKind::Server)] {
        let environment = "development".to_owned();
        keys.add(Hashed::of(key), Grant { environment, kind });
    }
    let settings = Settings {
        event_evaluations: true,
        heartbeat: Duration::from_secs(3600),
        ticket_seconds: 60,
        cors_origins: vec!["https://example.com".to_owned()],
        admin_tokens: AdminTokens::single(Hashed::of(ADMIN_TOKEN)),
        server_keys_in_browsers: false,
        loopback: true,
    };
    let state = AppState::new(
        vec![environment],
        keys,
        settings,
        SIGNING.as_bytes(),
        stopping,
    );
    Server {
        app: app(state),
        _stop: stop,
        _directory: directory,
    }
}

/// What the words in braces stand for.
struct Words(Vec<(&'static str, String)>);

impl Words {
    async fn of(app: &Router) -> Self {
        let mut words = vec![
            ("{client-key}", CLIENT_KEY.to_owned()),
            ("{server-key}", SERVER_KEY.to_owned()),
            ("{admin-token}", ADMIN_TOKEN.to_owned()),
        ];
        let target = json!({"identifier": "ada", "attributes": {"email": "ada@example.com"}});
        for (word, key) in [("{token}", CLIENT_KEY), ("{server-token}", SERVER_KEY)] {
            let body = json!({"apiKey": key, "target": target}).to_string();
            let request = Request::post("/client/auth")
                .body(Body::from(body))
                .unwrap();
            let reply = app.clone().oneshot(request).await.unwrap();
            let reply = reply.into_body().collect().await.unwrap().to_bytes();
            let reply: Value = serde_json::from_slice(&reply).unwrap();
            words.push((word, reply["authToken"].as_str().unwrap().to_owned()));
        }
        Self(words)
    }

    fn filled_in(&self, text: &str) -> String {
        let all = self.0.iter();
        all.fold(text.to_owned(), |text, (word, meaning)| {
            text.replace(word, meaning)
        })
    }

    /// What an answer may not hold unless the request did.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let words = self.0.iter().map(|(_, meaning)| meaning.as_str());
        words.chain([SIGNING])
    }
}

async fn play(input: &str) {
    let server = server();
    let words = Words::of(&server.app).await;
    let text = words.filled_in(input);
    let Some(request) = request(&text) else {
        return;
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = server.app.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = body(response.into_body(), &headers).await;
    assert!(
        !status.is_server_error(),
        "{method} {path} gave {status}: {body}"
    );
    if status.is_client_error() && method != Method::HEAD {
        says_what_to_do(&headers, &body);
    }
    let told = format!("{headers:?}\n{body}");
    // The reply to a sign-in is a token, and one of the same second is the same.
    let own = status == StatusCode::OK && path.ends_with("/client/auth");
    for secret in words.secrets() {
        assert!(
            own || text.contains(secret) || !told.contains(secret),
            "{method} {path} gave {secret} away: {told}"
        );
    }
    // Whatever that did, others are served.
    let next = Request::get("/client/env/development/target/ada/evaluations")
        .header("authorization", words.filled_in("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    let next = server.app.clone().oneshot(next).await.unwrap();
    assert_eq!(next.status(), StatusCode::OK, "after {method} {path}");
}

/// `None` for what is no HTTP, which no connection hands on to the router.
fn request(text: &str) -> Option<Request<Body>> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, address) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).ok()?)
        .uri(address)
        .body(Body::from(body.to_owned()))
        .ok()?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    for line in lines {
        if let Some((name, value)) = line.split_once(':')
            && let Ok(name) = HeaderName::from_bytes(name.as_bytes())
            && let Ok(value) = HeaderValue::from_bytes(value.trim().as_bytes())
        {
            headers.append(name, value);
        }
    }
    Some(request)
}

/// All of a body; of a stream what is there at once.
async fn body(mut body: Body, headers: &HeaderMap) -> String {
    let stream = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == "text/event-stream");
    let mut bytes = Vec::new();
    if stream {
        while let Ok(Some(frame)) = tokio::time::timeout(Duration::ZERO, body.frame()).await {
            bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
    } else {
        bytes.extend_from_slice(&body.collect().await.unwrap().to_bytes());
    }
    String::from_utf8(bytes).expect("an answer is text")
}

/// JSON with a sentence, as the protocol's errors or OpenFeature's.
fn says_what_to_do(headers: &HeaderMap, body: &str) {
    let json: Value = serde_json::from_str(body)
        .unwrap_or_else(|_| panic!("an error without JSON: {headers:?} {body}"));
    let sentence = json.get("message").or_else(|| json.get("errorDetails"));
    let sentence = sentence.and_then(Value::as_str).unwrap_or_default();
    assert!(sentence.len() > 5, "an error without a sentence: {body}");
    assert_eq!(headers[CONTENT_TYPE], "application/json", "{body}");
}
