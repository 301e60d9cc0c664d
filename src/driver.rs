//! The loop between the browser and the core.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use flagwire_core::{Client as Core, Event, Instant, Output, StreamInput, TabOutput};
use gloo_net::eventsource::futures::EventSource;
use wasm_bindgen::prelude::*;

use crate::clock::Clock;
use crate::codec::HostCodec;
use crate::host::{Host, Wire};
use crate::{eventsource, http};

/// One call of the core.
pub(crate) type Call<'a> = &'a mut dyn FnMut(&mut Core<HostCodec>, Instant);

/// Owns the core and everything that is under way for it. What is under way keeps the driver alive, until the core is closed.
pub(crate) struct Driver {
    pub(crate) host: Host,
    pub(crate) wire: Wire,
    clock: Clock,
    /// An output is being worked on. Who calls in meanwhile leaves what that puts out to the drain that is running.
    draining: Cell<bool>,
    core: RefCell<Core<HostCodec>>,
    /// The native stream, where one is open.
    pub(crate) native: RefCell<Option<EventSource>>,
}

impl Driver {
    pub(crate) fn new(host: Host, core: Core<HostCodec>) -> Rc<Self> {
        Rc::new(Self {
            host,
            wire: core.codec().wire.clone(),
            clock: Clock::default(),
            draining: Cell::new(false),
            core: RefCell::new(core),
            native: RefCell::new(None),
        })
    }

    /// Calls the core once, and does what it puts out.
    ///
    /// A trait object, because a generic one would be compiled into every caller.
    #[inline(never)]
    pub(crate) fn run(self: &Rc<Self>, call: Call<'_>) {
        let now = self.clock.now();
        call(&mut self.core.borrow_mut(), now);
        if !self.draining.replace(true) {
            self.drain();
            self.draining.set(false);
            let timeout = self.core.borrow().poll_timeout();
            let now = self.clock.now();
            self.host
                .arm(timeout.map_or(-1.0, |at| at.millis_since(now) as f64));
        }
    }

    fn drain(self: &Rc<Self>) {
        loop {
            // A statement of its own: the borrow ends here, before anything is done that may call back.
            let output = self.core.borrow_mut().poll_output();
            let Some(output) = output else { return };
            self.perform(output);
        }
    }

    fn perform(self: &Rc<Self>, output: Output<HostCodec>) {
        match output {
            Output::Send(request) => {
                let id = request.id;
                let (keepalive, detached) = (request.keepalive, request.detached);
                let promise = self.wire.fetch(id.0, request.request, keepalive, detached);
                http::exchange(self, http::Id::Request(id), promise);
            }
            Output::Abort(id) => self.wire.end(id.0),
            Output::OpenStream(request) => {
                let id = request.id;
                if request.native {
                    *self.native.borrow_mut() = eventsource::open(self, id, &request.request);
                    if self.native.borrow().is_none() {
                        self.run(&mut |core, now| core.handle_stream(now, id, StreamInput::Closed));
                    }
                } else {
                    let promise = self.wire.fetch(id.0, request.request, false, false);
                    http::exchange(self, http::Id::Stream(id), promise);
                }
            }
            Output::CloseStream(id) => {
                self.wire.end(id.0);
                drop(self.native.take());
            }
            Output::Save(saved) => self.host.emit(10, 0, saved),
            Output::Emit(event) => self.emit(event),
            Output::Tabs(TabOutput::Join(group)) => self.host.tabs(0, group.as_bytes()),
            Output::Tabs(TabOutput::Leave) => self.host.tabs(1, b""),
            Output::Tabs(TabOutput::Steal) => self.host.tabs(2, b""),
            Output::Tabs(TabOutput::Post(message, text)) => {
                self.host.tabs(3 + message as u32, &text);
            }
        }
    }

    /// The numbers are places in the facade's list of events.
    fn emit(&self, event: Event<crate::host::Changes>) {
        let mut detail = JsValue::UNDEFINED;
        let (event, number) = match event {
            Event::Ready => (0, 0),
            Event::Connected => (1, 0),
            Event::Disconnected => (2, 0),
            Event::Stopped => (3, 0),
            Event::Polling => (4, 0),
            Event::PollingStopped => (5, 0),
            Event::FlagsLoaded => (6, 0),
            Event::Changed(changes) => {
                detail = changes.into();
                (7, 0)
            }
            Event::Identified(switches) => (8, switches),
            Event::State(status, why) => (9, status as u32 * 16 + why as u32),
            Event::Error(error) => {
                let (code, message) = (error.code(), error.message());
                let status = u32::from(error.cause.status());
                self.host
                    .fail(error.kind as u32, code, message, status, error.is_final());
                return;
            }
        };
        self.host.emit(event, number, detail);
    }
}
