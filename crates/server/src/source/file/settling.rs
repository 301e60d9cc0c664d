//! When a file that changes may be read: once its writer has closed it, or has been quiet for long enough.
//!
//! The first half of a flags file can be a valid flags file, so its text says nothing. Where the system tells that a writer
//! has closed the file, or that another file has taken its name, it is read at once. Where a writer keeps it open, and where
//! only looks show a change, as on network mounts, it is read after a time without a write that grows with its size.

use std::time::Duration;

use tokio::time::Instant;

use super::signature::Signature;

/// From a writer closing the file to its being read: what writes line by line opens it again within this time.
const AFTER_CLOSE: Duration = Duration::from_millis(20);

/// Without a write, for a file whose writer has not closed it.
const QUIET: Duration = Duration::from_secs(1);

/// More of that for each MiB: writers of large files are kept waiting by disks.
const QUIET_PER_MIB: Duration = Duration::from_millis(50);

/// Without a write, before a large loss is put in force.
pub(super) const QUIET_FOR_LOSS: Duration = Duration::from_secs(2);

/// How long a file is written to before that is reported.
const LONG: Duration = Duration::from_secs(10);

/// A notification of the system about the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It is written to, and may be written to further.
    Written,
    /// A writer has closed it, or it is gone.
    Closed,
    /// A whole file has taken its name, or a link in its path another target.
    Replaced,
}

/// A change that has not been read yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// When the writing began.
    began: Instant,
    /// The last write that is known of.
    written: Instant,
    due: Instant,
    /// `None` where the system tells that the file is whole.
    open: bool,
    /// As the file was found by a look; another one means that it is still written to.
    found: Option<Signature>,
}

/// Decides when a file is read. It has no clock and no file of its own.
#[derive(Debug, Default)]
pub(super) struct Settling {
    pending: Option<Pending>,
}

/// How a file is to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// How long the file has not been written to.
    pub(super) quiet: Duration,
    /// Whether its size decides how long that has to be.
    pub(super) open: bool,
    /// The signature that the file must still have.
    pub(super) found: Option<Signature>,
}

/// How long a file of this many bytes must not have been written to, if its writer has not closed it.
pub(super) fn quiet_for(bytes: u64) -> Duration {
    let mebibytes = u32::try_from(bytes / (1024 * 1024)).unwrap_or(u32::MAX);
    QUIET.saturating_add(QUIET_PER_MIB.saturating_mul(mebibytes))
}

impl Settling {
    /// Handles a notification of the system.
    pub(super) fn sign(&mut self, sign: Sign, at: Instant) {
        let wait = match sign {
            Sign::Written => QUIET,
            Sign::Closed => AFTER_CLOSE,
            Sign::Replaced => Duration::ZERO,
        };
        self.pending = Some(Pending {
            began: self.pending.map_or(at, |pending| pending.began),
            written: at,
            due: at + wait,
            open: sign == Sign::Written,
            found: None,
        });
    }

    /// A look has found the file other than it was at the look before, or when it was read.
    pub(super) fn found(&mut self, signature: Signature, at: Instant) {
        self.sign(Sign::Written, at);
        if let Some(pending) = &mut self.pending {
            pending.found = Some(signature);
            pending.due = at + quiet_for(signature.bytes);
        }
    }

    /// What was read must not be put in force before the file has been quiet for this long.
    pub(super) fn wait_for(&mut self, quiet: Duration, now: Instant) {
        if let Some(pending) = &mut self.pending {
            // Never at once again, whatever the clocks say.
            pending.due = (pending.written + quiet).max(now + AFTER_CLOSE);
        }
    }

    /// The change has been read.
    pub(super) const fn done(&mut self) {
        self.pending = None;
    }

    /// When the file is to be read; `None` while nothing has changed.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pending.map(|pending| pending.due)
    }

    /// How the file is to be read now.
    pub(super) fn reading(&self, now: Instant) -> Option<Reading> {
        self.pending.map(|pending| Reading {
            quiet: now.saturating_duration_since(pending.written),
            open: pending.open,
            found: pending.found,
        })
    }

    /// Whether the file may not be whole now.
    pub(super) fn is_open(&self) -> bool {
        self.pending.is_some_and(|pending| pending.open)
    }

    /// Since when the file has been written to, if that has been going on for long.
    pub(super) fn long_open(&self, now: Instant) -> Option<Duration> {
        let pending = self.pending.filter(|pending| pending.open)?;
        let lasted = now.saturating_duration_since(pending.began);
        (lasted >= LONG).then_some(LONG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(now: Instant, milliseconds: u64) -> Instant {
        now + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_file_is_read_once_its_writer_has_closed_it_and_not_between_two_writes() {
        let (mut settling, now) = (Settling::default(), Instant::now());
        settling.sign(Sign::Written, now);
        settling.sign(Sign::Written, at(now, 50));
        assert!(settling.due().unwrap() >= at(now, 1_050));
        assert!(settling.is_open());
        settling.sign(Sign::Closed, at(now, 60));
        assert!(settling.due().unwrap() <= at(now, 100) && !settling.is_open());
        // Opened and written once more before it was read.
        settling.sign(Sign::Written, at(now, 61));
        assert!(settling.due().unwrap() >= at(now, 1_061));
    }

    #[test]
    fn a_whole_file_under_the_name_is_read_at_once() {
        let (mut settling, now) = (Settling::default(), Instant::now());
        settling.sign(Sign::Replaced, now);
        assert_eq!(settling.due(), Some(now));
        settling.done();
        assert_eq!(settling.due(), None);
    }

    #[test]
    fn a_large_file_must_be_quiet_for_longer() {
        assert_eq!(quiet_for(10), QUIET);
        assert_eq!(quiet_for(57 << 20), Duration::from_millis(3_850));
    }

    #[test]
    fn a_loss_waits_from_the_last_write_on_and_a_write_starts_that_anew() {
        let (mut settling, now) = (Settling::default(), Instant::now());
        settling.sign(Sign::Closed, now);
        settling.wait_for(QUIET_FOR_LOSS, at(now, 25));
        assert_eq!(settling.due(), Some(at(now, 2_000)));
        settling.sign(Sign::Closed, at(now, 1_500));
        settling.wait_for(QUIET_FOR_LOSS, at(now, 1_525));
        assert_eq!(settling.due(), Some(at(now, 3_500)));
        let reading = settling.reading(at(now, 3_500)).unwrap();
        assert_eq!(reading.quiet, QUIET_FOR_LOSS);
    }

    #[test]
    fn a_file_that_is_written_without_end_is_reported_and_not_read() {
        let (mut settling, now) = (Settling::default(), Instant::now());
        for n in 0..200 {
            settling.sign(Sign::Written, at(now, n * 100));
            assert!(settling.due().unwrap() > at(now, n * 100));
        }
        assert!(settling.long_open(at(now, 19_900)).is_some());
        assert!(settling.long_open(at(now, 5_000)).is_none());
    }
}
