//! Logs: on standard error, as text or as JSON lines. Keys, tokens, tickets and targets are never logged.

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Options};

/// Sets up logging for the process. A level that cannot be read falls back to `info`, with a warning.
pub fn init(options: &Options) {
    let wanted = EnvFilter::try_new(&options.log_level);
    let bad = wanted.is_err();
    let mut filter = wanted.unwrap_or_else(|_| EnvFilter::new("info"));
    // At trace it logs every change in the directory of the flags file; a log that is kept there would feed on itself.
    if let Ok(directive) = "notify=info".parse() {
        filter = filter.add_directive(directive);
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    match options.log_format {
        LogFormat::Text => builder
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
