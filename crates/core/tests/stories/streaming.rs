//! The stream: opening it, losing it, noticing its death.

use flagwire_core::{Config, PageEvent, Status, StreamInput, Why};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::server::{Ask, Fate};
use crate::world::{World, config};

#[test]
fn bytes_may_arrive_in_any_split() {
    for split in 1..7 {
        let mut world = World::new();
        world.split = split;
        world.server.values_in_events = true;
        world.start();
        world.run(5_000);
        world.change("a", "grün\u{1F600}");
        world.change("b", "2");
        world.run(5_000);
        world.assert_fresh(0);
        assert_eq!(world.count("error"), 0);
    }
}

#[test]
fn a_stream_lost_is_opened_again_and_all_are_fetched() {
    let mut world = World::streaming(config());
    world.cut();
    world.run(50);
    assert_eq!(
        world.log(),
        [
            "close stream",
            "polling",
            "error Stream network",
            "disconnected",
            "state Stale Stream"
        ]
    );
    world.server.set("a", "two", "2", "int"); // missed
    world.run(5_000);
    assert_eq!(
        world.log(),
        [
            "open stream",
            "connected",
            "polling stopped",
            "send all",
            "changed a=2",
            "loaded",
            "state Ready Fine",
            "save t1: a=2"
        ]
    );
    world.assert_fresh(0);
}

#[test]
fn an_outage_is_told_once() {
    let mut world = World::streaming(config());
    world.server.always(Ask::Stream, Fate::Status(503));
    world.cut();
    world.run(3_000_000);
    assert_eq!(world.count("disconnected"), 1);
    assert_eq!(world.count("state Stale Stream"), 1);
    assert_eq!(world.count("polling"), 1);
    world.server.is_healthy();
    world.run(60_000);
    assert_eq!(world.count("connected"), 1);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
}

#[test]
fn after_a_stream_that_lived_the_delays_start_over() {
    let mut world = World::streaming(config());
    world.server.next(Ask::Stream, &[Fate::Status(503); 8]);
    world.cut();
    world.wait_for("the stream after eight failures", |world| {
        world.state() == (Status::Ready, Why::Fine) && world.count("open stream") == 9
    });
    world.run(20_000);
    world.log();
    world.cut();
    let cut_at = world.now;
    world.run(60_000);
    let opened = world.times("open stream");
    assert!(
        opened[0] - cut_at <= 1_000 + 2 * world.latency,
        "{opened:?} after {cut_at}"
    );
}

#[test]
fn reconnects_with_growing_jittered_delays_and_fetches_only_as_often_as_it_polls() {
    let mut world = World::streaming(config());
    world.server.always(Ask::Stream, Fate::Lost);
    world.cut();
    world.run(1_200_000);
    let times = world.times("open stream");
    let delays: Vec<u64> = times
        .windows(2)
        .map(|pair| pair[1] - pair[0] - 10)
        .collect();
    assert!((40..400).contains(&delays.len()), "{}", delays.len());
    assert!(delays.iter().all(|delay| (100..=30_000).contains(delay)));
    assert!(world.count("send all") <= 22, "{}", world.count("send all"));
}

#[test]
fn a_stream_that_opens_and_dies_at_once_backs_off() {
    let mut world = World::streaming(config());
    world.cut();
    let end = world.now + 600_000;
    while world.now < end {
        world.run(100);
        world.cut();
    }
    assert!(
        world.count("open stream") < 200,
        "{}",
        world.count("open stream")
    );
}

#[test]
fn no_content_means_do_not_come_back() {
    let mut world = World::new();
    world.server.always(Ask::Stream, Fate::Status(204));
    world.start();
    world.run(3_600_000);
    assert_eq!(world.count("open stream"), 1);
    assert_eq!(world.count("connected"), 0);
    assert_eq!(world.count("polling"), 1);
    world.server.set("a", "two", "2", "int");
    world.run(70_000);
    world.assert_fresh(0);
}

#[test]
fn a_stream_refused_for_good_leaves_polling() {
    for status in [400, 403, 404, 410] {
        let mut world = World::new();
        world.server.always(Ask::Stream, Fate::Status(status));
        world.start();
        world.run(600_000);
        assert_eq!(world.count("open stream"), 1);
        assert_eq!(world.count("error Stream"), 1);
        assert!(world.count("send all") >= 8);
        assert_eq!(world.state(), (Status::Stale, Why::Stream));
    }
}

#[test]
fn without_stream_and_polling_values_count_as_old() {
    let mut world = World::with(Config {
        polling: false,
        ..config()
    });
    world.server.always(Ask::Stream, Fate::Status(404));
    world.start();
    world.run(10_000);
    assert_eq!(world.state(), (Status::Stale, Why::Stream));
    world.refresh();
    world.run(10_000);
    assert_eq!(world.state(), (Status::Stale, Why::Stream));
}

#[test]
fn a_stream_of_another_content_type_is_none() {
    let mut world = World::new();
    world.server.next(Ask::Stream, &[Fate::Garbled]);
    world.start();
    world.run(100);
    assert_eq!(world.count("connected"), 0);
    assert_eq!(world.count("error Stream malformed"), 1);
    world.run(5_000);
    assert_eq!(
        world.count("connected"),
        1,
        "it was the network's login page, and passed"
    );
}

#[test]
fn a_stream_that_is_not_available_waits_as_long_as_it_is_told() {
    let mut world = World::new();
    world
        .server
        .next(Ask::Stream, &[Fate::RetryAfter(503, 40_000)]);
    world.start();
    world.run(60_000);
    let times = world.times("open stream");
    assert!(
        (40_000..=41_100).contains(&(times[1] - times[0])),
        "{times:?}"
    );
}

#[test]
fn the_stream_says_how_long_to_wait_before_coming_back() {
    let mut world = World::streaming(config());
    world.say("retry: 20000\n\n");
    world.run(1_000);
    for _ in 0..3 {
        // It says so once, and means it from then on.
        world.cut();
        world.run(19_900);
        assert_eq!(world.count("open stream"), 0);
        world.run(40_000);
        assert_eq!(world.count("connected"), 1);
        world.log();
    }
}

#[test]
fn a_retry_of_nothing_does_not_make_it_spin() {
    let mut world = World::streaming(config());
    world.say("retry: 0\n\n");
    world.server.always(Ask::Stream, Fate::Lost);
    world.run(100);
    world.cut();
    world.run(60_000);
    assert!(world.count("open stream") < 40);
}

#[test]
fn a_dead_stream_is_noticed() {
    let mut world = World::streaming(config());
    world.go_silent();
    world.server.set("a", "two", "2", "int");
    world.run(60_000);
    assert_eq!(world.count("error Stream timeout"), 1);
    assert_eq!(world.count("disconnected"), 1);
    assert_eq!(world.count("connected"), 1);
    world.assert_fresh(0);
}

#[test]
fn heartbeats_keep_a_quiet_stream_open() {
    let mut world = World::streaming(config());
    world.run(86_400_000);
    assert_eq!(world.log(), Vec::<String>::new());
}

#[test]
fn a_stream_that_never_answers_is_given_up() {
    let mut world = World::new();
    world.server.next(Ask::Stream, &[Fate::Hangs]);
    world.start();
    world.run(60_000);
    assert_eq!(world.count("open stream"), 2);
    assert_eq!(world.count("connected"), 1);
}

#[test]
fn a_stream_refused_signs_in_again_once() {
    let mut world = World::streaming(config());
    world.server.revoke_tokens();
    world.cut();
    world.run(10_000);
    assert_eq!(world.count("send sign-in"), 1);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
    // And again the next day.
    world.log();
    world.server.revoke_tokens();
    world.cut();
    world.run(10_000);
    assert_eq!(world.count("send sign-in"), 1);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
    world.assert_fresh(0);
}

#[test]
fn if_only_the_stream_goes_on_refusing_the_rest_goes_on_without() {
    let mut world = World::new();
    world.server.always(Ask::Stream, Fate::Status(401));
    world.start();
    world.run(600_000);
    assert_eq!(world.count("open stream"), 2);
    assert_eq!(world.count("send sign-in"), 2);
    assert_eq!(world.count("polling"), 1);
    assert_eq!(world.state(), (Status::Stale, Why::Stream));
    world.change("a", "5");
    world.run(70_000);
    world.assert_fresh(0);
}

#[test]
fn retries_count_failures_and_not_streams_that_lived() {
    let mut world = World::streaming(Config {
        max_stream_retries: 3,
        ..config()
    });
    for _ in 0..20 {
        world.cut();
        world.run(60_000);
        assert_eq!(world.state(), (Status::Ready, Why::Fine));
        assert_eq!(world.count("connected"), 1);
        world.log();
    }
    world.server.always(Ask::Stream, Fate::Status(503));
    world.cut();
    world.run(600_000);
    assert_eq!(world.count("open stream"), 3);
    world.server.is_healthy();
    world.run(600_000);
    assert_eq!(world.count("connected"), 0, "given up");
    assert!(world.count("send all") > 10, "and polling");
}

#[test]
fn streams_that_delivered_use_up_no_retries_however_short_they_were() {
    for native in [false, true] {
        let mut world = World::with(Config {
            max_stream_retries: 3,
            ..config()
        });
        world.server.tickets = native;
        world.start();
        for round in 0..20 {
            world.wait_for("a stream", |world| world.server.connections.len() == 1);
            world.change("a", &round.to_string());
            world.run(1_000);
            world.assert_fresh(0);
            world.cut();
            world.run(50);
        }
        // The delay has grown all the same: the server may be one that cannot hold streams.
        let opened = world.times("open");
        let waits = opened.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(waits.max() > Some(10_000), "{opened:?}");
    }
}

#[test]
fn streams_that_open_and_say_nothing_use_retries_up() {
    let mut world = World::with(Config {
        max_stream_retries: 3,
        ..config()
    });
    world.server.always(Ask::Stream, Fate::Hangs);
    world.start();
    for _ in 0..4 {
        world.wait_for("a stream", |world| world.pages[0].stream.is_some());
        let id = world.pages[0].stream.unwrap();
        let opened = StreamInput::Answered {
            status: 200,
            event_stream: true,
            retry_after: None,
        };
        world.act(0, |client, now| client.handle_stream(now, id, opened));
        world.act(0, |client, now| {
            client.handle_stream(now, id, StreamInput::Closed);
        });
    }
    world.run(600_000);
    assert_eq!(world.count("open stream"), 4);
    assert_eq!(world.state(), (Status::Stale, Why::Stream));
}

#[test]
fn the_network_coming_back_ends_the_wait() {
    let mut world = World::streaming(config());
    world
        .server
        .always(Ask::Stream, Fate::RetryAfter(503, 3_000_000));
    world.cut();
    world.run(10_000);
    world.server.is_healthy();
    world.server.set("a", "two", "2", "int");
    world.page(PageEvent::Online);
    world.run(1_000);
    assert_eq!(world.count("connected"), 1);
    world.assert_fresh(0);
}

#[test]
fn too_long_an_event_ends_the_stream_and_not_the_client() {
    let mut world = World::streaming(config());
    let half = "x".repeat(5 * 1024 * 1024);
    world.say(&format!("data: {half}"));
    world.say(&half);
    world.run(10_000);
    assert_eq!(world.count("error Stream malformed"), 1);
    assert_eq!(world.count("connected"), 1);
}
