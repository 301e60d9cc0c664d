//! What holds for any sequence of events. `chaos` says how bytes become one.

use flagwire_core::sse::Parser;
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

fn events(chunks: &[&[u8]]) -> Vec<(String, String, String)> {
    let mut parser = Parser::default();
    let mut events = Vec::new();
    for chunk in chunks {
        let mut bytes = *chunk;
        while let Some(event) = parser.next_event(&mut bytes).unwrap() {
            events.push((event.kind, event.data, parser.last_event_id()));
        }
        assert!(bytes.is_empty());
    }
    events
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn any_life_ends_well(bytes in vec(any::<u8>(), 2..240)) {
        play(&bytes);
    }

    #[test]
    fn any_split_gives_the_same_events(
        lines in vec("(data|event|id|retry|:|\u{feff}data)?:? ?[a-z0-9\u{0}ü]{0,6}(\n|\r|\r\n|\n\n|\r\r)", 0..40),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let bytes = lines.concat().into_bytes();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let chunks: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(events(&chunks), events(&[&bytes]));
    }
}
