#![cfg_attr(feature = "rust-api", doc = include_str!("api/guide.md"))]
//! The browser's side of Flagwire: feeds a [`flagwire_core::Client`] and does what it says.
//!
//! The only crate with `#[wasm_bindgen]`. It decides nothing: which request is sent, which reply counts and when to try
//! again is the core's business, and this crate has no logic worth a unit test.
//!
//! # The run loop
//! Something happens: a reply, bytes of the stream, the timer, an event of the page, a call by the application. JavaScript does
//! what there is to do in the browser and tells. The `driver` borrows the core, calls one method, gives the borrow back, and
//! then does what the core put out, one thing after another, with nothing borrowed: user code that runs on the way may call us
//! again, or close us.
//!
//! # Map
//! `client` is what JavaScript calls, `host` what JavaScript must bring, `driver` the loop, `clock` the time. `codec`
//! hands the core's questions about the wire and the values to the host, `options` reads the options.
//!
//! With the feature `rust-api` all that is left out, and `api` takes its place: the crate is then a library for front ends in
//! Rust, which brings no JavaScript of its own but one adapter for each power of the browser.
#![deny(missing_docs)]

#[cfg(feature = "rust-api")]
mod api;
#[cfg(not(feature = "rust-api"))]
mod client;
mod clock;
#[cfg(not(feature = "rust-api"))]
mod codec;
#[cfg(not(feature = "rust-api"))]
mod driver;
#[cfg(not(feature = "rust-api"))]
mod host;
#[cfg(not(feature = "rust-api"))]
mod options;

#[cfg(feature = "rust-api")]
pub use api::*;
#[cfg(not(feature = "rust-api"))]
pub use client::{call, start};

/// A list of free blocks, searched from its beginning: a client holds a dozen blocks, so that the list stays short, and blocks
/// that are freed are joined with their neighbours. Two kilobytes smaller, compressed, than the standard allocator. A front end
/// in Rust chooses its own.
#[cfg(all(
    target_family = "wasm",
    not(target_feature = "atomics"),
    not(feature = "rust-api")
))]
#[global_allocator]
#[expect(
    unsafe_code,
    reason = "its lock is 111 bytes of the shipped module, and nobody to wait for: without atomics there is one thread"
)]
static ALLOCATOR: lol_alloc::AssumeSingleThreaded<lol_alloc::FreeListAllocator> =
    // SAFETY: WebAssembly without atomics has no threads.
    unsafe { lol_alloc::AssumeSingleThreaded::new(lol_alloc::FreeListAllocator::new()) };
