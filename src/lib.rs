//! The API for front ends in Rust. It needs nothing of JavaScript's but the browser: the core with the codec of values in Rust,
//! and a driver that uses the browser's powers itself.
//!
//! # Map
//! `client` is what applications hold, `driver` the loop. One adapter for each power of the browser: `http`, `eventsource`,
//! `page`, `tabs`, `cache`. `listeners` and `waiting` are who is told; `options`, `target`, `value`, `state`, `error`, `log` what
//! is passed; `diagnose` is what is said of mistakes and failures.

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
