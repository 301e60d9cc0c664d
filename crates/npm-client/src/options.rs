//! Reads the options. The facade has checked them and filled in the defaults.

use flagwire_core::{Config, Millis, Transport};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// A list of numbers.
    pub type Numbers;

    #[wasm_bindgen(method, indexing_getter)]
    fn at(this: &Numbers, index: u32) -> f64;
}

/// The core's configuration, from `coreOptions` in `pkg-template/src/options.ts`: the places are its.
pub(crate) fn config(numbers: &Numbers) -> Config {
    // Saturates, so `Infinity` means "never" or "for ever", and what is no number means 0.
    let mut index = 0;
    let mut next = || {
        index += 1;
        numbers.at(index - 1) as u32
    };
    // A function call for each, which is smaller than what the compiler would write out.
    let next: &mut dyn FnMut() -> u32 = &mut next;
    Config {
        streaming: next() != 0,
        transport: match next() {
            1 => Transport::EventSource,
            2 => Transport::Fetch,
            _ => Transport::Auto,
        },
        max_stream_retries: next(),
        polling: next() != 0,
        polling_interval: Millis(next()),
        metrics: next() != 0,
        metrics_interval: Millis(next()),
        sign_in_timeout: Millis(next()),
        cache: next() != 0,
        pause_when_hidden: match next() {
            0 => None,
            delay => Some(Millis(delay)),
        },
        share_stream: next() != 0,
        cached: next() != 0,
    }
}
