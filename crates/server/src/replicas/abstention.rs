//! Decides when a leader that cannot reach its upstream lets another replica try.

use std::time::Duration;

use tokio::time::Instant;

/// A leader whose source has been unhealthy for this many leases gives the lease up.
const UNHEALTHY_LEASES: u32 = 5;

/// After that it does not take the lease again for this many leases.
const ABSTENTION_LEASES: u32 = 2;

/// How long the leader's source has been unhealthy, and how long this replica refrains from leading because of it.
#[derive(Debug, Default)]
pub(super) struct Abstention {
    unhealthy_since: Option<Instant>,
    until: Option<Instant>,
}

impl Abstention {
    /// Notes how the leader's source is. Returns whether this replica is to give the lease up now; from then on it abstains.
    pub(super) fn begins(&mut self, healthy: bool, lease: Duration, now: Instant) -> bool {
        if healthy {
            self.unhealthy_since = None;
            return false;
        }
        let since = *self.unhealthy_since.get_or_insert(now);
        if now.saturating_duration_since(since) < lease * UNHEALTHY_LEASES {
            return false;
        }
        self.unhealthy_since = None;
        self.until = Some(now + lease * ABSTENTION_LEASES);
        true
    }

    /// Whether this replica refrains from leading at the moment.
    pub(super) fn lasts(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_abstains_for_two_leases_once_its_source_was_unhealthy_for_five() {
        let lease = Duration::from_secs(6);
        let start = Instant::now();
        let at = |leases: u32| start + lease * leases;
        let mut abstention = Abstention::default();
        assert!(!abstention.begins(false, lease, at(0)));
        // A source that recovers is counted from the beginning the next time.
        assert!(!abstention.begins(true, lease, at(4)));
        assert!(!abstention.begins(false, lease, at(5)));
        assert!(!abstention.begins(false, lease, at(9)));
        assert!(!abstention.lasts(at(9)));
        assert!(abstention.begins(false, lease, at(10)));
        assert!(abstention.lasts(at(11)));
        assert!(!abstention.lasts(at(12)));
        assert!(!abstention.begins(false, lease, at(12)));
    }
}
