//! Sets up logging to standard error, as text or as JSON lines. Keys, tokens, tickets and targets are never logged.
//!
//! A record is one line, whatever is in its texts: a line end in a path or in a name of a flag would otherwise begin a line that
//! this server has not written.

use std::fmt::{self, Write as _};

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::config::{LogFormat, Options};

/// Sets up logging for the process. A level that cannot be read falls back to `info`, with a warning.
pub fn init(options: &Options) {
    let wanted = EnvFilter::try_new(&options.log_level);
    let bad = wanted.is_err();
    let mut filter = wanted.unwrap_or_else(|_| EnvFilter::new("info"));
    // At trace, the crate `notify` logs every change in the directory of the flags file. If the log is written there
    // too, each line would cause the next.
    if let Ok(directive) = "notify=info".parse() {
        filter = filter.add_directive(directive);
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    match options.log_format {
        LogFormat::Text => builder
            .fmt_fields(debug_fn(write_field).delimited(" "))
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .init(),
    }
    if bad {
        tracing::warn!(
            "--log-level {} is not a level; using info",
            options.log_level
        );
    }
}

/// Writes a field as the default formatter does, but escapes characters that could end a line or move a cursor.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    if field.name() != "message" {
        write!(writer, "{}=", field.name())?;
    }
    write!(OneLine(writer), "{value:?}")
}

struct OneLine<'w, 'b>(&'w mut Writer<'b>);

impl fmt::Write for OneLine<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            // The last two end a line for some readers, and are no control characters.
            if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
                write!(self.0, "{}", character.escape_default())?;
            } else {
                self.0.write_char(character)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_record_is_one_line_whatever_is_in_it() {
        let lines = Lines::default();
        let written = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(debug_fn(write_field).delimited(" "))
            .with_writer(move || written.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .finish();
        let forged = "a\r\n ERROR forged\u{2028}\u{1b}[31m";
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(text = forged, shown = %forged, number = 5, "message {forged}");
        });
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let escaped = r"a\r\n ERROR forged\u{2028}\u{1b}[31m";
        let quoted = format!("text=\"{escaped}\"");
        assert_eq!(
            text,
            format!(" WARN message {escaped} {quoted} shown={escaped} number=5\n")
        );
    }
}
