//! Tests a server as a relay, whose flags come from another server by its stream or by polling.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::IntoResponse as _;
use common::listening::*;
use common::*;
use flagwire_server::environment::{Current, SourceState};
use serde_json::json;
use tower::ServiceExt as _;

const DARK: &str = "dark-mode";

fn dark() -> String {
    FLAGS.replace("dark-mode: false", "dark-mode: true")
}

async fn client_stream(server: &Server) -> Stream {
    let token = server.token(CLIENT_KEY, ada()).await;
    server.stream(get("/stream", &token)).await
}

/// Counts the requests whose path contains a word.
fn counting(app: Router, word: &'static str) -> (Router, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let app = app.layer(middleware::from_fn(move |request: Request, next: Next| {
        if request.uri().path().contains(word) {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        next.run(request)
    }));
    (app, count)
}

/// Answers 503 instead of a stream while `closed` is true.
fn without_stream(app: Router, closed: Arc<AtomicBool>) -> Router {
    app.layer(middleware::from_fn(move |request: Request, next: Next| {
        let refuse = closed.load(Ordering::SeqCst) && request.uri().path().ends_with("/stream");
        async move {
            if refuse {
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
            next.run(request).await
        }
    }))
}

#[tokio::test]
async fn a_change_at_the_origin_reaches_browsers_behind_two_relays_with_its_evaluation() {
    let origin = server();
    let first_socket = listen(app_of(&origin)).await;
    let near = relay(upstream(first_socket.address));
    let second_socket = listen(app_of(&near)).await;
    let far = relay(upstream(second_socket.address));
    far.live().await;
    let mut stream = client_stream(&far).await;

    origin.save(&dark());
    let event = stream.event().await;
    assert_eq!(event["identifier"], DARK);
    assert_eq!(event["evaluations"][0]["value"], "true");

    // A group changes, with the flags that use it; then a flag is created and one is deleted.
    origin.save(&dark().replace("@example.com", "@example.org"));
    let event = stream.event().await;
    assert_eq!(
        (&event["domain"], &event["identifier"]),
        (&json!("target-segment"), &json!("staff"))
    );
    assert_eq!(event["evaluations"][0]["value"], "4");
    origin.save(
        &dark()
            .replace("@example.com", "@example.org")
            .replace("greeting", "welcome"),
    );
    assert_eq!(stream.event().await["event"], "create");
    assert_eq!(stream.event().await["event"], "delete");

    let origin = origin.environment.current().unwrap();
    let far = far.environment.current().unwrap();
    assert_eq!(far.content, origin.content, "both say the same");
    assert_eq!(
        far.snapshot.flags(),
        origin.snapshot.flags(),
        "versions included"
    );
}

#[tokio::test]
async fn an_upstream_that_dies_and_comes_back_is_followed_again_and_nothing_is_missed() {
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let relay = relay(upstream(socket.address));
    relay.live().await;
    let mut stream = client_stream(&relay).await;

    let address = socket.kill();
    let down = relay
        .status(|status| status.state == SourceState::Degraded)
        .await;
    assert!(!down.healthy && down.fresh_at.is_some());
    assert!(down.error.as_ref().unwrap().contains("cannot be reached"));
    relay.serves(DARK, "false").await;

    // The change is made while the upstream does not listen.
    origin.save(&dark());
    let _socket = listen_on(&address.to_string(), app_of(&origin)).await;
    assert_eq!(stream.event().await["identifier"], DARK);
    let up = relay.live().await;
    assert_eq!((up.healthy, up.error), (true, None));
    assert!(up.fresh_at > down.fresh_at, "as it has answered since");
    origin.save(FLAGS);
    assert_eq!(stream.event().await["identifier"], DARK);
}

#[tokio::test]
async fn without_the_upstreams_stream_it_polls_and_its_own_streams_stay_live() {
    let origin = server();
    let closed = Arc::new(AtomicBool::new(true));
    let socket = listen(without_stream(app_of(&origin), Arc::clone(&closed))).await;
    let mut options = upstream(socket.address);
    options.poll = Duration::from_millis(20);
    let relay = relay(options);
    let polling = relay
        .status(|status| status.state == SourceState::Polling)
        .await;
    assert!(polling.healthy && polling.fresh_at.is_some());
    let polling = relay.status(|status| status.error.is_some()).await;
    assert!(polling.error.unwrap().contains("503"));
    let mut stream = client_stream(&relay).await;
    origin.save(&dark());
    assert_eq!(stream.event().await["evaluations"][0]["value"], "true");
    // The relay uses the stream again once there is one.
    closed.store(false, Ordering::SeqCst);
    relay.live().await;
    origin.save(FLAGS);
    assert_eq!(stream.event().await["evaluations"][0]["value"], "false");
}

#[tokio::test]
async fn while_the_stream_is_open_it_does_not_poll_and_a_burst_is_few_fetches() {
    let origin = server();
    let (app, fetches) = counting(app_of(&origin), "/feature-configs");
    let socket = listen(app).await;
    let mut options = upstream(socket.address);
    options.poll = Duration::from_millis(1);
    let relay = relay(options);
    relay.live().await;
    origin.save(&dark());
    relay.serves(DARK, "true").await;
    let before = fetches.load(Ordering::SeqCst);
    for n in 0..200 {
        origin.save(&FLAGS.replace("dark-mode: false", &format!("dark-mode: {}", n % 2 == 0)));
    }
    origin.save(&dark().replace("rps: 1 ", "rps: 7 "));
    let wanted = origin.environment.current().unwrap().content.clone();
    relay.has(&wanted).await;
    let made = fetches.load(Ordering::SeqCst) - before;
    assert!(made <= 20, "{made} fetches for 201 changes");
}

#[tokio::test]
async fn replicas_of_an_upstream_that_lag_behind_each_other_need_no_stickiness() {
    let (ahead, behind) = (server(), server());
    // Streams go to the first server; all other requests go to both in turn.
    let turn = Arc::new(AtomicUsize::new(0));
    let (a, b) = (app_of(&ahead), app_of(&behind));
    let balanced = Router::new().fallback(move |request: Request| {
        let (a, b) = (a.clone(), b.clone());
        let first = request.uri().path().ends_with("/stream")
            || turn.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        async move { if first { a } else { b }.oneshot(request).await.unwrap() }
    });
    let socket = listen(balanced).await;
    let relay = relay(upstream(socket.address));
    relay.live().await;
    for round in 0..3 {
        let flags = if round % 2 == 0 {
            dark()
        } else {
            FLAGS.to_owned()
        };
        ahead.save(&flags);
        let variation = if round % 2 == 0 { "true" } else { "false" };
        relay.serves(DARK, variation).await;
        behind.save(&flags);
    }
}

#[tokio::test]
async fn a_key_that_is_refused_is_said_plainly() {
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    for (key, expected) in [
        ("no-such-key", "refuses the sign-in (401"),
        (CLIENT_KEY, "use a server key of the same environment"),
    ] {
        let mut options = upstream(socket.address);
        options.api_key = key.into();
        let relay = relay(options);
        let status = relay
            .status(|status| {
                status
                    .error
                    .as_ref()
                    .is_some_and(|error| error.contains(expected))
            })
            .await;
        assert_eq!(
            (status.state, status.healthy),
            (SourceState::Starting, false)
        );
        assert!(relay.environment.current().is_none());
    }
}

#[tokio::test]
async fn a_token_that_is_no_longer_valid_is_replaced() {
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let relay = relay(upstream(socket.address));
    relay.live().await;
    let address = socket.kill();
    // The server starts again with another signing secret.
    let (_stop, stopping) = tokio::sync::watch::channel(false);
    let state = flagwire_server::AppState::new(
        vec![Arc::clone(&origin.environment)],
        keys(),
        settings(),
        b"another secret",
        stopping,
    );
    origin.save(&dark());
    let _socket = listen_on(&address.to_string(), flagwire_server::app(state)).await;
    relay.serves(DARK, "true").await;
    relay.live().await;
}

#[tokio::test]
async fn what_browsers_count_is_summed_and_passed_on_also_after_an_outage() {
    let origin = server();
    let (app, posts) = counting(app_of(&origin), "/metrics/");
    let socket = listen(app.clone()).await;
    let mut options = upstream(socket.address);
    // Long enough for several posts of browsers, however busy the machine is.
    options.metrics = Duration::from_millis(500);
    let relay = relay(options);
    relay.live().await;
    let token = relay.token(CLIENT_KEY, ada()).await;
    let report = |count: u64| {
        let pair = |key: &str, value: &str| json!({"key": key, "value": value});
        json!({"metricsData": [{"timestamp": 1, "count": count, "metricsType": "FFMETRICS", "attributes": [
            pair("featureIdentifier", DARK), pair("variationIdentifier", "false"), pair("SDK_LANGUAGE", "JavaScript")]}]})
    };
    let post = async |count| {
        let request = axum::http::Request::post("/metrics/development")
            .header("authorization", format!("Bearer {token}"))
            .body(axum::body::Body::from(report(count).to_string()))
            .unwrap();
        assert_eq!(relay.send(request).await.status(), StatusCode::OK);
    };
    let counted = || {
        origin
            .environment
            .usage
            .totals()
            .first()
            .map_or(0, |(_, _, count)| *count)
    };
    for _ in 0..50 {
        post(2).await;
    }
    while counted() < 100 {
        tokio::task::yield_now().await;
    }
    assert!(
        posts.load(Ordering::SeqCst) < 50,
        "posts of browsers are summed up"
    );
    let address = socket.kill();
    relay
        .status(|status| status.state == SourceState::Degraded)
        .await;
    post(5).await;
    let _socket = listen_on(&address.to_string(), app).await;
    while counted() < 105 {
        tokio::task::yield_now().await;
    }
    assert_eq!(counted(), 105);
}

/// Answers `path` with `[]` while `empty` is true.
fn emptied(app: Router, path: &'static str, empty: Arc<AtomicBool>) -> Router {
    app.layer(middleware::from_fn(move |request: Request, next: Next| {
        let empty = empty.load(Ordering::SeqCst) && request.uri().path().ends_with(path);
        async move {
            if empty {
                return axum::Json(json!([])).into_response();
            }
            next.run(request).await
        }
    }))
}

/// One event tells of the loss, so the next fetch is a look by entity tags, which an upstream that has lost nothing more
/// answers with 304.
#[tokio::test]
async fn a_loss_is_doubted_although_the_upstream_answers_not_modified_next() {
    let origin = server_with(settings(), Some("flags: { a: true }"));
    let socket = listen(app_of(&origin)).await;
    let mut options = upstream(socket.address);
    options.recheck = Duration::from_millis(20);
    let relay = relay(options);
    relay.live().await;
    origin.save("flags: {}");
    let doubted = relay
        .status(|status| status.state == SourceState::Degraded)
        .await;
    let error = doubted.error.unwrap();
    assert!(error.contains("suddenly lacks 1 of 1 flag"), "{error}");
}

#[tokio::test]
async fn an_upstream_that_suddenly_has_nothing_is_doubted_until_it_has_flags_again_or_that_is_accepted()
 {
    let origin = server();
    let empty = Arc::new(AtomicBool::new(false));
    let app = emptied(app_of(&origin), "/feature-configs", Arc::clone(&empty));
    let socket = listen(app).await;
    let mut options = upstream(socket.address);
    options.recheck = Duration::from_millis(20);
    let relay = relay(options);
    relay.live().await;
    let flags = || {
        let current = relay.environment.current().unwrap();
        current.snapshot.flags().len()
    };
    empty.store(true, Ordering::SeqCst);
    origin.save(&dark());
    let doubted = relay
        .status(|status| status.state == SourceState::Degraded)
        .await;
    let error = doubted.error.unwrap();
    assert!(error.contains("suddenly lacks 4 of 4 flags"), "{error}");
    assert!(error.contains("/admin/accept"), "{error}");
    assert!(!doubted.healthy && doubted.fresh_at.is_some());
    assert_eq!(flags(), 4);

    // Groups that change meanwhile are put in force, but do not make the loss of flags believed.
    origin.save(&dark().replace("@example.com", "@example.org"));
    let has_the_group =
        |now: &Current| format!("{:?}", now.snapshot.segments()).contains("@example.org");
    let wanted = || "a group with @example.org".to_owned();
    relay.until(has_the_group, wanted).await;
    let doubted = relay.status(|_| true).await;
    assert_eq!(doubted.state, SourceState::Degraded);
    assert!(relay.environment.doubt().is_some());

    // The upstream is asked again, and believed once it has flags.
    empty.store(false, Ordering::SeqCst);
    relay.live().await;
    relay.serves(DARK, "true").await;

    empty.store(true, Ordering::SeqCst);
    origin.save(FLAGS);
    relay
        .status(|status| status.state == SourceState::Degraded)
        .await;
    let accept = || {
        let request = axum::http::Request::post("/admin/accept").header("host", "localhost");
        relay.send(request.body(axum::body::Body::empty()).unwrap())
    };
    assert_eq!(accept().await.status(), StatusCode::OK);
    relay.live().await;
    assert_eq!(flags(), 0);
    let again = read(accept().await).await;
    assert_eq!(again.0, StatusCode::CONFLICT, "{}", again.1);
}

#[tokio::test]
async fn groups_that_suddenly_are_all_gone_are_doubted_and_believed_in_the_end() {
    let origin = server();
    let empty = Arc::new(AtomicBool::new(false));
    let app = emptied(app_of(&origin), "/target-segments", Arc::clone(&empty));
    let socket = listen(app).await;
    let mut options = upstream(socket.address);
    options.recheck = Duration::from_millis(20);
    let relay = relay(options);
    relay.live().await;
    empty.store(true, Ordering::SeqCst);
    origin.save(&FLAGS.replace("@example.com", "@example.org"));
    let doubted = relay
        .status(|status| status.state == SourceState::Degraded)
        .await;
    let error = doubted.error.unwrap();
    assert!(error.contains("suddenly lacks 1 of 1 group"), "{error}");
    relay.live().await;
    let current = relay.environment.current().unwrap();
    assert_eq!(current.snapshot.segments().len(), 0);
}

#[tokio::test]
async fn at_the_start_an_empty_upstream_does_not_replace_what_was_kept() {
    let directory = tempfile::TempDir::new().unwrap();
    let origin = server();
    let empty = Arc::new(AtomicBool::new(true));
    let app = emptied(app_of(&origin), "/feature-configs", Arc::clone(&empty));
    let socket = listen(app).await;
    let mut options = upstream(socket.address);
    options.recheck = Duration::from_millis(20);
    let kept = flagwire_server::source::saved::SavedConfiguration::new(
        directory.path(),
        "development",
        &options.source(),
    );
    let saved = flagwire_server::flags_file::parse(FLAGS).unwrap();
    kept.save(&saved.flags, &saved.segments).unwrap();
    let (_, saved_at) = kept.load().unwrap().unwrap();
    options.kept = Some(kept.clone());
    let relay = relay(options);
    let doubted = relay
        .status(|status| {
            let error = status.error.as_deref().unwrap_or_default();
            error.contains("suddenly lacks 4 of 4 flags")
        })
        .await;
    assert_eq!(doubted.state, SourceState::Degraded);
    // No doubted answer, the first one included, proves that what was kept is current.
    assert_eq!(doubted.fresh_at, Some(saved_at));
    assert_eq!(kept.load().unwrap().unwrap().0.flags.len(), 4);
}

/// Redirects requests whose paths end in `path` to the same path of `to`.
fn redirecting(app: Router, path: &'static str, to: String) -> Router {
    app.layer(middleware::from_fn(move |request: Request, next: Next| {
        let original = request.extensions().get::<axum::extract::OriginalUri>();
        let uri = original.map_or_else(|| request.uri().clone(), |original| original.0.clone());
        let away = uri.path().contains(path).then(|| format!("{to}{uri}"));
        async move {
            match away {
                Some(away) => {
                    (StatusCode::TEMPORARY_REDIRECT, [("location", away)]).into_response()
                }
                None => next.run(request).await,
            }
        }
    }))
}

#[tokio::test]
async fn the_key_goes_to_no_other_origin_however_the_upstream_redirects() {
    let origin = server();
    let elsewhere = Arc::new(AtomicUsize::new(0));
    let heard = Arc::clone(&elsewhere);
    let other = listen(Router::new().fallback(move || {
        heard.fetch_add(1, Ordering::SeqCst);
        async { StatusCode::OK }
    }))
    .await;
    let to = format!("http://{}", other.address);
    for path in [
        "/client/auth",
        "/feature-configs",
        "/target-segments",
        "/stream",
        "/metrics/",
    ] {
        let socket = listen(redirecting(app_of(&origin), path, to.clone())).await;
        let mut options = upstream(socket.address);
        options.metrics = Duration::from_millis(5);
        options.poll = Duration::from_millis(5);
        let (from, metrics) = (socket.address.to_string(), path == "/metrics/");
        let relay = relay(options);
        if metrics {
            // Lost metrics are not reported, so the relay posts them again and again.
            relay.live().await;
            let counted = json!({"metricsData": [{"timestamp": 1, "count": 1, "metricsType": "FFMETRICS", "attributes": [
                {"key": "featureIdentifier", "value": DARK}, {"key": "variationIdentifier", "value": "false"}]}]});
            let token = relay.token(CLIENT_KEY, ada()).await;
            let request = axum::http::Request::post("/metrics/development")
                .header("authorization", format!("Bearer {token}"))
                .body(axum::body::Body::from(counted.to_string()))
                .unwrap();
            assert_eq!(relay.send(request).await.status(), StatusCode::OK);
            let mut outbox = relay.environment.watch_generation();
            drop(tokio::time::timeout(Duration::from_millis(200), outbox.changed()).await);
        } else {
            let status = relay
                .status(|status| {
                    let error = status.error.as_deref().unwrap_or_default();
                    error.contains("redirects to")
                })
                .await;
            let error = status.error.unwrap();
            assert!(error.contains(&from) && error.contains(&to), "{error}");
        }
        assert_eq!(elsewhere.load(Ordering::SeqCst), 0, "{path}");
    }
}

#[tokio::test]
async fn redirects_within_the_origin_are_followed_and_circles_are_not() {
    let origin = server();
    let app = app_of(&origin);
    // All endpoints are below `/moved`.
    let moved = Router::new()
        .nest("/moved", app.clone())
        .fallback(|request: Request| async move {
            let to = format!("/moved{}", request.uri());
            (StatusCode::PERMANENT_REDIRECT, [("location", to)]).into_response()
        });
    let socket = listen(moved).await;
    let through = relay(upstream(socket.address));
    through.live().await;

    let circle = Router::new().fallback(|request: Request| async move {
        let to = request.uri().to_string();
        (StatusCode::PERMANENT_REDIRECT, [("location", to)]).into_response()
    });
    let socket = listen(circle).await;
    let around = relay(upstream(socket.address));
    let status = around
        .status(|status| {
            let error = status.error.as_deref().unwrap_or_default();
            error.contains("redirects more than 5 times")
        })
        .await;
    assert_eq!(status.state, SourceState::Starting);
}

/// Holds streams open as the proxy pushpin does, also when the server behind it is gone.
fn holding_streams(
    behind: Arc<std::sync::Mutex<Option<Router>>>,
    streams: Arc<AtomicUsize>,
) -> Router {
    Router::new().fallback(move |request: Request| {
        let (behind, streams) = (Arc::clone(&behind), Arc::clone(&streams));
        async move {
            if request.uri().path().ends_with("/stream") {
                streams.fetch_add(1, Ordering::SeqCst);
                let beats = futures_util::stream::unfold((), |()| async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Some((Ok::<_, std::io::Error>(":\n\n"), ()))
                });
                let kind = [("content-type", "text/event-stream")];
                return (kind, axum::body::Body::from_stream(beats)).into_response();
            }
            let app = behind.lock().unwrap().clone();
            match app {
                Some(app) => app.oneshot(request).await.unwrap(),
                None => StatusCode::BAD_GATEWAY.into_response(),
            }
        }
    })
}

#[tokio::test]
async fn an_open_stream_is_no_proof_and_what_it_does_not_tell_is_found() {
    let origin = server();
    let behind = Arc::new(std::sync::Mutex::new(Some(app_of(&origin))));
    let streams = Arc::new(AtomicUsize::new(0));
    let socket = listen(holding_streams(Arc::clone(&behind), Arc::clone(&streams))).await;
    let mut options = upstream(socket.address);
    options.safety = Duration::from_millis(50);
    let relay = relay(options);
    let live = relay.live().await;
    let first = live.fresh_at.unwrap();

    // The stream does not report this change.
    origin.save(&dark());
    relay.serves(DARK, "true").await;

    // Nor does the stream report that the server is gone: the relay is degraded although the stream is open.
    *behind.lock().unwrap() = None;
    let down = relay
        .status(|status| status.state == SourceState::Degraded)
        .await;
    assert!(!down.healthy && down.error.unwrap().contains("502"));
    assert!(down.fresh_at.unwrap() > first);

    // Another server takes its place behind the same stream.
    let other = server();
    other.save(FLAGS);
    *behind.lock().unwrap() = Some(app_of(&other));
    relay.serves(DARK, "false").await;
    relay.live().await;
    assert_eq!(
        streams.load(Ordering::SeqCst),
        1,
        "the same stream all along"
    );
}

#[tokio::test]
async fn a_look_at_an_upstream_that_knows_tags_costs_next_to_nothing_and_proves_freshness() {
    let origin = server();
    let unchanged = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&unchanged);
    let app = app_of(&origin).layer(middleware::from_fn(move |request: Request, next: Next| {
        let counter = Arc::clone(&counter);
        async move {
            let reply = next.run(request).await;
            if reply.status() == StatusCode::NOT_MODIFIED {
                counter.fetch_add(1, Ordering::SeqCst);
            }
            reply
        }
    }));
    let socket = listen(app).await;
    let mut options = upstream(socket.address);
    options.safety = Duration::from_millis(20);
    let relay = relay(options);
    relay.live().await;
    while unchanged.load(Ordering::SeqCst) < 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let fresh_at = relay.environment.status().fresh_at.unwrap();
    while relay.environment.status().fresh_at.unwrap() == fresh_at {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(relay.environment.current().unwrap().generation, 1);
    origin.save(&dark());
    relay.serves(DARK, "true").await;
}
