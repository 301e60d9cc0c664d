//! Flag rules and a target in, an evaluation out.
