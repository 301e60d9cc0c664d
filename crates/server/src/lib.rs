//! `flagwire-server`: serves feature flags over the Harness Feature Flags client protocol.
//!
//! The flow: a [`source`] brings whole configurations to an [`environment::Environment`]; there [`environment::changes`] finds what
//! differs, the new snapshot is put in force, and each difference leaves as an event. The [`routes`] answer from the
//! snapshot in force and never wait for a source; streams frame each event once for each different text.
//!
//! | module | holds |
//! |---|---|
//! | [`commands`], [`import`] | checking flags files, printing their schema; environments from elsewhere |
//! | [`config`], `config_file`, [`plan`] | command line, environment variables, file; which environments come of them |
//! | [`source`], [`flags_file`] | where configurations come from; the crate that reads and edits flags files |
//! | [`environment`] | the state in force, what changed, and who reads it |
//! | `stream` | the open streams |
//! | [`replicas`] | several servers as one, through Redis |
//! | [`auth`], `target` | keys, tokens and tickets; who a request is for |
//! | [`routes`] | one small handler for each endpoint |
//! | [`serve`] | sockets, limits, and the orderly end |
//! | `files` | work on files, on threads that may hang |
//!
//! [`app`] is the whole service without a socket, so that tests call it directly.
#![deny(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod auth;
mod cache;
pub mod commands;
pub mod config;
mod config_file;
pub mod environment;
pub mod error;
mod files;
pub mod import;
mod json;
mod limits;
mod metrics;
mod peer;
pub mod plan;
pub mod replicas;
pub mod routes;
mod run;
mod secret;
pub mod serve;
pub mod source;
mod state;
mod stopping;
mod stream;
mod target;
pub mod telemetry;
mod time;
pub mod versions;

pub use flagwire_flags_file as flags_file;
pub use routes::app;
pub use run::{RunError, run};
pub use state::{AppState, Settings};
