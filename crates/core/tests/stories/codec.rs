//! The codec that the stories are played with: [`SerdeCodec`], here. `crates/npm-client/tests/shipped` plays them with
//! the npm package's.

use flagwire_core::protocol::Target;
use flagwire_core::{SerdeCodec, Service};

pub(crate) type TestCodec = SerdeCodec;

/// A codec of a client without values.
pub(crate) fn codec(service: Service, target: Target) -> TestCodec {
    SerdeCodec::new(service, target, || 0)
}
