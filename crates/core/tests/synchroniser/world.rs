//! A model server with one environment, a network with latency and faults, and a synchroniser with its driver, on a virtual clock.
//!
//! The driver checks what must hold at any moment: never two streams, nothing requested twice at a time, nothing after the end, no
//! entry that gets older, bounded memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flagwire_core::protocol::Domain;
use flagwire_core::{
    EnvironmentCodec, HttpRequest, Instant, MAX_EXPECTED, Millis, RequestId, Response,
    SerdeEnvironment, Service, Status, StreamId, StreamInput, SyncConfig, SyncEvent, SyncOutput,
    Synchroniser, Why,
};
use serde_json::{Value, json};

/// More steps than this without the clock moving mean that it spins.
const MAX_STEPS_AT_ONCE: u32 = 2_000;

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Fine,
    /// The connection breaks.
    Lost,
    /// No answer ever comes.
    Hangs,
    Status(u16),
    /// A status with `Retry-After`, in milliseconds.
    RetryAfter(u16, u32),
    /// The reply takes so many milliseconds longer.
    Slow(u64),
    /// The body is no JSON.
    Garbled,
    /// A replica answers that has not got the last changes yet.
    Lags,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ask {
    SignIn,
    Flags,
    Groups,
    Flag,
    Group,
    Stream,
}

type Entries = BTreeMap<String, i64>;

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) machine: Synchroniser<SerdeEnvironment>,
    /// The server's flags and groups with their versions.
    pub(crate) server: [Entries; 2],
    /// What a replica that lags behind has.
    replica: [Entries; 2],
    pub(crate) version: i64,
    /// Tokens of another generation are refused.
    pub(crate) generation: u32,
    pub(crate) client_key: bool,
    pub(crate) tags: bool,
    /// Whether events carry the version.
    pub(crate) versions: bool,
    pub(crate) latency: u64,
    next: BTreeMap<Ask, VecDeque<Fate>>,
    always: BTreeMap<Ask, Fate>,
    queue: BTreeMap<(u64, u64), Delivery>,
    sequence: u64,
    /// Streams as the server sees them, and when the last byte sent so far arrives.
    connections: BTreeMap<u32, u64>,
    pub(crate) stream: Option<StreamId>,
    pub(crate) under_way: BTreeMap<RequestId, String>,
    /// What the driver was asked to do, and when.
    pub(crate) log: Vec<(u64, String)>,
    /// The highest version known of each entry, deletions included. It does not hold where the server's count starts over.
    newest: Option<BTreeMap<(usize, String), i64>>,
    closed: bool,
}

enum Delivery {
    Request(RequestId, HttpRequest),
    Reply(RequestId, Option<Reply>),
    Open(StreamId, HttpRequest),
    Head(StreamId, u16, Option<u32>),
    Bytes(StreamId, Vec<u8>, Option<(usize, String, i64)>),
    Ended(StreamId),
    Heartbeat,
}

struct Reply {
    status: u16,
    retry_after: Option<u32>,
    etag: Option<String>,
    body: Option<Value>,
}

const DOMAINS: [Domain; 2] = [Domain::Flag, Domain::TargetSegment];

fn entry(domain: usize, identifier: &str, version: i64) -> Value {
    match domain {
        0 => json!({"feature": identifier, "version": version}),
        _ => json!({"identifier": identifier, "version": version}),
    }
}

fn ask(request: &HttpRequest) -> Ask {
    let path = request.url.split('?').next().unwrap();
    if path.ends_with("/client/auth") {
        Ask::SignIn
    } else if path.ends_with("/stream") {
        Ask::Stream
    } else if path.ends_with("/feature-configs") {
        Ask::Flags
    } else if path.ends_with("/target-segments") {
        Ask::Groups
    } else if path.contains("/feature-configs/") {
        Ask::Flag
    } else {
        Ask::Group
    }
}

impl World {
    pub(crate) fn with(config: SyncConfig) -> Self {
        let codec = SerdeEnvironment::new(Service {
            api_key: "server-key".into(),
            base_url: "https://flags.test/api/1.0".into(),
            event_url: "https://events.test/api/1.0".into(),
            sdk_info: "Flagwire 0 Server",
        });
        let mut world = Self {
            now: 1_000,
            machine: Synchroniser::new(config, codec, 7),
            server: Default::default(),
            replica: Default::default(),
            version: 0,
            generation: 0,
            client_key: false,
            tags: false,
            versions: true,
            latency: 10,
            next: BTreeMap::new(),
            always: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            connections: BTreeMap::new(),
            stream: None,
            under_way: BTreeMap::new(),
            log: Vec::new(),
            newest: Some(BTreeMap::new()),
            closed: false,
        };
        world.change(0, "a");
        world.change(1, "g");
        world.replica = world.server.clone();
        world.at(15_000, Delivery::Heartbeat);
        world
    }

    /// Ready and streaming, with an empty log.
    pub(crate) fn streaming() -> Self {
        let mut world = Self::with(SyncConfig::default());
        world.start();
        world.run(5_000);
        world.assert_state(Status::Ready, Why::Fine);
        world.assert_equal();
        world.log.clear();
        world
    }

    pub(crate) fn start(&mut self) {
        self.act(|machine, now| machine.start(now));
    }

    pub(crate) fn act(&mut self, input: impl FnOnce(&mut Synchroniser<SerdeEnvironment>, Instant)) {
        input(&mut self.machine, Instant::from_millis(self.now));
        self.drain();
    }

    // ---- the server ----------------------------------------------------------------------------------------------

    pub(crate) fn next(&mut self, ask: Ask, fate: Fate) {
        self.next.entry(ask).or_default().push_back(fate);
    }

    pub(crate) fn always(&mut self, ask: Ask, fate: Fate) {
        self.always.insert(ask, fate);
    }

    pub(crate) fn heal(&mut self) {
        self.next.clear();
        self.always.clear();
        self.latency = 10;
    }

    /// Creates or changes a flag (0) or a group (1), and sends the event.
    pub(crate) fn change(&mut self, domain: usize, identifier: &str) {
        self.replica = self.server.clone();
        self.version += 1;
        let before = self.server[domain].insert(identifier.into(), self.version);
        let change = if before.is_some() { "patch" } else { "create" };
        self.event(domain, change, identifier);
    }

    pub(crate) fn delete(&mut self, domain: usize, identifier: &str) {
        self.replica = self.server.clone();
        if self.server[domain].remove(identifier).is_some() {
            self.version += 1;
            self.event(domain, "delete", identifier);
        }
    }

    /// The server starts over, and with it its count of versions.
    pub(crate) fn restart(&mut self) {
        self.newest = None;
        self.version = 0;
        let names = self.server.clone();
        for (domain, entries) in names.into_iter().enumerate() {
            for identifier in entries.into_keys() {
                self.version += 1;
                self.server[domain].insert(identifier, self.version);
            }
        }
        self.replica = self.server.clone();
        self.cut();
    }

    fn event(&mut self, domain: usize, change: &str, identifier: &str) {
        let name = ["flag", "target-segment"][domain];
        let mut data = json!({"event": change, "domain": name, "identifier": identifier});
        if self.versions {
            data["version"] = self.version.into();
        }
        let told = (domain, identifier.to_owned(), self.version);
        self.broadcast(&format!("event: *\ndata: {data}\n\n"), Some(&told));
    }

    pub(crate) fn broadcast(&mut self, text: &str, told: Option<&(usize, String, i64)>) {
        let arrival = self.now + self.latency;
        let ids: Vec<u32> = self.connections.keys().copied().collect();
        for id in ids {
            // A connection keeps its order.
            let at = arrival.max(self.connections[&id]);
            self.connections.insert(id, at);
            let bytes = text.as_bytes().to_vec();
            self.at(at, Delivery::Bytes(StreamId(id), bytes, told.cloned()));
        }
    }

    /// Ends all streams.
    pub(crate) fn cut(&mut self) {
        let arrival = self.now + self.latency;
        for (id, last) in core::mem::take(&mut self.connections) {
            self.at(arrival.max(last), Delivery::Ended(StreamId(id)));
        }
    }

    /// Nothing comes from the streams any more, and nobody notices.
    pub(crate) fn mute(&mut self) {
        self.connections.clear();
    }

    fn fate(&mut self, ask: Ask) -> Fate {
        let next = self.next.get_mut(&ask).and_then(VecDeque::pop_front);
        next.or_else(|| self.always.get(&ask).copied())
            .unwrap_or(Fate::Fine)
    }

    fn answer(&mut self, id: RequestId, request: &HttpRequest) {
        let ask = ask(request);
        let mut latency = self.latency;
        let status = |status, retry_after| {
            Some(Reply {
                status,
                retry_after,
                etag: None,
                body: Some(json!({"code": "x"})),
            })
        };
        let reply = match self.fate(ask) {
            Fate::Hangs => return,
            Fate::Lost => None,
            Fate::Status(code) => status(code, None),
            Fate::RetryAfter(code, after) => status(code, Some(after)),
            Fate::Garbled => Some(Reply {
                status: 200,
                retry_after: None,
                etag: None,
                body: None,
            }),
            Fate::Slow(more) => {
                latency += more;
                Some(self.reply(ask, request, false))
            }
            Fate::Fine => Some(self.reply(ask, request, false)),
            Fate::Lags => Some(self.reply(ask, request, true)),
        };
        self.at(self.now + latency, Delivery::Reply(id, reply));
    }

    fn token(&self) -> String {
        let kind = if self.client_key { "Client" } else { "Server" };
        let claims = json!({"environment": "e1", "key_type": kind, "generation": self.generation});
        format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn is_allowed(&self, request: &HttpRequest) -> bool {
        let token = format!("Bearer {}", self.token());
        let mut headers = request.headers.iter();
        headers.any(|(name, value)| *name == "Authorization" && *value == token)
    }

    fn reply(&self, ask: Ask, request: &HttpRequest, lags: bool) -> Reply {
        let reply = |status, body| Reply {
            status,
            retry_after: None,
            etag: None,
            body: Some(body),
        };
        if ask == Ask::SignIn {
            return reply(200, json!({"authToken": self.token()}));
        }
        if !self.is_allowed(request) {
            return reply(401, Value::Null);
        }
        let domain = usize::from(matches!(ask, Ask::Groups | Ask::Group));
        let entries = &(if lags { &self.replica } else { &self.server })[domain];
        if matches!(ask, Ask::Flags | Ask::Groups) {
            let tag = format!("{entries:?}");
            let mut headers = request.headers.iter();
            if self.tags && headers.any(|(name, value)| *name == "If-None-Match" && *value == tag) {
                return reply(304, Value::Null);
            }
            let list = entries
                .iter()
                .map(|(id, version)| entry(domain, id, *version));
            return Reply {
                etag: self.tags.then_some(tag),
                ..reply(200, list.collect())
            };
        }
        let path = request.url.split('?').next().unwrap();
        let identifier = path.rsplit('/').next().unwrap();
        match entries.get(identifier) {
            Some(version) => reply(200, entry(domain, identifier, *version)),
            None => reply(404, Value::Null),
        }
    }

    fn answer_stream(&mut self, id: StreamId, request: &HttpRequest) {
        let (status, retry_after) = match self.fate(Ask::Stream) {
            Fate::Hangs => return,
            Fate::Lost => return self.at(self.now + self.latency, Delivery::Ended(id)),
            Fate::Status(status) => (status, None),
            Fate::RetryAfter(status, after) => (status, Some(after)),
            _ if !self.is_allowed(request) => (401, None),
            _ => (200, None),
        };
        let at = self.now + self.latency;
        if status == 200 {
            self.connections.insert(id.0, at);
        }
        self.at(at, Delivery::Head(id, status, retry_after));
    }

    // ---- the clock, and the driver -----------------------------------------------------------------------------------

    fn at(&mut self, time: u64, delivery: Delivery) {
        self.sequence += 1;
        self.queue.insert((time, self.sequence), delivery);
    }

    /// Lets so many milliseconds pass.
    pub(crate) fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        let mut steps = 0;
        loop {
            let timer = self.machine.poll_timeout().map(Instant::as_millis);
            let delivery = self.queue.keys().next().map(|(time, _)| *time);
            let next = timer.unwrap_or(u64::MAX).min(delivery.unwrap_or(u64::MAX));
            if next > end {
                break;
            }
            steps = if next > self.now { 0 } else { steps + 1 };
            assert!(steps < MAX_STEPS_AT_ONCE, "it spins");
            self.now = self.now.max(next);
            if delivery == Some(next) {
                let (_, delivery) = self.queue.pop_first().unwrap();
                self.deliver(delivery);
            } else {
                self.act(|machine, now| machine.handle_timeout(now));
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Request(id, request) => self.answer(id, &request),
            Delivery::Open(id, request) => self.answer_stream(id, &request),
            Delivery::Reply(id, reply) => {
                if self.under_way.remove(&id).is_none() {
                    return;
                }
                self.act(|machine, now| match reply {
                    None => machine.handle_failure(now, id),
                    Some(reply) => machine.handle_response(
                        now,
                        id,
                        Response {
                            status: reply.status,
                            retry_after: reply.retry_after.map(Millis),
                            etag: reply.etag,
                            body: reply.body,
                        },
                    ),
                });
            }
            Delivery::Head(id, status, retry_after) => self.stream_input(
                id,
                StreamInput::Answered {
                    status,
                    event_stream: status == 200,
                    retry_after: retry_after.map(Millis),
                },
            ),
            Delivery::Bytes(id, bytes, told) => {
                if let (Some((domain, identifier, version)), true, Some(newest)) =
                    (told, self.stream == Some(id), &mut self.newest)
                {
                    // Of a change it is known, from now on, that what is older is not the server's. A change is known once it is stored.
                    if String::from_utf8_lossy(&bytes).contains("\"delete\"") && self.versions {
                        let known = newest.entry((domain, identifier)).or_default();
                        *known = version.max(*known);
                    }
                }
                self.stream_input(id, StreamInput::Bytes(&bytes));
            }
            Delivery::Ended(id) => self.stream_input(id, StreamInput::Closed),
            Delivery::Heartbeat => {
                self.broadcast(":\n\n", None);
                self.at(self.now + 15_000, Delivery::Heartbeat);
            }
        }
    }

    fn stream_input(&mut self, id: StreamId, input: StreamInput<'_>) {
        if self.stream == Some(id) {
            self.act(|machine, now| machine.handle_stream(now, id, input));
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            assert!(!self.closed, "an output after the end");
            let line = match output {
                SyncOutput::Send(request) => {
                    let url = &request.request.url;
                    let path = url.split('?').next().unwrap();
                    let path = path.strip_prefix("https://flags.test/api/1.0").unwrap();
                    let path = path
                        .strip_prefix("/client/env/e1")
                        .unwrap_or(path)
                        .to_owned();
                    assert!(
                        !self.under_way.values().any(|other| *other == path),
                        "{path} is requested twice at a time"
                    );
                    self.under_way.insert(request.id, path.clone());
                    let arrival = self.now + self.latency;
                    self.at(arrival, Delivery::Request(request.id, request.request));
                    format!("send {path}")
                }
                SyncOutput::Abort(id) => {
                    let path = self.under_way.remove(&id).expect("it is under way");
                    format!("abort {path}")
                }
                SyncOutput::OpenStream(stream) => {
                    assert_eq!(self.stream, None, "there are two streams");
                    self.stream = Some(stream.id);
                    let arrival = self.now + self.latency;
                    self.at(arrival, Delivery::Open(stream.id, stream.request));
                    "open".into()
                }
                SyncOutput::CloseStream(id) => {
                    assert_eq!(self.stream.take(), Some(id));
                    self.connections.remove(&id.0);
                    "close".into()
                }
                SyncOutput::Emit(SyncEvent::Changed(changed)) => {
                    let names: Vec<String> = changed.identifiers.into_iter().collect();
                    format!("changed {}", names.join(" "))
                }
                SyncOutput::Emit(SyncEvent::State(status, why)) => {
                    self.closed = status == Status::Closed;
                    assert_eq!(self.machine.state().2.as_millis(), self.now);
                    format!("{status:?} {why:?}")
                }
                SyncOutput::Emit(SyncEvent::Error(error)) => {
                    format!("error {}", error.environment_message())
                }
            };
            self.log.push((self.now, line));
        }
        self.check();
    }

    fn check(&mut self) {
        assert!(self.machine.held() <= 4 * MAX_EXPECTED + 40);
        let Some(newest) = &mut self.newest else {
            return;
        };
        for (index, domain) in DOMAINS.into_iter().enumerate() {
            for (identifier, stored) in self.machine.codec().stored(domain) {
                let version = stored["version"].as_i64().unwrap();
                let known = newest.entry((index, identifier.clone())).or_default();
                assert!(
                    *known <= version,
                    "{identifier} went from {known} back to {version}"
                );
                *known = version;
            }
        }
    }

    // ---- what stories ask --------------------------------------------------------------------------------------------

    /// What happened since the last call, without times.
    pub(crate) fn happened(&mut self) -> Vec<String> {
        core::mem::take(&mut self.log)
            .into_iter()
            .map(|(_, line)| line)
            .collect()
    }

    pub(crate) fn sent(&self, path: &str) -> Vec<u64> {
        let line = format!("send {path}");
        let sent = self.log.iter().filter(|(_, of)| *of == line);
        sent.map(|(at, _)| *at).collect()
    }

    pub(crate) fn stored(&self, domain: usize) -> Entries {
        let stored = self.machine.codec().stored(DOMAINS[domain]);
        let version = |value: &Value| value["version"].as_i64().unwrap();
        stored
            .iter()
            .map(|(identifier, value)| (identifier.clone(), version(value)))
            .collect()
    }

    pub(crate) fn assert_equal(&self) {
        for domain in [0, 1] {
            assert_eq!(self.stored(domain), self.server[domain]);
        }
    }

    pub(crate) fn assert_state(&self, status: Status, why: Why) {
        let (is, because, _) = self.machine.state();
        assert_eq!((is, because), (status, why));
    }

    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Identifiers of everything that is known of any entry.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.server
            .iter()
            .flat_map(|it| it.keys().cloned())
            .collect()
    }

    /// Whether an entry is stored under this identifier.
    pub(crate) fn has(&self, domain: usize, identifier: &str) -> bool {
        let identifier = identifier.to_owned();
        self.machine.codec().held(DOMAINS[domain], &identifier)
            != flagwire_core::HeldVersion::Nothing
    }
}
