//! How far the values can be trusted.

use flagwire_core::{Status, Why};

/// How far the values can be trusted, since when and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// How far they can be trusted.
    pub status: Status,
    /// Why it is so; `None` where nothing is wrong.
    pub reason: Option<Reason>,
    /// Since when it is so, in milliseconds since the Unix epoch.
    pub since: f64,
}

impl State {
    pub(super) fn now(status: Status, why: Why) -> Self {
        let reason = match why {
            Why::Fine => None,
            Why::Auth => Some(Reason::Auth),
            Why::Fetch => Some(Reason::Fetch),
            Why::Stream => Some(Reason::Stream),
            Why::Hidden => Some(Reason::Hidden),
            Why::Target => Some(Reason::Target),
            Why::Refused => Some(Reason::Refused),
            Why::Unreachable => Some(Reason::Unreachable),
        };
        Self {
            status,
            reason,
            since: js_sys::Date::now(),
        }
    }
}

/// What is wrong while the status is not [`Status::Ready`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Signing in fails: the server answered with an error that may pass, or refused a token that is being replaced.
    Auth,
    /// Fetching evaluations fails: the server answered with an error.
    Fetch,
    /// There is to be a stream, and the last attempt at it failed, or it was lost, or it was given up.
    Stream,
    /// The page is hidden and its stream was closed.
    Hidden,
    /// The target was switched and its evaluations have not come yet.
    Target,
    /// The server refused the key or the target. Nothing is tried any more but with another target.
    Refused,
    /// Signing in or fetching evaluations got no answer, or none in time.
    Unreachable,
}
