//! What is written to the cache, and when.

use flagwire_core::{Config, PageEvent, Status, Why};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::server::{Ask, Fate};
use crate::world::{World, config};

#[test]
fn a_burst_of_changes_is_written_once() {
    let mut world = World::streaming(config());
    world.server.values_in_events = true;
    for value in 0..10 {
        world.change("a", &format!("{value}"));
        world.change("b", &format!("{value}"));
        world.run(50);
    }
    world.run(5_000);
    assert_eq!(world.count("save"), 1);
    assert_eq!(world.pages[0].cache["t1"], ["a=9", "b=9"]);
}

#[test]
fn what_waits_is_written_when_the_page_is_hidden() {
    let mut world = World::streaming(config());
    world.change("a", "2");
    world.run(100);
    world.page(PageEvent::Hidden);
    assert_eq!(world.pages[0].cache["t1"], ["a=2"]);
    world.run(5_000);
    assert_eq!(world.count("save"), 1, "and not once more");
}

#[test]
fn what_waits_is_written_at_the_end() {
    let mut world = World::streaming(config());
    world.change("a", "2");
    world.run(100);
    world.close();
    assert_eq!(world.pages[0].cache["t1"], ["a=2"]);
}

#[test]
fn what_waits_for_the_old_target_is_written_under_its_key() {
    let mut world = World::streaming(config());
    world.server.set_for("t2", "a", "t2", "8", "int");
    world.change("a", "2");
    world.run(100);
    world.identify("t2");
    world.run(5_000);
    assert_eq!(world.pages[0].cache["t1"], ["a=2"]);
    assert_eq!(world.pages[0].cache["t2"], ["a=8"]);
}

#[test]
fn values_of_the_old_target_are_never_written_under_the_new_key() {
    let mut world = World::streaming(config());
    world.server.set_for("t2", "b", "t2", "8", "int");
    world.server.values_in_events = true;
    world.server.always(Ask::All, Fate::Status(503));
    world.identify("t2");
    world.run(5_000); // the stream is open, the list has not come
    world.change("b", "9");
    world.run(5_000);
    world.close();
    assert!(
        !world.pages[0].cache.contains_key("t2"),
        "{:?}",
        world.pages[0].cache
    );
}

#[test]
fn nothing_is_written_where_there_is_no_cache() {
    let mut world = World::streaming(Config {
        cache: false,
        ..config()
    });
    world.change("a", "2");
    world.run(5_000);
    world.page(PageEvent::Hidden);
    world.close();
    assert!(world.pages[0].cache.is_empty());
}

#[test]
fn cached_values_are_said_to_be_cached_until_the_server_was_heard() {
    let mut world = World::with(Config {
        cached: true,
        ..config()
    });
    world.server.next(Ask::SignIn, &[Fate::Lost]);
    world.start();
    world.run(50);
    assert_eq!(world.state(), (Status::Cached, Why::Unreachable));
    world.run(5_000);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
}
