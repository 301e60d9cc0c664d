//! Decides when a file that changes may be read: once its writer has closed it, or has not written for long enough.
//!
//! The first half of a flags file can be a valid flags file, so its text does not show whether it is whole. Where the
//! system reports that a writer has closed the file, or that another file has taken its name, it is read at once. Where
//! a writer keeps it open, and where only looks show a change, as on network mounts, it is read after a time without a
//! write that grows with its size.

use std::time::Duration;

use tokio::time::Instant;

use super::signature::Signature;

/// The wait from the closing of the file to its reading: a program that writes line by line opens it again within this
/// time.
const AFTER_CLOSE: Duration = Duration::from_millis(20);

/// How long a file that its writer has not closed must not have been written to before it is read.
const QUIET: Duration = Duration::from_secs(1);

/// How much longer that is for each MiB, since disks make writers of large files wait.
const QUIET_PER_MIB: Duration = Duration::from_millis(50);

/// How long a file must not have been written to before a large loss is put in force.
pub(super) const QUIET_FOR_LOSS: Duration = Duration::from_secs(2);

/// How long a file may be written to before that is reported.
const LONG: Duration = Duration::from_secs(10);

/// A notification of the system about the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// The file was written to, and more may follow.
    Written,
    /// A writer has closed the file, or the file is gone.
    Closed,
    /// A whole file has taken its name, or a link in its path has another target.
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
    /// Whether the file may still be open for writing; false where the system has reported that it is whole.
    open: bool,
    /// The signature that a look has found; if the file has another one when it is read, it is still being written to.
    /// `None` after a notification.
    found: Option<Signature>,
}

/// Decides when a file is read. Its methods are given the time and what is known of the file.
#[derive(Debug, Default)]
pub(super) struct Settling {
    pending: Option<Pending>,
}

/// The conditions under which a file that is read now may be put in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// How long the file has not been written to.
    pub(super) quiet: Duration,
    /// Whether the file may still be open for writing, so that it must have been quiet for the time that [`quiet_for`]
    /// returns.
    pub(super) open: bool,
    /// The signature that the file must still have; `None` for any.
    pub(super) found: Option<Signature>,
}

/// Returns how long a file of this many bytes must not have been written to, if its writer has not closed it.
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

    /// Notes that a look has found another file than the look before, or than the one that was read.
    pub(super) fn found(&mut self, signature: Signature, at: Instant) {
        self.sign(Sign::Written, at);
        if let Some(pending) = &mut self.pending {
            pending.found = Some(signature);
            pending.due = at + quiet_for(signature.bytes);
        }
    }

    /// Puts the reading off until the file has not been written to for this long.
    pub(super) fn wait_for(&mut self, quiet: Duration, now: Instant) {
        if let Some(pending) = &mut self.pending {
            // At least a short wait is kept even if the clocks differ, so that this is no busy loop.
            pending.due = (pending.written + quiet).max(now + AFTER_CLOSE);
        }
    }

    /// Notes that the change has been read.
    pub(super) const fn done(&mut self) {
        self.pending = None;
    }

    /// Returns when the file is to be read; `None` while nothing has changed.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pending.map(|pending| pending.due)
    }

    /// Returns the conditions for reading the file now; `None` while nothing has changed.
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

    /// Returns [`LONG`] if the file has been written to for at least that long.
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
