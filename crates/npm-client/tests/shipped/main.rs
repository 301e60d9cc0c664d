//! The stories of `crates/core`, and random lives, once more with what npm ships: the package's own `Wire` and `Values` write
//! every request, read every reply and event, and keep the values. In headless Chromium.
#![cfg(all(target_family = "wasm", not(feature = "rust-api")))]

#[path = "../../crates/core/tests/stories/cache.rs"]
mod cache;
#[path = "../../crates/core/tests/stories/chaos.rs"]
mod chaos;
#[path = "../../crates/core/tests/stories/closing.rs"]
mod closing;
mod codec;
#[path = "../../crates/core/tests/stories/fetching.rs"]
mod fetching;
#[path = "../../crates/core/tests/stories/identify.rs"]
mod identify;
#[path = "../../crates/core/tests/stories/metrics.rs"]
mod metrics;
#[path = "../../crates/core/tests/stories/native.rs"]
mod native;
#[path = "../../crates/core/tests/stories/ordering.rs"]
mod ordering;
#[path = "../../crates/core/tests/stories/page.rs"]
mod page;
#[path = "../../crates/core/tests/stories/polling.rs"]
mod polling;
#[path = "../../crates/core/tests/stories/server.rs"]
mod server;
#[path = "../../crates/core/tests/stories/signing_in.rs"]
mod signing_in;
#[path = "../../crates/core/tests/stories/streaming.rs"]
mod streaming;
#[path = "../../crates/core/tests/stories/tabs.rs"]
mod tabs;
#[path = "../../crates/core/tests/stories/world.rs"]
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
