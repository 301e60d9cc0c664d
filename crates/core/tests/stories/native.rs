//! The stream on the platform's own `EventSource`, with tickets.

use flagwire_core::{Config, Status, Transport, Why};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::server::{Ask, Fate};
use crate::world::{NATIVE_HELLO, World, config};

fn offering(config: Config) -> World {
    let mut world = World::with(config);
    world.server.tickets = true;
    world
}

#[test]
fn is_used_where_the_server_offers_it() {
    let mut world = offering(config());
    world.start();
    world.run(5_000);
    assert_eq!(world.count("open native stream"), 1);
    assert_eq!(world.count("connected"), 1);
    world.change("a", "2");
    world.run(2_000);
    world.assert_fresh(0);
    world.log();
    world.run(600_000);
    assert_eq!(
        world.log(),
        Vec::<String>::new().as_slice(),
        "heartbeats are events there"
    );
}

#[test]
fn a_native_stream_that_opened_again_by_itself_is_not_trusted() {
    let mut world = offering(config());
    world.start();
    world.run(20_000);
    world
        .server
        .set("a", "v2", "changed while nobody listened", "string");
    world.log();
    // The browser connected again without a word; the server greets it as it greets everybody.
    world.say(NATIVE_HELLO);
    world.run(2_000);
    assert_eq!(world.count("send all"), 1);
    world.assert_fresh(0);
}

#[test]
fn is_not_used_where_fetch_is_asked_for() {
    let mut world = offering(Config {
        transport: Transport::Fetch,
        ..config()
    });
    world.start();
    world.run(5_000);
    assert_eq!(world.count("open stream"), 1);
}

#[test]
fn nothing_streams_where_it_alone_is_asked_for_and_not_offered() {
    let mut world = World::with(Config {
        transport: Transport::EventSource,
        ..config()
    });
    world.start();
    world.run(600_000);
    assert_eq!(world.count("open"), 0);
    assert_eq!(world.count("error Stream"), 1);
    assert_eq!(world.count("polling"), 1);
    assert_eq!(world.state(), (Status::Stale, Why::Stream));
}

#[test]
fn each_stream_has_a_ticket_of_its_own() {
    let mut world = offering(config());
    world.start();
    world.run(60_000);
    world.log();
    world.server.set("a", "two", "2", "int");
    world.cut();
    world.run(10_000);
    assert_eq!(world.count("send sign-in"), 1);
    assert_eq!(world.count("open native stream"), 1);
    assert_eq!(world.count("connected"), 1);
    world.assert_fresh(0);
}

#[test]
fn fetch_takes_over_where_it_fails_before_it_opens() {
    let mut world = offering(config());
    world.server.next(Ask::Stream, &[Fate::Lost]);
    world.start();
    world.run(5_000);
    assert_eq!(world.count("open native stream"), 1);
    assert_eq!(world.count("open stream"), 1);
    assert_eq!(world.count("connected"), 1);
}

#[test]
fn fetch_takes_over_where_it_never_opens() {
    let mut world = offering(config());
    world.server.next(Ask::Stream, &[Fate::Hangs]);
    world.start();
    world.run(60_000);
    assert_eq!(world.count("open native stream"), 1);
    assert_eq!(world.count("open stream"), 1);
}

#[test]
fn a_dead_one_is_noticed() {
    let mut world = offering(config());
    world.start();
    world.run(60_000);
    world.log();
    world.go_silent();
    world.server.set("a", "two", "2", "int");
    world.run(60_000);
    assert_eq!(world.count("error Stream timeout"), 1);
    assert_eq!(world.count("open native stream"), 1);
    world.assert_fresh(0);
}

#[test]
fn a_ticket_that_cannot_be_had_is_asked_for_again() {
    let mut world = offering(config());
    world.start();
    world.run(60_000);
    world.log();
    world
        .server
        .next(Ask::SignIn, &[Fate::Status(503), Fate::Lost]);
    world.cut();
    world.run(60_000);
    assert_eq!(world.count("send sign-in"), 3);
    assert_eq!(world.count("connected"), 1);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
}

#[test]
fn without_fetch_it_gets_ticket_after_ticket() {
    let mut world = offering(Config {
        transport: Transport::EventSource,
        ..config()
    });
    world
        .server
        .next(Ask::Stream, &[Fate::Lost, Fate::Status(401), Fate::Hangs]);
    world.start();
    world.run(120_000);
    assert_eq!(world.count("open native stream"), 4);
    assert_eq!(world.count("open stream"), 0);
    assert_eq!(world.count("connected"), 1);
}
