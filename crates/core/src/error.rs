//! The errors that are reported to the application.

use core::fmt;

use crate::numbered;
use crate::state::Why;

/// A failure. The client tries again after it, unless it [is final](Self::is_final).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What was being done.
    pub kind: ErrorKind,
    /// Why it failed.
    pub cause: Cause,
}

numbered! {
    /// The operation that failed.
    pub enum ErrorKind {
        /// The sign-in.
        Auth,
        /// The fetch of all evaluations.
        FetchFlags,
        /// The fetch of one evaluation.
        FetchFlag,
        /// The stream, or an event on it.
        Stream,
        /// The post of metrics.
        Metrics,
    }
}

/// The cause of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// There was no answer. The cause may be the network, the name, the certificate, a content policy or CORS; browsers do not
    /// tell these apart.
    Network,
    /// There was no answer in time.
    Timeout,
    /// The answer had an HTTP status other than success.
    Status(u16),
    /// The answer does not follow the protocol.
    Malformed,
}

impl Cause {
    /// Returns whether trying again can help: 408, 429 and 5xx may pass, other statuses will not.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Network | Self::Timeout | Self::Malformed => true,
            Self::Status(status) => matches!(status, 408 | 429 | 500..),
        }
    }

    /// Returns the reason of the state that this cause leads to. Without an answer it is the same for every request, else `why`.
    pub(crate) const fn reason(self, why: Why) -> Why {
        match self {
            Self::Network | Self::Timeout => Why::Unreachable,
            Self::Status(_) | Self::Malformed => why,
        }
    }

    /// Returns a number, for drivers for which texts would be too large: 0 for no answer, 1 for no answer in time, 2 for an
    /// answer that cannot be read, else the HTTP status.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Network => 0,
            Self::Timeout => 1,
            Self::Malformed => 2,
            Self::Status(status) => status,
        }
    }

    /// Returns the HTTP status, or 0 where there was none.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Status(status) => status,
            Self::Network | Self::Timeout | Self::Malformed => 0,
        }
    }
}

impl Error {
    pub(crate) const fn new(kind: ErrorKind, cause: Cause) -> Self {
        Self { kind, cause }
    }

    /// Returns whether the client has stopped trying.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self.kind, ErrorKind::Auth) && !self.cause.is_retryable()
    }

    /// Returns a stable name, for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self.cause {
            Cause::Network => "network",
            Cause::Timeout => "timeout",
            Cause::Malformed => "malformed",
            Cause::Status(400) => "bad-request",
            Cause::Status(401 | 403) => "unauthorized",
            Cause::Status(404) => "not-found",
            Cause::Status(413 | 431) => "too-large",
            Cause::Status(408 | 429) => "throttled",
            Cause::Status(500..) => "server",
            Cause::Status(_) => "status",
        }
    }

    /// Returns a sentence, for people.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match (self.kind, self.cause) {
            (ErrorKind::Auth, Cause::Status(401)) => {
                "the server refused the API key; check that it is a client key of this environment"
            }
            (ErrorKind::Auth, Cause::Status(403)) => {
                "the server refused the API key here; a server key must not be used in a page: pass a client key of this environment"
            }
            (ErrorKind::Auth, Cause::Status(413 | 431)) => {
                "the target is too large for the server; pass fewer or shorter attributes"
            }
            (ErrorKind::Auth, Cause::Status(404)) => "no flag service answers there; check baseUrl",
            (ErrorKind::Auth, Cause::Status(400)) => {
                "the server refused the target; check its identifier and name"
            }
            (ErrorKind::Auth, _) => "signing in failed",
            (ErrorKind::FetchFlags, _) => "fetching all flags failed",
            (ErrorKind::FetchFlag, _) => "fetching a flag failed",
            (ErrorKind::Stream, Cause::Malformed) => "the stream sent something unreadable",
            (ErrorKind::Stream, _) => "the stream was lost",
            (ErrorKind::Metrics, _) => "posting metrics failed",
        }
    }

    /// Returns a sentence, for people, where a server key is used: what [`message`](Self::message) says is about client keys and
    /// evaluations.
    #[must_use]
    pub const fn environment_message(self) -> &'static str {
        match (self.kind, self.cause) {
            (ErrorKind::Auth, Cause::Status(401)) => {
                "the server refused the API key; check that it is a server key of this environment"
            }
            (ErrorKind::Auth | ErrorKind::FetchFlags, Cause::Status(403)) => {
                "a server key is needed, and this one may not read the configuration; pass a server key of this environment, and never use it in a page"
            }
            (ErrorKind::Auth, Cause::Status(404)) => "no flag service answers there; check baseUrl",
            (ErrorKind::Auth, _) => "signing in failed",
            (ErrorKind::FetchFlags | ErrorKind::FetchFlag, _) => {
                "fetching the flags and target groups failed"
            }
            (ErrorKind::Stream | ErrorKind::Metrics, _) => self.message(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        f.write_str(" (")?;
        f.write_str(self.code())?;
        f.write_str(")")
    }
}

impl core::error::Error for Error {}
