//! The WebAssembly module of the npm package. It passes what JavaScript reports to a [`flagwire_core::Client`], and the outputs
//! of the client to JavaScript.
//!
//! It decides nothing: which request is sent, which reply counts and when to try again is decided by the core, and this crate
//! has no logic worth a unit test. `pkg-template/src` is the TypeScript on the other side of the border.
//!
//! # The run loop
//! Something happens: a reply, bytes of the stream, the timer, an event of the page, a call by the application. JavaScript does
//! what there is to do in the browser and reports it by `call`. The `driver` borrows the core, calls one method, gives the borrow
//! back, and then performs the core's outputs, one after another, with nothing borrowed: user code that runs meanwhile may
//! call the module again, or close the client.
//!
//! # Map
//! `border` has every number that crosses. `client` has the functions that JavaScript calls, `host` those that it must provide,
//! and `driver` the loop. `codec` passes the core's calls about requests, replies and values to the host. `options` reads the
//! options.
#![deny(missing_docs)]

pub mod border;
mod client;
mod codec;
mod driver;
mod host;
mod options;

pub use client::{call, start};

/// An allocator with a list of free blocks, which is searched from its beginning. A client holds a dozen blocks, so the list
/// stays short, and freed blocks are joined with their neighbours. It is two kilobytes smaller, compressed, than the standard
/// allocator.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
#[global_allocator]
#[expect(
    unsafe_code,
    reason = "its lock is 111 bytes of the shipped module, and nobody to wait for: without atomics there is one thread"
)]
static ALLOCATOR: lol_alloc::AssumeSingleThreaded<lol_alloc::FreeListAllocator> =
    // SAFETY: WebAssembly without atomics has no threads.
    unsafe { lol_alloc::AssumeSingleThreaded::new(lol_alloc::FreeListAllocator::new()) };
