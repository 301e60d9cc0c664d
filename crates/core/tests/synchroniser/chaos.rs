//! Lives from bytes: each byte pair is something that happens. However a life went, once the network heals the stored configuration
//! is the server's.

use flagwire_core::{Instant, Status, SyncConfig, Why};

use crate::world::{Ask, Fate, World};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const ASKS: [Ask; 6] = [
    Ask::SignIn,
    Ask::Flags,
    Ask::Groups,
    Ask::Flag,
    Ask::Group,
    Ask::Stream,
];

/// Longer than any wait: two minutes of `Retry-After`, a long wait after a refusal, a polling interval, and lists that are behind.
const HEALING: u64 = 600_000;

/// Plays a life, and panics where something does not hold.
pub(crate) fn play(bytes: &[u8]) {
    let first = bytes.first().copied().unwrap_or_default();
    let mut world = World::with(SyncConfig {
        streaming: first & 1 == 0,
        ..SyncConfig::default()
    });
    world.tags = first & 2 != 0;
    world.versions = first & 4 == 0;
    world.latency = u64::from(first >> 4) * 100;
    world.start();
    let mut lags = 0;
    for pair in bytes.get(1..).unwrap_or_default().chunks(2) {
        let (what, how) = (pair[0], pair.last().copied().unwrap_or_default());
        let name = NAMES[usize::from(how >> 1) % NAMES.len()];
        let domain = usize::from(how & 1);
        match what % 12 {
            0..=2 => world.change(domain, name),
            3 => world.delete(domain, name),
            4 => world.run(u64::from(how) * 10),
            5 => world.run(u64::from(how) * 1_000),
            6..=8 => {
                let mut fate = fate(what / 12);
                // Lists that lag for good are believed, as they should be.
                if matches!(fate, Fate::Lags) {
                    lags += 1;
                    if lags > 3 || !world.versions {
                        fate = Fate::Lost;
                    }
                }
                let ask = ASKS[usize::from(how) % ASKS.len()];
                // The server's word that a flag is gone is believed.
                let fate = match (ask, fate) {
                    (Ask::Flag | Ask::Group, Fate::Status(404) | Fate::Lags) => Fate::Lost,
                    (_, fate) => fate,
                };
                world.next(ask, fate);
            }
            9 => world.cut(),
            10 if how > 200 && pair == [10, 255] => world.act(|machine, now| machine.close(now)),
            10 if how > 127 => world.broadcast("data: [nonsense\n\n", None),
            10 => world.generation += 1,
            _ if how > 127 => world.mute(),
            _ => world.act(|machine, now| machine.refresh(now)),
        }
        if let Some(timeout) = world.machine.poll_timeout() {
            let far = Instant::from_millis(world.now + 3_700_000);
            assert!(timeout <= far, "a timer in the far future");
        }
    }
    let sends = world
        .log
        .iter()
        .filter(|(_, line)| line.starts_with("send"));
    let most = 50 + 30 * bytes.len() as u64 + world.now / 500;
    assert!(sends.count() as u64 <= most, "it asks without end");
    if world.is_closed() {
        assert_eq!(world.machine.poll_timeout(), None);
        return;
    }
    world.heal();
    world.run(HEALING);
    world.assert_equal();
    world.assert_state(Status::Ready, Why::Fine);
    world.log.clear();
    world.change(0, "last");
    world.run(if first & 1 == 0 { 1_000 } else { 70_000 });
    world.assert_equal();
    let sends = world
        .log
        .iter()
        .filter(|(_, line)| line.starts_with("send"));
    assert!(sends.count() <= 6, "it does not come to rest");
}

fn fate(byte: u8) -> Fate {
    let fates = [
        Fate::Fine,
        Fate::Lost,
        Fate::Hangs,
        Fate::Status(500),
        Fate::RetryAfter(503, 60_000),
        Fate::RetryAfter(429, 120_000),
        Fate::Status(401),
        Fate::Status(403),
        Fate::Status(404),
        Fate::Status(304),
        Fate::Slow(700),
        Fate::Slow(15_000),
        Fate::Garbled,
        Fate::Lags,
    ];
    fates[usize::from(byte) % fates.len()]
}
