//! Sequences of what happens to a synchroniser: the stories' world, played from bytes.

#[path = "../../crates/core/tests/synchroniser/chaos.rs"]
mod chaos;
#[expect(dead_code, reason = "the stories use more of it")]
#[path = "../../crates/core/tests/synchroniser/world.rs"]
mod world;

#[test]
fn any_life_ends_with_the_configuration_of_the_server() {
    flagwire_fuzz::fuzz("synchroniser", 500, chaos::play);
}
