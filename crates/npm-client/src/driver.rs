//! The loop between the browser and the core.

use std::cell::{Cell, RefCell};

use flagwire_core::{
    Client as Core, Clock, Event, Instant, Output, RequestId, StreamId, TabOutput,
};
use wasm_bindgen::prelude::*;

use crate::codec::HostCodec;
use crate::host::{Host, Wire, wall_ms};

/// Owns the core.
pub(crate) struct Driver {
    host: Host,
    wire: Wire,
    clock: Clock,
    /// An output is being worked on. Who calls in meanwhile leaves what that puts out to the drain that is running.
    draining: Cell<bool>,
    core: RefCell<Core<HostCodec>>,
}

impl Driver {
    pub(crate) fn new(host: Host, core: Core<HostCodec>) -> Self {
        Self {
            host,
            wire: core.codec().wire.clone(),
            clock: Clock::default(),
            draining: Cell::new(false),
            core: RefCell::new(core),
        }
    }

    /// Calls the core once, and does what it puts out.
    ///
    /// It is compiled into every caller, so there is one.
    pub(crate) fn run(&self, call: impl FnOnce(&mut Core<HostCodec>, Instant)) {
        let now = self.clock.read(wall_ms());
        call(&mut self.core.borrow_mut(), now);
        if !self.draining.replace(true) {
            self.drain();
            self.draining.set(false);
            let timeout = self.core.borrow().poll_timeout();
            let now = self.clock.read(wall_ms());
            self.host
                .arm(timeout.map_or(-1.0, |at| at.millis_since(now) as f64));
        }
    }

    fn drain(&self) {
        loop {
            // A statement of its own: the borrow ends here, before anything is done that may call back.
            let output = self.core.borrow_mut().poll_output();
            let Some(output) = output else { return };
            self.perform(output);
        }
    }

    fn perform(&self, output: Output<HostCodec>) {
        match output {
            Output::Send(request) => {
                let (keepalive, detached) = (request.keepalive, request.detached);
                self.wire
                    .send(request.id.0, request.request, keepalive, detached);
            }
            Output::OpenStream(stream) => {
                self.wire.open(stream.id.0, stream.request, stream.native);
            }
            Output::Abort(RequestId(id)) | Output::CloseStream(StreamId(id)) => self.wire.end(id),
            Output::Save(saved) => self.host.emit(10, 0, saved),
            Output::Emit(event) => self.emit(event),
            Output::Tabs(TabOutput::Join(group)) => self.host.join(group),
            Output::Tabs(TabOutput::Leave) => self.host.tabs(0, b""),
            Output::Tabs(TabOutput::Steal) => self.host.tabs(1, b""),
            Output::Tabs(TabOutput::Post(message, text)) => {
                self.host.tabs(2 + message as u32, &text);
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
                let cause = u32::from(error.cause.number());
                self.host.fail(error.kind as u32, cause, error.is_final());
                return;
            }
        };
        self.host.emit(event, number, detail);
    }
}
