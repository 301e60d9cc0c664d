//! The numbers that cross between WebAssembly and JavaScript. This file is their only source, together with the enums of the core
//! that [`typescript`] lists.
//!
//! `pkg-template/src/border.ts` is written from it: `FLAGWIRE_WRITE=1 cargo test -p flagwire-npm-client --test border` writes the file,
//! and without the variable the test fails where the file differs.

use flagwire_core::protocol::{Change, Domain};
use flagwire_core::{Ask as CoreAsk, SignedIn, Status, Why, numbered};
#[cfg(not(target_family = "wasm"))]
use flagwire_core::{Cause, ErrorKind, TabMessage};

numbered! {
    /// The inputs of the core: what happened, or what the application asks for. An input is the first argument of `call_`.
    pub enum Input {
        /// The timer that `arm_` has set fired.
        Tick,
        /// The application closes the client.
        Close,
        /// The application wants all evaluations to be fetched.
        Refresh,
        /// The application wants counts to be posted, and the cache to be written.
        Flush,
        /// The application switches to another target, which is the detail.
        Identify,
        /// The application sets evaluations, which are the detail.
        Set,
        /// The browser is online again.
        Online,
        /// The page became visible.
        Visible,
        /// The page became hidden.
        Hidden,
        /// The page is being left, and may be frozen or discarded.
        Left,
        /// The page was restored from the back/forward cache.
        Restored,
        /// This tab holds the lock of its group.
        Leading,
        /// The lock that this tab held was stolen.
        Lost,
        /// A request got no reply.
        Failure,
        /// A request was answered. The detail is the reply's JSON.
        Reply,
        /// The head of the reply to a stream's request arrived, and it is not an event stream.
        Answered,
        /// The head of the reply to a stream's request arrived, and it is an event stream.
        Opened,
        /// A stream asked for a delay before the next attempt: `status` milliseconds.
        Retry,
        /// A stream had an event. The detail is its data. From here on a detail is bytes, and `status` is their number.
        Event,
        /// A stream showed that it is alive. The detail is the data of a heartbeat.
        Heartbeat,
        /// A stream ended for any reason.
        Ended,
        /// The client starts. This is the first input, and comes once.
        Start,
        /// Another tab sent the first of the messages of `TabMessage`; the number of another message is added to this one.
        Message,
    }
}

numbered! {
    /// The events that the core reports to JavaScript by `emit_`.
    pub enum Emitted {
        /// The first evaluations of the server arrived.
        Ready,
        /// The stream is open.
        Connected,
        /// The stream was lost.
        Disconnected,
        /// The client was closed.
        Stopped,
        /// Polling has started.
        Polling,
        /// Polling has stopped.
        PollingStopped,
        /// All evaluations were fetched.
        FlagsLoaded,
        /// Evaluations changed. The detail is the list of changes that `Values` returned.
        Changed,
        /// The values now belong to the target of the switch with this number; the first switch has the number 1.
        Identified,
        /// The state has changed. The number is that of the status, shifted by `StateNumber.REASON_BITS`, and that of the reason.
        State,
        /// The detail is to be written to the cache.
        Save,
    }
}

numbered! {
    /// The kinds of request that `request_` writes.
    pub enum Ask {
        /// The sign-in.
        SignIn,
        /// All evaluations. The text is the entity tag of the known list.
        All,
        /// One evaluation. The text is the flag.
        Flag,
        /// The stream, read by `fetch`.
        Stream,
        /// The stream, read by the browser's own `EventSource`. The result is its URL.
        NativeStream,
    }
}

numbered! {
    /// The results of `signIn_`, which reads a reply to a sign-in.
    pub enum SignIn {
        /// The reply could not be read.
        Unreadable,
        /// The reply has a token.
        Token,
        /// The reply has a token, and a URL for the browser's own `EventSource`.
        TokenAndUrl,
    }
}

numbered! {
    /// The results of `changeEvent_`, which reads the data of an event. The three kinds of change have the same order for flags and groups.
    pub enum ChangeCode {
        /// The data does not follow the protocol.
        Malformed,
        /// This version does not know the kind of the event.
        Unknown,
        /// A flag was created.
        CreateFlag,
        /// A flag was changed.
        PatchFlag,
        /// A flag was deleted.
        DeleteFlag,
        /// A target group was created.
        CreateGroup,
        /// A target group was changed.
        PatchGroup,
        /// A target group was deleted.
        DeleteGroup,
    }
}

numbered! {
    /// The actions of `tabs_` in the group of tabs.
    pub enum TabAction {
        /// Leave the group.
        Leave,
        /// Take the lock from the tab that holds it.
        Steal,
        /// Post the first of the messages of `TabMessage`; the number of another message is added to this one.
        Post,
    }
}

numbered! {
    /// The places of the options in the list that `start_` takes. Milliseconds past 2^32 and `Infinity` mean "never".
    pub enum OptionPlace {
        /// Whether a stream is kept open.
        Streaming,
        /// The way to open the stream, a number of `StreamTransport`.
        Transport,
        /// The number of failed attempts in a row after which the stream is given up.
        MaxStreamRetries,
        /// Whether to poll evaluations while there is no stream.
        Polling,
        /// Milliseconds between polls.
        PollingInterval,
        /// Whether reads are counted.
        Metrics,
        /// Milliseconds between posts of counts.
        MetricsInterval,
        /// The time limit for signing in, in milliseconds.
        SignInTimeout,
        /// Whether values are written to the cache.
        Cache,
        /// Milliseconds after which the stream of a hidden page is closed; 0 for never.
        PauseWhenHidden,
        /// Whether the tabs of an origin share one stream.
        ShareStream,
        /// Whether there are values before the start.
        Cached,
    }
}

numbered! {
    /// The ways to open the stream.
    pub enum StreamTransport {
        /// The browser's own `EventSource` if the sign-in offers that, else `fetch`.
        Auto,
        /// The browser's own `EventSource`.
        EventSource,
        /// `fetch`.
        Fetch,
    }
}

/// The number of bits of the reason in the number of [`Emitted::State`].
pub const REASON_BITS: u32 = 4;

/// Returns the number of a state, for [`Emitted::State`].
pub(crate) const fn state_number(status: Status, why: Why) -> u32 {
    ((status as u32) << REASON_BITS) | why as u32
}

/// Returns the number and the text of a request of the core.
pub const fn ask<'a, T>(ask: &CoreAsk<'a, T>) -> (Ask, Option<&'a T>) {
    match *ask {
        CoreAsk::SignIn => (Ask::SignIn, None),
        CoreAsk::All(tag) => (Ask::All, tag),
        CoreAsk::Flag(flag) => (Ask::Flag, Some(flag)),
        CoreAsk::Stream => (Ask::Stream, None),
        CoreAsk::NativeStream => (Ask::NativeStream, None),
    }
}

/// Returns the meaning of a number that `signIn_` returned.
#[must_use]
pub const fn signed_in(number: u32) -> Option<SignedIn> {
    let offers_native = match SignIn::from_number(number) {
        Some(SignIn::Token) => false,
        Some(SignIn::TokenAndUrl) => true,
        Some(SignIn::Unreadable) | None => return None,
    };
    Some(SignedIn { offers_native })
}

impl ChangeCode {
    /// Returns the kind of change and what it changed; nothing for [`Unknown`](Self::Unknown) and [`Malformed`](Self::Malformed).
    #[must_use]
    pub const fn change(self) -> Option<(Domain, Change)> {
        Some(match self {
            Self::Malformed | Self::Unknown => return None,
            Self::CreateFlag => (Domain::Flag, Change::Create),
            Self::PatchFlag => (Domain::Flag, Change::Patch),
            Self::DeleteFlag => (Domain::Flag, Change::Delete),
            Self::CreateGroup => (Domain::TargetSegment, Change::Create),
            Self::PatchGroup => (Domain::TargetSegment, Change::Patch),
            Self::DeleteGroup => (Domain::TargetSegment, Change::Delete),
        })
    }
}

/// Writes `pkg-template/src/border.ts`.
#[cfg(not(target_family = "wasm"))]
#[must_use]
pub fn typescript() -> String {
    use self::typescript::{constants, numbers, texts};

    let causes = [Cause::Network, Cause::Timeout, Cause::Malformed];
    let causes = causes.map(|cause| (format!("{cause:?}"), u32::from(cause.number())));
    [
        "// What crosses between JavaScript and WebAssembly as a number. Written from crates/npm-client/src/border.rs, which explains\n\
         // more, and from enums of crates/core. To write it again: FLAGWIRE_WRITE=1 cargo test -p flagwire-npm-client --test border\n"
            .to_owned(),
        numbers("Input", "What is reported to the core, or asked of it.", Input::ALL),
        numbers("Emitted", "What the core lets the facade know. Most of the numbers are places in `EVENTS`, too.", Emitted::ALL),
        numbers("ErrorKind", "What was being done when it failed.", ErrorKind::ALL),
        constants("Cause", "Why something failed, where it is no HTTP status.", &causes),
        constants(
            "StateNumber",
            "How the number of a state is put together.",
            &[
                ("ReasonBits".to_owned(), REASON_BITS),
                ("ReasonMask".to_owned(), (1 << REASON_BITS) - 1),
            ],
        ),
        texts("STATUSES", "The statuses of a client, by number.", Status::ALL),
        texts("REASONS", "The reasons of a state, by number.", Why::ALL),
        numbers("Ask", "What a request is written for.", Ask::ALL),
        numbers("SignIn", "What a reply to signing in holds.", SignIn::ALL),
        numbers("ChangeCode", "What the data of an event says.", ChangeCode::ALL),
        numbers("TabAction", "What is to be done in the group of tabs.", TabAction::ALL),
        numbers("TabMessage", "What the tabs of a group say to each other.", TabMessage::ALL),
        numbers("OptionPlace", "The places of the options.", OptionPlace::ALL),
        numbers("StreamTransport", "How the stream is opened.", StreamTransport::ALL),
        texts("TRANSPORTS", "The values of the option `streamTransport`, by number.", StreamTransport::ALL),
    ]
    .join("\n")
}

#[cfg(not(target_family = "wasm"))]
mod typescript {
    //! Writes parts of TypeScript.

    use std::fmt::Write as _;

    /// Writes a `const enum`, whose numbers the compiler inlines where they are used.
    pub(super) fn numbers<T: Copy>(name: &str, about: &str, all: &[(T, &str, &str)]) -> String {
        let mut text = format!("/** {about} */\nexport const enum {name} {{\n");
        for (number, (_, variant, explanation)) in all.iter().enumerate() {
            let (explanation, variant) = (plain(explanation), screaming(variant));
            let _ = writeln!(text, "  /** {explanation} */\n  {variant} = {number},");
        }
        text + "}\n"
    }

    /// Writes a `const enum` with given numbers.
    pub(super) fn constants(name: &str, about: &str, all: &[(String, u32)]) -> String {
        let mut text = format!("/** {about} */\nexport const enum {name} {{\n");
        for (variant, number) in all {
            let _ = writeln!(text, "  {} = {number},", screaming(variant));
        }
        text + "}\n"
    }

    /// Writes a list of names as the application sees them. `Fine` has no name.
    pub(super) fn texts<T: Copy>(name: &str, about: &str, all: &[(T, &str, &str)]) -> String {
        let texts = all.iter().map(|(_, variant, _)| match *variant {
            "Fine" => "undefined".to_owned(),
            variant => format!("\"{}\"", variant.to_ascii_lowercase()),
        });
        let texts: Vec<_> = texts.collect();
        format!(
            "/** {about} */\nexport const {name} = [{}] as const;\n",
            texts.join(", ")
        )
    }

    /// Returns a doc comment without Rust's links: ``[`Hello`](Self::Hello)`` becomes `` `Hello` ``.
    fn plain(explanation: &str) -> String {
        let mut parts = explanation.trim().split('[');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (link, rest) = part.split_once(')').unwrap_or((part, ""));
            text += link.split("](").next().unwrap_or(link);
            text += rest;
        }
        text
    }

    /// Returns a name in capitals: `FetchFlags` becomes `FETCH_FLAGS`.
    fn screaming(variant: &str) -> String {
        let mut name = String::new();
        for (place, letter) in variant.char_indices() {
            if letter.is_ascii_uppercase() && place > 0 {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }
}
