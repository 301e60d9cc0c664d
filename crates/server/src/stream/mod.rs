//! The body of `GET /stream`: events as they happen, heartbeats in between.
//!
//! A reader that cannot keep up lags by at most [`crate::environment`]'s bound and is then cut off; it comes back and
//! fetches everything, which is cheaper for both sides than a queue without end.
//!
//! | module | holds |
//! |---|---|
//! | `subscriber` | what one stream is to be sent, however that reaches the reader |
//! | `handover` | how a stream gets the socket of its connection |
//! | `workers`, `worker`, `open_stream` | streams with sockets of their own, in tables of a few threads |
//! | `body` | streams as bodies of replies, over TLS and HTTP/2 |
//! | `drain` | the end of all streams when the server stops |

mod body;
mod drain;
mod handover;
mod open_stream;
mod subscriber;
mod worker;
mod workers;

pub(crate) use self::drain::Drain;
pub(crate) use self::handover::{Detachable, HandOver};
pub(crate) use self::subscriber::{Heartbeat, NewStream, Subscriber};
pub(crate) use self::workers::Workers;
