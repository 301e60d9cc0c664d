//! The WebAssembly module of the npm package: feeds a [`flagwire_core::Client`] with what JavaScript reports, and hands what the
//! client wants done to JavaScript.
//!
//! It decides nothing: which request is sent, which reply counts and when to try again is the core's business, and this crate has
//! no logic worth a unit test. `pkg-template/src` is the JavaScript on the other side of the border.
//!
//! # The run loop
//! Something happens: a reply, bytes of the stream, the timer, an event of the page, a call by the application. JavaScript does
//! what there is to do in the browser and reports it by `call`. The `driver` borrows the core, calls one method, gives the borrow
//! back, and then does what the core put out, one thing after another, with nothing borrowed: user code that runs on the way may call
//! us again, or close the client.
//!
//! # Map
//! `border` has every number that crosses. `client` is what JavaScript calls, `host` what JavaScript must provide, `driver` the loop.
//! `codec` passes the core's questions about the wire and the values to the host, `options` reads the options.
#![deny(missing_docs)]

pub mod border;
mod client;
mod codec;
mod driver;
mod host;
mod options;

pub use client::{call, start};

/// A list of free blocks, searched from its beginning: a client holds a dozen blocks, so that the list stays short, and blocks
/// that are freed are joined with their neighbours. Two kilobytes smaller, compressed, than the standard allocator.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
#[global_allocator]
#[expect(
    unsafe_code,
    reason = "its lock is 111 bytes of the shipped module, and nobody to wait for: without atomics there is one thread"
)]
static ALLOCATOR: lol_alloc::AssumeSingleThreaded<lol_alloc::FreeListAllocator> =
    // SAFETY: WebAssembly without atomics has no threads.
    unsafe { lol_alloc::AssumeSingleThreaded::new(lol_alloc::FreeListAllocator::new()) };
