// What crosses between JavaScript and WebAssembly as a number. Written from crates/npm-client/src/border.rs, which explains
// more, and from enums of crates/core. To write it again: FLAGWIRE_WRITE=1 cargo test -p flagwire-npm-client --test border

/** What is reported to the core, or asked of it. */
export const enum Input {
  /** The timer that `arm_` has set fired. */
  TICK = 0,
  /** The application closes the client. */
  CLOSE = 1,
  /** The application wants all evaluations to be fetched. */
  REFRESH = 2,
  /** The application wants counts to be posted, and the cache to be written. */
  FLUSH = 3,
  /** The application switches to another target, which is the detail. */
  IDENTIFY = 4,
  /** The application sets evaluations, which are the detail. */
  SET = 5,
  /** The browser is online again. */
  ONLINE = 6,
  /** The page became visible. */
  VISIBLE = 7,
  /** The page became hidden. */
  HIDDEN = 8,
  /** The page is being left, and may be frozen or discarded. */
  LEFT = 9,
  /** The page was restored from the back/forward cache. */
  RESTORED = 10,
  /** This tab holds the lock of its group. */
  LEADING = 11,
  /** The lock that this tab held was stolen. */
  LOST = 12,
  /** A request got no reply. */
  FAILURE = 13,
  /** A request was answered. The detail is the reply's JSON. */
  REPLY = 14,
  /** The head of the reply to a stream's request arrived, and it is not an event stream. */
  ANSWERED = 15,
  /** The head of the reply to a stream's request arrived, and it is an event stream. */
  OPENED = 16,
  /** A stream asked for a delay before the next attempt: `status` milliseconds. */
  RETRY = 17,
  /** A stream had an event. The detail is its data. From here on a detail is bytes, and `status` is their number. */
  EVENT = 18,
  /** A stream showed that it is alive. The detail is the data of a heartbeat. */
  HEARTBEAT = 19,
  /** A stream ended for any reason. */
  ENDED = 20,
  /** The client starts. This is the first input, and comes once. */
  START = 21,
  /** Another tab sent the first of the messages of `TabMessage`; the number of another message is added to this one. */
  MESSAGE = 22,
}

/** What the core lets the facade know. Most of the numbers are places in `EVENTS`, too. */
export const enum Emitted {
  /** The first evaluations of the server arrived. */
  READY = 0,
  /** The stream is open. */
  CONNECTED = 1,
  /** The stream was lost. */
  DISCONNECTED = 2,
  /** The client was closed. */
  STOPPED = 3,
  /** Polling has started. */
  POLLING = 4,
  /** Polling has stopped. */
  POLLING_STOPPED = 5,
  /** All evaluations were fetched. */
  FLAGS_LOADED = 6,
  /** Evaluations changed. The detail is the list of changes that `Values` returned. */
  CHANGED = 7,
  /** The values now belong to the target of the switch with this number; the first switch has the number 1. */
  IDENTIFIED = 8,
  /** The state has changed. The number is that of the status, shifted by `StateNumber.REASON_BITS`, and that of the reason. */
  STATE = 9,
  /** The detail is to be written to the cache. */
  SAVE = 10,
}

/** What was being done when it failed. */
export const enum ErrorKind {
  /** The sign-in. */
  AUTH = 0,
  /** The fetch of all evaluations. */
  FETCH_FLAGS = 1,
  /** The fetch of one evaluation. */
  FETCH_FLAG = 2,
  /** The stream, or an event on it. */
  STREAM = 3,
  /** The post of metrics. */
  METRICS = 4,
}

/** Why something failed, where it is no HTTP status. */
export const enum Cause {
  NETWORK = 0,
  TIMEOUT = 1,
  MALFORMED = 2,
}

/** How the number of a state is put together. */
export const enum StateNumber {
  REASON_BITS = 4,
  REASON_MASK = 15,
}

/** The statuses of a client, by number. */
export const STATUSES = ["initializing", "cached", "ready", "stale", "closed"] as const;

/** The reasons of a state, by number. */
export const REASONS = [undefined, "auth", "fetch", "stream", "hidden", "target", "refused", "unreachable"] as const;

/** What a request is written for. */
export const enum Ask {
  /** The sign-in. */
  SIGN_IN = 0,
  /** All evaluations. The text is the entity tag of the known list. */
  ALL = 1,
  /** One evaluation. The text is the flag. */
  FLAG = 2,
  /** The stream, read by `fetch`. */
  STREAM = 3,
  /** The stream, read by the browser's own `EventSource`. The result is its URL. */
  NATIVE_STREAM = 4,
}

/** What a reply to signing in holds. */
export const enum SignIn {
  /** The reply could not be read. */
  UNREADABLE = 0,
  /** The reply has a token. */
  TOKEN = 1,
  /** The reply has a token, and a URL for the browser's own `EventSource`. */
  TOKEN_AND_URL = 2,
}

/** What the data of an event says. */
export const enum ChangeCode {
  /** The data does not follow the protocol. */
  MALFORMED = 0,
  /** This version does not know the kind of the event. */
  UNKNOWN = 1,
  /** A flag was created. */
  CREATE_FLAG = 2,
  /** A flag was changed. */
  PATCH_FLAG = 3,
  /** A flag was deleted. */
  DELETE_FLAG = 4,
  /** A target group was created. */
  CREATE_GROUP = 5,
  /** A target group was changed. */
  PATCH_GROUP = 6,
  /** A target group was deleted. */
  DELETE_GROUP = 7,
}

/** What is to be done in the group of tabs. */
export const enum TabAction {
  /** Leave the group. */
  LEAVE = 0,
  /** Take the lock from the tab that holds it. */
  STEAL = 1,
  /** Post the first of the messages of `TabMessage`; the number of another message is added to this one. */
  POST = 2,
}

/** What the tabs of a group say to each other. */
export const enum TabMessage {
  /** A tab joined or came back, and asks for the state of the stream. */
  HELLO = 0,
  /** There is a new leader, which is opening the stream. */
  LEAD = 1,
  /** The leader's stream has just opened. */
  OPEN = 2,
  /** The leader's stream is open. In an answer to `Hello` one byte has the number of seconds since the last event. */
  ALIVE = 3,
  /** The leader's stream is down, and the leader keeps trying to open it. */
  DOWN = 4,
  /** The stream had an event, whose data follows. */
  EVENT = 5,
  /** A tab follows the leader. It is the answer to a leader that may not know of the tab. */
  HERE = 6,
}

/** The places of the options. */
export const enum OptionPlace {
  /** Whether a stream is kept open. */
  STREAMING = 0,
  /** The way to open the stream, a number of `StreamTransport`. */
  TRANSPORT = 1,
  /** The number of failed attempts in a row after which the stream is given up. */
  MAX_STREAM_RETRIES = 2,
  /** Whether to poll evaluations while there is no stream. */
  POLLING = 3,
  /** Milliseconds between polls. */
  POLLING_INTERVAL = 4,
  /** Whether reads are counted. */
  METRICS = 5,
  /** Milliseconds between posts of counts. */
  METRICS_INTERVAL = 6,
  /** The time limit for signing in, in milliseconds. */
  SIGN_IN_TIMEOUT = 7,
  /** Whether values are written to the cache. */
  CACHE = 8,
  /** Milliseconds after which the stream of a hidden page is closed; 0 for never. */
  PAUSE_WHEN_HIDDEN = 9,
  /** Whether the tabs of an origin share one stream. */
  SHARE_STREAM = 10,
  /** Whether there are values before the start. */
  CACHED = 11,
}

/** How the stream is opened. */
export const enum StreamTransport {
  /** The browser's own `EventSource` if the sign-in offers that, else `fetch`. */
  AUTO = 0,
  /** The browser's own `EventSource`. */
  EVENT_SOURCE = 1,
  /** `fetch`. */
  FETCH = 2,
}

/** The values of the option `streamTransport`, by number. */
export const TRANSPORTS = ["auto", "eventsource", "fetch"] as const;
