//! The parser of server-sent events: in any split it finds what the standard's own words find in the whole.

use flagwire_core::sse::Parser;

type Event = (String, String);

#[test]
fn any_bytes_give_the_events_of_the_standard_in_any_split() {
    flagwire_fuzz::fuzz("sse", 5_000, check);
}

/// The first byte says where to split.
fn check(input: &[u8]) {
    let Some((&step, bytes)) = input.split_first() else {
        return;
    };
    let expected = by_the_standard(bytes);
    assert_eq!(parse(std::iter::once(bytes)), expected);
    assert_eq!(parse(bytes.chunks(usize::from(step % 16) + 1)), expected);
}

fn parse<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, String, Option<u32>) {
    let mut parser = Parser::default();
    let mut events = Vec::new();
    for mut chunk in chunks {
        while let Some(event) = parser.next_event(&mut chunk).unwrap() {
            events.push((event.kind, event.data));
        }
    }
    (
        events,
        parser.last_event_id(),
        parser.retry().map(|retry| retry.0),
    )
}

/// The standard's algorithm, word for word, on a text that is there as a whole.
fn by_the_standard(bytes: &[u8]) -> (Vec<Event>, String, Option<u32>) {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    // A line that is not ended is none.
    let ended = text.rfind('\n').map_or("", |end| &text[..=end]);
    let (mut events, mut last_id, mut retry) = (Vec::new(), String::new(), None);
    let (mut kind, mut data, mut id) = (String::new(), String::new(), String::new());
    for line in ended.split_terminator('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            _ if line.is_empty() => {
                last_id.clone_from(&id);
                let kind = std::mem::take(&mut kind);
                let data = std::mem::take(&mut data);
                if let Some(data) = data.strip_suffix('\n') {
                    events.push((kind, data.to_string()));
                }
            }
            "event" => kind = value.to_string(),
            "data" => {
                data.push_str(value);
                data.push('\n');
            }
            "id" if !value.contains('\0') => id = value.to_string(),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                // Past 32 bits the parser stays at the largest.
                retry = Some(value.parse().unwrap_or(u32::MAX));
            }
            _ => {}
        }
    }
    (events, last_id, retry)
}
