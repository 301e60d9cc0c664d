//! Limits how many wrong admin tokens are checked, of each address and of all addresses together.
//!
//! Past the limit a token is refused without a check, even the right one; otherwise an attacker would learn from the
//! status which one is right. An address that has given the right token before is not subject to the limit of all
//! addresses, so that guesses from many addresses do not lock its user out. A user who shares an address with an
//! attacker, as behind a load balancer, has to wait. A long token is always checked: no rate of guesses finds it, and
//! behind a load balancer anybody could otherwise lock its owner out.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::peer::network;

/// The limit for one address, a /64 for IPv6: `burst` wrong tokens at once, and one more after each `refill`.
const OF_ADDRESS: Limit = Limit {
    burst: 10,
    refill: Duration::from_secs(6),
};

/// The limit for all addresses together.
const OF_ALL: Limit = Limit {
    burst: 100,
    refill: Duration::from_millis(600),
};

/// Tokens of at least this many bytes are always checked: in hexadecimal they can hold 128 random bits.
const LONG: usize = 32;

/// From this many addresses on, those whose wrong tokens no longer count are dropped. The limit of all addresses keeps
/// the number of others low.
const MANY: usize = 1_000;

/// How many addresses are remembered that have given the right token.
const MAX_TRUSTED: usize = 1_000;

#[derive(Clone, Copy)]
struct Limit {
    burst: u32,
    refill: Duration,
}

/// The moment from which the wrong tokens so far no longer count. Each wrong token moves it later.
#[derive(Clone, Copy, Debug)]
struct Level(Instant);

impl Level {
    /// Returns how long it takes until one more token is checked; `None` if one is checked now.
    fn wait(self, limit: Limit, now: Instant) -> Option<Duration> {
        let level = self.0.saturating_duration_since(now);
        let most = limit.refill * limit.burst.saturating_sub(1);
        level.checked_sub(most).filter(|wait| !wait.is_zero())
    }

    fn raise(&mut self, limit: Limit, now: Instant) {
        self.0 = self.0.max(now) + limit.refill;
    }
}

/// Counts wrong admin tokens.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    addresses: HashMap<IpAddr, Level>,
    all: Option<Level>,
    /// The addresses that have given the right token, the oldest first.
    trusted: VecDeque<IpAddr>,
}

impl Guesses {
    /// Calls `is_right` to check a token of `length` bytes, if that is allowed now. Returns its result.
    ///
    /// # Errors
    /// The time to wait before the next try, if no check is allowed now.
    pub(crate) fn look(
        &self,
        address: IpAddr,
        length: usize,
        is_right: impl FnOnce() -> bool,
    ) -> Result<bool, Duration> {
        let (address, now) = (network(address), Instant::now());
        let mut inner = self.inner.lock();
        let trusted = inner.trusted.contains(&address);
        let own = inner.addresses.get(&address).copied();
        let own = own.and_then(|level| level.wait(OF_ADDRESS, now));
        let all = inner.all.filter(|_| !trusted);
        let all = all.and_then(|level| level.wait(OF_ALL, now));
        if let Some(wait) = own.max(all) {
            if length >= LONG && is_right() {
                // The wrong tokens of this address stay counted: another client may have sent them.
                inner.trust(address);
                return Ok(true);
            }
            return Err(wait);
        }
        if is_right() {
            inner.addresses.remove(&address);
            inner.trust(address);
            return Ok(true);
        }
        inner.all.get_or_insert(Level(now)).raise(OF_ALL, now);
        if inner.addresses.len() >= MANY {
            inner.addresses.retain(|_, level| level.0 > now);
        }
        let level = inner.addresses.entry(address).or_insert(Level(now));
        level.raise(OF_ADDRESS, now);
        Ok(false)
    }
}

impl Inner {
    fn trust(&mut self, address: IpAddr) {
        if self.trusted.contains(&address) {
            return;
        }
        if self.trusted.len() >= MAX_TRUSTED {
            self.trusted.pop_front();
        }
        self.trusted.push_back(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u32) -> IpAddr {
        IpAddr::from((0x0a00_0000 + n).to_be_bytes())
    }

    fn wrong(guesses: &Guesses, address: IpAddr) -> Result<bool, Duration> {
        guesses.look(address, 6, || false)
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_ten_tries_and_then_one_now_and_then() {
        let guesses = Guesses::default();
        for _ in 0..10 {
            assert_eq!(wrong(&guesses, at(1)), Ok(false));
        }
        let wait = wrong(&guesses, at(1)).unwrap_err();
        assert_eq!(wait, OF_ADDRESS.refill);
        let unseen = guesses.look(at(1), 6, || panic!("it must not be looked at"));
        assert_eq!(unseen, Err(wait));
        assert_eq!(
            guesses.look(at(2), 6, || true),
            Ok(true),
            "others are not concerned"
        );
        tokio::time::advance(wait).await;
        assert_eq!(wrong(&guesses, at(1)), Ok(false));
        assert!(wrong(&guesses, at(1)).is_err());
        tokio::time::advance(wait).await;
        assert_eq!(guesses.look(at(1), 6, || true), Ok(true));
        assert_eq!(
            wrong(&guesses, at(1)),
            Ok(false),
            "the right one forgives all"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_token_is_let_in_whatever_was_guessed_from_its_address() {
        let guesses = Guesses::default();
        while wrong(&guesses, at(1)).is_ok() {}
        assert_eq!(guesses.look(at(1), LONG, || true), Ok(true));
        assert!(guesses.look(at(1), LONG, || false).is_err());
        assert!(wrong(&guesses, at(1)).is_err(), "nothing is forgiven");
        assert!(guesses.look(at(1), LONG - 1, || true).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_share_a_limit_that_keeps_nobody_out_who_was_in() {
        let guesses = Guesses::default();
        assert_eq!(guesses.look(at(0), 6, || true), Ok(true));
        let looked_at = (1..100_000)
            .filter(|n| wrong(&guesses, at(*n)).is_ok())
            .count();
        assert_eq!(looked_at, 100);
        assert_eq!(guesses.look(at(0), 6, || true), Ok(true));
        tokio::time::advance(OF_ALL.refill).await;
        assert_eq!(wrong(&guesses, at(100_000)), Ok(false));
        assert!(wrong(&guesses, at(100_001)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let guesses = Guesses::default();
        for n in 0..2_500 {
            tokio::time::advance(2 * OF_ALL.refill).await;
            assert_eq!(wrong(&guesses, at(n)), Ok(false));
            assert_eq!(guesses.look(at(n), 6, || true), Ok(true));
            assert_eq!(wrong(&guesses, at(n)), Ok(false));
        }
        let inner = guesses.inner.lock();
        assert!(inner.addresses.len() <= MANY && inner.trusted.len() <= MAX_TRUSTED);
    }
}
