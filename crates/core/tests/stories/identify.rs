//! Switching the target.

use flagwire_core::{Config, Status, Why};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::server::{Ask, Fate};
use crate::world::{World, config};

fn two_targets(config: Config) -> World {
    let mut world = World::with(config);
    world.server.set_for("t2", "a", "two", "2", "int");
    world.server.set_for("t2", "only-t2", "x", "x", "string");
    world.server.set_for("t3", "a", "three", "3", "int");
    world.start();
    world.run(15_000);
    world.log();
    world
}

#[test]
fn values_stay_until_the_new_ones_are_there() {
    let mut world = two_targets(config());
    world.identify("t2");
    assert_eq!(
        world.log(),
        ["close stream", "state Stale Target", "send sign-in"]
    );
    world.run(30);
    assert_eq!(world.value("a").as_deref(), Some("1"));
    world.run(5_000);
    assert_eq!(
        world.log(),
        [
            "send all",
            "open stream",
            "changed a=2 only-t2=x",
            "loaded",
            "identified 1",
            "state Ready Fine",
            "send all",
            "loaded",
            "save t2: a=2 only-t2=x"
        ]
    );
    world.assert_fresh(0);
}

#[test]
fn listeners_hear_of_real_differences_alone() {
    let mut world = World::streaming(config());
    world.identify("t2"); // served the same
    world.run(5_000);
    assert_eq!(world.count("changed"), 0);
    assert_eq!(world.count("identified 1"), 1);
}

#[test]
fn late_replies_of_the_old_target_change_nothing() {
    let mut world = two_targets(config());
    world.latency = 500;
    world.refresh();
    world.announce("patch", "a");
    world.run(900); // on their way back
    world.latency = 10;
    world.identify("t2");
    world.run(5_000);
    assert_eq!(world.count("abort"), 2);
    assert_eq!(world.count("changed"), 1);
    world.assert_fresh(0);
}

#[test]
fn events_of_the_old_target_change_nothing() {
    let mut world = two_targets(config());
    world.server.values_in_events = true;
    world.latency = 300;
    world.change("a", "9");
    world.run(10);
    world.latency = 10;
    world.identify("t2");
    world.run(5_000);
    assert_eq!(world.count("changed a=9"), 0);
    world.assert_fresh(0);
}

#[test]
fn identify_during_identify_ends_at_the_last_target() {
    let mut world = two_targets(config());
    world.identify("t2");
    world.run(15); // signing in
    world.identify("t3");
    world.run(30); // fetching
    world.identify("t2");
    world.identify("t3");
    world.run(5_000);
    assert_eq!(world.count("identified 4"), 1);
    assert_eq!(world.count("identified"), 1);
    assert_eq!(world.count("changed"), 1);
    assert_eq!(world.value("a").as_deref(), Some("3"));
    world.assert_fresh(0);
}

#[test]
fn identify_before_the_first_sign_in_is_done() {
    let mut world = World::new();
    world.server.set_for("t2", "a", "two", "2", "int");
    world.start();
    world.run(5);
    world.identify("t2");
    world.run(5_000);
    assert_eq!(world.count("changed"), 1);
    assert_eq!(world.count("ready"), 1);
    assert_eq!(world.count("identified 1"), 1);
    world.assert_fresh(0);
}

#[test]
fn identify_while_sign_in_waits_does_not_wait() {
    let mut world = World::new();
    world
        .server
        .next(Ask::SignIn, &[Fate::RetryAfter(503, 3_000_000)]);
    world.start();
    world.run(1_000);
    world.identify("t2");
    world.run(1_000);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
}

#[test]
fn identify_goes_on_through_faults() {
    let mut world = two_targets(config());
    world
        .server
        .next(Ask::SignIn, &[Fate::Lost, Fate::Status(500)]);
    world
        .server
        .next(Ask::All, &[Fate::Status(401), Fate::Hangs]);
    world.identify("t2");
    world.wait_for("the switch", |world| world.count("identified 1") == 1);
    world.run(5_000);
    world.assert_fresh(0);
}

#[test]
fn identify_while_polling_goes_on_polling() {
    let mut world = two_targets(Config {
        streaming: false,
        ..config()
    });
    world.identify("t2");
    world.run(30_000);
    world.server.set_for("t2", "a", "five", "5", "int");
    world.run(70_000);
    world.assert_fresh(0);
}

#[test]
fn the_tag_of_the_old_target_is_not_used() {
    let mut world = World::new();
    world.server.tags = true;
    world.start();
    world.run(5_000);
    world.log();
    world.identify("t2");
    world.run(35);
    assert_eq!(world.count("send all if changed"), 0);
}

#[test]
fn a_refused_target_leaves_the_old_values() {
    let mut world = two_targets(config());
    world.server.always(Ask::SignIn, Fate::Status(400));
    world.identify("t2");
    world.run(600_000);
    assert_eq!(world.count("error Auth bad-request"), 1);
    assert_eq!(world.state(), (Status::Stale, Why::Refused));
    assert_eq!(world.value("a").as_deref(), Some("1"));
    world.server.is_healthy();
    world.identify("t3");
    world.run(5_000);
    world.assert_fresh(0);
}
