//! Sequences of inputs to the client: the stories' world, played from bytes.

#[path = "../../crates/core/tests/stories/chaos.rs"]
mod chaos;
#[path = "../../crates/core/tests/stories/codec.rs"]
mod codec;
#[expect(dead_code, reason = "the stories use more of it")]
#[path = "../../crates/core/tests/stories/server.rs"]
mod server;
#[expect(dead_code, reason = "the stories use more of it")]
#[path = "../../crates/core/tests/stories/world.rs"]
mod world;

#[test]
fn any_sequence_of_inputs_ends_well() {
    flagwire_fuzz::fuzz("client", 500, chaos::play);
}
