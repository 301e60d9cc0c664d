//! Follows the frames of HTTP/2 in the bytes that arrive, to know since when the head of a request, or any other frame
//! that is not data, has begun and is not complete. h2 itself sets no time limit for such a frame.
//!
//! Source: RFC 9113, sections 3.4 (the preface), 4.1 (the layout of frames), 6.2 and 6.10 (heads and their continuations).

use tokio::time::Instant;

/// The length of the preface, with which a connection begins before its first frame.
const PREFACE_BYTES: usize = 24;

const HEADER_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// The flag of a frame that ends a head.
const END_HEADERS: u8 = 4;

/// How far the frames of a connection have arrived.
#[derive(Debug)]
pub(super) struct Frames {
    preface_left: usize,
    /// The bytes of the frame header that is arriving.
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    /// How many bytes of the payload are still to arrive.
    payload_left: usize,
    /// Whether that payload is data, whose time is limited with the request that it belongs to.
    data: bool,
    /// Whether the head of a request continues in the next frame.
    head_goes_on: bool,
    incomplete_since: Option<Instant>,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            preface_left: PREFACE_BYTES,
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            payload_left: 0,
            data: false,
            head_goes_on: false,
            incomplete_since: None,
        }
    }
}

impl Frames {
    /// Returns since when a head, or another frame that is not data, has been incomplete.
    pub(super) const fn incomplete_since(&self) -> Option<Instant> {
        self.incomplete_since
    }

    /// Notes bytes that have arrived. They may be split in any way, but must be in order.
    pub(super) fn arrived(&mut self, bytes: &[u8], now: Instant) {
        let skip = self.preface_left.min(bytes.len());
        self.preface_left -= skip;
        let mut rest = bytes.get(skip..).unwrap_or_default();
        while let [first, after @ ..] = rest {
            if self.payload_left > 0 {
                let skip = self.payload_left.min(rest.len());
                self.payload_left -= skip;
                rest = rest.get(skip..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.header.get_mut(self.header_bytes) {
                *place = *first;
                self.header_bytes += 1;
            }
            if self.header_bytes == HEADER_BYTES {
                self.begin();
            }
            rest = after;
        }
        let arriving = self.preface_left > 0
            || self.header_bytes > 0
            || self.head_goes_on
            || (self.payload_left > 0 && !self.data);
        self.incomplete_since = match self.incomplete_since {
            _ if !arriving => None,
            None => Some(now),
            since => since,
        };
    }

    /// Reads the header of a frame, which is complete now.
    fn begin(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.header_bytes = 0;
        self.payload_left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.data = kind == DATA;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.head_goes_on = flags & END_HEADERS == 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn begun() -> Frames {
        let mut frames = Frames::default();
        frames.arrived(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Instant::now());
        frames
    }

    #[test]
    fn a_head_is_arriving_from_its_first_byte_until_its_last_continuation_in_any_split() {
        let head = frame(HEADERS, 0, b"abc");
        let more = frame(CONTINUATION, 0, b"");
        let last = frame(CONTINUATION, END_HEADERS, b"de");
        let all = [head, more, last].concat();
        for size in 1..=all.len() {
            let mut frames = begun();
            let start = Instant::now();
            let mut left = all.len();
            for part in all.chunks(size) {
                frames.arrived(part, start);
                left -= part.len();
                let expected = (left > 0).then_some(start);
                assert_eq!(frames.incomplete_since(), expected, "{size} {left}");
            }
        }
    }

    #[test]
    fn data_may_take_the_time_of_its_request_and_other_frames_may_not() {
        let mut frames = begun();
        let data = frame(DATA, 0, b"abc");
        frames.arrived(&data[..10], Instant::now());
        assert_eq!(frames.incomplete_since(), None);
        frames.arrived(&data[10..], Instant::now());
        let settings = frame(4, 0, b"abcdef");
        frames.arrived(&settings[..11], Instant::now());
        assert!(frames.incomplete_since().is_some());
        frames.arrived(&settings[11..], Instant::now());
        assert_eq!(frames.incomplete_since(), None);
    }

    #[test]
    fn half_a_preface_is_no_connection_either() {
        let mut frames = Frames::default();
        frames.arrived(b"PRI * HTTP", Instant::now());
        assert!(frames.incomplete_since().is_some());
    }
}
