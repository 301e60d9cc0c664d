//! Plays a string of bytes as a life full of faults, and checks that the client comes through.
//!
//! Every byte string is a story: options, then what happens, step by step. At the end the world is healed, and then within
//! minutes every client must hold what a fresh fetch returns, its listeners must know, and every counted read must have
//! arrived once. The driver in `world` checks at every step that there are never two streams, and nothing after the end.

use std::collections::BTreeMap;

use flagwire_core::{
    Config, Instant, Millis, PageEvent, RequestId, Response, Status, StreamId, StreamInput,
    TabInput, TabMessage, Transport, Why,
};

use crate::server::{Ask, Fate};
use crate::world::{World, config};

/// Healed, everything is as it should be after this: the longest wait is `Retry-After` (here at most a minute), then a
/// poll; a group of tabs may need to find out that its leader does not stream.
const HEALING: u64 = 600_000;

/// The most that a client may remember: 8 single fetches, as many requests, the others, and the flags of this world.
const MOST_HELD: usize = 64;

const FLAGS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const TARGETS: [&str; 3] = ["t1", "t2", "t3"];

pub(crate) fn play(bytes: &[u8]) {
    let mut bytes = bytes.iter().copied();
    let mut chaos = Chaos::new(&mut bytes);
    while let Some(step) = bytes.next() {
        chaos.step(step, &mut bytes);
        chaos.check();
    }
    chaos.heal();
}

struct Chaos {
    world: World,
    /// Where a page stood still, was closed or crashed, counts may arrive twice or not at all.
    exact: bool,
    value: u32,
    steps: u64,
}

fn take(bytes: &mut dyn Iterator<Item = u8>) -> usize {
    usize::from(bytes.next().unwrap_or(0))
}

fn pick<T: Copy>(from: &[T], bytes: &mut dyn Iterator<Item = u8>) -> T {
    from[take(bytes) % from.len()]
}

impl Chaos {
    fn new(bytes: &mut dyn Iterator<Item = u8>) -> Self {
        let mut world = World::empty();
        let bits = take(bytes);
        let has = |bit: usize| bits & (1 << bit) != 0;
        world.server.values_in_events = has(0);
        world.server.tags = has(1);
        world.server.tickets = has(2);
        let config = Config {
            share_stream: has(3),
            streaming: !(has(4) && has(5)),
            pause_when_hidden: has(6).then_some(Millis(5_000)),
            transport: if has(7) {
                Transport::Fetch
            } else {
                Transport::Auto
            },
            ..config()
        };
        let bits = take(bytes);
        world.split = [0, 1, 3, 17][bits & 3];
        for index in 0..=(bits >> 2) % 3 {
            world.add_page(config.clone(), bits as u64 * 31 + index as u64 + 1);
            world.act(index, |client, now| client.start(now));
        }
        Self {
            world,
            exact: true,
            value: 0,
            steps: 0,
        }
    }

    fn next_value(&mut self) -> String {
        self.value += 1;
        self.value.to_string()
    }

    fn step(&mut self, step: u8, bytes: &mut dyn Iterator<Item = u8>) {
        self.steps += 1;
        let pages = self.world.pages.len();
        let world = &mut self.world;
        match step % 24 {
            0..=2 => {
                let (flag, value) = (pick(&FLAGS, bytes), self.next_value());
                self.world.change(flag, &value);
            }
            3 => world.delete(pick(&FLAGS, bytes)),
            4 => {
                let (flag, value) = (pick(&FLAGS, bytes), self.next_value());
                self.world.create(flag, &value);
            }
            5 | 6 => {
                // Nobody hears of it: the streams are dead, or just ended.
                let dead = step % 24 == 5;
                if dead {
                    world.go_silent();
                } else {
                    world.cut();
                }
                let (flag, value) = (pick(&FLAGS, bytes), self.next_value());
                self.world.server.set(flag, "unheard", &value, "string");
            }
            7 => {
                let (flag, value) = (pick(&FLAGS, bytes), self.next_value());
                let target = pick(&TARGETS, bytes);
                self.world
                    .server
                    .set_for(target, flag, "own", &value, "int");
                self.world.announce("patch", flag);
            }
            8 => {
                for flag in ["a", "d"] {
                    world.server.set(flag, "group", "{\"x\": [1]}", "json");
                }
                world.say("event: *\ndata: {\"event\":\"patch\",\"domain\":\"target-segment\",\"identifier\":\"g\"}\n\n");
            }
            9 => world.say("id: 7\nevent: *\ndata: {\"event\":\n\n:\n\ndata: [1]\nretry: 0\n\n"),
            10 | 11 => {
                let ask = pick(
                    &[Ask::SignIn, Ask::All, Ask::Flag, Ask::Metrics, Ask::Stream],
                    bytes,
                );
                let fate = fate(ask, take(bytes));
                if step % 24 == 10 {
                    world.server.next(ask, &[fate]);
                } else {
                    world.server.always(ask, fate);
                }
            }
            12 => world.server.is_healthy(),
            13 | 14 => world.run(take(bytes) as u64),
            15 => world.run(take(bytes) as u64 * 500),
            16 => {
                let page = take(bytes) % pages;
                let event = pick(
                    &[
                        PageEvent::Online,
                        PageEvent::Visible,
                        PageEvent::Hidden,
                        PageEvent::Left,
                        PageEvent::Restored,
                    ],
                    bytes,
                );
                world.act(page, |client, now| client.handle_page(now, event));
            }
            17 => {
                let (page, target) = (take(bytes) % pages, pick(&TARGETS, bytes));
                world.identify_on(page, target);
            }
            18 => {
                let (page, flag) = (take(bytes) % pages, pick(&FLAGS, bytes));
                if world.pages[page].client.state().0 != Status::Closed {
                    world.read_on(page, flag, 3);
                }
            }
            19 => {
                let page = take(bytes) % pages;
                if take(bytes).is_multiple_of(2) {
                    world.act(page, |client, now| client.refresh(now));
                } else {
                    world.act(page, |client, now| client.flush(now));
                }
            }
            20 => world.latency = [1, 10, 90, 400][take(bytes) % 4],
            21 => self.stray(take(bytes) % pages),
            22 => world.server.revoke_tokens(),
            _ => self.accident(bytes),
        }
    }

    /// What nobody asked for, or asked for long ago.
    fn stray(&mut self, page: usize) {
        let reply = || Response {
            status: 200,
            retry_after: None,
            etag: Some("\"stray\"".into()),
            body: Some(serde_json::json!([])),
        };
        self.world.act(page, |client, now| {
            client.handle_response(now, RequestId(0), reply());
            client.handle_failure(now, RequestId(u32::MAX));
            client.handle_stream(now, StreamId(u32::MAX), StreamInput::Bytes(b"data: {}\n\n"));
            client.handle_stream(now, StreamId(0), StreamInput::Closed);
            client.handle_timeout(now);
            for message in [TabMessage::Hello, TabMessage::Here] {
                client.handle_tabs(now, TabInput::Message(message, b""));
            }
        });
    }

    fn accident(&mut self, bytes: &mut dyn Iterator<Item = u8>) {
        let page = take(bytes) % self.world.pages.len();
        self.exact = false;
        match take(bytes) % 8 {
            0 => self.world.crash(page),
            1 => self.world.act(page, |client, now| client.close(now)),
            2..=4 => self.world.freeze(page),
            _ => {
                if !self.world.pages[page].is_closed() {
                    self.world.thaw(page);
                }
            }
        }
    }

    fn check(&self) {
        for page in &self.world.pages {
            // Each step may cause a few requests; beyond that it must not ask more than every other second for long.
            let sent = page.log.iter().filter(|(_, line)| line.starts_with("send"));
            let most = 100 + 20 * self.steps + self.world.now / 2_000;
            assert!(sent.count() as u64 <= most, "it spins");
            let held = page.client.held();
            assert!(held <= MOST_HELD, "{held} things are remembered");
            if let Some(timeout) = page.client.poll_timeout() {
                let far = Instant::from_millis(self.world.now).after(Millis(3_700_000));
                assert!(timeout <= far, "a timer in the far future");
            }
        }
    }

    fn heal(mut self) {
        let world = &mut self.world;
        world.server.is_healthy();
        world.latency = 10;
        for index in 0..world.pages.len() {
            if world.pages[index].is_closed() {
                continue;
            }
            world.thaw(index);
            world.run(1);
            world.act(index, |client, now| {
                client.handle_page(now, PageEvent::Visible);
            });
        }
        world.run(HEALING / 2);
        let mark = world.now;
        world.run(HEALING / 2);
        for page in &world.pages {
            let late = page
                .log
                .iter()
                .filter(|(at, line)| *at > mark && line.starts_with("send"));
            assert!(late.count() <= 20, "it does not come to rest");
        }
        let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, page) in world.pages.iter().enumerate() {
            if page.is_closed() {
                continue;
            }
            let streams = page.stream.is_some() || page.group.is_some();
            let log = &mut page.log.iter();
            let gave_up = !streams && log.any(|(_, line)| line.starts_with("error Stream"));
            let wanted = if gave_up {
                (Status::Stale, Why::Stream)
            } else {
                (Status::Ready, Why::Fine)
            };
            assert_eq!(page.client.state(), wanted, "page {index}");
            world.assert_fresh(index);
            if let Some(group) = &page.group {
                *groups.entry(group).or_default() += usize::from(page.stream.is_some());
            }
        }
        assert!(
            groups.values().all(|streams| *streams == 1),
            "one stream each: {groups:?}"
        );
        if self.exact {
            let mut read: BTreeMap<_, u64> = BTreeMap::new();
            for page in &world.pages {
                for (counter, count) in &page.read {
                    *read.entry(counter.clone()).or_default() += count;
                }
            }
            assert_eq!(world.server.counted, read, "reads were lost or invented");
        }
        self.check();
        self.hears();
    }

    /// Whoever has a stream, or another page's, hears of a change at once.
    fn hears(&mut self) {
        self.world.server.values_in_events = true;
        self.world.change(FLAGS[0], "last");
        self.world.run(1_000);
        for index in 0..self.world.pages.len() {
            let page = &self.world.pages[index];
            if !page.is_closed() && (page.stream.is_some() || page.group.is_some()) {
                self.world.assert_fresh(index);
            }
        }
    }
}

/// Nothing that ends a client for good, and nothing that makes a metrics post arrive and fail.
fn fate(ask: Ask, byte: usize) -> Fate {
    let fates = [
        Fate::Fine,
        Fate::Lost,
        Fate::Hangs,
        Fate::Status(500),
        Fate::RetryAfter(503, 60_000),
        Fate::Status(429),
        Fate::Slow(700),
        Fate::Slow(15_000),
        Fate::Status(401),
        Fate::Garbled,
        Fate::Status(404),
        Fate::Status(304),
        Fate::Status(204),
    ];
    let fate = fates[byte % fates.len()];
    match (ask, fate) {
        (Ask::SignIn, Fate::Status(401 | 404 | 304 | 204)) => Fate::Status(502),
        (Ask::Metrics, Fate::Status(404 | 304 | 204) | Fate::Garbled) => Fate::Status(408),
        // The server's word that a flag is gone is believed.
        (Ask::Flag, Fate::Status(404)) => Fate::Status(403),
        // A server that says 304 of something else is believed; a story has the one that was not asked.
        (_, Fate::Status(304)) => Fate::Garbled,
        (_, fate) => fate,
    }
}
