//! Older answers never overwrite newer ones.

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::server::{Ask, Fate};
use crate::world::{World, config};

#[test]
fn a_list_asked_for_before_an_event_does_not_undo_it() {
    let mut world = World::streaming(config());
    world.latency = 200;
    world.refresh();
    world.run(250); // answered at the server, not here yet
    world.latency = 10;
    world.server.values_in_events = true;
    world.change("a", "2");
    world.change("b", "3");
    world.run(5_000);
    assert_eq!(world.count("changed"), 2, "{:?}", world.log());
    world.assert_fresh(0);
}

#[test]
fn a_list_asked_for_before_a_deletion_does_not_bring_the_flag_back() {
    let mut world = World::streaming(config());
    world.latency = 200;
    world.refresh();
    world.run(250);
    world.latency = 10;
    world.delete("a");
    world.run(5_000);
    assert_eq!(world.count("changed"), 1, "{:?}", world.log());
    world.assert_fresh(0);
}

#[test]
fn a_list_asked_for_before_a_creation_does_not_remove_the_flag() {
    let mut world = World::streaming(config());
    world.server.values_in_events = true;
    world.latency = 200;
    world.refresh();
    world.run(250);
    world.latency = 10;
    world.create("b", "2");
    world.run(5_000);
    assert_eq!(world.count("changed"), 1, "{:?}", world.log());
    world.assert_fresh(0);
}

#[test]
fn a_flag_asked_for_before_an_event_does_not_undo_it() {
    let mut world = World::streaming(config());
    world.latency = 200;
    world.announce("patch", "a");
    world.run(450); // asked, answered, on its way back
    world.latency = 10;
    world.server.values_in_events = true;
    world.change("a", "2");
    world.run(5_000);
    assert_eq!(world.count("changed"), 1, "{:?}", world.log());
    world.assert_fresh(0);
}

#[test]
fn a_flag_asked_for_before_a_list_does_not_undo_it() {
    let mut world = World::streaming(config());
    world.latency = 200;
    world.announce("patch", "a");
    world.run(450); // asked and answered, on its way back for long
    world.latency = 10;
    world.server.set("a", "two", "2", "int"); // the event is lost
    world.refresh();
    world.run(5_000);
    assert_eq!(world.count("changed"), 1, "{:?}", world.log());
    world.assert_fresh(0);
}

#[test]
fn a_missing_flag_asked_for_before_its_creation_stays() {
    let mut world = World::streaming(config());
    world.latency = 200;
    world.announce("patch", "b"); // 404
    world.run(450);
    world.latency = 10;
    world.server.values_in_events = true;
    world.create("b", "2");
    world.run(5_000);
    assert_eq!(world.count("changed"), 1, "{:?}", world.log());
    world.assert_fresh(0);
}

#[test]
fn a_change_between_the_list_and_the_stream_is_found() {
    let mut world = World::new();
    world
        .server
        .next(Ask::Stream, &[Fate::RetryAfter(503, 500)]);
    world.start();
    world.run(400);
    world.server.set("a", "two", "2", "int"); // nobody listens
    world.run(5_000);
    assert_eq!(world.count("connected"), 1);
    world.assert_fresh(0);
}

#[test]
fn a_change_is_found_though_the_stream_opened_while_the_list_was_on_its_way() {
    let mut world = World::new();
    world.server.next(Ask::Stream, &[Fate::Slow(60)]);
    world.start();
    world.run(15); // the sign-in is answered
    world.latency = 200;
    world.run(210); // the list is asked for and answered,
    world.server.set("a", "two", "2", "int"); // `a` changes,
    world.latency = 10;
    world.run(70); // the stream opens
    assert_eq!((world.count("connected"), world.count("loaded")), (1, 0));
    world.run(5_000);
    assert_eq!(world.count("send all"), 2);
    world.assert_fresh(0);
}

#[test]
fn asking_for_all_many_times_at_once_makes_two_requests() {
    let mut world = World::streaming(config());
    for _ in 0..20 {
        world.refresh();
    }
    world.run(5_000);
    assert_eq!(world.count("send all"), 2);
}

#[test]
fn deletions_on_a_quiet_stream_take_no_memory() {
    let mut world = World::streaming(config());
    for flag in 0..1_000 {
        world.announce("delete", &format!("gone-{flag}"));
    }
    world.run(1_000);
    assert_eq!(world.pages[0].client.held(), 0);
}
