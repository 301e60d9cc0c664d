//! Polling: without a stream, and while it is down.

use flagwire_core::{Config, Millis, Status, Why};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::server::{Ask, Fate};
use crate::world::{World, config};

fn polling() -> Config {
    Config {
        streaming: false,
        ..config()
    }
}

#[test]
fn polls_every_minute_give_or_take_a_tenth() {
    let mut world = World::streaming(polling());
    world.run(6_000_000);
    let times = world.times("send all");
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() > 85);
    assert!(
        gaps.iter().all(|gap| (54_000..=66_000).contains(gap)),
        "{gaps:?}"
    );
    assert!(
        gaps.iter().max().unwrap() - gaps.iter().min().unwrap() > 6_000,
        "no jitter"
    );
    assert_eq!(world.count("open"), 0);
}

#[test]
fn a_shorter_interval_is_raised_to_a_minute() {
    let mut world = World::streaming(Config {
        polling_interval: Millis(1),
        metrics_interval: Millis(1),
        ..polling()
    });
    world.run(600_000);
    assert!(world.count("send all") <= 12);
}

#[test]
fn says_that_it_polls_once() {
    let mut world = World::with(polling());
    world.start();
    world.run(600_000);
    assert_eq!(world.count("polling"), 1);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
}

#[test]
fn finds_changes_and_vanished_flags() {
    let mut world = World::streaming(polling());
    world.server.remove("a");
    world.server.set("b", "two", "2", "int");
    world.run(70_000);
    world.assert_fresh(0);
}

#[test]
fn a_failed_poll_is_tried_again_soon() {
    let mut world = World::streaming(polling());
    world.server.next(Ask::All, &[Fate::Lost]);
    world.server.set("b", "two", "2", "int");
    world.run(70_000);
    assert_eq!(world.count("error FetchFlags network"), 1);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
    world.assert_fresh(0);
}

#[test]
fn does_neither_where_both_are_off() {
    let mut world = World::streaming(Config {
        polling: false,
        ..polling()
    });
    world.run(3_600_000);
    assert_eq!(world.log(), Vec::<String>::new());
}

#[test]
fn polls_while_the_stream_is_down_and_stops_when_it_is_back() {
    let mut world = World::streaming(config());
    world.server.always(Ask::Stream, Fate::Status(503));
    world.cut();
    world.run(50);
    world.server.set("a", "two", "2", "int");
    world.run(70_000);
    world.assert_fresh(0);
    assert_eq!(
        world.state(),
        (Status::Stale, Why::Stream),
        "nobody says what changes"
    );
    world.server.is_healthy();
    world.run(40_000);
    assert_eq!(world.count("polling stopped"), 1);
    world.log();
    world.run(600_000);
    assert_eq!(world.count("send all"), 0);
}
