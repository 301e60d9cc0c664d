//! One stream for all tabs of an origin.

use flagwire_core::protocol::Target;
use flagwire_core::{Config, Instant, Millis, PageEvent, Status, Why};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::codec::codec;
use crate::server::{Ask, Fate, KEY};
use crate::world::{NATIVE_HELLO, World, config, service};

fn shared() -> Config {
    Config {
        share_stream: true,
        ..config()
    }
}

fn tabs_with(number: usize, config: &Config) -> World {
    let mut world = World::empty();
    join(&mut world, number, config);
    world
}

fn join(world: &mut World, number: usize, config: &Config) {
    for index in 0..number {
        world.add_page(config.clone(), 11 + index as u64);
        world.act(index, |client, now| client.start(now));
        world.run(100);
    }
    world.run(60_000);
    assert_calm(world);
    forget(world);
}

fn tabs(number: usize) -> World {
    tabs_with(number, &shared())
}

fn forget(world: &mut World) {
    for page in &mut world.pages {
        page.log.clear();
    }
}

fn lines(world: &World, page: usize, start: &str) -> usize {
    let log = world.pages[page].log.iter();
    log.filter(|(_, line)| line.starts_with(start)).count()
}

/// One stream, and everybody open is fresh and knows it.
fn assert_calm(world: &World) {
    assert_eq!(world.streaming_pages().len(), 1, "one stream");
    for index in 0..world.pages.len() {
        let state = world.pages[index].client.state();
        if state.0 != Status::Closed {
            assert_eq!(state, (Status::Ready, Why::Fine), "tab {index}");
            world.assert_fresh(index);
        }
    }
}

#[test]
fn nine_tabs_have_one_stream() {
    let world = tabs(9);
    assert_eq!(world.streaming_pages(), [0]);
    assert_eq!(world.server.connections.len(), 1);
}

#[test]
fn a_tab_alone_streams_at_once() {
    let mut world = World::with(shared());
    world.start();
    world.run(5_000);
    assert_eq!(
        world.log(),
        [
            "send sign-in",
            "send all",
            "join tabs",
            "post Hello",
            "post Lead",
            "open stream",
            "changed a=1",
            "loaded",
            "ready",
            "state Ready Fine",
            "connected",
            "send all",
            "loaded",
            "save t1: a=1"
        ]
    );
}

#[test]
fn a_tab_alone_says_nothing_of_what_it_hears() {
    let mut world = tabs(1);
    world.change("a", "2");
    world.run(60_000);
    world.assert_fresh(0);
    let mut posts = world.log();
    posts.retain(|line| line.starts_with("post"));
    assert_eq!(
        posts,
        ["post Alive", "post Alive"],
        "every half minute, for whoever may be there"
    );
}

#[test]
fn a_switch_to_a_target_whose_stream_another_tab_holds_fetches_once_and_is_ready_at_once() {
    let mut world = tabs(2);
    world.identify_on(1, "t2");
    world.run(30_000);
    assert_eq!(world.streaming_pages(), [0, 1]);
    forget(&mut world);
    world.identify_on(1, "t1");
    world.run(10_000);
    assert_eq!(world.streaming_pages(), [0]);
    assert_eq!(lines(&world, 1, "send all"), 1);
    let log: Vec<_> = world.pages[1].log.iter().map(|(_, line)| line).collect();
    let identified = log.iter().position(|line| *line == "identified 2").unwrap();
    assert_eq!(log[identified + 1], "state Ready Fine", "{log:?}");
    assert!(
        log[identified..].iter().all(|line| !line.contains("Stale")),
        "{log:?}"
    );
    assert_calm(&world);
    world.change("a", "2");
    world.run(500);
    assert_calm(&world);
}

#[test]
fn a_tab_that_joins_fetches_again_only_where_it_may_have_missed_something() {
    for (quiet, fetches) in [(0, 2), (900, 2), (5_000, 1)] {
        let mut world = tabs(1);
        world.change("a", "2");
        world.run(quiet);
        world.add_page(shared(), 12);
        world.act(1, |client, now| client.start(now));
        world.run(5_000);
        assert_eq!(lines(&world, 1, "send all"), fetches, "{quiet}");
        assert_calm(&world);
    }
}

#[test]
fn a_tab_that_joins_while_the_leader_is_busy_misses_nothing() {
    for late in [0, 15, 25, 40, 60] {
        let mut world = tabs(1);
        world.server.values_in_events = true;
        world.freeze(0);
        world.add_page(shared(), 12);
        world.act(1, |client, now| client.start(now));
        world.run(late);
        world.change("a", "2");
        world.run(3_000);
        world.thaw(0);
        world.run(5_000);
        assert_calm(&world);
    }
}

#[test]
fn a_change_reaches_every_tab() {
    let mut world = tabs(4);
    world.change("a", "2");
    world.run(500);
    assert_calm(&world);
    forget(&mut world);
    world.server.values_in_events = true;
    world.change("a", "3");
    world.run(500);
    assert_calm(&world);
    for tab in 0..4 {
        assert_eq!(lines(&world, tab, "send"), 0, "the value was in the event");
        assert_eq!(lines(&world, tab, "changed"), 1);
    }
}

#[test]
fn a_quiet_stream_stays_one() {
    let mut world = tabs(3);
    world.run(86_400_000);
    assert_eq!(world.streaming_pages(), [0]);
    for tab in 0..3 {
        assert_eq!(lines(&world, tab, "send"), 0);
        assert_eq!(lines(&world, tab, "steal"), 0);
    }
}

#[test]
fn the_next_tab_leads_when_the_leader_closes() {
    let mut world = tabs(3);
    world.act(0, |client, now| client.close(now));
    world.server.set("a", "two", "2", "int"); // while nobody streams
    world.run(3_000);
    assert_eq!(world.streaming_pages(), [1]);
    assert_calm(&world);
    assert_eq!(lines(&world, 2, "disconnected"), 0, "nobody noticed");
    forget(&mut world);
    world.server.values_in_events = true;
    world.change("a", "3");
    world.run(500);
    assert_calm(&world);
    assert_eq!(lines(&world, 2, "send"), 0, "the new leader knows of it");
    world.act(1, |client, now| client.close(now));
    world.run(3_000);
    assert_eq!(world.streaming_pages(), [2]);
}

#[test]
fn the_next_tab_leads_when_the_leader_crashes() {
    let mut world = tabs(3);
    world.crash(0);
    world.server.set("a", "two", "2", "int");
    world.run(3_000);
    assert_eq!(world.streaming_pages(), [1]);
    world.assert_fresh(1);
    world.assert_fresh(2);
}

#[test]
fn a_frozen_leader_is_noticed_and_one_tab_takes_over() {
    let mut world = tabs(6);
    world.freeze(0);
    world.server.set("a", "two", "2", "int");
    world.run(50_000);
    let thieves: usize = (1..6).map(|tab| lines(&world, tab, "steal")).sum();
    assert_eq!(thieves, 1);
    for tab in 1..6 {
        world.assert_fresh(tab);
    }
    world.thaw(0);
    world.server.set("a", "three", "3", "int");
    world.run(50_000);
    assert_eq!(world.streaming_pages().len(), 1);
    assert_ne!(world.streaming_pages(), [0]);
    world.change("a", "4");
    world.run(50_000);
    assert_calm(&world);
}

#[test]
fn a_tab_that_was_frozen_while_the_lead_changed_misses_nothing() {
    let mut world = tabs(3);
    world.freeze(2);
    world.act(0, |client, now| client.close(now));
    world.run(1_000);
    assert_eq!(world.streaming_pages(), [1]);
    world.server.values_in_events = true;
    world.change("a", "2");
    world.run(500);
    world.thaw(2);
    world.run(2_000);
    assert_calm(&world);
    world.change("a", "3");
    world.run(500);
    assert_calm(&world);
}

#[test]
fn what_a_thawed_leader_still_had_in_its_queue_does_not_stay_with_the_followers() {
    let mut world = tabs(3);
    world.server.values_in_events = true;
    world.freeze(0);
    world.change("a", "2");
    world.run(120_000);
    world.cut();
    world.run(20_000);
    world.change("a", "3");
    world.run(500);
    for tab in [1, 2] {
        world.assert_fresh(tab);
    }
    world.thaw(0);
    world.run(2_000);
    assert_calm(&world);
}

#[test]
fn a_leader_frozen_before_anybody_else_came_is_noticed() {
    let mut world = tabs(1);
    world.freeze(0);
    world.add_page(shared(), 99);
    world.act(1, |client, now| client.start(now));
    world.run(20_000);
    assert_eq!(world.pages[1].client.state(), (Status::Ready, Why::Fine));
    assert!(world.pages[1].stream.is_some());
}

#[test]
fn everybody_fetches_when_the_stream_is_back_but_not_at_once() {
    let mut world = tabs(20);
    world.cut();
    world.server.set("a", "two", "2", "int");
    world.run(5_000);
    assert_calm(&world);
    let mut times: Vec<u64> = Vec::new();
    for tab in 1..20 {
        assert_eq!(lines(&world, tab, "send all"), 1);
        assert_eq!(lines(&world, tab, "disconnected"), 1);
        let log = world.pages[tab].log.iter();
        times.extend(
            log.filter(|(_, line)| line == "send all")
                .map(|(at, _)| *at),
        );
    }
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > 12, "they ask in step: {times:?}");
}

#[test]
fn everybody_fetches_when_the_leaders_native_stream_opened_again_by_itself() {
    let mut world = World::empty();
    world.server.tickets = true;
    join(&mut world, 3, &shared());
    assert_calm(&world);
    world.server.set("a", "two", "2", "int");
    forget(&mut world);
    world.say(NATIVE_HELLO);
    world.run(5_000);
    assert_calm(&world);
    for tab in 0..3 {
        assert_eq!(lines(&world, tab, "send all"), 1, "tab {tab}");
    }
}

#[test]
fn while_the_stream_is_down_everybody_polls_and_the_leader_is_left_alone() {
    let mut world = tabs(3);
    world
        .server
        .always(Ask::Stream, Fate::RetryAfter(503, 1_800_000));
    world.cut();
    world.run(600_000);
    assert!(world.pages.iter().all(|page| page.log.len() < 60));
    for tab in 0..3 {
        assert_eq!(
            lines(&world, tab, "steal"),
            0,
            "Retry-After holds for the group"
        );
        assert_eq!(lines(&world, tab, "polling"), 1);
        assert_eq!(lines(&world, tab, "disconnected"), 1);
        assert_eq!(
            lines(&world, tab, "error Stream"),
            if tab == 0 { 2 } else { 1 }
        );
        assert_eq!(
            world.pages[tab].client.state(),
            (Status::Stale, Why::Stream)
        );
    }
    assert_eq!(lines(&world, 0, "open stream"), 1);
    world.server.is_healthy();
    world.run(1_900_000);
    assert_calm(&world);
}

#[test]
fn a_tab_that_begins_to_lead_during_an_outage_says_that_the_stream_is_down() {
    let mut world = tabs(3);
    world
        .server
        .always(Ask::Stream, Fate::RetryAfter(503, 1_800_000));
    world.cut();
    world.run(60_000);
    forget(&mut world);
    world.act(0, |client, now| client.close(now));
    world.run(1_000);
    let first = |tab: usize| {
        let mut log = world.pages[tab].log.iter();
        log.find_map(|(_, line)| line.strip_prefix("post ").map(str::to_owned))
    };
    assert_eq!(first(1).as_deref(), Some("Down"));
}

#[test]
fn a_tab_that_comes_while_the_stream_is_down_polls_too() {
    let mut world = tabs(1);
    world.server.always(Ask::Stream, Fate::Status(503));
    world.cut();
    world.run(5_000);
    world.add_page(shared(), 99);
    world.act(1, |client, now| client.start(now));
    world.run(5_000);
    assert_eq!(lines(&world, 1, "polling"), 1);
    assert_eq!(lines(&world, 1, "ready"), 1);
    world.server.is_healthy();
    world.run(60_000);
    assert_calm(&world);
}

#[test]
fn a_paused_leader_hands_the_lead_over() {
    let mut world = tabs_with(
        3,
        &Config {
            pause_when_hidden: Some(Millis(10_000)),
            ..shared()
        },
    );
    world.page(PageEvent::Hidden);
    world.run(15_000);
    assert_eq!(world.streaming_pages(), [1]);
    world.change("a", "2");
    world.run(5_000);
    assert_eq!(
        world.value("a").as_deref(),
        Some("1"),
        "the first tab rests"
    );
    world.page(PageEvent::Visible);
    world.run(5_000);
    assert_eq!(world.streaming_pages(), [1], "it follows now");
    assert_calm(&world);
}

#[test]
fn a_tab_that_is_left_and_restored_joins_again() {
    let mut world = tabs(2);
    world.page(PageEvent::Left);
    world.run(1_000);
    assert_eq!(world.streaming_pages(), [1]);
    world.change("a", "2");
    world.run(1_000);
    world.page(PageEvent::Restored);
    world.run(5_000);
    assert_calm(&world);
}

#[test]
fn another_target_is_another_group() {
    let mut world = tabs(3);
    world.server.set_for("t2", "a", "two", "2", "int");
    world.identify("t2");
    world.run(5_000);
    assert_eq!(world.streaming_pages(), [0, 1], "one stream each");
    world.identify_on(2, "t2");
    world.run(15_000);
    assert_eq!(world.streaming_pages(), [0, 1]);
    for tab in 0..3 {
        world.assert_fresh(tab);
    }
    world.identify_on(1, "t2");
    world.run(15_000);
    assert_calm(&world);
}

#[test]
fn a_leader_whose_token_is_refused_signs_in_and_others_lead_meanwhile() {
    let mut world = tabs(3);
    world.server.revoke_tokens();
    world.server.next(Ask::SignIn, &[Fate::Slow(20_000)]);
    world.cut();
    world.run(60_000);
    assert_calm(&world);
    world.change("a", "5");
    world.run(10_000);
    assert_calm(&world);
}

#[test]
fn tabs_whose_fetches_are_refused_do_not_spin() {
    let mut world = World::empty();
    world.server.always(Ask::All, Fate::Status(401));
    world.latency = 1;
    for index in 0..3 {
        world.add_page(shared(), index);
        world.act(index as usize, |client, now| client.start(now));
    }
    world.run(600_000);
    for tab in 0..3 {
        let signed_in = lines(&world, tab, "send sign-in");
        assert!(signed_in <= 12, "tab {tab} signed in {signed_in} times");
    }
    world.server.is_healthy();
    world.run(120_000);
    assert_calm(&world);
}

#[test]
fn where_the_server_wants_no_streams_every_tab_polls() {
    let mut world = World::empty();
    world.server.always(Ask::Stream, Fate::Status(204));
    for index in 0..3 {
        world.add_page(shared(), index);
        world.act(index as usize, |client, now| client.start(now));
    }
    world.run(600_000);
    assert!(world.streaming_pages().is_empty());
    for tab in 0..3 {
        assert_eq!(lines(&world, tab, "open stream"), 1, "each finds out");
        assert!(lines(&world, tab, "send all") > 8);
    }
    world.change("a", "2");
    world.run(70_000);
    for tab in 0..3 {
        world.assert_fresh(tab);
    }
}

#[test]
fn a_follower_gets_a_new_ticket_before_it_streams() {
    let mut world = World::empty();
    world.server.tickets = true;
    for index in 0..2 {
        world.add_page(shared(), index);
        world.act(index as usize, |client, now| client.start(now));
        world.run(5_000);
    }
    world.run(60_000);
    assert_calm(&world);
    forget(&mut world);
    world.act(0, |client, now| client.close(now));
    world.run(5_000);
    assert_eq!(lines(&world, 1, "send sign-in"), 1);
    assert_eq!(lines(&world, 1, "open native stream"), 1);
    assert_calm(&world);
}

#[test]
fn another_network_is_one_new_stream_and_everybody_fetches() {
    let mut world = tabs(4);
    world.go_silent();
    world.server.set("a", "two", "2", "int");
    for tab in 0..4 {
        world.act(tab, |client, now| {
            client.handle_page(now, PageEvent::Online);
        });
    }
    world.run(3_000);
    assert_calm(&world);
}

#[test]
fn a_target_too_large_to_compare_streams_alone() {
    let mut world = World::empty();
    let mut attributes = serde_json::Map::new();
    attributes.insert("huge".into(), "x".repeat(300_000).into());
    let target = Target {
        identifier: "t1".into(),
        attributes: Some(attributes),
        ..Target::default()
    };
    world.add_page_with(shared(), codec(service(KEY), target), 7);
    world.start();
    world.run(5_000);
    assert_eq!(world.count("join tabs"), 0);
    assert_eq!(world.count("open stream"), 1);
}

#[test]
fn messages_to_a_tab_that_does_not_share_change_nothing() {
    use flagwire_core::{TabInput, TabMessage};
    let mut world = World::streaming(config());
    let now = Instant::from_millis(world.now);
    for input in [
        TabInput::Leading,
        TabInput::Lost,
        TabInput::Message(TabMessage::Hello, b""),
        TabInput::Message(TabMessage::Down, b""),
        TabInput::Message(TabMessage::Event, b"{}"),
    ] {
        world.act(0, |client, _| client.handle_tabs(now, input));
    }
    assert_eq!(world.log(), Vec::<String>::new());
}

#[test]
fn messages_have_stable_numbers() {
    use flagwire_core::TabMessage;
    for number in 0..=255 {
        match TabMessage::from_number(number) {
            Some(message) => assert_eq!(message as u32, number),
            None => assert!(number > 6),
        }
    }
}
