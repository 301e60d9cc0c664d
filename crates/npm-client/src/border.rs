//! What crosses between WebAssembly and JavaScript as a number. This file is the only source of these numbers, together with the
//! enums of the core that [`typescript`] lists.
//!
//! `pkg-template/src/border.ts` is written from it: `FLAGWIRE_WRITE=1 cargo test -p flagwire-npm-client --test border` writes the file,
//! and without the variable the test fails where the file differs.

use flagwire_core::protocol::{Change, Domain};
use flagwire_core::{Ask as CoreAsk, SignedIn, Status, Why, numbered};
#[cfg(not(target_family = "wasm"))]
use flagwire_core::{Cause, ErrorKind, TabMessage};

numbered! {
    /// What JavaScript reports to the core, or asks of it on behalf of the application. It is the first argument of `call_`.
    pub enum Input {
        /// The time that `arm_` asked for is reached.
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
        /// The network is back.
        Online,
        /// The page is looked at.
        Visible,
        /// The page is hidden.
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
        /// The head of the answer to a stream's request is there, and it is no event stream.
        Answered,
        /// The head of the answer to a stream's request is there, and it is an event stream.
        Opened,
        /// A stream asked for a delay before the next attempt: `status` milliseconds.
        Retry,
        /// An event came on a stream. The detail is its data. From here on, a detail is bytes, and `status` is their number.
        Event,
        /// A stream gave a sign of life. The detail is the data of a heartbeat.
        Heartbeat,
        /// A stream ended, whatever the cause.
        Ended,
        /// The client begins. It is the first input, and comes once.
        Start,
        /// Another tab sent the first of the messages of `TabMessage`; the number of another message is added to this one.
        Message,
    }
}

numbered! {
    /// What the core lets JavaScript know by `emit_`.
    pub enum Emitted {
        /// The first evaluations of the server are there.
        Ready,
        /// The stream is open.
        Connected,
        /// The stream is lost.
        Disconnected,
        /// The client was closed.
        Stopped,
        /// Polling has started.
        Polling,
        /// Polling has stopped.
        PollingStopped,
        /// All evaluations were fetched.
        FlagsLoaded,
        /// Evaluations differ from what they were. The detail is what `Values` returned.
        Changed,
        /// The values are those of the target of the last switch but `number`, counted from 1.
        Identified,
        /// The state has changed. The number is that of the status, shifted by `StateNumber.REASON_BITS`, and that of the reason.
        State,
        /// The detail is to be written to the cache.
        Save,
    }
}

numbered! {
    /// What `request_` writes a request for.
    pub enum Ask {
        /// Signing in.
        SignIn,
        /// All evaluations. The text is the tag of the list that is known.
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
    /// What `signIn_` found in a reply.
    pub enum SignIn {
        /// The reply cannot be read.
        Unreadable,
        /// The reply has a token.
        Token,
        /// The reply has a token, and a URL for the browser's own `EventSource`.
        TokenAndUrl,
    }
}

numbered! {
    /// What `changeEvent_` found in the data of an event. The three kinds of change have the same order for flags and groups.
    pub enum ChangeCode {
        /// The data is not what the protocol says.
        Malformed,
        /// The event is of a sort that this version does not know.
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
    /// What `tabs_` is to do in the group of tabs.
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
        /// How the stream is opened, by `StreamTransport`.
        Transport,
        /// Failed attempts in a row after which the stream is given up.
        MaxStreamRetries,
        /// Whether evaluations are polled while there is no stream.
        Polling,
        /// Milliseconds between polls.
        PollingInterval,
        /// Whether reads are counted.
        Metrics,
        /// Milliseconds between posts of counts.
        MetricsInterval,
        /// Milliseconds that signing in may take.
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
    /// How the stream is opened.
    pub enum StreamTransport {
        /// By the browser's own `EventSource` where sign-in offers that, else by `fetch`.
        Auto,
        /// By the browser's own `EventSource`.
        EventSource,
        /// By `fetch`.
        Fetch,
    }
}

/// How many bits of [`Emitted::State`]'s number are the reason's.
pub const REASON_BITS: u32 = 4;

/// Returns the number of a state, for [`Emitted::State`].
pub(crate) const fn state_number(status: Status, why: Why) -> u32 {
    ((status as u32) << REASON_BITS) | why as u32
}

/// Returns the number and the text of what the core asks for.
pub const fn ask<'a, T>(ask: &CoreAsk<'a, T>) -> (Ask, Option<&'a T>) {
    match *ask {
        CoreAsk::SignIn => (Ask::SignIn, None),
        CoreAsk::All(tag) => (Ask::All, tag),
        CoreAsk::Flag(flag) => (Ask::Flag, Some(flag)),
        CoreAsk::Stream => (Ask::Stream, None),
        CoreAsk::NativeStream => (Ask::NativeStream, None),
    }
}

/// Returns what the number that `signIn_` returned says.
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
    /// Returns what happened to what. There is nothing to return for [`Unknown`](Self::Unknown) and [`Malformed`](Self::Malformed).
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
    //! Parts of TypeScript.

    use std::fmt::Write as _;

    /// A `const enum`, whose numbers are written into the places where they are used.
    pub(super) fn numbers<T: Copy>(name: &str, about: &str, all: &[(T, &str, &str)]) -> String {
        let mut text = format!("/** {about} */\nexport const enum {name} {{\n");
        for (number, (_, variant, explanation)) in all.iter().enumerate() {
            let (explanation, variant) = (plain(explanation), screaming(variant));
            let _ = writeln!(text, "  /** {explanation} */\n  {variant} = {number},");
        }
        text + "}\n"
    }

    /// A `const enum` of numbers that are given.
    pub(super) fn constants(name: &str, about: &str, all: &[(String, u32)]) -> String {
        let mut text = format!("/** {about} */\nexport const enum {name} {{\n");
        for (variant, number) in all {
            let _ = writeln!(text, "  {} = {number},", screaming(variant));
        }
        text + "}\n"
    }

    /// A list of names as the application sees them. `Fine` is what needs no name.
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

    /// An explanation without Rust's links: ``[`Hello`](Self::Hello)`` is `` `Hello` ``.
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

    /// `FetchFlags` is `FETCH_FLAGS`.
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
