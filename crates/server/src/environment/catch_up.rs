//! Makes the events for a back end that reconnects with an unknown id: a `patch` of every group and flag.
//!
//! A published server SDK fetches nothing as it opens a stream again; it relies on `Last-Event-ID`. Where the server cannot
//! say what happened since then, anything may have. The SDK fetches each flag that an event names, and drops what is not newer
//! than what it has. So that a server with many flags, to which all back ends return at once, is not asked for everything by
//! everybody in one moment, the events come in slices: [`SLICE`] entries at once, and as many again every [`EVERY`]. The
//! frames are made once for all who get them at the same time.
//!
//! Only the last frame has an id. A back end that is cut off before it reconnects with its old id, and gets everything
//! again. For the same reason, events that happen meanwhile are sent without their ids.

use std::sync::Arc;
use std::time::{Duration, Instant};

use flagwire_core::protocol::{Change, ChangeEvent, Domain};

use super::current::Current;
use super::event::frame;
use super::framing::Framed;
use crate::versions::Versions;

/// How many entries a slice has.
pub(crate) const SLICE: usize = 100;

/// The time from one slice to the next. With it, 1,000 entries are sent in a second, and 10,000 flags in ten seconds.
pub(crate) const EVERY: Duration = Duration::from_millis(100);

/// The frames for one configuration.
#[derive(Debug)]
pub(crate) struct Slices {
    /// The edition of the environment that the slices are of.
    pub(crate) edition: u64,
    slices: Vec<Framed>,
}

impl Slices {
    pub(crate) fn of(current: &Current, versions: &Versions, stamp: &str, edition: u64) -> Self {
        let snapshot = &current.snapshot;
        let gone = versions
            .named()
            .filter(|(domain, identifier, _)| match domain {
                Domain::Flag => snapshot.flag(identifier).is_none(),
                Domain::TargetSegment => snapshot.segment(identifier).is_none(),
            });
        let gone = gone.map(|(domain, identifier, version)| {
            (Change::Delete, domain, identifier, Some(version))
        });
        let groups = snapshot.segments().iter();
        let groups = groups.map(|group| {
            let identifier = group.identifier.as_str();
            (
                Change::Patch,
                Domain::TargetSegment,
                identifier,
                group.version,
            )
        });
        let flags = snapshot.flags().iter();
        let flags = flags.map(|flag| {
            let identifier = flag.feature.as_str();
            (Change::Patch, Domain::Flag, identifier, flag.version)
        });
        // The events are in the order in which changes are sent.
        let events: Vec<ChangeEvent> = groups
            .chain(flags)
            .chain(gone)
            .map(|(event, domain, identifier, version)| ChangeEvent {
                event,
                domain,
                identifier: identifier.to_owned(),
                version,
                evaluations: None,
            })
            .collect();
        let last = events.len().saturating_sub(1);
        let slices = events
            .chunks(SLICE)
            .enumerate()
            .map(|(slice, events)| {
                let mut frames = Vec::new();
                for (index, event) in events.iter().enumerate() {
                    let id = (slice * SLICE + index == last).then_some(stamp);
                    frames.extend_from_slice(&frame(event, id));
                }
                Framed::new(&frames)
            })
            .collect();
        Self { edition, slices }
    }
}

/// How far a reader has been sent the slices.
#[derive(Debug)]
pub(crate) struct Everything {
    slices: Arc<Slices>,
    next: usize,
    /// When the next slice is due.
    pub(crate) due: Instant,
}

impl Everything {
    pub(crate) fn new(slices: Arc<Slices>) -> Self {
        Self {
            slices,
            next: 0,
            due: Instant::now(),
        }
    }

    /// Returns the next slice, and whether more follow.
    pub(crate) fn take(&mut self) -> Option<(Framed, bool)> {
        let slice = self.slices.slices.get(self.next)?.clone();
        self.next += 1;
        self.due = Instant::now() + EVERY;
        Some((slice, self.next < self.slices.slices.len()))
    }
}
