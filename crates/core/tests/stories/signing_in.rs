//! Signing in, and staying signed in.

use flagwire_core::{Config, PageEvent, Status, Why};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::codec::codec;
use crate::server::{Ask, Fate};
use crate::world::{World, config, service, target};

#[test]
fn signs_in_fetches_and_streams() {
    let mut world = World::new();
    world.start();
    assert_eq!(world.log(), ["send sign-in"]);
    world.run(5_000);
    assert_eq!(
        world.log(),
        [
            "send all",
            "open stream",
            "changed a=1",
            "loaded",
            "ready",
            "state Ready Fine",
            "connected",
            "send all",
            "loaded",
            "save t1: a=1",
        ]
    );
    world.assert_fresh(0);
}

#[test]
fn starting_twice_signs_in_once() {
    let mut world = World::new();
    world.start();
    world.start();
    assert_eq!(world.log(), ["send sign-in"]);
}

#[test]
fn retries_sign_in_with_growing_jittered_delays() {
    let mut world = World::new();
    world.server.always(Ask::SignIn, Fate::Status(503));
    world.start();
    world.run(600_000);
    let times = world.times("send sign-in");
    let delays: Vec<u64> = times
        .windows(2)
        .map(|pair| pair[1] - pair[0] - 20)
        .collect();
    assert!(delays.len() > 20, "{delays:?}");
    for (attempt, delay) in delays.iter().enumerate() {
        let ceiling = (1_000u64 << attempt.min(5)).min(30_000);
        assert!((100..=ceiling).contains(delay), "{attempt}: {delay}");
    }
    assert!(
        *delays.iter().max().unwrap() > 15_000,
        "they never grew: {delays:?}"
    );
    // Reported once an outage.
    assert_eq!(world.count("error"), 1);
    assert_eq!(world.state(), (Status::Initializing, Why::Auth));
}

#[test]
fn gets_ready_when_sign_in_works_at_last() {
    let mut world = World::new();
    let bad = [
        Fate::Status(500),
        Fate::Lost,
        Fate::Hangs,
        Fate::Garbled,
        Fate::Status(429),
        Fate::Status(408),
    ];
    world.server.next(Ask::SignIn, &bad);
    world.start();
    world.wait_for("ready", |world| world.state() == (Status::Ready, Why::Fine));
    assert_eq!(world.count("send sign-in"), 7);
    assert_eq!(world.count("error"), 1);
    world.assert_fresh(0);
}

#[test]
fn waits_as_long_as_retry_after_says() {
    let mut world = World::new();
    world
        .server
        .next(Ask::SignIn, &[Fate::RetryAfter(503, 20_000)]);
    world.start();
    world.run(60_000);
    let times = world.times("send sign-in");
    let delay = times[1] - times[0] - 20;
    assert!((20_000..=21_000).contains(&delay), "{delay}");
}

#[test]
fn a_retry_after_of_a_year_is_taken_for_an_hour() {
    let mut world = World::new();
    world
        .server
        .next(Ask::SignIn, &[Fate::RetryAfter(503, u32::MAX)]);
    world.start();
    world.run(3_700_000);
    assert_eq!(world.count("send sign-in"), 2);
}

#[test]
fn a_fatal_status_is_reported_once_and_ends_everything() {
    for status in [400, 401, 403, 404] {
        let mut world = World::new();
        world.server.always(Ask::SignIn, Fate::Status(status));
        world.start();
        world.run(3_600_000);
        world.page(PageEvent::Online);
        world.page(PageEvent::Visible);
        world.refresh();
        world.run(3_600_000);
        let log = world.log();
        assert_eq!(log.len(), 3, "{log:?}");
        assert_eq!(log[0], "send sign-in");
        assert!(log[1].starts_with("error Auth"));
        assert_eq!(log[2], "state Initializing Refused");
        assert_eq!(
            world.pages[0].client.poll_timeout(),
            None,
            "no timer is left"
        );
    }
}

#[test]
fn a_wrong_key_is_called_unauthorized() {
    let mut world = World::empty();
    world.add_page_with(config(), codec(service("wrong"), target("t1")), 7);
    world.start();
    world.run(60_000);
    assert_eq!(world.log()[1], "error Auth unauthorized");
}

#[test]
fn a_fetch_refused_later_signs_in_again_once() {
    let mut world = World::streaming(config());
    world.server.revoke_tokens();
    world.refresh();
    world.run(10_000);
    assert_eq!(world.count("send sign-in"), 1);
    assert_eq!(world.count("error"), 0);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
    // The token expires every day: each time once.
    world.server.revoke_tokens();
    world.refresh();
    world.run(10_000);
    assert_eq!(world.count("send sign-in"), 2);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
    world.assert_fresh(0);
}

#[test]
fn a_fetch_refused_with_a_new_token_too_waits_as_long_as_a_poll() {
    let mut world = World::streaming(config());
    world.server.always(Ask::All, Fate::Status(401));
    world.refresh();
    world.run(59_000);
    assert_eq!(world.count("send sign-in"), 1);
    // Twice, as the stream that opened asks too.
    assert_eq!(world.count("error FetchFlags unauthorized"), 2);
    assert_eq!(world.state(), (Status::Stale, Why::Fetch));
    assert_eq!(world.value("a").as_deref(), Some("1"), "values are kept");
    // The key itself was not refused, so this may pass: servers with different secrets during an update.
    world.server.is_healthy();
    world.server.set("a", "two", "2", "int");
    world.run(5_000);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
    world.assert_fresh(0);
}

#[test]
fn a_token_refused_twice_is_replaced_while_polling_too() {
    // A poll may come before the wait is over that another sign-in takes, or after; it depends on the jitter.
    for seed in 0..8 {
        let polling = Config {
            streaming: false,
            ..config()
        };
        let mut world = World::empty();
        world.add_page(polling, seed);
        world.start();
        world.run(5_000);
        world.server.revoke_tokens();
        world.server.always(Ask::All, Fate::Status(401));
        world.run(70_000);
        assert_eq!(world.state(), (Status::Stale, Why::Fetch));
        // The token of the second sign-in is gone as well.
        world.server.is_healthy();
        world.server.revoke_tokens();
        world.server.set("a", "two", "2", "int");
        world.run(70_000);
        assert_eq!(world.state(), (Status::Ready, Why::Fine), "seed {seed}");
        world.assert_fresh(0);
    }
}

#[test]
fn a_key_withdrawn_later_is_final() {
    let mut world = World::streaming(config());
    world.server.always(Ask::All, Fate::Status(401));
    world.server.always(Ask::SignIn, Fate::Status(401));
    world.refresh();
    world.run(3_600_000);
    assert_eq!(world.count("send sign-in"), 1);
    assert_eq!(world.count("error Auth unauthorized"), 1);
    assert_eq!(world.count("disconnected"), 1, "nothing streams any more");
    assert_eq!(world.state(), (Status::Stale, Why::Refused));
    assert_eq!(world.value("a").as_deref(), Some("1"), "values are kept");
}

#[test]
fn several_requests_refused_at_once_sign_in_once() {
    let mut world = World::streaming(config());
    world.server.revoke_tokens();
    world.change("a", "2");
    world.change("b", "2");
    world.cut();
    world.run(20_000);
    assert_eq!(world.count("send sign-in"), 1);
    world.assert_fresh(0);
}

#[test]
fn after_a_refusal_another_target_starts_anew() {
    let mut world = World::streaming(Config {
        streaming: false,
        ..config()
    });
    world.server.always(Ask::SignIn, Fate::Status(403));
    world.server.revoke_tokens();
    world.refresh();
    world.run(60_000);
    assert_eq!(world.state(), (Status::Stale, Why::Refused));
    world.server.is_healthy();
    world.identify("t2");
    world.run(10_000);
    assert_eq!(world.state(), (Status::Ready, Why::Fine));
    world.change("a", "9");
    world.run(120_000);
    world.assert_fresh(0); // it polls again
}

#[test]
fn values_waiting_for_the_cache_survive_a_refusal() {
    let mut world = World::streaming(Config {
        streaming: false,
        ..config()
    });
    world.server.set("b", "two", "2", "int");
    world.refresh();
    world.run(100); // stored, not yet saved
    world.server.revoke_tokens();
    world.server.always(Ask::SignIn, Fate::Status(403));
    world.refresh();
    world.run(10_000);
    assert_eq!(world.pages[0].cache["t1"], ["a=1", "b=2"]);
}
