#![doc = include_str!("guide.md")]
#![deny(missing_docs)]
#![forbid(unsafe_code)]

// The same core as the npm package's, with values in Rust (`SerdeCodec`), and a driver that calls the browser by itself: the crate
// brings no JavaScript, exports nothing to JavaScript and chooses no allocator.
//
// Applications hold a `client`; `driver` runs the loop. `http`, `eventsource`, `page`, `tabs` and `cache` adapt one API of the
// browser each. `listeners` and `waiting` hold what is to be notified. `options`, `target`, `value`, `state`, `error` and `log`
// have the types of arguments and results. `diagnose` writes the sentences that are logged of mistakes and failures.

mod cache;
mod client;
mod diagnose;
mod driver;
mod error;
mod eventsource;
mod http;
mod listeners;
mod log;
mod options;
mod page;
mod state;
mod tabs;
mod target;
mod value;
mod waiting;

pub use cache::{Cache, CacheStorage, DeriveKey};
pub use client::Client;
pub use error::Error;
pub use flagwire_core::protocol::Evaluation;
pub use flagwire_core::{Error as ServiceError, Status, Transport};
pub use http::{Middleware, Request};
pub use listeners::{Change, Event, Subscription};
pub use log::{Level, Logger};
pub use options::Options;
pub use serde_json::Value;
pub use state::{Reason, State};
pub use target::Target;
pub use value::{FlagDefault, Variation, VariationReason};
pub use waiting::Waiting;
