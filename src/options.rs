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
    let number = |index| numbers.at(index) as u32;
    let is = |index| number(index) != 0;
    Config {
        streaming: is(0),
        transport: match number(1) {
            1 => Transport::EventSource,
            2 => Transport::Fetch,
            _ => Transport::Auto,
        },
        max_stream_retries: number(2),
        polling: is(3),
        polling_interval: Millis(number(4)),
        metrics: is(5),
        metrics_interval: Millis(number(6)),
        sign_in_timeout: Millis(number(7)),
        cache: is(8),
        pause_when_hidden: is(9).then(|| Millis(number(9))),
        share_stream: is(10),
        cached: is(11),
    }
}
