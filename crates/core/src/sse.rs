//! Turns the bytes of a stream into server-sent events.
//!
//! It is for streams that are read through `fetch`. Bytes arrive in any split, also in the middle of a line, of a CRLF or of a
//! character. An event is complete at its blank line. An unfinished event is dropped when the stream ends, as the standard asks.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>

use alloc::string::String;
use alloc::vec::Vec;

use crate::time::Millis;

/// The most bytes that one line, or the data of one event, may have.
///
/// An event that carries evaluations of 10 000 flags takes about 1.2 MB. A server which sends more than this without
/// finishing an event is broken or hostile, and buffering on would take the page's memory.
pub const MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;

/// An event as the stream dispatched it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The `event` field; empty stands for `message`.
    pub kind: String,
    /// The `data` lines, joined by LF.
    pub data: String,
}

/// An event whose texts are not decoded.
pub(crate) struct RawEvent {
    pub(crate) kind: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

/// The error that the stream sent more than [`MAX_EVENT_BYTES`] without completing an event. The stream cannot be read any
/// further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Reads one stream.
///
/// ```
/// use flagwire_core::sse::Parser;
///
/// let mut parser = Parser::default();
/// let mut bytes: &[u8] = b"event: *\ndata: {}\n";
/// assert_eq!(parser.next_event(&mut bytes), Ok(None)); // all bytes taken, no event complete yet
/// let mut bytes: &[u8] = b"\n";
/// assert_eq!(parser.next_event(&mut bytes).unwrap().unwrap().data, "{}");
/// ```
#[derive(Debug, Default)]
pub struct Parser {
    /// The unfinished line.
    line: Vec<u8>,
    kind: Vec<u8>,
    /// Each `data` line followed by LF, so that "no data field" differs from "empty data".
    data: Vec<u8>,
    /// The `id` field as it was set last. It becomes the last event id at the next blank line.
    id: Vec<u8>,
    last_event_id: Vec<u8>,
    retry: Option<Millis>,
    /// Whether the last line ended in CR. If the next byte is a LF, it belongs to that line end, also in a later chunk.
    after_cr: bool,
    /// Whether the first line is over, after which a byte order mark is a part of its line.
    past_first_line: bool,
}

impl Parser {
    /// Takes bytes from the front of `bytes` until an event is complete or there are none left (`None`).
    ///
    /// # Errors
    /// [`TooLong`]; the parser is of no use afterwards.
    pub fn next_event(&mut self, bytes: &mut &[u8]) -> Result<Option<Event>, TooLong> {
        Ok(self.next_raw(bytes)?.map(|event| Event {
            kind: text(&event.kind),
            data: text(&event.data),
        }))
    }

    /// Does what [`next_event`](Self::next_event) does, without decoding.
    pub(crate) fn next_raw(&mut self, bytes: &mut &[u8]) -> Result<Option<RawEvent>, TooLong> {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            if let Some(rest) = bytes.strip_prefix(b"\n") {
                *bytes = rest;
            }
        }
        while let Some(end) = bytes
            .iter()
            .position(|&byte| byte == b'\n' || byte == b'\r')
        {
            let (part, rest) = bytes.split_at(end);
            self.extend_line(part)?;
            // The CR ends its line at once, because waiting for a LF could delay an event for ever.
            *bytes = if let Some(after) = rest.strip_prefix(b"\r\n") {
                after
            } else {
                self.after_cr = rest == b"\r";
                rest.get(1..).unwrap_or_default()
            };
            if let Some(event) = self.end_line()? {
                return Ok(Some(event));
            }
        }
        let part = core::mem::take(bytes);
        self.extend_line(part)?;
        Ok(None)
    }

    /// Returns what a new connection should send as `Last-Event-ID`; empty means no header.
    #[must_use]
    pub fn last_event_id(&self) -> String {
        text(&self.last_event_id)
    }

    /// Returns the delay that the server asked for before reconnecting, if it did.
    #[must_use]
    pub const fn retry(&self) -> Option<Millis> {
        self.retry
    }

    fn extend_line(&mut self, part: &[u8]) -> Result<(), TooLong> {
        if self.line.len().saturating_add(part.len()) > MAX_EVENT_BYTES {
            return Err(TooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<RawEvent>, TooLong> {
        let buffer = core::mem::take(&mut self.line);
        let mut line: &[u8] = &buffer;
        if !self.past_first_line {
            self.past_first_line = true;
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        let event = if line.is_empty() {
            self.dispatch()
        } else {
            self.field(line)?;
            None
        };
        // The allocation is used again, because a stream has many lines of about the same length.
        self.line = buffer;
        self.line.clear();
        Ok(event)
    }

    fn field(&mut self, line: &[u8]) -> Result<(), TooLong> {
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.get(1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                if self.data.len().saturating_add(value.len()) > MAX_EVENT_BYTES {
                    return Err(TooLong);
                }
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => set(&mut self.kind, value),
            b"id" if value.iter().all(|&byte| byte != 0) => set(&mut self.id, value),
            b"retry" => self.retry = digits(value).or(self.retry),
            _ => {} // comments (an empty name) and fields the standard does not know
        }
        Ok(())
    }

    /// Ends an event at its blank line. The id counts even where there is no data and so no event.
    fn dispatch(&mut self) -> Option<RawEvent> {
        set(&mut self.last_event_id, &self.id);
        let kind = core::mem::take(&mut self.kind);
        let mut data = core::mem::take(&mut self.data);
        data.pop()?; // the LF after the last line
        Some(RawEvent { kind, data })
    }
}

fn set(buffer: &mut Vec<u8>, value: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(value);
}

/// Decodes UTF-8 with replacement, as the standard asks, whatever the content type says.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads a whole number of ASCII digits. One that is too large for 32 bits is read as the largest.
fn digits(value: &[u8]) -> Option<Millis> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(Millis(value.iter().fold(0u32, |sum, byte| {
        sum.saturating_mul(10)
            .saturating_add(u32::from(byte & 0x0F))
    })))
}
