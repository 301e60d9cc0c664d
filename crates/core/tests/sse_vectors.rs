//! The parser of server-sent events against `vectors/sse.json`, in every split of the bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flagwire_core::sse::Parser;
use serde::Deserialize;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    wire_b64: String,
    expect: Vec<Expected>,
    final_retry_ms: Option<u32>,
    reconnect_last_event_id: String,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Expected {
    #[serde(rename = "type")]
    kind: String,
    data: String,
    last_event_id: String,
}

fn vectors() -> Vec<(Vector, Vec<u8>)> {
    let file: File = serde_json::from_str(include_str!("../vectors/sse.json")).unwrap();
    assert!(file.vectors.len() > 40, "vectors are missing");
    let decode = |vector: Vector| {
        let wire = STANDARD.decode(&vector.wire_b64).unwrap();
        (vector, wire)
    };
    file.vectors.into_iter().map(decode).collect()
}

fn check<'a>(vector: &Vector, chunks: impl IntoIterator<Item = &'a [u8]>, how: &str) {
    let mut parser = Parser::default();
    let mut events = Vec::new();
    for mut chunk in chunks {
        while let Some(event) = parser.next_event(&mut chunk).unwrap() {
            events.push(Expected {
                kind: if event.kind.is_empty() {
                    "message".into()
                } else {
                    event.kind
                },
                data: event.data,
                last_event_id: parser.last_event_id(),
            });
        }
        assert!(chunk.is_empty(), "{}, {how}: bytes were left", vector.id);
    }
    assert_eq!(events, vector.expect, "{}, {how}", vector.id);
    let retry = parser.retry().map(|retry| retry.0);
    assert_eq!(retry, vector.final_retry_ms, "{}, {how}", vector.id);
    let id = parser.last_event_id();
    assert_eq!(id, vector.reconnect_last_event_id, "{}, {how}", vector.id);
}

#[test]
fn every_vector_whole() {
    for (vector, wire) in vectors() {
        check(&vector, [wire.as_slice()], "whole");
    }
}

#[test]
fn every_vector_byte_by_byte() {
    for (vector, wire) in vectors() {
        check(&vector, wire.chunks(1), "byte by byte");
    }
}

#[test]
fn every_vector_split_at_every_offset() {
    for (vector, wire) in vectors() {
        for offset in 0..=wire.len() {
            let (one, other) = wire.split_at(offset);
            check(&vector, [one, other], &format!("split at {offset}"));
        }
    }
}
