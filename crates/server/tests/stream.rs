//! Tests the stream, byte for byte.

mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use common::*;
use flagwire_server::{AppState, Settings, app};
use serde_json::{Value, json};

async fn open(server: &Server, key: &str, target: Value) -> Stream {
    let token = server.token(key, target).await;
    let mut stream = server.stream(get("/stream?cluster=1", &token)).await;
    assert_eq!(
        stream.frame().await.unwrap(),
        ":\n\n",
        "the first byte comes at once"
    );
    stream
}

fn id_of(frame: &str) -> &str {
    frame
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap()
}

#[tokio::test]
async fn the_head_forbids_buffering() {
    let server = server();
    let token = server.token(CLIENT_KEY, ada()).await;
    let response = server.send(get("/api/1.0/stream?cluster=1", &token)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/event-stream");
    assert_eq!(header("cache-control"), "no-cache, no-transform");
    assert_eq!(header("x-accel-buffering"), "no");
    assert!(!response.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn a_change_arrives_with_the_evaluation_of_the_streams_target_in_the_frame_that_clients_expect()
 {
    let server = server();
    let mut stream = open(&server, CLIENT_KEY, ada()).await;
    let differences = server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    let version = differences[0].version;
    let frame = stream.frame().await.unwrap();
    let id = id_of(&frame);
    assert_eq!(
        frame,
        format!(
            "event: *\ndata: {{\"event\":\"patch\",\"domain\":\"flag\",\"identifier\":\"dark-mode\",\"version\":{version},\
             \"evaluations\":[{{\"flag\":\"dark-mode\",\"identifier\":\"true\",\"value\":\"true\",\"kind\":\"boolean\"}}]}}\nid: {id}\n\n"
        )
    );
}

#[tokio::test]
async fn each_target_gets_its_own_value() {
    let server = server();
    let mut ada = open(&server, CLIENT_KEY, ada()).await;
    let mut bob = open(&server, CLIENT_KEY, json!({"identifier": "bob"})).await;
    server.save(
        &FLAGS
            .replace("rps: 100", "rps: 200")
            .replace("rps: 1 ", "rps: 2 "),
    );
    assert_eq!(
        ada.event().await["evaluations"][0]["value"],
        "{\"rps\":200}"
    );
    assert_eq!(bob.event().await["evaluations"][0]["value"], "{\"rps\":2}");
}

#[tokio::test]
async fn create_patch_and_delete_are_told_apart() {
    let server = server();
    let mut stream = open(&server, CLIENT_KEY, ada()).await;
    server.save(&FLAGS.replace("greeting: \"\"", "welcome: hi"));
    let created = stream.event().await;
    assert_eq!(
        (&created["event"], &created["identifier"]),
        (&json!("create"), &json!("welcome"))
    );
    assert_eq!(created["evaluations"][0]["value"], "hi");
    let deleted = stream.event().await;
    assert_eq!(
        (&deleted["event"], &deleted["identifier"]),
        (&json!("delete"), &json!("greeting"))
    );
    assert!(deleted.get("evaluations").is_none());
}

#[tokio::test]
async fn a_change_is_in_force_before_it_is_told() {
    let server = server();
    let token = server.token(CLIENT_KEY, ada()).await;
    let mut stream = open(&server, CLIENT_KEY, ada()).await;
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    stream.event().await;
    let (_, one) = server
        .get(
            "/client/env/development/target/user-42/evaluations/dark-mode",
            &token,
        )
        .await;
    assert_eq!(one["value"], "true");
}

#[tokio::test]
async fn saving_the_same_again_tells_nothing() {
    let server = server();
    let mut stream = open(&server, CLIENT_KEY, ada()).await;
    assert!(server.save(&format!("# a comment\n{FLAGS}")).is_empty());
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    assert_eq!(stream.event().await["identifier"], "dark-mode");
}

#[tokio::test]
async fn a_group_is_a_patch_with_the_evaluations_it_may_have_changed_and_no_others() {
    let server = server();
    let mut stream = open(&server, CLIENT_KEY, ada()).await;
    server.save(&FLAGS.replace("@example.com", "@example.org"));
    let event = stream.event().await;
    assert_eq!(
        (&event["event"], &event["domain"], &event["identifier"]),
        (&json!("patch"), &json!("target-segment"), &json!("staff"))
    );
    assert_eq!(
        event["evaluations"],
        json!([{"flag": "page-size", "identifier": "small", "value": "4", "kind": "int"}])
    );
}

#[tokio::test]
async fn a_group_that_no_flag_names_is_no_news_to_clients_but_to_back_ends() {
    let server = server();
    let mut client = open(&server, CLIENT_KEY, ada()).await;
    let mut back_end = open(&server, SERVER_KEY, Value::Null).await;
    let with_group = format!("{FLAGS}  unused: {{ include: [bob] }}\n");
    server.save(&with_group);
    let told = back_end.event().await;
    assert_eq!(
        (&told["event"], &told["domain"], &told["identifier"]),
        (&json!("create"), &json!("target-segment"), &json!("unused"))
    );
    server.save(&with_group.replace("dark-mode: false", "dark-mode: true"));
    assert_eq!(
        client.event().await["identifier"],
        "dark-mode",
        "nothing came before this"
    );
}

#[tokio::test]
async fn a_deleted_group_is_told_through_the_flags_that_named_it() {
    let server = server();
    let mut stream = open(&server, CLIENT_KEY, ada()).await;
    // The flag still names the group, as a flag from an upstream may.
    let mut configuration = flagwire_server::flags_file::parse(FLAGS).unwrap();
    configuration.segments.clear();
    server.environment.apply(configuration);
    let group = stream.event().await;
    assert_eq!(
        (&group["event"], &group["domain"]),
        (&json!("delete"), &json!("target-segment"))
    );
    let flag = stream.event().await;
    assert_eq!(
        (&flag["event"], &flag["domain"], &flag["identifier"]),
        (&json!("patch"), &json!("flag"), &json!("page-size"))
    );
    assert_eq!(flag["evaluations"][0]["identifier"], "small");
}

const REQUIRING: &str = "flags:\n  shop: true\n  cart: { value: true, requires: { shop: true } }\n";

#[tokio::test]
async fn a_flag_takes_the_flags_that_require_it_along() {
    let server = server_with(settings(), Some(REQUIRING));
    let mut stream = open(&server, CLIENT_KEY, ada()).await;
    server.save(&REQUIRING.replace("shop: true\n", "shop: false\n"));
    let event = stream.event().await;
    assert_eq!(event["identifier"], "shop");
    let carried: Vec<_> = event["evaluations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["flag"], &one["value"]))
        .collect();
    assert_eq!(
        carried,
        [
            (&json!("cart"), &json!("false")),
            (&json!("shop"), &json!("false"))
        ]
    );
}

#[tokio::test]
async fn a_plain_broadcast_has_no_evaluations_and_tells_of_dependents_one_by_one() {
    let server = server_with(
        Settings {
            event_evaluations: false,
            ..settings()
        },
        Some(REQUIRING),
    );
    let mut stream = open(&server, CLIENT_KEY, ada()).await;
    server.save(&REQUIRING.replace("shop: true\n", "shop: false\n"));
    for flag in ["shop", "cart"] {
        let event = stream.event().await;
        assert_eq!(
            (&event["event"], &event["identifier"]),
            (&json!("patch"), &json!(flag))
        );
        assert!(event.get("evaluations").is_none());
    }
}

#[tokio::test]
async fn a_back_end_gets_each_change_once_without_evaluations() {
    let server = server_with(settings(), Some(REQUIRING));
    let mut stream = open(&server, SERVER_KEY, Value::Null).await;
    server.save(&REQUIRING.replace("shop: true\n", "shop: false\n"));
    server.save(REQUIRING);
    for _ in 0..2 {
        let event = stream.event().await;
        assert_eq!(event["identifier"], "shop");
        assert!(event.get("evaluations").is_none());
    }
}

#[tokio::test]
async fn a_ticket_opens_the_stream_by_url_alone_with_heartbeats_that_an_event_source_sees() {
    let server = server();
    let reply = server.sign_in(CLIENT_KEY, ada()).await;
    let token = reply["authToken"].as_str().unwrap();
    let (status, fresh) = server
        .get(
            "/api/1.0/client/env/development/stream-ticket?cluster=1",
            token,
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    for url in [&reply["streamUrl"], &fresh["streamUrl"]] {
        let url = url.as_str().unwrap();
        assert!(
            url.starts_with("stream?cluster=1&ticket="),
            "relative to the base URL: {url}"
        );
        let mut stream = server
            .stream(
                Request::get(format!("/api/1.0/{url}"))
                    .body(Body::empty())
                    .unwrap(),
            )
            .await;
        assert_eq!(
            stream.frame().await.unwrap(),
            "event: heartbeat\ndata: {\"open\":true}\n\n"
        );
    }
    let url = reply["streamUrl"].as_str().unwrap();
    let mut stream = server
        .stream(Request::get(format!("/{url}")).body(Body::empty()).unwrap())
        .await;
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    assert_eq!(stream.event().await["evaluations"][0]["value"], "true");
}

#[tokio::test]
async fn an_altered_ticket_is_401() {
    let server = server();
    let url = server.sign_in(CLIENT_KEY, ada()).await["streamUrl"]
        .as_str()
        .unwrap()
        .to_owned();
    let middle = url.len() - 50;
    let altered = format!(
        "{}{}{}",
        &url[..middle],
        if &url[middle..=middle] == "A" {
            "B"
        } else {
            "A"
        },
        &url[middle + 1..]
    );
    let (status, _) = read(
        server
            .send(
                Request::get(format!("/{altered}"))
                    .body(Body::empty())
                    .unwrap(),
            )
            .await,
    )
    .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_after_silence() {
    let server = server_with(
        Settings {
            heartbeat: Duration::from_secs(15),
            ..settings()
        },
        Some(FLAGS),
    );
    let mut stream = open(&server, CLIENT_KEY, ada()).await;
    for _ in 0..3 {
        let before = tokio::time::Instant::now();
        assert_eq!(stream.frame().await.unwrap(), ":\n\n");
        assert_eq!(before.elapsed().as_secs(), 15);
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_first_heartbeat_of_a_ticketed_stream_says_that_it_is_open() {
    let settings = Settings {
        heartbeat: Duration::from_secs(15),
        ..settings()
    };
    let server = server_with(settings, Some(FLAGS));
    let reply = server.sign_in(CLIENT_KEY, ada()).await;
    let url = format!("/{}", reply["streamUrl"].as_str().unwrap());
    for _opening in 0..2 {
        let mut stream = server
            .stream(Request::get(&url).body(Body::empty()).unwrap())
            .await;
        let opening = "event: heartbeat\ndata: {\"open\":true}\n\n";
        assert_eq!(stream.frame().await.unwrap(), opening);
        for _later in 0..2 {
            let later = "event: heartbeat\ndata: {}\n\n";
            assert_eq!(stream.frame().await.unwrap(), later);
        }
    }
}

#[tokio::test]
async fn a_reader_that_comes_back_gets_the_last_state_of_what_it_missed() {
    let server = server();
    let token = server.token(CLIENT_KEY, ada()).await;
    let mut stream = open(&server, CLIENT_KEY, ada()).await;
    server.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    let seen = id_of(&stream.frame().await.unwrap()).to_owned();
    drop(stream);
    server.save(FLAGS);
    server.save(&FLAGS.replace("rps: 100", "rps: 7"));
    server.save(&FLAGS.replace("rps: 100", "rps: 8"));

    let back = async |id: &str| {
        let mut request = get("/stream", &token);
        request
            .headers_mut()
            .insert("last-event-id", id.parse().unwrap());
        server.stream(request).await
    };
    let mut stream = back(&seen).await;
    let events = [stream.event().await, stream.event().await];
    assert_eq!(
        (
            &events[0]["identifier"],
            &events[0]["evaluations"][0]["value"]
        ),
        (&json!("dark-mode"), &json!("false"))
    );
    assert_eq!(
        (
            &events[1]["identifier"],
            &events[1]["evaluations"][0]["value"]
        ),
        (&json!("limits"), &json!("{\"rps\":8}"))
    );

    // An event id of another process, of the future, or without meaning replays nothing: the next event is the next change.
    for id in ["0123456789ab-1", "nonsense", &format!("{seen}~999999")] {
        let mut stream = back(id).await;
        server.save(FLAGS);
        assert_eq!(
            stream.event().await["evaluations"][0]["value"],
            "{\"rps\":100}",
            "{id}"
        );
        server.save(&FLAGS.replace("rps: 100", "rps: 8"));
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_off() {
    let server = server();
    let mut stream = open(&server, CLIENT_KEY, ada()).await;
    for round in 0..300 {
        server.save(&FLAGS.replace("rps: 100", &format!("rps: {}", 1000 + round)));
    }
    assert_eq!(stream.frame().await, None);
}

#[tokio::test]
async fn a_thousand_changes_in_one_save_reach_every_reader() {
    let server = server_with(settings(), Some("flags: { a: 0 }"));
    let mut stream = open(&server, CLIENT_KEY, ada()).await;
    let many: String = (0..1000).map(|n| format!("  f{n:04}: {n}\n")).collect();
    server.save(&format!("flags:\n{many}"));
    for n in 0..1000 {
        let event = stream.event().await;
        assert_eq!(event["identifier"], format!("f{n:04}"));
        assert_eq!(event["evaluations"][0]["value"], n.to_string());
    }
    assert_eq!(stream.event().await["event"], "delete");
}

#[tokio::test]
async fn streams_end_when_the_server_stops_and_are_counted_while_open() {
    let server = server();
    let mut stream = open(&server, CLIENT_KEY, ada()).await;
    assert_eq!(server.environment.streams(), 1);
    server.stop.send_replace(true);
    assert_eq!(stream.frame().await, None);
    drop(stream);
    assert_eq!(server.environment.streams(), 0);
}

#[tokio::test(start_paused = true)]
async fn streams_of_a_server_that_stops_end_one_after_another() {
    let server = server();
    let state = AppState::new(
        vec![Arc::clone(&server.environment)],
        keys(),
        settings(),
        b"test secret",
        server.stop.subscribe(),
    );
    let server = Server {
        app: app(state.with_drain(Duration::from_millis(500))),
        ..server
    };
    // Streams end at no more than a thousand a second and within half a second: these have a window of 200 ms.
    let mut streams = Vec::new();
    for _ in 0..200 {
        streams.push(open(&server, CLIENT_KEY, ada()).await);
    }
    let stopped = tokio::time::Instant::now();
    server.stop.send_replace(true);
    let mut ends = Vec::new();
    for ended in futures_util::future::join_all(streams.into_iter().map(async |mut stream| {
        assert_eq!(stream.frame().await, None);
        stopped.elapsed().as_millis()
    }))
    .await
    {
        ends.push(ended);
    }
    ends.sort_unstable();
    for (place, end) in ends.iter().enumerate() {
        assert!(end.abs_diff(place as u128) <= 2, "{ends:?}");
    }
}

#[tokio::test]
async fn a_native_event_source_is_told_when_to_come_back_to_a_server_that_stops() {
    let server = server();
    let reply = server.sign_in(CLIENT_KEY, ada()).await;
    let url = format!("/{}", reply["streamUrl"].as_str().unwrap());
    let mut delays = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..20 {
        let request = Request::get(&url).body(Body::empty()).unwrap();
        let mut stream = server.stream(request).await;
        stream.frame().await.unwrap();
        streams.push(stream);
    }
    server.stop.send_replace(true);
    for mut stream in streams {
        let farewell = stream.frame().await.unwrap();
        let delay = farewell
            .strip_prefix("retry: ")
            .and_then(|rest| rest.strip_suffix("\n\n"))
            .expect(&farewell);
        delays.push(delay.parse::<u64>().unwrap());
        assert_eq!(stream.frame().await, None);
    }
    assert!(delays.iter().all(|delay| (1_000..=3_000).contains(delay)));
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 10, "each its own: {delays:?}");
}
