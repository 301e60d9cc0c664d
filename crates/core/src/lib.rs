//! The Flagwire client as a state machine.
#![no_std]
extern crate alloc;
#[cfg(feature = "serde")]
extern crate std;

pub mod protocol;
pub mod sse;
