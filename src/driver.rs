//! The loop between the browser and the core. It needs no JavaScript beside what wasm-bindgen generates.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use flagwire_core::{
    Client as Core, Clock, Error as ServiceError, HttpRequest, Instant, Output, SerdeCodec, Status,
    StreamId, StreamInput, StreamRequest, TabOutput, Why,
};
use gloo_events::EventListener;
use gloo_net::eventsource::futures::EventSource;
use gloo_timers::callback::Timeout;

use super::cache::Place;
use super::http::{Request, Requests};
use super::listeners::Listeners;
use super::log::{Level, Logger};
use super::tabs::Group;
use super::waiting::Waiters;
use super::{Error, Event, Middleware, State, diagnose, eventsource, http, page};

/// The longest delay that browsers accept; a longer one would fire at once.
const MAX_DELAY_MS: u64 = i32::MAX as u64;

/// Owns the core and all its requests, streams and timers. Those under way keep the driver alive until the core is closed.
pub(super) struct Driver {
    core: RefCell<Core<SerdeCodec>>,
    clock: Clock,
    /// Whether an output is being performed. The outputs of a call that comes meanwhile are left to the drain that is running.
    draining: Cell<bool>,
    /// Whether the client is being closed, perhaps by a listener in the middle of a drain.
    closing: Cell<bool>,
    timer: RefCell<Option<(Instant, Timeout)>>,
    pub(super) requests: Requests,
    /// The native stream, where one is open.
    native: RefCell<Option<EventSource>>,
    group: RefCell<Option<Rc<Group>>>,
    page: RefCell<Vec<EventListener>>,
    pub(super) listeners: Rc<Listeners>,
    pub(super) waiters: Waiters,
    state: Cell<State>,
    cache: Option<Place>,
    middleware: Option<Middleware>,
    logger: Logger,
    debug: bool,
    /// The causes of which a warning was logged, so that each is logged once.
    warned: RefCell<BTreeSet<String>>,
}

/// What a driver needs besides the core.
pub(super) struct Equipment {
    pub(super) cache: Option<Place>,
    pub(super) middleware: Option<Middleware>,
    pub(super) logger: Logger,
    pub(super) debug: bool,
}

impl Driver {
    pub(super) fn start(core: Core<SerdeCodec>, equipment: Equipment) -> Rc<Self> {
        let Equipment {
            cache,
            middleware,
            logger,
            debug,
        } = equipment;
        let (status, why) = core.state();
        let driver = Rc::new(Self {
            core: RefCell::new(core),
            clock: Clock::default(),
            draining: Cell::default(),
            closing: Cell::default(),
            timer: RefCell::default(),
            requests: Requests::default(),
            native: RefCell::default(),
            group: RefCell::default(),
            page: RefCell::default(),
            listeners: Rc::default(),
            waiters: Waiters::default(),
            state: Cell::new(State::now(status, why)),
            cache,
            middleware,
            logger,
            debug,
            warned: RefCell::default(),
        });
        driver.page.replace(page::listen(&driver));
        driver.run(Core::start);
        driver
    }

    /// Calls the core once, and performs its outputs.
    pub(super) fn run<R>(
        self: &Rc<Self>,
        call: impl FnOnce(&mut Core<SerdeCodec>, Instant) -> R,
    ) -> R {
        let now = self.now();
        let result = call(&mut self.core.borrow_mut(), now);
        if !self.draining.replace(true) {
            self.drain();
            self.draining.set(false);
            self.arm();
        }
        result
    }

    fn now(&self) -> Instant {
        self.clock.read(js_sys::Date::now())
    }

    /// Calls `look` with the codec, which holds the values.
    pub(super) fn look<R>(&self, look: impl FnOnce(&SerdeCodec) -> R) -> R {
        look(self.core.borrow().codec())
    }

    pub(super) fn state(&self) -> State {
        // In the middle of a drain the core's state may be newer than the one that was reported.
        let (status, why) = self.core.borrow().state();
        let told = self.state.get();
        let current = State::now(status, why);
        if (told.status, told.reason) == (current.status, current.reason) {
            told
        } else {
            current
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.core.borrow().state().0 == Status::Closed
    }

    pub(super) fn close(self: &Rc<Self>) {
        self.closing.set(true);
        self.run(Core::close);
    }

    /// Reports to the core what happened to a stream.
    pub(super) fn stream(self: &Rc<Self>, id: StreamId, input: StreamInput<'_>) {
        self.run(|core, now| core.handle_stream(now, id, input));
    }

    /// Converts a request to the form in which it is sent, and lets the middleware change it.
    pub(super) fn prepare(&self, request: HttpRequest) -> Request {
        let headers = request.headers.into_iter();
        let mut request = Request {
            url: request.url,
            headers: headers.map(|(name, value)| (name.into(), value)).collect(),
            body: request.body,
            credentials: None,
            past_cache: request.past_cache,
        };
        if let Some(change) = &self.middleware {
            change(&mut request);
        }
        request
    }

    fn drain(self: &Rc<Self>) {
        loop {
            // This is a statement of its own, so that the borrow ends here, before an output runs code that may call back.
            let output = self.core.borrow_mut().poll_output();
            let Some(output) = output else { return };
            self.perform(output);
        }
    }

    fn arm(self: &Rc<Self>) {
        let next = self.core.borrow().poll_timeout();
        let mut timer = self.timer.borrow_mut();
        if next == timer.as_ref().map(|(at, _)| *at) {
            return;
        }
        *timer = next.map(|at| {
            let delay = at.millis_since(self.now()).min(MAX_DELAY_MS);
            let driver = Rc::downgrade(self);
            let timeout = Timeout::new(delay as u32, move || {
                if let Some(driver) = driver.upgrade() {
                    // If the delay had been cut because it was too long, this arms the timer again.
                    driver.timer.take();
                    driver.run(Core::handle_timeout);
                }
            });
            (at, timeout)
        });
    }

    fn perform(self: &Rc<Self>, output: Output<SerdeCodec>) {
        match output {
            Output::Send(request) => http::send(self, request),
            Output::Abort(id) => self.requests.end(id.0),
            Output::OpenStream(request) => self.open_stream(request),
            Output::CloseStream(id) => {
                self.requests.end(id.0);
                drop(self.native.take());
            }
            Output::Save(saved) => {
                let written = self.cache.as_ref().map(|cache| cache.write(&saved));
                if let Some(Err(why)) = written {
                    self.tell(&Event::Error(Error::Cache(why)));
                }
            }
            Output::Tabs(output) => self.tabs(output),
            Output::Emit(event) => self.emit(event),
        }
    }

    fn open_stream(self: &Rc<Self>, request: StreamRequest<HttpRequest>) {
        let StreamRequest {
            id,
            request,
            native,
        } = request;
        if !native {
            return http::open_stream(self, id, request);
        }
        let opened = eventsource::open(self, id, &request.url);
        if opened.is_none() {
            self.stream(id, StreamInput::Closed);
        }
        self.native.replace(opened);
    }

    fn tabs(self: &Rc<Self>, output: TabOutput<String>) {
        if let TabOutput::Join(name) = output {
            let group = Group::join(name, self);
            self.group.replace(Some(group));
            return;
        }
        let Some(group) = self.group.borrow().clone() else {
            return;
        };
        match output {
            TabOutput::Leave => {
                group.leave();
                self.group.take();
            }
            TabOutput::Steal => group.lead(true),
            TabOutput::Post(message, text) => group.post(message, &text),
            TabOutput::Join(_) => {}
        }
    }

    fn emit(self: &Rc<Self>, event: flagwire_core::Event<Vec<flagwire_core::Changed>>) {
        use flagwire_core::Event as Told;

        match event {
            Told::Ready => {
                self.waiters.complete(0);
                self.tell(&Event::Ready);
            }
            Told::Connected => self.tell(&Event::Connected),
            Told::Disconnected => self.tell(&Event::Disconnected),
            Told::Stopped => self.tell(&Event::Stopped),
            Told::Polling => self.tell(&Event::Polling),
            Told::PollingStopped => self.tell(&Event::PollingStopped),
            Told::FlagsLoaded => self.tell(&Event::FlagsLoaded),
            Told::Changed(changes) => {
                if !self.closing.get() {
                    self.listeners.tell_changed(&changes);
                }
            }
            Told::Identified(switches) => self.waiters.complete(switches),
            Told::State(status, why) => self.set_state(status, why),
            Told::Error(error) => self.fail(error),
        }
    }

    fn set_state(self: &Rc<Self>, status: Status, why: Why) {
        let state = State::now(status, why);
        self.state.set(state);
        self.tell(&Event::State(state));
        if status == Status::Closed {
            self.release();
        }
    }

    fn fail(&self, failed: ServiceError) {
        let error = Error::from(failed);
        if error.is_final() {
            (self.logger)(Level::Error, &error.to_string());
            self.waiters.fail(error.clone());
        } else if let Some(text) = self.look(|codec| diagnose::failure(failed, codec.service())) {
            self.warn_once(text.clone(), &text);
        }
        self.tell(&Event::Error(error));
    }

    /// With `debug`, logs once for each flag and cause why a read returned the default, once the server's flags have arrived.
    pub(super) fn explain(&self, flag: &str) {
        if !self.debug || self.is_closed() || !self.waiters.is_any_complete() {
            return;
        }
        let (code, text) = self.look(|codec| {
            let names = codec.evaluations_held().map(|one| one.flag.as_str());
            diagnose::read(flag, codec.held(flag), names)
        });
        self.warn_once(format!("{code} {flag}"), &text);
    }

    fn warn_once(&self, what: String, text: &str) {
        // This is a statement of its own, so that nothing is borrowed while the logger, the application's code, runs.
        let is_new = self.warned.borrow_mut().insert(what);
        if is_new {
            (self.logger)(Level::Warning, text);
        }
    }

    /// Calls the listeners of events. Once the client is being closed, only its last two events are reported.
    pub(super) fn tell(&self, event: &Event) {
        let last = matches!(event, Event::Stopped | Event::State(_));
        if self.closing.get() && !(last && self.is_closed()) {
            return;
        }
        if self.debug {
            (self.logger)(Level::Debug, &format!("Flagwire: {event:?}"));
        }
        self.listeners.tell(event);
    }

    fn release(&self) {
        self.timer.take();
        self.page.take();
        self.waiters.fail(Error::Closed);
        self.listeners.clear();
    }
}
