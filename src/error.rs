//! The errors of the client.

use std::fmt;

/// A mistake in what was passed, or trouble with the service or the cache.
///
/// Trouble with the service is reported to listeners, and the client tries again, unless the error [is final](Self::is_final).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The API key is empty.
    MissingKey,
    /// The target's identifier is empty.
    MissingTarget,
    /// A target's attributes are no struct or map, or cannot be JSON; the text says more.
    Attributes(String),
    /// Evaluations of the page are no list of evaluations; the text says more.
    Bootstrap(String),
    /// Nothing more will come: the client is closed, or its last handle was dropped.
    Closed,
    /// No evaluations came within so many milliseconds. The client goes on trying.
    Timeout(u32),
    /// The cache could not be read or written; the text is the storage's.
    Cache(String),
    /// A request or the stream failed.
    Service(flagwire_core::Error),
}

impl Error {
    /// Returns a stable name, for programs: `missing-key`, `missing-target`, `invalid-target`, `evaluations`, `closed`, `timeout`,
    /// `cache`; of the service `network`, `timeout`, `unauthorized`, `bad-request`, `not-found`, `too-large`, `throttled`, `server`,
    /// `status`, `malformed`. The npm package has the same, and `docs/ERRORS.md` describes them.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingKey => "missing-key",
            Self::MissingTarget => "missing-target",
            Self::Attributes(_) => "invalid-target",
            Self::Bootstrap(_) => "evaluations",
            Self::Closed => "closed",
            Self::Timeout(_) => "timeout",
            Self::Cache(_) => "cache",
            Self::Service(error) => error.code(),
        }
    }

    /// Returns the HTTP status, where the service answered with one that says no.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Service(error) => match error.cause.status() {
                0 => None,
                status => Some(status),
            },
            _ => None,
        }
    }

    /// Returns whether the client has stopped trying, as with a key that was refused.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Service(error) => error.is_final(),
            Self::Timeout(_) | Self::Cache(_) => false,
            _ => true,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flagwire: ")?;
        match self {
            Self::MissingKey => {
                f.write_str("an API key is missing; pass the client key of your environment")
            }
            Self::MissingTarget => f.write_str(
                "a target with an identifier is missing; pass e.g. Target::new(\"user-42\")",
            ),
            Self::Attributes(why) => {
                write!(
                    f,
                    "a target's attributes must be a struct or a map that JSON can hold: {why}"
                )
            }
            Self::Bootstrap(why) => {
                write!(f, "what the page brought is no list of evaluations: {why}")
            }
            Self::Closed => f.write_str("the client is closed"),
            Self::Timeout(millis) => {
                write!(f, "no evaluations after {millis} ms; it is tried further")
            }
            Self::Cache(why) => write!(f, "the cache could not be used: {why}"),
            Self::Service(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Service(error) => Some(error),
            _ => None,
        }
    }
}

impl From<flagwire_core::Error> for Error {
    fn from(error: flagwire_core::Error) -> Self {
        Self::Service(error)
    }
}
