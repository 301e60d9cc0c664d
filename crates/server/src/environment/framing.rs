//! Bytes of a stream as they go over a socket.

use bytes::Bytes;

/// The end of a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// How a body's end is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// HTTP/1.1: in chunks, each with its length.
    Chunked,
    /// HTTP/1.0: by the end of the connection.
    Plain,
}

impl Framing {
    /// Returns the end of a body.
    pub(crate) const fn end(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Chunked => LAST_CHUNK,
            Self::Plain => b"",
        })
    }
}

/// A text with and without the length that a chunk has in front, made once for all streams that it goes to.
#[derive(Clone, Debug)]
pub(crate) struct Framed {
    chunk: Bytes,
    plain: Bytes,
}

impl Framed {
    pub(crate) fn new(text: &[u8]) -> Self {
        // An empty chunk would end the body.
        if text.is_empty() {
            return Self {
                chunk: Bytes::new(),
                plain: Bytes::new(),
            };
        }
        let mut chunk = format!("{:x}\r\n", text.len()).into_bytes();
        let head = chunk.len();
        chunk.extend_from_slice(text);
        chunk.extend_from_slice(b"\r\n");
        let chunk = Bytes::from(chunk);
        Self {
            plain: chunk.slice(head..head + text.len()),
            chunk,
        }
    }

    pub(crate) const fn plain(&self) -> &Bytes {
        &self.plain
    }

    pub(crate) const fn in_framing(&self, framing: Framing) -> &Bytes {
        match framing {
            Framing::Chunked => &self.chunk,
            Framing::Plain => &self.plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_says_how_long_it_is_and_nothing_is_no_chunk() {
        let framed = Framed::new(b"data: 0123456789\n\n");
        assert_eq!(
            framed.in_framing(Framing::Chunked),
            "12\r\ndata: 0123456789\n\n\r\n"
        );
        assert_eq!(framed.in_framing(Framing::Plain), "data: 0123456789\n\n");
        let nothing = Framed::new(b"");
        assert!(nothing.in_framing(Framing::Chunked).is_empty());
        assert_eq!(Framing::Chunked.end(), "0\r\n\r\n");
        assert!(Framing::Plain.end().is_empty());
    }
}
