//! The stories of `crates/core`, and random lives, once more with what npm ships: the package's own `Wire` and `Values` write
//! every request, read every reply and event, and keep the values. In headless Chromium.
#![cfg(target_family = "wasm")]

#[path = "../../../core/tests/stories/cache.rs"]
mod cache;
#[path = "../../../core/tests/stories/chaos.rs"]
mod chaos;
#[path = "../../../core/tests/stories/closing.rs"]
mod closing;
mod codec;
#[path = "../../../core/tests/stories/fetching.rs"]
mod fetching;
#[path = "../../../core/tests/stories/identify.rs"]
mod identify;
#[path = "../../../core/tests/stories/metrics.rs"]
mod metrics;
#[path = "../../../core/tests/stories/native.rs"]
mod native;
#[path = "../../../core/tests/stories/ordering.rs"]
mod ordering;
#[path = "../../../core/tests/stories/page.rs"]
mod page;
#[path = "../../../core/tests/stories/polling.rs"]
mod polling;
#[path = "../../../core/tests/stories/server.rs"]
mod server;
#[path = "../../../core/tests/stories/signing_in.rs"]
mod signing_in;
#[path = "../../../core/tests/stories/streaming.rs"]
mod streaming;
#[path = "../../../core/tests/stories/tabs.rs"]
mod tabs;
#[path = "../../../core/tests/stories/world.rs"]
mod world;

use flagwire_core::Random;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test as test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen(module = "/target/shipped/corpus.js")]
extern "C" {
    /// The inputs in `fuzz/corpus/client`, as `Uint8Array`s.
    fn corpus() -> Vec<js_sys::Uint8Array>;
}

#[test]
fn the_lives_that_found_something_end_well() {
    let corpus = corpus();
    assert!(!corpus.is_empty(), "the corpus is missing");
    for life in corpus {
        chaos::play(&life.to_vec());
    }
}

#[test]
fn any_life_ends_well() {
    let mut random = Random::new(1);
    for _ in 0..200 {
        let length = random.below(240);
        let life: Vec<u8> = (0..length).map(|_| random.below(255) as u8).collect();
        chaos::play(&life);
    }
}
