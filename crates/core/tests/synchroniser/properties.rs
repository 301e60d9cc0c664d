//! What holds for any life. `chaos` says how bytes become one.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::chaos::play;

/// As many cases as `PROPTEST_CASES` says. One that failed is best kept in `fuzz/corpus`, where every run plays it.
fn cases(number: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(asked.and_then(|text| text.parse().ok()).unwrap_or(number))
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn any_life_ends_with_the_configuration_of_the_server(bytes in vec(any::<u8>(), 1..240)) {
        play(&bytes);
    }
}
