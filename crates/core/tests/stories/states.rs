//! How far the application can trust the values: one rule for each reason.

use flagwire_core::{Config, Status, Why};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::server::{Ask, Fate};
use crate::world::{World, config};

const FINE: (Status, Why) = (Status::Ready, Why::Fine);

#[test]
fn signing_in_that_fails_is_unreachable_without_an_answer_and_refused_for_good_or_auth_with_one() {
    let fates = [
        (Fate::Lost, Why::Unreachable),
        (Fate::Hangs, Why::Unreachable),
        (Fate::Status(408), Why::Auth),
        (Fate::Status(429), Why::Auth),
        (Fate::Status(500), Why::Auth),
        (Fate::Status(503), Why::Auth),
        (Fate::Garbled, Why::Auth),
        (Fate::Status(400), Why::Refused),
        (Fate::Status(401), Why::Refused),
        (Fate::Status(403), Why::Refused),
        (Fate::Status(404), Why::Refused),
        (Fate::Status(413), Why::Refused),
    ];
    for (fate, why) in fates {
        let mut world = World::new();
        world.server.always(Ask::SignIn, fate);
        world.start();
        world.run(200_000);
        assert_eq!(world.state(), (Status::Initializing, why), "{fate:?}");
        world.server.is_healthy();
        world.run(60_000);
        let after = if why == Why::Refused {
            (Status::Initializing, why)
        } else {
            FINE
        };
        assert_eq!(world.state(), after, "{fate:?}");
    }
}

#[test]
fn fetching_that_fails_is_unreachable_without_an_answer_and_fetch_with_one() {
    let fates = [
        (Fate::Lost, Why::Unreachable),
        (Fate::Hangs, Why::Unreachable),
        (Fate::Status(500), Why::Fetch),
        (Fate::Status(403), Why::Fetch),
        (Fate::Status(404), Why::Fetch),
        (Fate::Garbled, Why::Fetch),
    ];
    for (fate, why) in fates {
        let mut world = World::streaming(config());
        world.server.always(Ask::All, fate);
        world.refresh();
        world.run(200_000);
        assert_eq!(world.state(), (Status::Stale, why), "{fate:?}");
        world.server.is_healthy();
        world.run(70_000);
        assert_eq!(world.state(), FINE, "{fate:?}");
    }
}

#[test]
fn a_stream_that_was_asked_for_and_is_not_there_is_stale_whatever_kept_it_away() {
    let fates = [
        (Fate::Lost, true),
        (Fate::Hangs, true),
        (Fate::Garbled, true),
        (Fate::Status(500), true),
        (Fate::Status(501), true),
        (Fate::Status(503), true),
        (Fate::Status(429), true),
        (Fate::Status(204), false),
        (Fate::Status(400), false),
        (Fate::Status(401), false),
        (Fate::Status(403), false),
        (Fate::Status(404), false),
        (Fate::Status(405), false),
        (Fate::Status(410), false),
    ];
    for native in [false, true] {
        for (fate, passes) in fates {
            let mut world = World::new();
            world.server.tickets = native;
            world.server.always(Ask::Stream, fate);
            world.start();
            world.run(200_000);
            let what = format!("{fate:?}, native: {native}");
            assert_eq!(world.state(), (Status::Stale, Why::Stream), "{what}");
            world.server.set("a", "two", "2", "int");
            world.run(70_000);
            world.assert_fresh(0); // it polls
            assert_eq!(world.state(), (Status::Stale, Why::Stream), "{what}");
            world.server.is_healthy();
            world.run(60_000);
            let after = if passes {
                FINE
            } else {
                (Status::Stale, Why::Stream)
            };
            assert_eq!(world.state(), after, "{what}");
        }
    }
}

#[test]
fn a_client_that_is_to_poll_or_to_ask_once_is_ready_with_its_list() {
    for polling in [false, true] {
        let mut world = World::with(Config {
            streaming: false,
            polling,
            ..config()
        });
        world.start();
        world.run(200_000);
        assert_eq!(world.state(), FINE);
    }
}

#[test]
fn a_list_that_gets_through_while_the_stream_is_away_leaves_the_stream_as_the_reason() {
    let mut world = World::streaming(config());
    world.server.always(Ask::Stream, Fate::Lost);
    world.server.always(Ask::All, Fate::Lost);
    world.cut();
    world.run(50);
    assert_eq!(world.state(), (Status::Stale, Why::Stream));
    world.run(100_000);
    assert_eq!(
        world.state(),
        (Status::Stale, Why::Unreachable),
        "it polled"
    );
    world.server.always(Ask::All, Fate::Fine);
    world.run(60_000);
    assert_eq!(world.state(), (Status::Stale, Why::Stream));
    world.server.is_healthy();
    world.run(60_000);
    assert_eq!(world.state(), FINE);
}

#[test]
fn with_the_values_of_another_target_the_state_is_right_at_once() {
    // The stream opens before the list is there, so the list is confirmed by another one.
    for (delay, failed) in [(0, false), (300, false), (300, true)] {
        let mut world = World::streaming(config());
        world.server.set_for("t2", "a", "two", "2", "int");
        if failed {
            world.server.next(Ask::SignIn, &[Fate::Status(503)]);
        }
        world.server.next(Ask::All, &[Fate::Slow(delay)]);
        world.identify("t2");
        world.run(10_000);
        let log = world.log();
        let identified = log.iter().position(|line| line == "identified 1").unwrap();
        assert_eq!(log[identified + 1], "state Ready Fine", "{log:?}");
        assert!(
            log[identified..].iter().all(|line| !line.contains("Stale")),
            "{log:?}"
        );
        world.assert_fresh(0);
    }
}
