//! The run loop between JavaScript and the core.

use std::cell::{Cell, RefCell};

use flagwire_core::{
    Client as Core, Clock, Event, Instant, Output, RequestId, StreamId, TabOutput,
};
use wasm_bindgen::prelude::*;

use crate::border::{Emitted, TabAction, state_number};
use crate::codec::HostCodec;
use crate::host::{Changes, Host, Wire, wall_ms};

/// Owns the core of one client, and performs its outputs.
pub(crate) struct Driver {
    host: Host,
    wire: Wire,
    clock: Clock,
    /// Whether an output is being performed. The outputs of a call that comes meanwhile are left to the drain that is running.
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

    /// Calls the core once, and performs its outputs.
    ///
    /// The function is compiled into each of its callers, so there is one caller for all inputs.
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
            // This is a statement of its own, so that the borrow ends here, before an output runs code that may call back.
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
            Output::Save(saved) => self.host.emit(Emitted::Save as u32, 0, saved),
            Output::Emit(event) => self.emit(event),
            Output::Tabs(TabOutput::Join(group)) => self.host.join(group),
            Output::Tabs(TabOutput::Leave) => self.host.tabs(TabAction::Leave as u32, b""),
            Output::Tabs(TabOutput::Steal) => self.host.tabs(TabAction::Steal as u32, b""),
            Output::Tabs(TabOutput::Post(message, text)) => {
                self.host
                    .tabs(TabAction::Post as u32 + message as u32, &text);
            }
        }
    }

    fn emit(&self, event: Event<Changes>) {
        let mut detail = JsValue::UNDEFINED;
        let mut number = 0;
        let emitted = match event {
            Event::Ready => Emitted::Ready,
            Event::Connected => Emitted::Connected,
            Event::Disconnected => Emitted::Disconnected,
            Event::Stopped => Emitted::Stopped,
            Event::Polling => Emitted::Polling,
            Event::PollingStopped => Emitted::PollingStopped,
            Event::FlagsLoaded => Emitted::FlagsLoaded,
            Event::Changed(changes) => {
                detail = changes.into();
                Emitted::Changed
            }
            Event::Identified(switches) => {
                number = switches;
                Emitted::Identified
            }
            Event::State(status, why) => {
                number = state_number(status, why);
                Emitted::State
            }
            Event::Error(error) => {
                let cause = u32::from(error.cause.number());
                return self.host.fail(error.kind as u32, cause, error.is_final());
            }
        };
        self.host.emit(emitted as u32, number, detail);
    }
}
