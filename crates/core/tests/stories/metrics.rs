//! Counted reads reach the server, or wait to.

use flagwire_core::{Config, MAX_METRICS_BYTES, Millis, PageEvent, Status, Why};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::server::{Ask, Fate};
use crate::world::{World, config};

fn arrived(world: &World) -> u64 {
    world.server.counted.values().sum()
}

/// Everything that was read arrived, under the names of its time.
fn assert_all_arrived(world: &World) {
    assert_eq!(world.server.counted, world.pages[0].read);
}

#[test]
fn posts_what_was_read_once_a_minute() {
    let mut world = World::streaming(config());
    world.read("a", 3);
    world.run(50_000);
    assert_eq!(arrived(&world), 0);
    world.run(10_000);
    assert_all_arrived(&world);
    world.read("a", 4);
    world.run(60_000);
    assert_eq!(world.count("send metrics"), 2);
    assert_all_arrived(&world);
}

#[test]
fn posts_nothing_where_nothing_was_read() {
    let mut world = World::streaming(config());
    world.run(3_600_000);
    assert_eq!(world.count("send metrics"), 0);
}

#[test]
fn sends_nothing_where_analytics_are_off() {
    let mut world = World::streaming(Config {
        metrics: false,
        ..config()
    });
    world.read("a", 3);
    world.run(600_000);
    world.page(PageEvent::Hidden);
    world.act(0, |client, now| client.flush(now));
    world.close();
    assert_eq!(world.count("send metrics"), 0);
}

#[test]
fn reads_during_a_post_are_kept() {
    let mut world = World::streaming(config());
    world.read("a", 1);
    world.server.next(Ask::Metrics, &[Fate::Slow(10_000)]);
    world.run(56_000); // under way
    assert_eq!(world.count("send metrics"), 1);
    world.read("a", 5);
    world.run(70_000);
    assert_all_arrived(&world);
}

#[test]
fn a_failed_post_is_kept_and_posted_again() {
    for fate in [
        Fate::Status(500),
        Fate::Status(503),
        Fate::Status(429),
        Fate::Lost,
        Fate::Hangs,
    ] {
        let mut world = World::streaming(config());
        world.read("a", 3);
        world.server.next(Ask::Metrics, &[fate, fate]);
        world.run(400_000);
        assert_eq!(world.count("error Metrics"), 2, "{fate:?}");
        assert_all_arrived(&world);
        assert_eq!(
            world.state(),
            (Status::Ready, Why::Fine),
            "values are as good as ever"
        );
    }
}

#[test]
fn a_post_that_is_called_malformed_is_dropped() {
    let mut world = World::streaming(config());
    world.read("a", 3);
    world.server.next(Ask::Metrics, &[Fate::Status(400)]);
    world.run(600_000);
    assert_eq!(world.count("send metrics"), 1);
    assert_eq!(arrived(&world), 0);
}

#[test]
fn a_post_refused_signs_in_again_once_and_leaves_the_stream_alone() {
    let mut world = World::streaming(config());
    world.read("a", 3);
    world.server.next(Ask::Metrics, &[Fate::Status(401)]);
    world.run(200_000);
    assert_eq!(world.count("send sign-in"), 1);
    assert_eq!(world.count("close stream"), 0);
    assert_eq!(world.count("error"), 0);
    assert_all_arrived(&world);
}

#[test]
fn signing_in_for_metrics_says_nothing_of_the_values() {
    let mut world = World::streaming(config());
    world.read("a", 3);
    world.server.next(Ask::Metrics, &[Fate::Status(401)]);
    world.server.next(Ask::SignIn, &[Fate::Status(503)]);
    world.run(200_000);
    assert_eq!(world.count("send sign-in"), 2);
    assert_eq!(world.count("state"), 0);
    assert_all_arrived(&world);
}

#[test]
fn metrics_refused_for_good_do_not_end_the_client() {
    let mut world = World::streaming(config());
    world.server.always(Ask::Metrics, Fate::Status(401));
    world.read("a", 3);
    world.run(600_000);
    assert_eq!(world.count("send sign-in"), 5);
    assert_eq!(world.count("send metrics"), 10);
    assert_eq!(world.count("error Metrics unauthorized"), 5);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
    world.server.is_healthy();
    world.run(70_000);
    assert_all_arrived(&world);
}

#[test]
fn a_token_that_expires_unused_is_replaced_for_metrics_too() {
    let mut world = World::streaming(config());
    world.read("a", 3);
    world.server.next(Ask::Metrics, &[Fate::Status(401)]);
    world.run(56_000); // signs in again,
    world.server.revoke_tokens(); // and that token is worth nothing by the next post
    world.run(300_000);
    assert_all_arrived(&world);
}

#[test]
fn many_flags_are_split_into_posts_that_browsers_let_through() {
    let mut world = World::empty();
    for flag in 0..2_000 {
        world.server.set(
            &format!("flag-with-a-rather-long-name-{flag}"),
            "on",
            "true",
            "boolean",
        );
    }
    world.add_page(config(), 7);
    world.start();
    world.run(5_000);
    for flag in 0..2_000 {
        world.read(&format!("flag-with-a-rather-long-name-{flag}"), 1);
    }
    world.run(70_000);
    assert!(world.count("send metrics") > 5);
    assert!(world.server.largest_metrics <= MAX_METRICS_BYTES);
    assert_all_arrived(&world);
}

#[test]
fn what_was_read_is_posted_when_the_page_is_hidden_or_left() {
    for event in [PageEvent::Hidden, PageEvent::Left] {
        let mut world = World::streaming(config());
        world.read("a", 3);
        world.page(event);
        assert_eq!(world.count("send metrics keepalive"), 1);
        world.run(100);
        assert_all_arrived(&world);
    }
}

#[test]
fn what_was_read_is_posted_at_the_end() {
    let mut world = World::streaming(config());
    world.read("a", 3);
    world.close();
    assert_eq!(
        world.log(),
        [
            "send metrics keepalive",
            "close stream",
            "stopped",
            "state Closed Fine"
        ]
    );
    world.run(100);
    assert_all_arrived(&world);
}

#[test]
fn counts_of_the_old_target_keep_its_name() {
    let mut world = World::streaming(config());
    world.read("a", 3);
    world.identify("t2");
    world.read("a", 4);
    world.run(200_000);
    assert_eq!(world.server.counted.len(), 2);
    assert_all_arrived(&world);
}

#[test]
fn counts_survive_the_end_in_the_middle_of_an_identify() {
    let mut world = World::streaming(config());
    world.read("a", 3);
    world.identify("t2");
    world.run(5);
    world.close();
    world.run(100);
    assert_all_arrived(&world);
}

#[test]
fn a_failed_post_of_the_old_target_is_posted_after_identify() {
    let mut world = World::streaming(config());
    world.read("a", 3);
    world.server.next(Ask::Metrics, &[Fate::Status(503)]);
    world.identify("t2");
    world.run(200_000);
    assert_all_arrived(&world);
}

#[test]
fn counters_are_bounded_and_those_that_exist_go_on_counting() {
    let mut world = World::empty();
    for flag in 0..10_500 {
        world
            .server
            .set(&format!("f{flag}"), "on", "true", "boolean");
    }
    world.add_page(config(), 7);
    world.start();
    world.run(2_000);
    for flag in 0..10_500 {
        let name = format!("f{flag}");
        world.pages[0].client.codec().read(&name);
    }
    world.pages[0].client.codec().read("f0");
    world.run(120_000);
    assert_eq!(arrived(&world), 10_001);
    assert_eq!(
        world.server.counted[&("t1".into(), "f0".into(), "on".into())],
        2
    );
}

#[test]
fn a_longer_interval_is_kept() {
    let mut world = World::streaming(Config {
        metrics_interval: Millis(300_000),
        ..config()
    });
    world.read("a", 1);
    world.run(290_000);
    assert_eq!(world.count("send metrics"), 0);
    world.run(10_000);
    assert_all_arrived(&world);
}
