//! The loop between the browser and the core.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use flagwire_core::{Client as Core, Event, Instant, Output, RequestId, StreamInput, TabOutput};
use wasm_bindgen::prelude::*;

use crate::clock::Clock;
use crate::codec::HostCodec;
use crate::host::Host;
use crate::http::{self, Abort};
use crate::stream::Stream;

/// One call of the core.
pub(crate) type Call<'a> = &'a mut dyn FnMut(&mut Core<HostCodec>, Instant);

/// Owns the core and everything that is under way for it.
pub(crate) struct Driver {
    host: Host,
    clock: Clock,
    /// An output is being worked on. Who calls in meanwhile leaves what that puts out to the drain that is running.
    draining: Cell<bool>,
    inner: RefCell<Inner>,
    this: Weak<Self>,
}

struct Inner {
    core: Core<HostCodec>,
    requests: Vec<(RequestId, Abort)>,
    stream: Option<Stream>,
}

impl Driver {
    pub(crate) fn new(host: Host, core: Core<HostCodec>) -> Rc<Self> {
        Rc::new_cyclic(|this: &Weak<Self>| Self {
            host,
            clock: Clock::default(),
            draining: Cell::new(false),
            inner: RefCell::new(Inner {
                core,
                requests: Vec::new(),
                stream: None,
            }),
            this: this.clone(),
        })
    }

    /// Calls the core once, and does what it puts out.
    ///
    /// A trait object, because a generic one would be compiled into every caller.
    #[inline(never)]
    pub(crate) fn run(&self, call: Call<'_>) {
        let now = self.clock.now();
        call(&mut self.inner.borrow_mut().core, now);
        if !self.draining.replace(true) {
            self.drain();
            self.draining.set(false);
            self.arm();
        }
    }

    fn drain(&self) {
        loop {
            // A statement of its own: the borrow ends here, before anything is done that may call back.
            let output = self.inner.borrow_mut().core.poll_output();
            let Some(output) = output else { return };
            self.perform(output);
        }
    }

    fn perform(&self, output: Output<HostCodec>) {
        match output {
            Output::Send(request) => {
                let (id, detached) = (request.id, request.detached);
                let abort = http::send(&self.this, &self.host, request);
                if detached {
                    // It outlives the client. A deadline does not end it either: it may yet arrive.
                    std::mem::forget(abort);
                } else {
                    self.inner.borrow_mut().requests.push((id, abort));
                }
            }
            Output::Abort(id) => self.forget(id),
            Output::OpenStream(request) => {
                let id = request.id;
                let stream = Stream::open(&self.this, &self.host, request);
                if stream.is_none() {
                    self.inner.borrow_mut().core.handle_stream(
                        self.clock.now(),
                        id,
                        StreamInput::Closed,
                    );
                }
                self.inner.borrow_mut().stream = stream;
            }
            Output::CloseStream(_) => drop(self.inner.borrow_mut().stream.take()),
            Output::Save(saved) => self.host.store(&saved),
            Output::Emit(event) => self.emit(event),
            Output::Tabs(TabOutput::Join(group)) => self.host.tabs(0, 0, &group),
            Output::Tabs(TabOutput::Leave) => self.host.tabs(1, 0, ""),
            Output::Tabs(TabOutput::Steal) => self.host.tabs(2, 0, ""),
            Output::Tabs(TabOutput::Post(message, text)) => {
                self.host.tabs(3, message as u32, &text);
            }
        }
    }

    /// Lets go of a request; one that is still under way is aborted.
    pub(crate) fn forget(&self, id: RequestId) {
        self.inner
            .borrow_mut()
            .requests
            .retain(|(other, _)| *other != id);
    }

    /// The numbers are places in the facade's list of event names.
    fn emit(&self, event: Event<crate::host::Changes>) {
        let (number, detail) = match event {
            Event::Ready => (0, JsValue::UNDEFINED),
            Event::Connected => (1, JsValue::UNDEFINED),
            Event::Disconnected => (2, JsValue::UNDEFINED),
            Event::Stopped => (3, JsValue::UNDEFINED),
            Event::Polling => (4, JsValue::UNDEFINED),
            Event::PollingStopped => (5, JsValue::UNDEFINED),
            Event::FlagsLoaded => (6, JsValue::UNDEFINED),
            Event::Changed(changes) => (7, changes.into()),
            Event::Identified(switches) => (8, switches.into()),
            Event::State(status, why) => (9, (status as u32 * 16 + why as u32).into()),
            Event::Error(error) => {
                let (code, message) = (error.code(), error.message());
                let status = u32::from(error.cause.status());
                self.host
                    .fail(error.kind as u32, code, message, status, error.is_final());
                return;
            }
        };
        self.host.emit(number, &detail);
    }

    fn arm(&self) {
        let timeout = self.inner.borrow().core.poll_timeout();
        self.host
            .arm(timeout.map_or(-1.0, |at| at.millis_since(self.clock.now()) as f64));
    }
}
