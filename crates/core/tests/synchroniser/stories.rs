//! The stories.

use flagwire_core::{Status, SyncConfig, Why};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::world::{Ask, Fate, World};

#[test]
fn it_signs_in_fetches_both_lists_and_follows_the_stream() {
    let mut world = World::with(SyncConfig::default());
    world.start();
    world.run(5_000);
    let happened = world.happened();
    assert_eq!(
        happened[..4],
        [
            "send /client/auth",
            "send /feature-configs",
            "send /target-segments",
            "open"
        ]
    );
    assert!(happened.contains(&"Ready Fine".to_owned()), "{happened:?}");
    world.change(0, "a");
    world.run(1_000);
    assert_eq!(world.happened(), ["send /feature-configs/a", "changed a"]);
    world.change(1, "g");
    world.run(1_000);
    assert_eq!(world.happened(), ["send /target-segments/g", "changed g"]);
    world.delete(0, "a");
    world.run(1_000);
    assert_eq!(
        world.happened(),
        ["changed a"],
        "a deletion needs no request"
    );
    world.assert_equal();
}

#[test]
fn a_burst_of_one_flag_leads_to_one_further_fetch_at_most() {
    let mut world = World::streaming();
    for _ in 0..50 {
        world.change(0, "a");
        world.run(1);
    }
    world.run(1_000);
    world.assert_equal();
    let sent = world.sent("/feature-configs/a").len();
    assert!(
        sent <= 4,
        "{sent} requests for 50 changes in 50 ms of 20 ms each"
    );
}

#[test]
fn many_changed_flags_are_fetched_as_one_list() {
    let mut world = World::streaming();
    for number in 0..1_000 {
        world.change(0, &format!("f{number}"));
    }
    world.run(1_000);
    world.assert_equal();
    let sent = world
        .happened()
        .iter()
        .filter(|line| line.starts_with("send"))
        .count();
    assert!(sent <= 8 + 2, "{sent} requests");
}

#[test]
fn a_list_that_is_older_than_an_event_does_not_undo_it() {
    let mut world = World::streaming();
    world.next(Ask::Flags, Fate::Slow(5_000));
    world.act(|machine, now| machine.refresh(now));
    world.run(1_000);
    world.delete(0, "a");
    world.change(0, "b");
    world.run(500);
    assert!(!world.has(0, "a"));
    world.run(4_000);
    assert!(
        !world.has(0, "a"),
        "the list, asked for before, still had it"
    );
    world.run(10_000);
    world.assert_equal();
}

#[test]
fn a_thousand_deletions_while_a_list_is_fetched_stay_deleted_in_bounded_memory() {
    let mut world = World::streaming();
    let names: Vec<String> = (0..1_000).map(|number| format!("f{number}")).collect();
    for name in &names {
        world.change(0, name);
    }
    world.run(1_000);
    world.next(Ask::Flags, Fate::Slow(5_000));
    world.act(|machine, now| machine.refresh(now));
    world.run(100);
    for name in &names {
        world.delete(0, name);
        world.run(1);
    }
    for _ in 0..100 {
        world.run(100);
        assert!(!names.iter().any(|name| world.has(0, name)));
    }
    world.assert_equal();
}

#[test]
fn a_replica_that_lags_is_asked_again_and_changes_nothing() {
    let mut world = World::streaming();
    world.next(Ask::Flag, Fate::Lags);
    world.next(Ask::Flags, Fate::Lags);
    world.change(0, "a");
    world.run(100);
    world.log.clear();
    world.run(60_000);
    world.assert_equal();
    assert_eq!(world.sent("/feature-configs").len(), 2);

    let stored = world.stored(0);
    world.next(Ask::Flags, Fate::Lags);
    world.act(|machine, now| machine.refresh(now));
    world.run(25);
    assert_eq!(world.stored(0), stored, "the older list changes nothing");
    world.run(60_000);
    world.assert_equal();
}

#[test]
fn versions_that_start_over_are_believed_after_some_lists() {
    let mut world = World::streaming();
    for _ in 0..20 {
        world.change(0, "a");
    }
    world.run(1_000);
    world.restart();
    world.run(20);
    assert_ne!(world.stored(0), world.server[0]);
    world.run(300_000);
    world.assert_equal();
    world.assert_state(Status::Ready, Why::Fine);
}

#[test]
fn an_upstream_that_never_serves_what_it_announced_is_not_asked_for_ever() {
    let mut world = World::streaming();
    let data = r#"{"event":"patch","domain":"flag","identifier":"a","version":99}"#;
    world.broadcast(&format!("data: {data}\n\n"), None);
    world.run(400_000);
    world.log.clear();
    world.run(100_000);
    assert_eq!(world.happened(), [""; 0]);
}

#[test]
fn it_polls_while_the_stream_is_down_and_stops_when_it_is_back() {
    let mut world = World::streaming();
    world.always(Ask::Stream, Fate::Status(500));
    world.cut();
    world.run(40_000);
    world.assert_state(Status::Stale, Why::Stream);
    world.log.clear();
    world.run(600_000);
    let polls = world.sent("/feature-configs");
    assert!((9..=11).contains(&polls.len()), "{polls:?}");
    let gaps: Vec<u64> = polls.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        gaps.iter().all(|gap| (54_000..=66_000).contains(gap)),
        "{gaps:?}"
    );
    assert!(
        gaps.iter().any(|gap| gap != &gaps[0]),
        "all in step: {gaps:?}"
    );
    world.heal();
    world.run(60_000);
    world.assert_state(Status::Ready, Why::Fine);
    world.log.clear();
    world.run(200_000);
    assert_eq!(world.happened(), [""; 0]);
}

#[test]
fn a_stream_that_opens_again_fetches_both_lists() {
    let mut world = World::streaming();
    world.cut();
    world.run(20);
    world.change(0, "missed");
    world.run(30_000);
    world.assert_equal();
    world.assert_state(Status::Ready, Why::Fine);
}

#[test]
fn a_safety_fetch_finds_what_an_open_stream_did_not_tell() {
    let mut world = World::streaming();
    world.version += 1;
    world.server[0].insert("silent".into(), world.version);
    world.run(700_000);
    world.assert_equal();
}

#[test]
fn a_stream_without_a_sign_of_life_is_replaced() {
    let mut world = World::streaming();
    world.mute();
    world.change(0, "a");
    world.run(70_000);
    world.assert_equal();
    world.assert_state(Status::Ready, Why::Fine);
}

#[test]
fn a_refused_token_is_replaced_once_and_then_it_is_a_failure() {
    let mut world = World::streaming();
    world.generation += 1;
    world.act(|machine, now| machine.refresh(now));
    world.run(1_000);
    assert_eq!(world.sent("/client/auth").len(), 1);
    world.assert_state(Status::Ready, Why::Fine);

    world.log.clear();
    world.always(Ask::Flags, Fate::Status(401));
    world.act(|machine, now| machine.refresh(now));
    world.run(50_000);
    assert_eq!(world.sent("/client/auth").len(), 1, "{:?}", world.log);
    // With the old token, with the new one, and when the stream opened.
    assert_eq!(world.sent("/feature-configs").len(), 3);
    world.assert_state(Status::Stale, Why::Auth);
    world.heal();
    world.run(200_000);
    world.assert_state(Status::Ready, Why::Fine);
}

#[test]
fn a_stream_whose_token_is_always_refused_does_not_sign_in_without_end() {
    let mut world = World::streaming();
    world.always(Ask::Stream, Fate::Status(401));
    world.cut();
    world.run(50_000);
    assert!(world.sent("/client/auth").len() <= 1);
    world.assert_state(Status::Stale, Why::Stream);
}

#[test]
fn failures_are_retried_with_growing_waits_and_reported_once() {
    let mut world = World::streaming();
    world.always(Ask::Flags, Fate::Status(500));
    world.act(|machine, now| machine.refresh(now));
    world.run(50_000);
    world.assert_state(Status::Stale, Why::Fetch);
    let tries = world.sent("/feature-configs").len();
    assert!((3..=25).contains(&tries), "{tries}");
    let errors = world.happened();
    let errors = errors.iter().filter(|line| line.starts_with("error"));
    assert_eq!(errors.count(), 1);
}

#[test]
fn a_wait_that_the_server_asks_for_is_kept_also_when_events_come_or_the_stream_opens() {
    let mut world = World::streaming();
    world.next(Ask::Flags, Fate::RetryAfter(503, 120_000));
    world.act(|machine, now| machine.refresh(now));
    world.run(1_000);
    world.log.clear();
    world.change(0, "a");
    world.cut();
    world.run(50_000);
    world.act(|machine, now| machine.refresh(now));
    world.run(50_000);
    assert_eq!(world.sent("/feature-configs"), [0_u64; 0]);
    assert_eq!(world.sent("/feature-configs/a"), [0_u64; 0]);
    world.run(40_000);
    world.assert_equal();
}

#[test]
fn a_client_key_is_refused_and_a_refused_key_may_be_allowed_later() {
    for client in [true, false] {
        let mut world = World::with(SyncConfig::default());
        world.client_key = client;
        if !client {
            world.always(Ask::SignIn, Fate::Status(401));
        }
        world.start();
        world.run(50_000);
        world.assert_state(Status::Initializing, Why::Refused);
        assert_eq!(world.sent("/client/auth").len(), 1);
        let sentence = if client {
            "error a server key is needed, and this one may not read the configuration; pass a server key of this environment, and never use it in a page"
        } else {
            "error the server refused the API key; check that it is a server key of this environment"
        };
        let happened = world.happened();
        let errors = happened.iter().filter(|line| line.starts_with("error"));
        assert_eq!(errors.collect::<Vec<_>>(), [sentence]);
        world.client_key = false;
        world.heal();
        world.run(100_000);
        world.assert_state(Status::Ready, Why::Fine);
    }
}

#[test]
fn an_unchanged_list_costs_no_body() {
    let mut world = World::streaming();
    world.tags = true;
    world.act(|machine, now| machine.refresh(now));
    world.run(1_000);
    world.act(|machine, now| machine.refresh(now));
    world.run(1_000);
    world.assert_state(Status::Ready, Why::Fine);
    world.change(0, "a");
    world.run(1_000);
    world.act(|machine, now| machine.refresh(now));
    world.run(1_000);
    world.assert_equal();
}

#[test]
fn a_list_that_cannot_be_read_removes_nothing() {
    let mut world = World::streaming();
    world.next(Ask::Flags, Fate::Garbled);
    world.act(|machine, now| machine.refresh(now));
    world.run(30);
    world.assert_state(Status::Stale, Why::Fetch);
    world.assert_equal();
    world.run(5_000);
    world.assert_state(Status::Ready, Why::Fine);
}

#[test]
fn events_without_versions_are_fetched_and_what_is_no_event_fetches_everything() {
    let mut world = World::streaming();
    world.versions = false;
    world.change(0, "a");
    world.run(5);
    world.change(0, "a");
    world.run(1_000);
    world.assert_equal();
    world.log.clear();
    world.broadcast("event: heartbeat\ndata: {}\n\n", None);
    world.broadcast(
        "data: {\"event\":\"apiKeyAdded\",\"domain\":\"proxy\"}\n\n",
        None,
    );
    world.run(1_000);
    assert_eq!(world.happened(), [""; 0]);
    world.broadcast("data: [\n\n", None);
    world.run(1_000);
    assert_eq!(world.sent("/feature-configs").len(), 1);
    assert_eq!(world.sent("/target-segments").len(), 1);
}

#[test]
fn nothing_happens_after_it_is_closed() {
    let mut world = World::streaming();
    world.change(0, "a");
    world.run(15);
    world.act(|machine, now| {
        machine.close(now);
        machine.close(now);
        machine.refresh(now);
        machine.start(now);
    });
    assert_eq!(
        world.happened(),
        [
            "send /feature-configs/a",
            "abort /feature-configs/a",
            "close",
            "Closed Fine"
        ]
    );
    assert_eq!(world.machine.poll_timeout(), None);
    world.run(1_000_000);
    assert_eq!(world.happened(), [""; 0]);
    assert_eq!(world.names().len(), 2);
}

#[test]
fn without_a_stream_it_polls_and_is_ready() {
    let mut world = World::with(SyncConfig {
        streaming: false,
        cached: true,
        ..SyncConfig::default()
    });
    world.assert_state(Status::Cached, Why::Fine);
    world.start();
    world.run(1_000);
    world.assert_state(Status::Ready, Why::Fine);
    world.change(0, "a");
    world.run(70_000);
    world.assert_equal();
    assert!(!world.happened().contains(&"open".to_owned()));
}
