//! Requests as data: those for the driver to send, and the list of those under way.

use alloc::vec::Vec;

use crate::order::Moment;
use crate::time::{Instant, Millis};

/// Names a request in what the driver reports of it. A client never uses an id twice, nor for both a request and a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u32);

/// A request for the driver to send.
#[derive(Debug)]
pub struct Request<R> {
    /// The id with which to report the reply.
    pub id: RequestId,
    /// The request to send.
    pub request: R,
    /// Whether the request must go on when the page is left. Browsers allow 64 KiB of such bodies at a time.
    pub keepalive: bool,
    /// Whether the request must go on when the client is closed.
    pub detached: bool,
}

/// A reply, as far as the driver reads it.
#[derive(Debug)]
pub struct Response<J, T> {
    /// The HTTP status.
    pub status: u16,
    /// What the header `Retry-After` asks for, as a span from now on.
    pub retry_after: Option<Millis>,
    /// The header `ETag`, where there is one.
    pub etag: Option<T>,
    /// The body, where it is JSON.
    pub body: Option<J>,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    SignIn,
    All,
    Flag,
    Metrics,
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) id: RequestId,
    pub(crate) purpose: Purpose,
    pub(crate) asked: Moment,
    deadline: Instant,
}

/// The requests under way, of which there are rarely more than three.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    last: u32,
    pending: Vec<Pending>,
}

impl Requests {
    /// Returns a new number for a request or a stream.
    pub(crate) const fn number(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    pub(crate) fn add(&mut self, purpose: Purpose, asked: Moment, deadline: Instant) -> RequestId {
        let id = RequestId(self.number());
        self.pending.push(Pending {
            id,
            purpose,
            asked,
            deadline,
        });
        id
    }

    /// Takes the request that a reply names; `None` for a late or unknown one.
    pub(crate) fn take(&mut self, id: RequestId) -> Option<Pending> {
        self.take_where(&|pending| pending.id == id)
    }

    /// Takes one request whose time is over.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Pending> {
        self.take_where(&|pending| pending.deadline <= now)
    }

    /// Takes one request that belongs to a target: all but metrics do.
    pub(crate) fn take_of_target(&mut self) -> Option<Pending> {
        self.take_where(&|pending| pending.purpose != Purpose::Metrics)
    }

    pub(crate) fn is_under_way(&self, purpose: Purpose) -> bool {
        self.pending.iter().any(|other| other.purpose == purpose)
    }

    /// Whether anything but metrics is under way.
    pub(crate) fn is_fetching(&self) -> bool {
        self.pending
            .iter()
            .any(|other| other.purpose != Purpose::Metrics)
    }

    pub(crate) const fn len(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        let deadlines = self.pending.iter().map(|pending| pending.deadline);
        deadlines.min().unwrap_or(Instant::NEVER)
    }

    /// Takes the first request that is wanted. The argument is a trait object, because a generic function would be compiled for
    /// every caller.
    fn take_where(&mut self, wanted: &dyn Fn(&Pending) -> bool) -> Option<Pending> {
        let index = self.pending.iter().position(wanted)?;
        Some(self.pending.swap_remove(index))
    }
}
