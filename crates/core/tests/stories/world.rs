//! A world on a virtual clock: a model server, a network with latency and faults, and pages with a client each.
//!
//! [`Page`] is a driver as the crate's documentation asks for; it also checks what must hold at any moment: never two
//! streams, nothing after the end, no change that is none.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use flagwire_core::protocol::Target;
use flagwire_core::{
    Client, Config, Event, HttpRequest, Instant, Millis, Output, PageEvent, Request, RequestId,
    Response, Service, Status, StreamId, StreamInput, StreamRequest, TabInput, TabMessage,
    TabOutput, Transport, Why,
};

use crate::codec::{TestCodec, codec};
use crate::server::{Ask, Connection, Fate, KEY, Reply, Server, ask};

/// What a native stream says first each time it opens.
pub(crate) const NATIVE_HELLO: &str = "event: heartbeat\ndata: {\"open\":true}\n\n";

/// A client that takes more steps than this without the clock moving spins.
const MAX_STEPS_AT_ONCE: u32 = 5_000;
/// A client that takes more steps than this in one life asks again and again, with a little time in between. The longest story, of many
/// hours of heartbeats, takes some tens of thousands.
const MAX_STEPS: u32 = 200_000;

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) server: Server,
    pub(crate) pages: Vec<Page>,
    /// Milliseconds one way.
    pub(crate) latency: u64,
    /// Streams arrive in pieces of so many bytes; 0 for whole events.
    pub(crate) split: usize,
    queue: BTreeMap<(u64, u64), Delivery>,
    sequence: u64,
    /// Locks by name: who holds it, and who waits for it.
    locks: BTreeMap<String, VecDeque<usize>>,
    /// How many steps were taken so far.
    steps: u32,
}

/// A page with a client, and its driver.
pub(crate) struct Page {
    pub(crate) client: Client<TestCodec>,
    /// What the driver was asked to do, one line each, and when.
    pub(crate) log: Vec<(u64, String)>,
    /// What the listeners heard: the values as they know them.
    pub(crate) heard: BTreeMap<String, String>,
    /// Reads that were counted, by target, flag and variation.
    pub(crate) read: BTreeMap<(String, String, String), u64>,
    /// What was written to the cache, by target.
    pub(crate) cache: BTreeMap<String, Vec<String>>,
    pub(crate) target: String,
    pub(crate) stream: Option<StreamId>,
    under_way: BTreeSet<RequestId>,
    closed: bool,
    /// Crashed: the client is as it was, and nobody drives it.
    gone: bool,
    /// The group of tabs that it is in, and how many it has joined.
    pub(crate) group: Option<String>,
    joined: u32,
    /// No timer fires and nothing arrives; what does waits.
    frozen: bool,
    waiting: Vec<Delivery>,
}

enum Delivery {
    Request(usize, Request<HttpRequest>, Fate),
    Reply(usize, RequestId, Option<Reply>),
    Open(usize, StreamRequest<HttpRequest>, Fate),
    Head(usize, StreamId, u16, Option<u32>),
    Bytes(usize, StreamId, Vec<u8>),
    Event(usize, StreamId, String, String),
    Ended(usize, StreamId),
    Tabs(usize, u32, Told),
    Heartbeat,
}

/// [`TabInput`], owned.
#[derive(Clone)]
enum Told {
    Leading,
    Lost,
    Message(TabMessage, Vec<u8>),
}

pub(crate) fn config() -> Config {
    Config {
        streaming: true,
        transport: Transport::Auto,
        max_stream_retries: u32::MAX,
        polling: true,
        polling_interval: Millis(60_000),
        metrics: true,
        metrics_interval: Millis(60_000),
        sign_in_timeout: Millis(30_000),
        cache: true,
        cached: false,
        pause_when_hidden: None,
        share_stream: false,
    }
}

/// The model server, asked with a key.
pub(crate) fn service(api_key: &str) -> Service {
    Service {
        api_key: api_key.into(),
        base_url: "https://flags.test/api/1.0".into(),
        event_url: "https://events.test/api/1.0".into(),
        sdk_info: "Flagwire 0 Client",
    }
}

pub(crate) fn target(identifier: &str) -> Target {
    Target {
        identifier: identifier.into(),
        ..Target::default()
    }
}

impl World {
    /// A healthy server with one flag, `a`, that is `1`; no page yet.
    pub(crate) fn empty() -> Self {
        let mut world = Self {
            now: 1_000,
            server: Server::default(),
            pages: Vec::new(),
            latency: 10,
            split: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            locks: BTreeMap::new(),
            steps: 0,
        };
        world.server.set("a", "one", "1", "int");
        world.at(15_000, Delivery::Heartbeat);
        world
    }

    /// The same with one page, whose client has not started.
    pub(crate) fn with(config: Config) -> Self {
        let mut world = Self::empty();
        world.add_page(config, 7);
        world
    }

    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    /// A client that has started, and is ready and streaming; its log is empty.
    pub(crate) fn streaming(config: Config) -> Self {
        let mut world = Self::with(config);
        world.start();
        world.run(5_000);
        assert_eq!(world.state(), (Status::Ready, Why::Fine));
        world.log();
        world
    }

    pub(crate) fn add_page(&mut self, config: Config, seed: u64) -> usize {
        self.add_page_with(config, codec(service(KEY), target("t1")), seed)
    }

    pub(crate) fn add_page_with(&mut self, config: Config, codec: TestCodec, seed: u64) -> usize {
        self.pages.push(Page {
            client: Client::new(config, codec, seed),
            log: Vec::new(),
            heard: BTreeMap::new(),
            read: BTreeMap::new(),
            cache: BTreeMap::new(),
            target: "t1".into(),
            stream: None,
            under_way: BTreeSet::new(),
            closed: false,
            gone: false,
            group: None,
            joined: 0,
            frozen: false,
            waiting: Vec::new(),
        });
        self.pages.len() - 1
    }

    // ---- what the application and the page do, on the first page ---------------------------------------------------

    pub(crate) fn start(&mut self) {
        self.act(0, |client, now| client.start(now));
    }

    pub(crate) fn identify(&mut self, identifier: &str) {
        self.identify_on(0, identifier);
    }

    pub(crate) fn identify_on(&mut self, page: usize, identifier: &str) {
        if !self.pages[page].closed {
            self.pages[page].target = identifier.into();
        }
        self.act(page, |client, now| {
            client.identify(now, target(identifier));
        });
    }

    pub(crate) fn page(&mut self, event: PageEvent) {
        self.act(0, |client, now| client.handle_page(now, event));
    }

    pub(crate) fn refresh(&mut self) {
        self.act(0, |client, now| client.refresh(now));
    }

    pub(crate) fn close(&mut self) {
        self.act(0, |client, now| client.close(now));
    }

    /// Reads `flag` so many times, counted.
    pub(crate) fn read(&mut self, flag: &str, times: u64) {
        self.read_on(0, flag, times);
    }

    pub(crate) fn read_on(&mut self, page: usize, flag: &str, times: u64) {
        let page = &mut self.pages[page];
        for _ in 0..times {
            if let Some(evaluation) = page.client.codec().read(flag) {
                let counter = (
                    page.target.clone(),
                    flag.to_string(),
                    evaluation.identifier.clone(),
                );
                *page.read.entry(counter).or_default() += 1;
            }
        }
    }

    /// Lets `action` happen to the client of a page, and does what it asks for.
    pub(crate) fn act(
        &mut self,
        page: usize,
        action: impl FnOnce(&mut Client<TestCodec>, Instant),
    ) {
        if !self.pages[page].gone {
            action(&mut self.pages[page].client, Instant::from_millis(self.now));
            self.drain(page);
        }
    }

    // ---- what happens to a tab ---------------------------------------------------------------------------------------

    /// The page stands still: no timer fires, nothing arrives, and what it holds it keeps.
    pub(crate) fn freeze(&mut self, page: usize) {
        self.pages[page].frozen = true;
    }

    pub(crate) fn thaw(&mut self, page: usize) {
        self.pages[page].frozen = false;
        for delivery in std::mem::take(&mut self.pages[page].waiting) {
            self.at(0, delivery);
        }
    }

    /// The page is gone without a word.
    pub(crate) fn crash(&mut self, page: usize) {
        self.freeze(page);
        self.leave(page);
        self.server.connections.retain(|open| open.tab != page);
        self.pages[page].gone = true;
    }

    /// Who has a stream open, or asked for.
    pub(crate) fn streaming_pages(&self) -> Vec<usize> {
        let pages = self.pages.iter().enumerate();
        pages
            .filter(|(_, page)| page.stream.is_some() && !page.is_closed())
            .map(|(index, _)| index)
            .collect()
    }

    fn leave(&mut self, page: usize) {
        let Some(group) = self.pages[page].group.take() else {
            return;
        };
        let queue = self.locks.get_mut(&group).unwrap();
        let led = queue.front() == Some(&page);
        queue.retain(|waiting| *waiting != page);
        if led {
            self.grant(&group);
        }
    }

    /// Who is first holds the lock, and hears of it.
    fn grant(&mut self, group: &str) {
        if let Some(&first) = self.locks.get(group).and_then(VecDeque::front) {
            self.tell(first, Told::Leading);
        }
    }

    fn tell(&mut self, page: usize, told: Told) {
        let joined = self.pages[page].joined;
        self.at(1, Delivery::Tabs(page, joined, told));
    }

    fn tabs(&mut self, page: usize, output: TabOutput<String>) -> String {
        match output {
            TabOutput::Join(group) => {
                assert_eq!(self.pages[page].group, None, "joined twice");
                self.pages[page].group = Some(group.clone());
                self.pages[page].joined += 1;
                let queue = self.locks.entry(group.clone()).or_default();
                queue.push_back(page);
                if queue.len() == 1 {
                    self.grant(&group);
                }
                "join tabs".into()
            }
            TabOutput::Leave => {
                assert!(self.pages[page].group.is_some(), "left without being there");
                self.leave(page);
                "leave tabs".into()
            }
            TabOutput::Steal => {
                let group = self.pages[page].group.clone().unwrap();
                let queue = self.locks.get_mut(&group).unwrap();
                let holder = *queue.front().unwrap();
                if holder != page {
                    // The holder asks for it again, at the end of the queue.
                    queue.retain(|waiting| *waiting != page && *waiting != holder);
                    queue.push_front(page);
                    queue.push_back(holder);
                    self.tell(holder, Told::Lost);
                }
                self.tell(page, Told::Leading);
                "steal".into()
            }
            TabOutput::Post(message, data) => {
                let group = self.pages[page].group.clone();
                assert!(group.is_some(), "spoke to a group without being there");
                for other in 0..self.pages.len() {
                    if other != page && self.pages[other].group == group {
                        self.tell(other, Told::Message(message, data.clone()));
                    }
                }
                format!("post {message:?}")
            }
        }
    }

    // ---- what happens at the server ----------------------------------------------------------------------------------

    /// A flag changes, and every stream hears of it.
    pub(crate) fn change(&mut self, flag: &str, value: &str) {
        self.server.set(flag, &format!("v{value}"), value, "string");
        self.announce("patch", flag);
    }

    pub(crate) fn create(&mut self, flag: &str, value: &str) {
        self.server.set(flag, &format!("v{value}"), value, "string");
        self.announce("create", flag);
    }

    pub(crate) fn delete(&mut self, flag: &str) {
        self.server.remove(flag);
        self.announce("delete", flag);
    }

    pub(crate) fn announce(&mut self, change: &str, flag: &str) {
        for connection in self.server.connections.clone() {
            let text = self.server.event(&connection, change, flag);
            self.push(&connection, &text);
        }
    }

    /// Every stream carries `text`.
    pub(crate) fn say(&mut self, text: &str) {
        for connection in self.server.connections.clone() {
            self.push(&connection, text);
        }
    }

    /// The server ends every stream.
    pub(crate) fn cut(&mut self) {
        for connection in std::mem::take(&mut self.server.connections) {
            if !connection.dead {
                let arrival = connection.last_arrival.max(self.now + self.latency);
                let ended = Delivery::Ended(connection.tab, connection.id);
                self.put(arrival, ended);
            }
        }
    }

    /// Nothing arrives on the streams that are open now, and nothing reports that.
    pub(crate) fn go_silent(&mut self) {
        for connection in &mut self.server.connections {
            connection.dead = true;
        }
    }

    // ---- time --------------------------------------------------------------------------------------------------------

    pub(crate) fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        self.run_until(end, |_| false);
    }

    /// Runs until `done`, for an hour at most.
    pub(crate) fn wait_for(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = self.now + 3_600_000;
        self.run_until(end, &done);
        assert!(done(self), "waited an hour in vain for {what}");
    }

    fn run_until(&mut self, end: u64, done: impl Fn(&Self) -> bool) {
        let mut at_once = 0;
        while !done(self) {
            let timeout = |page: &Page| page.client.poll_timeout().map(Instant::as_millis);
            let awake = self.pages.iter().filter(|page| !page.frozen);
            let timer = awake.filter_map(timeout).min();
            let delivery = self.queue.keys().next().map(|(at, _)| *at);
            let Some(next) = timer.into_iter().chain(delivery).min() else {
                break;
            };
            if next > end {
                break;
            }
            at_once = if next > self.now { 0 } else { at_once + 1 };
            self.steps += 1;
            assert!(
                at_once < MAX_STEPS_AT_ONCE && self.steps < MAX_STEPS,
                "the client spins"
            );
            self.now = self.now.max(next);
            if delivery.is_some_and(|at| at <= self.now) {
                let (_, delivery) = self.queue.pop_first().unwrap();
                self.deliver(delivery);
            } else {
                for page in 0..self.pages.len() {
                    if !self.pages[page].frozen {
                        self.act(page, Client::handle_timeout);
                    }
                }
            }
        }
        if !done(self) {
            self.now = self.now.max(end);
        }
    }

    // ---- what is seen ------------------------------------------------------------------------------------------------

    pub(crate) fn state(&self) -> (Status, Why) {
        self.pages[0].client.state()
    }

    /// The lines since the last call.
    pub(crate) fn log(&mut self) -> Vec<String> {
        self.timed_log().into_iter().map(|(_, line)| line).collect()
    }

    pub(crate) fn timed_log(&mut self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.pages[0].log)
    }

    /// When each line that begins with `start` was put out, since the last look at the log.
    pub(crate) fn times(&self, start: &str) -> Vec<u64> {
        let log = self.pages[0].log.iter();
        log.filter(|(_, line)| line.starts_with(start))
            .map(|(at, _)| *at)
            .collect()
    }

    pub(crate) fn count(&self, start: &str) -> usize {
        self.times(start).len()
    }

    pub(crate) fn value(&self, flag: &str) -> Option<String> {
        let held = self.held(0);
        held.get(flag).map(|value| value.1.clone())
    }

    /// Variation and value by flag.
    pub(crate) fn held(&self, page: usize) -> BTreeMap<String, (String, String)> {
        let held = self.pages[page].client.codec().evaluations_held();
        held.map(|e| (e.flag.clone(), (e.identifier.clone(), e.value.clone())))
            .collect()
    }

    /// Panics unless the client of `page` holds what a fresh fetch would return, and its listeners know.
    pub(crate) fn assert_fresh(&self, page: usize) {
        let target = &self.pages[page].target;
        let truth: BTreeMap<_, _> = self
            .server
            .evaluations(target)
            .into_iter()
            .map(|e| (e.flag, (e.identifier, e.value)))
            .collect();
        assert_eq!(self.held(page), truth, "page {page} is stale");
        let heard = &self.pages[page].heard;
        let values = truth.into_iter().map(|(flag, (_, value))| (flag, value));
        assert_eq!(
            *heard,
            values.collect(),
            "the listeners of page {page} know something else"
        );
    }

    // ---- the driver --------------------------------------------------------------------------------------------------

    fn drain(&mut self, index: usize) {
        let mut outputs = 0;
        while let Some(output) = self.pages[index].client.poll_output() {
            outputs += 1;
            assert!(outputs < MAX_STEPS_AT_ONCE, "the outputs have no end");
            let page = &mut self.pages[index];
            assert!(!page.closed, "something was put out after the end");
            let line = match output {
                Output::Send(request) => self.send(index, request),
                Output::Abort(id) => {
                    let known = page.under_way.remove(&id);
                    assert!(known, "a request that is not under way was aborted");
                    "abort".to_string()
                }
                Output::OpenStream(request) => self.open(index, request),
                Output::CloseStream(id) => {
                    assert_eq!(
                        page.stream.take(),
                        Some(id),
                        "another stream than the open one was closed"
                    );
                    let connections = &mut self.server.connections;
                    connections.retain(|open| (open.tab, open.id) != (index, id));
                    "close stream".to_string()
                }
                Output::Save(saved) => {
                    let values = saved.evaluations.iter();
                    let lines: Vec<String> = values
                        .map(|held| format!("{}={}", held.flag, held.value))
                        .collect();
                    let line = format!("save {}: {}", saved.target.identifier, lines.join(" "));
                    page.cache.insert(saved.target.identifier, lines);
                    line
                }
                Output::Tabs(output) => self.tabs(index, output),
                Output::Emit(event) => page.hear(event),
            };
            let now = self.now;
            self.pages[index].log.push((now, line));
        }
    }

    fn send(&mut self, page: usize, request: Request<HttpRequest>) -> String {
        self.pages[page].under_way.insert(request.id);
        let http = &request.request;
        let wanted = ask(&http.url);
        // The platform's own cache could confirm a broken list for ever; asking past it costs a preflight each time.
        assert_eq!(http.past_cache, wanted == Ask::All, "{}", http.url);
        let mut line = match wanted {
            Ask::SignIn => "send sign-in".to_string(),
            Ask::All => "send all".to_string(),
            Ask::Flag => {
                let path = http.url.split('?').next().unwrap();
                format!("send flag {}", path.rsplit('/').next().unwrap())
            }
            Ask::Metrics => "send metrics".to_string(),
            Ask::Stream => unreachable!("a stream is opened, not sent"),
        };
        let named = |(name, _): &(&str, String)| *name == "If-None-Match";
        if http.headers.iter().any(named) {
            line.push_str(" if changed");
        }
        if request.keepalive {
            line.push_str(" keepalive");
        }
        let fate = self.server.fate(wanted);
        let delay = match fate {
            Fate::Slow(millis) => self.latency + millis,
            _ => self.latency,
        };
        match fate {
            Fate::Hangs => {}
            Fate::Lost => self.at(delay, Delivery::Reply(page, request.id, None)),
            _ => self.at(delay, Delivery::Request(page, request, fate)),
        }
        line
    }

    fn open(&mut self, page: usize, request: StreamRequest<HttpRequest>) -> String {
        let before = self.pages[page].stream.replace(request.id);
        assert_eq!(before, None, "two streams");
        let line = if request.native {
            "open native stream"
        } else {
            "open stream"
        };
        match self.server.fate(Ask::Stream) {
            Fate::Hangs => {}
            Fate::Lost => self.at(self.latency, Delivery::Ended(page, request.id)),
            fate => {
                let delay = match fate {
                    Fate::Slow(millis) => self.latency + millis,
                    _ => self.latency,
                };
                self.at(delay, Delivery::Open(page, request, fate));
            }
        }
        line.to_string()
    }

    fn deliver(&mut self, delivery: Delivery) {
        let now = Instant::from_millis(self.now);
        if let Some(page) = delivery.page()
            && self.pages[page].frozen
        {
            self.pages[page].waiting.push(delivery);
            return;
        }
        match delivery {
            Delivery::Tabs(page, joined, told) => {
                let page_now = &self.pages[page];
                if page_now.group.is_some() && page_now.joined == joined {
                    let input = match &told {
                        Told::Leading => TabInput::Leading,
                        Told::Lost => TabInput::Lost,
                        Told::Message(message, data) => TabInput::Message(*message, data),
                    };
                    self.act(page, |client, now| client.handle_tabs(now, input));
                }
            }
            Delivery::Request(page, request, fate) => {
                let reply = self.server.answer(&request.request, fate);
                self.at(self.latency, Delivery::Reply(page, request.id, Some(reply)));
            }
            Delivery::Reply(index, id, reply) => {
                let page = &mut self.pages[index];
                if !page.under_way.remove(&id) {
                    return; // aborted
                }
                match reply {
                    None => page.client.handle_failure(now, id),
                    Some(reply) => page.client.handle_response(now, id, response(&reply)),
                }
                self.drain(index);
            }
            Delivery::Open(page, request, fate) => self.accept(page, &request, fate),
            Delivery::Head(page, id, status, retry_after) => {
                let head = StreamInput::Answered {
                    status,
                    event_stream: status == 200,
                    retry_after: retry_after.map(Millis),
                };
                self.stream_input(page, id, head);
            }
            Delivery::Bytes(page, id, bytes) => {
                self.stream_input(page, id, StreamInput::Bytes(&bytes));
            }
            Delivery::Event(page, id, kind, data) => {
                let event = StreamInput::Event {
                    kind: &kind,
                    data: data.as_bytes(),
                };
                self.stream_input(page, id, event);
            }
            Delivery::Ended(page, id) => self.stream_input(page, id, StreamInput::Closed),
            Delivery::Heartbeat => {
                for connection in self.server.connections.clone() {
                    let beat = if connection.native {
                        "event: heartbeat\ndata: {}\n\n"
                    } else {
                        ":\n\n"
                    };
                    self.push(&connection, beat);
                }
                self.at(15_000, Delivery::Heartbeat);
            }
        }
    }

    /// A request for a stream arrived at the server.
    fn accept(&mut self, tab: usize, request: &StreamRequest<HttpRequest>, fate: Fate) {
        let id = request.id;
        let answer = match fate {
            Fate::Status(status) => Err((status, None)),
            Fate::RetryAfter(status, after) => Err((status, Some(after))),
            // The page of a captive portal: status 200, another content type.
            Fate::Garbled => Err((0, None)),
            _ => self.server.open(request).map_err(|status| (status, None)),
        };
        match answer {
            // A native stream does not learn why.
            Err(_) if request.native => self.at(self.latency, Delivery::Ended(tab, id)),
            Err((status, after)) => self.at(self.latency, Delivery::Head(tab, id, status, after)),
            Ok(target) => {
                if self.pages[tab].stream != Some(id) {
                    return; // closed by the client meanwhile
                }
                let connection = Connection {
                    tab,
                    id,
                    native: request.native,
                    target,
                    last_arrival: self.now + self.latency,
                    dead: false,
                };
                if !request.native {
                    self.at(self.latency, Delivery::Head(tab, id, 200, None));
                }
                self.server.connections.push(connection.clone());
                let hello = if request.native {
                    NATIVE_HELLO
                } else {
                    ":\n\n"
                };
                self.push(&connection, hello);
            }
        }
    }

    /// Bytes leave the server on a stream.
    fn push(&mut self, connection: &Connection, text: &str) {
        let arrival = connection.last_arrival.max(self.now + self.latency);
        let known = |open: &&mut Connection| (open.tab, open.id) == (connection.tab, connection.id);
        match self.server.connections.iter_mut().find(known) {
            Some(open) if !open.dead => open.last_arrival = arrival,
            _ => return,
        }
        let (tab, id) = (connection.tab, connection.id);
        if connection.native {
            for event in text.split_terminator("\n\n") {
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_default().trim_start().to_string()
                };
                let (kind, data) = (field("event:"), field("data:"));
                self.put(arrival, Delivery::Event(tab, id, kind, data));
            }
        } else {
            let size = if self.split == 0 {
                text.len()
            } else {
                self.split
            };
            for piece in text.as_bytes().chunks(size.max(1)) {
                self.put(arrival, Delivery::Bytes(tab, id, piece.to_vec()));
            }
        }
    }

    fn stream_input(&mut self, page: usize, id: StreamId, input: StreamInput<'_>) {
        if self.pages[page].stream == Some(id) {
            // 0 stands for a 200 of another content type.
            let input = match input {
                StreamInput::Answered { status: 0, .. } => StreamInput::Answered {
                    status: 200,
                    event_stream: false,
                    retry_after: None,
                },
                input => input,
            };
            self.act(page, |client, now| client.handle_stream(now, id, input));
        }
    }

    fn at(&mut self, delay: u64, delivery: Delivery) {
        self.put(self.now + delay, delivery);
    }

    fn put(&mut self, at: u64, delivery: Delivery) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), delivery);
    }
}

impl Delivery {
    /// The page where it arrives.
    fn page(&self) -> Option<usize> {
        match self {
            Self::Reply(page, ..)
            | Self::Head(page, ..)
            | Self::Bytes(page, ..)
            | Self::Event(page, ..)
            | Self::Ended(page, _)
            | Self::Tabs(page, ..) => Some(*page),
            Self::Request(..) | Self::Open(..) | Self::Heartbeat => None,
        }
    }
}

impl Page {
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed || self.gone
    }

    fn hear(&mut self, event: Event<Vec<flagwire_core::Changed>>) -> String {
        match event {
            Event::Changed(changes) => {
                let mut line = "changed".to_string();
                for (flag, evaluation) in changes {
                    match evaluation {
                        Some(evaluation) => {
                            write!(line, " {flag}={}", evaluation.value).unwrap();
                            self.heard.insert(flag, evaluation.value);
                        }
                        None => {
                            write!(line, " -{flag}").unwrap();
                            let before = self.heard.remove(&flag);
                            assert!(before.is_some(), "{flag} vanished, but was not known");
                        }
                    }
                }
                line
            }
            Event::State(status, why) => {
                self.closed = status == Status::Closed;
                format!("state {status:?} {why:?}")
            }
            Event::Error(error) => format!("error {:?} {}", error.kind, error.code()),
            Event::FlagsLoaded => "loaded".into(),
            Event::Identified(number) => format!("identified {number}"),
            Event::PollingStopped => "polling stopped".into(),
            Event::Ready => "ready".into(),
            Event::Connected => "connected".into(),
            Event::Disconnected => "disconnected".into(),
            Event::Stopped => "stopped".into(),
            Event::Polling => "polling".into(),
        }
    }
}

fn response(reply: &Reply) -> Response<serde_json::Value, String> {
    Response {
        status: reply.status,
        retry_after: reply.retry_after.map(Millis),
        etag: reply.etag.clone(),
        body: serde_json::from_str(&reply.body).ok(),
    }
}
