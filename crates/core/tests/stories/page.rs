//! What happens to the page around the client.

use flagwire_core::{Config, Millis, PageEvent, Status, Why};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::server::{Ask, Fate};
use crate::world::{World, config};

fn pausing() -> Config {
    Config {
        pause_when_hidden: Some(Millis(10_000)),
        ..config()
    }
}

#[test]
fn a_page_hidden_for_long_has_its_stream_closed() {
    let mut world = World::streaming(pausing());
    world.page(PageEvent::Hidden);
    world.run(9_999);
    assert_eq!(world.log(), Vec::<String>::new());
    world.run(1);
    assert_eq!(world.log(), ["close stream", "state Stale Hidden"]);
    world.run(3_600_000);
    assert_eq!(world.log(), Vec::<String>::new(), "it rests");
    world.server.set("a", "two", "2", "int");
    world.page(PageEvent::Visible);
    world.run(5_000);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
    world.assert_fresh(0);
}

#[test]
fn a_page_hidden_for_a_moment_keeps_its_stream() {
    let mut world = World::streaming(pausing());
    world.page(PageEvent::Hidden);
    world.run(5_000);
    world.page(PageEvent::Visible);
    world.run(600_000);
    assert_eq!(world.count("close stream"), 0);
}

#[test]
fn a_hidden_page_keeps_its_stream_unless_asked_otherwise() {
    let mut world = World::streaming(config());
    world.page(PageEvent::Hidden);
    world.run(3_600_000);
    assert_eq!(world.count("close stream"), 0);
}

#[test]
fn a_paused_page_stays_paused_when_the_network_comes_back() {
    let mut world = World::streaming(pausing());
    world.page(PageEvent::Hidden);
    world.run(20_000);
    world.page(PageEvent::Online);
    world.run(600_000);
    assert_eq!(world.count("open stream"), 0);
    world.page(PageEvent::Visible);
    world.run(5_000);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
}

#[test]
fn a_paused_page_stays_paused_when_it_identifies_or_signs_in_again() {
    let mut world = World::streaming(pausing());
    world.page(PageEvent::Hidden);
    world.run(20_000);
    world.identify("t2");
    world.run(10_000);
    world.server.revoke_tokens();
    world.refresh();
    world.run(600_000);
    assert_eq!(world.count("open stream"), 0);
    assert_eq!(world.count("send sign-in"), 2);
    assert_eq!(world.state(), (Status::Stale, Why::Hidden));
    world.page(PageEvent::Visible);
    world.run(5_000);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
    world.assert_fresh(0);
}

#[test]
fn a_page_hidden_while_it_signs_in_opens_no_stream() {
    let mut world = World::with(pausing());
    world.server.next(Ask::SignIn, &[Fate::Slow(20_000)]);
    world.start();
    world.page(PageEvent::Hidden);
    world.run(60_000);
    assert_eq!(world.count("open stream"), 0);
    assert_eq!(world.count("ready"), 1);
    world.page(PageEvent::Visible);
    world.run(5_000);
    assert_eq!(world.count("connected"), 1);
}

#[test]
fn a_page_that_is_left_closes_its_stream_and_comes_back() {
    let mut world = World::streaming(config());
    world.read("a", 3);
    world.page(PageEvent::Hidden);
    world.page(PageEvent::Left);
    world.run(100);
    assert_eq!(
        world.log(),
        [
            "send metrics keepalive",
            "close stream",
            "state Stale Hidden"
        ]
    );
    world.now += 3_600_000; // frozen: no timer fires
    world.server.set("a", "two", "2", "int");
    world.page(PageEvent::Restored);
    world.run(5_000);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
    assert_eq!(
        world.count("connected"),
        0,
        "the application was not told of a loss either"
    );
    world.assert_fresh(0);
}

#[test]
fn a_page_restored_is_not_paused_for_having_been_hidden() {
    let mut world = World::streaming(pausing());
    world.page(PageEvent::Hidden);
    world.page(PageEvent::Left);
    world.run(2_000);
    world.page(PageEvent::Restored);
    world.run(600_000);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
}

#[test]
fn another_network_gets_another_stream() {
    let mut world = World::streaming(config());
    world.go_silent();
    world.server.set("a", "two", "2", "int");
    world.page(PageEvent::Online);
    world.run(1_000);
    assert_eq!(world.count("open stream"), 1);
    world.assert_fresh(0);
}

#[test]
fn waking_up_ends_the_wait_for_sign_in_and_fetch() {
    let mut world = World::new();
    world
        .server
        .next(Ask::SignIn, &[Fate::RetryAfter(503, 1_000_000)]);
    world.start();
    world.run(1_000);
    world
        .server
        .next(Ask::All, &[Fate::RetryAfter(503, 1_000_000)]);
    world
        .server
        .next(Ask::Stream, &[Fate::RetryAfter(503, 1_000_000)]);
    world.page(PageEvent::Visible);
    world.run(1_000);
    assert_eq!(world.count("send all"), 1);
    world.page(PageEvent::Visible);
    world.run(1_000);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
}

#[test]
fn a_machine_that_slept_notices_at_once_that_its_stream_is_dead() {
    let mut world = World::streaming(config());
    world.go_silent();
    world.now += 8 * 3_600_000;
    world.server.set("a", "two", "2", "int");
    world.page(PageEvent::Visible);
    world.run(2_000);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
    world.assert_fresh(0);
}

#[test]
fn online_without_a_stream_fetches() {
    let mut world = World::streaming(Config {
        streaming: false,
        ..config()
    });
    world.server.set("a", "two", "2", "int");
    world.page(PageEvent::Online);
    world.run(1_000);
    world.assert_fresh(0);
}
