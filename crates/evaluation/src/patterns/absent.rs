//! Stands in for the engine where the feature `patterns` is off: every pattern counts as valid and matches nothing.

#[derive(Clone, Debug)]
pub(crate) struct Pattern;

impl Pattern {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the engine's patterns can fail to compile"
    )]
    pub(crate) const fn compile(_: &str, _: &mut u64) -> Result<Self, &'static str> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "the engine's patterns hold something")]
    pub(crate) const fn is_match(&self, _: &str) -> bool {
        false
    }
}
