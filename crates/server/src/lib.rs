//! `flagwire-server`: serves feature flags over the Harness Feature Flags client protocol.
//!
//! The flow: a [`source`] supplies whole configurations to an [`environment::Environment`]; there [`environment::changes`] finds
//! what differs, the new snapshot is put in force, and each difference is published as an event. The [`routes`] answer from the
//! snapshot in force and never wait for a source; streams frame each event once for each different text.
//!
//! Modules use only those below them in this table, or beside them, and never in a circle:
//!
//! | module | holds |
//! |---|---|
//! | `run`, [`commands`], [`import`] | a running server; the commands of the program; environments that come from elsewhere |
//! | [`plan`], `config_file`, [`config`], [`telemetry`] | the environments that the options describe; the configuration file; the command line and environment variables; logs |
//! | [`routes`] | one small handler for each endpoint |
//! | [`serve`] | sockets, limits, and the orderly end |
//! | `state`, `cache`, `prometheus`, `target` | what handlers share; replies that are made once; counters for Prometheus; the target that a request is for |
//! | [`source`], [`replicas`] | where configurations come from; several servers as one, through Redis |
//! | `stream` | open streams: their events and heartbeats, the threads that hold their sockets, their end |
//! | [`environment`] | the state in force, what changed, who reads it, and what is reported about it |
//! | [`versions`], [`change_log`] | versions of flags and groups, which never fall; the log of the changes to a flags file |
//! | [`auth`], `secret` | keys, tokens, tickets and wrong guesses; the signing secret on disk |
//! | [`error`], `json`, `limits`, `peer` | refusals as replies; numbers in JSON; the largest requests; the other end of a connection |
//! | `files` | work on files, on threads that may hang, and writing that leaves no half of a file |
//! | `seldom`, `stopping`, `time` | what is logged now and then; the signal to stop; times as numbers |
//!
//! Flags files are read and edited by the crate [`flags_file`].
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
pub mod change_log;
pub mod commands;
pub mod config;
mod config_file;
pub mod environment;
pub mod error;
mod files;
pub mod import;
mod json;
mod limits;
mod peer;
pub mod plan;
mod prometheus;
pub mod replicas;
pub mod routes;
mod run;
mod secret;
mod seldom;
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
