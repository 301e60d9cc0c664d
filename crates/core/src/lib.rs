//! The Flagwire client as a state machine: sign in, fetch, stream, fall back to polling, count, flush, close.
//!
//! There is no I/O in here: no socket, clock, timer, random source, storage or JavaScript value. A *driver* owns those and
//! runs this loop:
//!
//! 1. When something has happened outside, or the application calls: call **one** of the `handle_*` methods or commands of
//!    [`Client`], with the time.
//! 2. Drain [`Client::poll_output`] to `None` and do what each [`Output`] says. User code (in [`Output::Emit`]) may call
//!    back into the client; what that puts out comes at the end of the same drain.
//! 3. Arm one timer for [`Client::poll_timeout`]; when it fires, call [`Client::handle_timeout`].
//!
//! In this way hours of reconnects are tested in microseconds, the behaviour in a browser is that of the tests, and no callback
//! runs while anything is borrowed.
//!
//! # Invariants
//! - After each input all outputs are performed before the next input.
//! - A reply names its request. A reply to a request that is not under way changes nothing.
//! - There are never two streams. There is no output after the `Stopped` and `Closed` of [`Client::close`].
//! - An older answer never overwrites a newer one (`order`).
//!
//! # Map
//! `client` joins the mechanisms and holds the commands; `client/auth`, `client/snapshot`, `client/stream`, `client/tabs`,
//! `client/page` and `client/metrics` are the mechanisms. Inputs and outputs are data that depends on no mechanism: `input`,
//! `config`, `output`, `request`, `state`, `error`, `time`, and `message`, which the tabs of a group send to each other. `codec` is the
//! interface
//! to requests, replies and values. The mechanisms use `sse`, `backoff`, `timer` and `order`; `clock` converts the readings of a
//! wall clock; `protocol` has the wire's types; `numbered` gives the variants of an enum numbers. With the feature `serde`,
//! `serde_codec` is a codec with values in Rust, and `http` writes its requests.
//!
//! `synchroniser` is the other machine, for servers: it keeps the configuration of one environment. It has mechanisms of its own and
//! uses the same timers, requests, backoff and parser.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
extern crate alloc;
#[cfg(any(feature = "serde", test))]
extern crate std;

mod backoff;
mod client;
mod clock;
mod codec;
mod config;
mod error;
#[cfg(feature = "serde")]
mod http;
mod input;
mod message;
mod numbered;
mod order;
mod output;
pub mod protocol;
mod request;
#[cfg(feature = "serde")]
mod serde_codec;
#[cfg(feature = "serde")]
mod serde_environment;
#[cfg(feature = "sse")]
pub mod sse;
mod state;
mod synchroniser;
mod time;
mod timer;

pub use backoff::{Backoff, MAX_DELAY, MAX_RETRY_AFTER, MIN_DELAY, Random};
pub use client::Client;
pub use clock::Clock;
pub use codec::{Ask, ChangeEvent, Codec, MAX_METRICS_BYTES, MAX_TARGET_HEADER, Parsed, SignedIn};
pub use config::{Config, MIN_INTERVAL, REQUEST_TIMEOUT, Transport};
pub use error::{Cause, Error, ErrorKind};
#[cfg(feature = "serde")]
pub use http::{HttpRequest, Service, fingerprint, retry_after};
pub use input::{PageEvent, StreamInput, TabInput};
pub use message::TabMessage;
pub use order::Moment;
pub use output::{Event, Output, StreamId, StreamRequest, TabOutput};
pub use request::{Request, RequestId, Response};
#[cfg(feature = "serde")]
pub use serde_codec::{Changed, Held, Saved, SerdeCodec};
#[cfg(feature = "serde")]
pub use serde_environment::{ChangedEntities, SerdeEnvironment};
pub use state::{Status, Why};
pub use synchroniser::{
    EntityEvent, EnvironmentAsk, EnvironmentCodec, HeldVersion, KeyCheck, MAX_EXPECTED, MAX_TRIES,
    ParsedEntity, Stored, SyncConfig, SyncEvent, SyncOutput, Synchroniser,
};
pub use time::{Instant, Millis};
