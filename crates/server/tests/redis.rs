//! Replicas that share through a real Redis server: who brings configurations, what the others get, and what happens when
//! a replica, Redis or the upstream dies.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::middleware::{self, Next};
use common::listening::*;
use common::replicas::*;
use common::*;
use flagwire_server::environment::{Role, SourceState};
use flagwire_server::source::file::FileOrigin;
use flagwire_server::source::upstream::{UpstreamOptions, UpstreamSource};
use serde_json::json;

const DARK: &str = "dark-mode";

fn dark() -> String {
    FLAGS.replace("dark-mode: false", "dark-mode: true")
}

fn origin(socket: &Listening) -> UpstreamSource {
    UpstreamSource::new(upstream(socket.address)).unwrap()
}

async fn client_stream(replica: &Replicated) -> Stream {
    let token = replica.server.token(CLIENT_KEY, ada()).await;
    replica.server.stream(get("/stream", &token)).await
}

/// Counts sign-ins, of which there is one for each replica that talks to the server.
fn counting_sign_ins(app: Router) -> (Router, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let app = app.layer(middleware::from_fn(
        move |request: Request<Body>, next: Next| {
            if request.uri().path().ends_with("/client/auth") {
                counter.fetch_add(1, Ordering::SeqCst);
            }
            next.run(request)
        },
    ));
    (app, count)
}

/// `None` where Redis is not installed.
async fn redis_and_upstream() -> Option<(RedisServer, Server, Listening)> {
    let redis = RedisServer::start()?;
    let upstream = server();
    let socket = listen(app_of(&upstream)).await;
    Some((redis, upstream, socket))
}

/// Three replicas of one upstream, the first of which leads.
async fn three(redis: &RedisServer, socket: &Listening) -> [Replicated; 3] {
    let first = replica(options(&redis.url(), "first"), origin(socket));
    first.leads().await;
    let second = replica(options(&redis.url(), "second"), origin(socket));
    let third = replica(options(&redis.url(), "third"), origin(socket));
    for one in [&first, &second, &third] {
        assert!(one.server.live().await.healthy);
    }
    [first, second, third]
}

#[tokio::test]
async fn one_replica_talks_to_the_upstream_and_a_change_reaches_the_streams_of_all() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let upstream = server();
    let (app, sign_ins) = counting_sign_ins(app_of(&upstream));
    let socket = listen(app).await;
    let replicas = three(&redis, &socket).await;
    assert_eq!(sign_ins.load(Ordering::SeqCst), 1);
    let [first, second, third] = &replicas;
    for one in [second, third] {
        let status = one.stands(|status| status.leader.is_some()).await;
        assert_eq!(
            (status.role, status.leader.as_deref(), status.connected),
            (Role::Follower, Some("first"), true)
        );
    }

    let mut streams = [
        client_stream(first).await,
        client_stream(second).await,
        client_stream(third).await,
    ];
    for (flags, value) in [(dark(), "true"), (FLAGS.to_owned(), "false")] {
        upstream.save(&flags);
        for stream in &mut streams {
            let event = stream.event().await;
            assert_eq!(
                (&event["identifier"], &event["evaluations"][0]["value"]),
                (&DARK.into(), &value.into())
            );
        }
    }
    for one in &replicas {
        let current = one.server.environment.current().unwrap();
        let wanted = upstream.environment.current().unwrap();
        assert_eq!(current.content, wanted.content);
        assert_eq!(current.snapshot.flags(), wanted.snapshot.flags());
        assert_eq!(
            one.server.environment.stamp(),
            first.server.environment.stamp()
        );
    }
}

#[tokio::test]
async fn when_the_leader_dies_another_one_takes_over() {
    let Some((redis, upstream, socket)) = redis_and_upstream().await else {
        return;
    };
    let [first, second, third] = three(&redis, &socket).await;
    let mut streams = [client_stream(&second).await, client_stream(&third).await];
    first.kill();
    // Made while nobody tells.
    upstream.save(&dark());
    for stream in &mut streams {
        assert_eq!(stream.event().await["evaluations"][0]["value"], "true");
    }
    one_leads(&[&second, &third]).await;
}

#[tokio::test]
async fn a_replica_that_starts_while_the_upstream_is_down_serves_what_redis_has() {
    let Some((redis, upstream, socket)) = redis_and_upstream().await else {
        return;
    };
    let first = replica(options(&redis.url(), "first"), origin(&socket));
    first.leads().await;
    first.server.serves(DARK, "false").await;
    first.server.live().await;
    let late_origin = origin(&socket);
    let address = socket.kill();
    first.kill();
    let late = replica(options(&redis.url(), "late"), late_origin);
    late.server.serves(DARK, "false").await;
    late.leads().await;
    let status = late
        .server
        .status(|status| status.state == SourceState::Degraded)
        .await;
    assert!(!status.healthy && status.fresh_at.is_some());

    upstream.save(&dark());
    let _socket = listen_on(&address.to_string(), app_of(&upstream)).await;
    late.server.serves(DARK, "true").await;
}

#[tokio::test]
async fn a_redis_that_is_flushed_is_filled_again() {
    let Some((redis, upstream, socket)) = redis_and_upstream().await else {
        return;
    };
    let [first, second, third] = three(&redis, &socket).await;
    redis.flush().await;
    // Whoever finds the lease free first.
    let refilled = async |replica: &Replicated| replica.stands(|status| status.refills > 0).await;
    tokio::select! {
        _ = refilled(&first) => {}
        _ = refilled(&second) => {}
        _ = refilled(&third) => {}
    }
    let late = replica(options(&redis.url(), "late"), origin(&socket));
    late.server.serves(DARK, "false").await;
    upstream.save(&dark());
    for one in [&first, &second, &third, &late] {
        one.server.serves(DARK, "true").await;
    }
}

#[tokio::test]
async fn a_redis_that_dies_is_gone_on_without_and_one_that_is_back_is_filled_again() {
    let Some(mut redis) = RedisServer::start() else {
        return;
    };
    let upstream = server();
    let (app, sign_ins) = counting_sign_ins(app_of(&upstream));
    let socket = listen(app).await;
    let replicas = three(&redis, &socket).await;
    let mut streams = Vec::new();
    for one in &replicas {
        streams.push(client_stream(one).await);
    }
    redis.kill();
    for one in &replicas {
        let status = one.stands(|status| !status.connected).await;
        assert!(status.last_error.is_some());
    }
    upstream.save(&dark());
    for stream in &mut streams {
        assert_eq!(stream.event().await["evaluations"][0]["value"], "true");
    }
    for one in &replicas {
        one.stands(|status| status.role == Role::Alone).await;
    }
    assert_eq!(sign_ins.load(Ordering::SeqCst), 3, "each asks by itself");

    redis.restart();
    for one in &replicas {
        one.stands(|status| status.connected && status.leader.is_some())
            .await;
    }
    let all: Vec<&Replicated> = replicas.iter().collect();
    one_leads(&all).await;
    upstream.save(FLAGS);
    for stream in &mut streams {
        assert_eq!(stream.event().await["evaluations"][0]["value"], "false");
    }
    let cold = replica(options(&redis.url(), "cold"), origin(&socket));
    cold.server.serves(DARK, "false").await;
    cold.stands(|status| status.role == Role::Follower).await;
    one_leads(&all).await;
}

#[tokio::test]
async fn a_reader_that_comes_back_to_another_replica_gets_what_it_missed_and_no_more() {
    let Some((redis, upstream, socket)) = redis_and_upstream().await else {
        return;
    };
    let [first, second, third] = three(&redis, &socket).await;
    let mut stream = client_stream(&first).await;
    upstream.save(&dark());
    let frame = loop {
        let frame = stream.frame().await.unwrap();
        if frame.starts_with("event: *") {
            break frame;
        }
    };
    let id = frame.lines().find_map(|line| line.strip_prefix("id: "));
    let id = id.unwrap().to_owned();
    drop(stream);
    for one in [&second, &third] {
        one.server.serves(DARK, "true").await;
    }
    // A flag and, through its group, another one. Each replica takes each change: one that took both in one step could
    // not tell what was missed.
    let last = dark()
        .replace("rps: 100", "rps: 8")
        .replace("@example.com", "@example.org");
    for flags in [dark().replace("rps: 100", "rps: 7"), last] {
        upstream.save(&flags);
        let wanted = upstream.environment.current().unwrap().content.clone();
        for one in [&first, &second, &third] {
            one.server.has(&wanted).await;
        }
    }
    for one in [&first, &second, &third] {
        let token = one.server.token(CLIENT_KEY, ada()).await;
        let mut request = get("/stream", &token);
        request
            .headers_mut()
            .insert("last-event-id", id.parse().unwrap());
        let mut stream = one.server.stream(request).await;
        assert!(stream.frame().await.unwrap().starts_with(':'));
        let mut events = [stream.event().await, stream.event().await];
        events.sort_by_key(|event| event["identifier"].to_string());
        assert_eq!(events[0]["evaluations"][0]["value"], "{\"rps\":8}");
        assert_eq!(events[1]["identifier"], "staff");
        assert_eq!(events[1]["evaluations"][0]["value"], "4");
    }
}

#[tokio::test]
async fn a_change_from_the_page_of_any_replica_is_made_by_the_one_that_owns_the_file() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("flags.yaml");
    std::fs::write(&file, FLAGS).unwrap();
    let owner = replica(options(&redis.url(), "owner"), FileOrigin(file.clone()));
    owner.leads().await;
    // It has no file, and never leads.
    let nowhere = directory.path().join("nowhere.yaml");
    let other = replica(options(&redis.url(), "other"), FileOrigin(nowhere.clone()));
    other.server.serves(DARK, "false").await;
    let mut stream = client_stream(&owner).await;

    let change = async |flag: &str, body: &str| {
        let request = Request::post(format!("/admin/flags/{flag}"))
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        read(other.server.send(request).await).await
    };
    // On a busy machine the leader may lose its lease for a moment.
    let change_at_last = async |body: &str| {
        loop {
            let (status, answer) = change(DARK, body).await;
            if status == StatusCode::OK {
                return;
            }
            assert_eq!(status, StatusCode::CONFLICT, "{answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    change_at_last(r#"{"default": "true"}"#).await;
    assert_eq!(stream.event().await["evaluations"][0]["value"], "true");
    let current = other.server.environment.current().unwrap();
    let dark = current.snapshot.flag(DARK).unwrap();
    assert_eq!(
        dark.default_serve.variation.as_deref(),
        Some("true"),
        "it is in force here when the reply comes"
    );
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .contains("dark-mode: true")
    );

    let (status, body) = change("nothing", r#"{"state": "on"}"#).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{body}");
    let (status, body) = change(DARK, r#"{"default": "blue"}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    assert!(
        body["message"].as_str().unwrap().contains("it has: "),
        "{body}"
    );

    // Nobody else can own the flags.
    owner.kill();
    let status = other.server.status(|status| !status.healthy).await;
    assert!(status.error.unwrap().contains("nowhere.yaml"));
    let (status, body) = change(DARK, r#"{"default": "false"}"#).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(
        body["message"].as_str().unwrap().contains("try again soon"),
        "{body}"
    );
    other.server.serves(DARK, "true").await;
    assert_eq!(other.standing().role, Role::Follower);
    // And once it can, it does.
    std::fs::copy(&file, &nowhere).unwrap();
    other.leads().await;
    change_at_last(r#"{"default": "false"}"#).await;
    other.server.serves(DARK, "false").await;
}

#[tokio::test]
async fn a_leader_that_cannot_reach_the_upstream_lets_another_one_try() {
    let Some((redis, _, socket)) = redis_and_upstream().await else {
        return;
    };
    // A port that nobody listens on.
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    let cut_off = UpstreamSource::new(UpstreamOptions::new(nobody.parse().unwrap(), SERVER_KEY));
    let mut short = options(&redis.url(), "cut off");
    short.lease = LEASE / 3;
    let first = replica(short, cut_off.unwrap());
    first.leads().await;
    let second = replica(options(&redis.url(), "second"), origin(&socket));
    second.leads().await;
    first.server.serves(DARK, "false").await;
    first
        .stands(|status| status.role == Role::Follower && status.leader.is_some())
        .await;
}

#[tokio::test]
async fn a_leader_that_was_asleep_overwrites_nothing() {
    let Some((redis, upstream, socket)) = redis_and_upstream().await else {
        return;
    };
    let [first, second, third] = three(&redis, &socket).await;
    // What a lease that has run out while its holder was stopped looks like: another one has it.
    let mut connection = redis.connect().await;
    let lease = "{flagwire:development}:lease";
    let () = redis::cmd("SET")
        .arg(lease)
        .arg(&["somebody else", "PX", "600000"])
        .query_async(&mut connection)
        .await
        .unwrap();
    upstream.save(&dark());
    first.stands(|status| status.role == Role::Follower).await;
    let body: String = redis::cmd("HGET")
        .arg(&["{flagwire:development}:snapshot", "body"])
        .query_async(&mut connection)
        .await
        .unwrap();
    let stored: serde_json::Value = serde_json::from_str(&body).unwrap();
    let flags = stored["flags"].as_array().unwrap();
    let flag = flags.iter().find(|flag| flag["feature"] == DARK).unwrap();
    assert_eq!(flag["defaultServe"]["variation"], "false");
    // Once that one is gone, the change arrives.
    let () = redis::cmd("DEL")
        .arg(lease)
        .query_async(&mut connection)
        .await
        .unwrap();
    for one in [&first, &second, &third] {
        one.server.serves(DARK, "true").await;
    }
}

#[tokio::test]
async fn what_is_in_redis_and_cannot_be_read_is_said_and_written_over() {
    let Some((redis, upstream, socket)) = redis_and_upstream().await else {
        return;
    };
    let [first, second, third] = three(&redis, &socket).await;
    let mut connection = redis.connect().await;
    let snapshot = "{flagwire:development}:snapshot";
    let () = redis::pipe()
        .cmd("HSET")
        .arg(snapshot)
        .arg(&["body", "{\"format\": 99}", "number", "999", "stamp", "x-1"])
        .query_async(&mut connection)
        .await
        .unwrap();
    let follower = [&first, &second, &third]
        .into_iter()
        .find(|one| one.standing().role == Role::Follower)
        .unwrap();
    let mut written = String::new();
    while !written.contains("dark-mode") {
        written = redis::cmd("HGET")
            .arg(&[snapshot, "body"])
            .query_async(&mut connection)
            .await
            .unwrap();
    }
    upstream.save(&dark());
    follower.server.serves(DARK, "true").await;
}

#[tokio::test]
async fn each_replica_passes_on_what_its_own_browsers_count() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let upstream_server = server();
    let socket = listen(app_of(&upstream_server)).await;
    let source = || {
        let mut options = upstream(socket.address);
        options.metrics = Duration::from_millis(20);
        UpstreamSource::new(options).unwrap()
    };
    let first = replica(options(&redis.url(), "first"), source());
    first.leads().await;
    let second = replica(options(&redis.url(), "second"), source());
    for one in [&first, &second] {
        one.server.serves(DARK, "false").await;
    }
    for (one, count) in [(&first, 3_u64), (&second, 5)] {
        let token = one.server.token(CLIENT_KEY, ada()).await;
        let pair = |key: &str, value: &str| json!({"key": key, "value": value});
        let report = json!({"metricsData": [{"timestamp": 1, "count": count, "metricsType": "FFMETRICS", "attributes": [
            pair("featureIdentifier", DARK), pair("variationIdentifier", "false")]}]});
        let request = Request::post("/metrics/development")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(report.to_string()))
            .unwrap();
        assert_eq!(one.server.send(request).await.status(), StatusCode::OK);
    }
    let counted = || {
        let totals = upstream_server.environment.usage.totals();
        totals.first().map_or(0, |(_, _, count)| *count)
    };
    while counted() < 8 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(counted(), 8);
}
