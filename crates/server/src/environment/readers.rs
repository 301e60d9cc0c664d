//! The readers of open streams, as the admin page lists them.
//!
//! A stream takes one slot here, 56 bytes, and its target, which the stream needs anyway. Neither tokens nor tickets nor keys are
//! stored.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use flagwire_core::protocol::Target;
use parking_lot::Mutex;
use serde::Serialize;

use crate::time::unix_seconds;

/// Names of targets are listed up to this length, in bytes: clients choose them.
const MAX_NAME_BYTES: usize = 256;

/// How a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Transport {
    /// A request with a token in its header.
    Fetch,
    /// A native `EventSource`, which sends a ticket.
    EventSource,
    /// A back end or a relay, by a server key.
    Server,
    /// A client of OpenFeature's protocol.
    Ofrep,
}

/// The target that a stream is for.
#[derive(Clone, Debug, Default)]
pub(crate) enum StreamTarget {
    /// The stream is for no target.
    #[default]
    None,
    /// The target, shared with the stream.
    Target(Arc<Target>),
    /// The identifier, where the stream itself does not need the target.
    Named(Arc<str>),
}

impl StreamTarget {
    fn name(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Target(target) => Some(&target.identifier),
            Self::Named(name) => Some(name),
        }
    }
}

/// The reader of a stream, as it is registered.
#[derive(Clone, Debug)]
pub(crate) struct ReaderInfo {
    pub(crate) target: StreamTarget,
    pub(crate) transport: Transport,
    /// The address of the client, or of a proxy in front of the server.
    pub(crate) address: Option<IpAddr>,
}

/// The open streams of one environment.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    /// The slots, by the numbers that `open` returns.
    all: Vec<Option<Slot>>,
    free: Vec<u32>,
    open: usize,
    opened: u32,
}

#[derive(Debug)]
struct Slot {
    reading: ReaderInfo,
    /// Seconds since the Unix epoch.
    since: u32,
    /// Counts the streams in the order in which they were opened.
    number: u32,
}

/// The streams that a search finds, as the admin page shows them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listing {
    /// How many streams are open.
    total: usize,
    /// How many of them are read in each way.
    by_transport: Vec<(Transport, usize)>,
    /// How many match the search.
    matching: usize,
    /// The newest that match.
    streams: Vec<ListedStream>,
}

#[derive(Debug, Serialize)]
struct ListedStream {
    number: u32,
    since: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    transport: Transport,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

impl Readers {
    pub(crate) fn len(&self) -> usize {
        self.slots.lock().open
    }

    /// Returns how many streams are open, and how many were ever opened. The pair differs after each opening and closing.
    pub(crate) fn mark(&self) -> (usize, u32) {
        let slots = self.slots.lock();
        (slots.open, slots.opened)
    }

    /// Registers a reader. Returns the number by which to close it.
    pub(crate) fn open(&self, reading: ReaderInfo) -> u32 {
        let mut slots = self.slots.lock();
        slots.open += 1;
        slots.opened = slots.opened.wrapping_add(1);
        let slot = Slot {
            reading,
            since: u32::try_from(unix_seconds(SystemTime::now())).unwrap_or(u32::MAX),
            number: slots.opened,
        };
        if let Some(at) = slots.free.pop()
            && let Some(place) = slots.all.get_mut(at as usize)
        {
            *place = Some(slot);
            return at;
        }
        let at = u32::try_from(slots.all.len()).unwrap_or(u32::MAX);
        slots.all.push(Some(slot));
        at
    }

    pub(crate) fn close(&self, at: u32) {
        let mut slots = self.slots.lock();
        if let Some(place) = slots.all.get_mut(at as usize)
            && place.take().is_some()
        {
            slots.open -= 1;
            slots.free.push(at);
        }
        // Memory that many streams have taken is given back after the last of them.
        if slots.open == 0 {
            slots.all = Vec::new();
            slots.free = Vec::new();
        }
    }

    /// Lists the newest streams whose target or address contains `wanted`, in upper or lower case.
    pub(crate) fn list(&self, wanted: &str, limit: usize) -> Listing {
        let wanted = wanted.to_ascii_lowercase();
        let slots = self.slots.lock();
        let mut by_transport = std::collections::BTreeMap::new();
        let mut found: Vec<&Slot> = Vec::new();
        for slot in slots.all.iter().flatten() {
            *by_transport.entry(slot.reading.transport).or_default() += 1;
            if wanted.is_empty() || slot.matches(&wanted) {
                found.push(slot);
            }
        }
        found.sort_by_key(|slot| std::cmp::Reverse((slot.since, slot.number)));
        Listing {
            total: slots.open,
            by_transport: by_transport.into_iter().collect(),
            matching: found.len(),
            streams: found.into_iter().take(limit).map(Slot::listed).collect(),
        }
    }
}

impl Slot {
    fn matches(&self, wanted: &str) -> bool {
        let has = |text: &str| text.to_ascii_lowercase().contains(wanted);
        self.reading.target.name().is_some_and(has)
            || self
                .reading
                .address
                .is_some_and(|address| has(&address.to_string()))
    }

    fn listed(&self) -> ListedStream {
        ListedStream {
            number: self.number,
            since: self.since,
            target: self.reading.target.name().map(|name| {
                let end = name.floor_char_boundary(MAX_NAME_BYTES);
                name.get(..end).unwrap_or_default().to_owned()
            }),
            transport: self.reading.transport,
            address: self.reading.address.map(|address| address.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &str) -> ReaderInfo {
        ReaderInfo {
            target: StreamTarget::Named(name.into()),
            transport: Transport::Fetch,
            address: Some([192, 0, 2, 7].into()),
        }
    }

    fn names(listing: &Listing) -> Vec<&str> {
        let names = listing.streams.iter();
        names.filter_map(|one| one.target.as_deref()).collect()
    }

    #[test]
    fn the_newest_come_first_and_closed_ones_are_gone() {
        let readers = Readers::default();
        let opened: Vec<u32> = ["a", "b", "c"]
            .map(|name| readers.open(reading(name)))
            .to_vec();
        readers.close(opened[1]);
        readers.close(opened[1]);
        assert_eq!(readers.len(), 2);
        assert_eq!(
            readers.open(reading("D-one")),
            opened[1],
            "its slot is used again"
        );
        let all = readers.list("", 2);
        assert_eq!((all.total, all.matching), (3, 3));
        assert_eq!(names(&all), ["D-one", "c"]);
        assert_eq!(names(&readers.list("d-O", 9)), ["D-one"]);
        assert_eq!(readers.list("192.0.2", 9).matching, 3);
        assert_eq!(readers.list("nobody", 9).matching, 0);
    }

    #[test]
    fn a_slot_is_small_and_nothing_is_kept_when_all_have_left() {
        assert!(
            size_of::<Option<Slot>>() <= 56,
            "{}",
            size_of::<Option<Slot>>()
        );
        let readers = Readers::default();
        let opened: Vec<u32> = (0..1000).map(|_| readers.open(reading("x"))).collect();
        for at in opened {
            readers.close(at);
        }
        assert_eq!(readers.slots.lock().all.capacity(), 0);
        assert_eq!(readers.len(), 0);
    }
}
