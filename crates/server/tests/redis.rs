//! Replicas that share through a real Redis server: who brings configurations, what the others get, and what happens when
//! a replica, Redis or the upstream dies.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use common::listening::*;
use common::redis::*;
use common::*;
use flagwire_server::replicas::Role;
use flagwire_server::source::SourceState;
use flagwire_server::source::upstream::UpstreamSource;

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
    let app = app.layer(middleware::from_fn(move |request: Request, next: Next| {
        if request.uri().path().ends_with("/client/auth") {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        next.run(request)
    }));
    (app, count)
}

/// Three replicas of one upstream, the first of which leads.
async fn three(redis: &RedisServer, socket: &Listening) -> [Replicated; 3] {
    let first = replica(options(&redis.url(), "first"), origin(socket));
    first.leads().await;
    let second = replica(options(&redis.url(), "second"), origin(socket));
    let third = replica(options(&redis.url(), "third"), origin(socket));
    for one in [&first, &second, &third] {
        let live = one
            .server
            .status(|status| status.state == SourceState::Live);
        assert!(live.await.healthy);
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
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let upstream = server();
    let socket = listen(app_of(&upstream)).await;
    let [first, second, third] = three(&redis, &socket).await;
    let mut streams = [client_stream(&second).await, client_stream(&third).await];
    first.kill();
    // Made while nobody tells.
    upstream.save(&dark());
    for stream in &mut streams {
        assert_eq!(stream.event().await["evaluations"][0]["value"], "true");
    }
    let roles = [second.standing().role, third.standing().role];
    assert_eq!(
        roles.iter().filter(|role| **role == Role::Leader).count(),
        1,
        "{roles:?}"
    );
}

#[tokio::test]
async fn a_replica_that_starts_while_the_upstream_is_down_serves_what_redis_has() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let upstream = server();
    let socket = listen(app_of(&upstream)).await;
    let first = replica(options(&redis.url(), "first"), origin(&socket));
    first.leads().await;
    first.server.serves(DARK, "false").await;
    first
        .server
        .status(|status| status.state == SourceState::Live)
        .await;
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
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let upstream = server();
    let socket = listen(app_of(&upstream)).await;
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
    let leaders = || {
        let roles = replicas.iter().map(|one| one.standing().role);
        roles.filter(|role| *role == Role::Leader).count()
    };
    assert_eq!(leaders(), 1);
    upstream.save(FLAGS);
    for stream in &mut streams {
        assert_eq!(stream.event().await["evaluations"][0]["value"], "false");
    }
    let cold = replica(options(&redis.url(), "cold"), origin(&socket));
    cold.server.serves(DARK, "false").await;
    assert_eq!(cold.standing().role, Role::Follower);
    assert_eq!(leaders(), 1);
}
