//! Stories of a synchroniser's life, on a virtual clock, against a model server. One behaviour each, named as a sentence.
//!
//! `world` is the clock, the network, the server and the driver; `chaos` plays lives from bytes.

#[cfg(not(target_family = "wasm"))]
mod chaos;
#[cfg(not(target_family = "wasm"))]
mod properties;
mod stories;
mod world;
