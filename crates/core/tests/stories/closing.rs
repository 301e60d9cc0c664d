//! `close()` at any moment ends everything. That nothing is put out afterwards the driver checks in all stories.

use flagwire_core::{Client, Config, Millis, PageEvent, Status, Why};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::server::{Ask, Fate};
use crate::world::{World, config, target};

/// Pokes a closed client in every way there is.
fn assert_at_rest(world: &mut World) {
    assert_eq!(world.state(), (Status::Closed, Why::Fine));
    assert_eq!(world.pages[0].client.poll_timeout(), None);
    assert!(world.pages[0].stream.is_none());
    world.log();
    for event in [
        PageEvent::Online,
        PageEvent::Hidden,
        PageEvent::Left,
        PageEvent::Restored,
        PageEvent::Visible,
    ] {
        world.page(event);
    }
    world.start();
    world.refresh();
    world.close();
    world.act(0, |client, now| client.flush(now));
    world.act(0, |client, now| _ = client.identify(now, target("t9")));
    world.change("a", "closed");
    world.run(100_000);
    world.act(0, Client::handle_timeout);
    world.run(3_600_000);
    assert_eq!(world.log(), Vec::<String>::new());
}

#[test]
fn at_every_moment_of_a_start() {
    for moment in 0..80 {
        let mut world = World::new();
        world.start();
        world.run(moment);
        world.read("a", 1);
        world.close();
        assert_at_rest(&mut world);
    }
}

#[test]
fn before_the_start() {
    let mut world = World::new();
    world.close();
    assert_at_rest(&mut world);
}

#[test]
fn while_waiting_to_sign_in_to_fetch_or_to_stream() {
    for ask in [Ask::SignIn, Ask::All, Ask::Stream] {
        let mut world = World::new();
        world.server.always(ask, Fate::Status(503));
        world.start();
        world.run(20_000);
        world.close();
        assert_at_rest(&mut world);
    }
}

#[test]
fn while_everything_hangs() {
    let mut world = World::streaming(config());
    for ask in [Ask::All, Ask::Flag, Ask::Metrics] {
        world.server.always(ask, Fate::Hangs);
    }
    world.read("a", 1);
    world.run(56_000);
    world.refresh();
    world.change("a", "2");
    world.create("b", "2");
    world.run(100);
    world.read("a", 1);
    world.close();
    assert_at_rest(&mut world);
}

#[test]
fn while_refused_paused_or_polling() {
    let mut world = World::new();
    world.server.always(Ask::SignIn, Fate::Status(401));
    world.start();
    world.run(100);
    world.close();
    assert_at_rest(&mut world);

    let mut world = World::streaming(Config {
        pause_when_hidden: Some(Millis(0)),
        ..config()
    });
    world.page(PageEvent::Hidden);
    world.run(100);
    world.close();
    assert_at_rest(&mut world);

    let mut world = World::streaming(Config {
        streaming: false,
        ..config()
    });
    world.close();
    assert_at_rest(&mut world);
}

#[test]
fn values_can_still_be_read() {
    let mut world = World::streaming(config());
    world.close();
    assert_eq!(world.value("a").as_deref(), Some("1"));
}
