//! Fetching evaluations: all of them, and the one that changed.

use flagwire_core::{Status, Why};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::server::{Ask, Fate};
use crate::world::{World, config};

#[test]
fn retries_the_first_fetch_until_it_works() {
    let mut world = World::new();
    let bad = [
        Fate::Status(500),
        Fate::Lost,
        Fate::Hangs,
        Fate::Garbled,
        Fate::RetryAfter(429, 5_000),
    ];
    world.server.next(Ask::All, &bad);
    world.server.always(Ask::Stream, Fate::Hangs);
    world.start();
    world.wait_for("ready", |world| world.count("ready") == 1);
    assert_eq!(world.count("send all"), 6);
    assert_eq!(world.count("error FetchFlags"), 5);
    world.assert_fresh(0);
}

#[test]
fn a_status_that_will_not_pass_is_asked_about_as_rarely_as_a_poll() {
    let mut world = World::new();
    world.server.always(Ask::All, Fate::Status(403));
    world.server.always(Ask::Stream, Fate::Hangs);
    world.start();
    world.run(30_000);
    assert_eq!(world.count("send all"), 1);
    assert_eq!(world.state(), (Status::Initializing, Why::Fetch));
    world.server.is_healthy();
    world.run(60_000);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
}

#[test]
fn a_patch_without_values_fetches_that_flag_and_nothing_more() {
    let mut world = World::streaming(config());
    world.change("a", "2");
    world.run(1_000);
    assert_eq!(world.log(), ["send flag a", "changed a=2"]);
    world.assert_fresh(0);
}

#[test]
fn a_patch_with_values_fetches_nothing() {
    let mut world = World::streaming(config());
    world.server.values_in_events = true;
    world.change("a", "2");
    world.run(900);
    assert_eq!(world.log(), ["changed a=2"]);
}

#[test]
fn an_event_that_changes_nothing_calls_nobody() {
    let mut world = World::streaming(config());
    world.announce("patch", "a");
    world.run(2_000);
    assert_eq!(world.log(), ["send flag a"]);
}

#[test]
fn fifty_events_of_one_flag_make_two_requests_at_most() {
    let mut world = World::streaming(config());
    for value in 0..50 {
        world.change("a", &format!("burst {value}"));
    }
    world.run(5_000);
    assert!(world.count("send") <= 2, "{:?}", world.log());
    world.assert_fresh(0);
}

#[test]
fn a_thousand_flags_at_once_make_a_handful_of_requests() {
    let mut world = World::streaming(config());
    for flag in 0..1_000 {
        world.change(&format!("flag-{flag}"), "on");
    }
    world.run(5_000);
    assert!(world.count("send") <= 10, "{:?}", world.log());
    world.assert_fresh(0);
}

#[test]
fn a_flag_that_changes_during_its_fetch_is_fetched_once_more() {
    let mut world = World::streaming(config());
    world.server.next(Ask::Flag, &[Fate::Slow(1_000)]);
    world.change("a", "2");
    world.run(500);
    world.change("a", "3");
    world.change("a", "4");
    world.run(5_000);
    assert_eq!(world.count("send flag a"), 2);
    world.assert_fresh(0);
}

#[test]
fn a_created_flag_is_fetched_a_second_later() {
    let mut world = World::streaming(config());
    let created = world.now;
    world.create("new", "2");
    world.run(5_000);
    assert_eq!(world.times("send flag new"), [created + 1_010]);
    world.assert_fresh(0);
}

#[test]
fn many_created_flags_wait_too() {
    let mut world = World::streaming(config());
    let created = world.now;
    for flag in 0..100 {
        world.create(&format!("new-{flag}"), "2");
    }
    world.run(5_000);
    assert!(
        world.times("send").iter().all(|at| *at >= created + 1_010),
        "{:?}",
        world.log()
    );
    assert!(world.count("send") <= 10);
    world.assert_fresh(0);
}

#[test]
fn a_deleted_flag_vanishes_without_a_request() {
    let mut world = World::streaming(config());
    world.delete("a");
    world.run(900);
    assert_eq!(world.log(), ["changed -a"]);
    world.assert_fresh(0);
}

#[test]
fn a_flag_deleted_before_its_fetch_vanishes() {
    let mut world = World::streaming(config());
    world.announce("patch", "a");
    world.server.remove("a"); // its event is still to come
    world.run(900);
    assert_eq!(world.log(), ["send flag a", "changed -a"]);
}

#[test]
fn a_flag_missing_in_a_whole_list_vanishes() {
    let mut world = World::streaming(config());
    world.server.remove("a");
    world.server.set("b", "two", "2", "int");
    world.refresh();
    world.run(900);
    assert_eq!(world.log(), ["send all", "changed -a b=2", "loaded"]);
}

#[test]
fn a_target_group_that_changed_fetches_all() {
    for change in ["create", "patch", "delete"] {
        let mut world = World::streaming(config());
        world.server.set("a", "two", "2", "int");
        world.say(&format!(
            "event: *\ndata: {{\"event\":\"{change}\",\"domain\":\"target-segment\",\"identifier\":\"beta\",\"version\":2}}\n\n"
        ));
        world.run(900);
        assert_eq!(world.log(), ["send all", "changed a=2", "loaded"]);
    }
}

#[test]
fn a_target_group_event_with_values_fetches_nothing() {
    let mut world = World::streaming(config());
    world.say(concat!(
        "event: *\ndata: {\"event\":\"patch\",\"domain\":\"target-segment\",\"identifier\":\"beta\",\"evaluations\":[",
        "{\"flag\":\"a\",\"identifier\":\"x\",\"value\":\"5\",\"kind\":\"int\"},",
        "{\"flag\":\"b\",\"identifier\":\"y\",\"value\":\"6\",\"kind\":\"int\"}]}\n\n"
    ));
    world.run(900);
    assert_eq!(world.log(), ["changed a=5 b=6"]);
    world.run(1_000);
    assert_eq!(world.log(), ["save t1: a=5 b=6"], "both reach the cache");
}

#[test]
fn an_empty_text_is_a_value() {
    let mut world = World::streaming(config());
    world.server.values_in_events = true;
    world.server.set("a", "empty", "", "string");
    world.announce("patch", "a");
    world.run(900);
    assert_eq!(world.log(), ["changed a="]);
}

#[test]
fn an_event_with_an_incomplete_evaluation_falls_back_to_a_fetch() {
    let mut world = World::streaming(config());
    world.say("event: *\ndata: {\"event\":\"patch\",\"domain\":\"flag\",\"identifier\":\"a\",\"evaluations\":[{\"flag\":\"a\"}]}\n\n");
    world.run(900);
    assert_eq!(world.log(), ["send flag a"]);
}

#[test]
fn malformed_events_are_reported_skipped_and_nothing_else_is_lost() {
    let mut world = World::streaming(config());
    world
        .say("event: *\ndata: {\"event\":\"patch\",\"domain\":\"proxy\",\"identifier\":\"x\"}\n\n");
    world
        .say("event: *\ndata: {\"event\":\"vanish\",\"domain\":\"flag\",\"identifier\":\"x\"}\n\n");
    world.change("a", "2");
    world.run(900);
    assert_eq!(world.log(), ["send flag a", "changed a=2"]);
    world.say("event: *\ndata: {broken\n\n");
    world.run(900);
    assert_eq!(world.count("error Stream malformed"), 1);
}

#[test]
fn a_change_that_a_malformed_event_told_of_is_found() {
    let mut world = World::streaming(config());
    world.server.set("a", "two", "2", "int");
    world.say("event: *\ndata: {broken\n\n");
    world.run(900);
    assert_eq!(world.count("changed a=2"), 1);
}

#[test]
fn json_that_is_only_written_differently_is_no_change() {
    let mut world = World::new();
    world
        .server
        .set("limits", "gold", "{\"a\":[1,2],\"b\":{\"c\":null}}", "json");
    world.start();
    world.run(5_000);
    world.log();
    world.server.set(
        "limits",
        "gold",
        "{ \"b\": {\"c\":null}, \"a\": [1, 2] }",
        "json",
    );
    world.refresh();
    world.run(900);
    assert_eq!(world.log(), ["send all", "loaded"]);
    world
        .server
        .set("limits", "gold", "{\"a\":[2,1],\"b\":{\"c\":null}}", "json");
    world.refresh();
    world.run(900);
    assert_eq!(world.count("changed limits="), 1);
}

#[test]
fn another_variation_with_the_same_value_is_a_change() {
    let mut world = World::streaming(config());
    world.server.set("a", "uno", "1", "int");
    world.refresh();
    world.run(900);
    assert_eq!(world.count("changed a=1"), 1);
}

#[test]
fn a_flag_that_cannot_be_fetched_is_found_by_fetching_all() {
    for fate in [
        Fate::Status(500),
        Fate::Status(403),
        Fate::Lost,
        Fate::Hangs,
        Fate::Garbled,
    ] {
        let mut world = World::streaming(config());
        world.server.next(Ask::Flag, &[fate]);
        world.change("a", "2");
        world.run(60_000);
        assert_eq!(world.count("error FetchFlag "), 1, "{fate:?}");
        assert_eq!(world.count("send all"), 1);
        assert_eq!(world.state(), (Status::Ready, Why::Fine));
        world.assert_fresh(0);
    }
}

#[test]
fn a_burst_of_failed_flags_is_one_outage_for_the_backoff() {
    let mut world = World::streaming(config());
    world.server.next(Ask::Flag, &[Fate::Lost; 8]);
    for flag in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        world.change(flag, "2");
    }
    world.run(1_100);
    assert_eq!(world.count("send all"), 1, "{:?}", world.log());
    world.assert_fresh(0);
}

#[test]
fn is_not_ready_again_while_a_flag_is_known_to_be_old() {
    let mut world = World::streaming(config());
    world.latency = 200;
    world.refresh();
    world.run(250); // the list left the server
    world.latency = 10;
    world.server.next(Ask::Flag, &[Fate::Lost]);
    world.change("a", "2");
    world.run(10_000);
    world.assert_fresh(0);
    let log = world.log();
    let stale = log
        .iter()
        .position(|line| line == "state Stale Unreachable")
        .unwrap();
    let changed = log.iter().position(|line| line == "changed a=2").unwrap();
    let ready = log.iter().position(|line| line == "state Ready Fine");
    assert!(
        stale < changed && ready.is_none_or(|ready| changed < ready),
        "{log:?}"
    );
}

#[test]
fn unchanged_values_cost_a_304() {
    let mut world = World::new();
    world.server.tags = true;
    world.start();
    world.run(5_000);
    assert_eq!(world.times("send all").len(), 2);
    assert_eq!(world.count("send all if changed"), 1);
    assert_eq!(world.count("changed"), 1);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
}

#[test]
fn no_condition_goes_to_a_server_that_gave_no_tag() {
    let mut world = World::streaming(config());
    world.refresh();
    world.run(1_000);
    assert_eq!(world.count("send all if changed"), 0);
}

#[test]
fn no_condition_after_a_single_flag_was_stored() {
    let mut world = World::new();
    world.server.tags = true;
    world.start();
    world.run(5_000);
    world.change("a", "2");
    world.run(1_000);
    world.log();
    world.refresh();
    world.run(1_000);
    assert_eq!(world.log()[0], "send all");
}

#[test]
fn a_304_says_nothing_of_values_that_came_meanwhile() {
    let mut world = World::new();
    world.server.tags = true;
    world.start();
    world.run(5_000);
    world.latency = 200;
    world.announce("patch", "a");
    world.run(300); // the flag is asked for,
    world.refresh(); // then all are, with the tag of the values held
    world.run(90);
    let before = world.server.snapshot();
    world.server.set("a", "two", "2", "int");
    world.run(20); // the flag is answered with 2,
    world.server.restore(before); // which nobody hears of before it is 1 again, with the old tag
    world.run(5_000);
    assert_eq!(world.count("changed a=2"), 1, "{:?}", world.log());
    world.assert_fresh(0);
}

#[test]
fn a_304_that_was_not_asked_for_is_no_answer() {
    let mut world = World::new();
    world.server.next(Ask::All, &[Fate::Status(304)]);
    world.server.always(Ask::Stream, Fate::Hangs);
    world.start();
    world.run(50);
    assert_eq!(world.count("ready"), 0);
    assert_eq!(world.count("error FetchFlags malformed"), 1);
    world.run(5_000);
    assert_eq!(world.count("ready"), 1);
    world.assert_fresh(0);
}
