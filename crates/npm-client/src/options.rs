//! Reads the options. The facade has checked them and filled in the defaults.

use flagwire_core::{Config, Millis, Transport};
use wasm_bindgen::prelude::*;

use crate::border::{OptionPlace, StreamTransport};

#[wasm_bindgen]
extern "C" {
    /// The options as a list of numbers.
    pub type Numbers;

    #[wasm_bindgen(method, indexing_getter)]
    fn at(this: &Numbers, index: u32) -> f64;
}

/// Returns the core's configuration, from `coreOptions` in `pkg-template/src/options.ts`.
pub(crate) fn config(numbers: &Numbers) -> Config {
    // The cast saturates, so `Infinity` means "never" or "for ever", and what is no number means 0. It is called through a trait
    // object, because that is smaller than inlined code.
    let at: &dyn Fn(OptionPlace) -> u32 = &|place| numbers.at(place as u32) as u32;
    Config {
        streaming: at(OptionPlace::Streaming) != 0,
        transport: match StreamTransport::from_number(at(OptionPlace::Transport)) {
            Some(StreamTransport::EventSource) => Transport::EventSource,
            Some(StreamTransport::Fetch) => Transport::Fetch,
            // The facade passes -1 for a word that it does not know.
            Some(StreamTransport::Auto) | None => Transport::Auto,
        },
        max_stream_retries: at(OptionPlace::MaxStreamRetries),
        polling: at(OptionPlace::Polling) != 0,
        polling_interval: Millis(at(OptionPlace::PollingInterval)),
        metrics: at(OptionPlace::Metrics) != 0,
        metrics_interval: Millis(at(OptionPlace::MetricsInterval)),
        sign_in_timeout: Millis(at(OptionPlace::SignInTimeout)),
        cache: at(OptionPlace::Cache) != 0,
        cached: at(OptionPlace::Cached) != 0,
        pause_when_hidden: Some(at(OptionPlace::PauseWhenHidden))
            .filter(|&delay| delay != 0)
            .map(Millis),
        share_stream: at(OptionPlace::ShareStream) != 0,
    }
}
