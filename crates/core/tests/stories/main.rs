//! Stories of a client's life, on a virtual clock, against a model server. One behaviour each, named as a sentence.
//!
//! `world` is the clock, the network and the driver; `server` is the server.

mod cache;
#[cfg(not(target_family = "wasm"))]
mod chaos;
mod closing;
mod codec;
mod fetching;
mod identify;
mod metrics;
mod native;
mod ordering;
mod page;
mod polling;
#[cfg(not(target_family = "wasm"))]
mod properties;
mod server;
mod signing_in;
mod states;
mod streaming;
mod tabs;
mod world;
