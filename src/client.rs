//! The class that JavaScript sees. Each method converts, calls the core and lets the driver drain.

use std::rc::Rc;

use flagwire_core::{Client as Core, PageEvent, TabInput, TabMessage};
use wasm_bindgen::prelude::*;

use crate::codec::HostCodec;
use crate::driver::Driver;
use crate::host::{Evaluations, Host, Texts};
use crate::options::{Numbers, config};

/// A client at work. The facade owns it and says when it ends; dropping it without `close` ends it too.
#[wasm_bindgen]
pub struct Client(Rc<Driver>);

#[wasm_bindgen]
impl Client {
    /// Starts at once. `seed` decides about jitter.
    #[wasm_bindgen(constructor)]
    pub fn new(host: Host, texts: &Texts, numbers: &Numbers, seed: f64) -> Self {
        let core = Core::new(
            config(texts, numbers),
            HostCodec(host.clone()),
            seed.to_bits(),
        );
        let driver = Driver::new(host, core);
        driver.run(&mut Core::start);
        Self(driver)
    }

    /// Switches the target; returns the number that the event will carry.
    pub fn identify(&self, target: &JsValue) -> u32 {
        let mut switches = 0;
        self.0
            .run(&mut |core, now| switches = core.identify(now, target.clone()));
        switches
    }

    /// Fetches all evaluations.
    pub fn refresh(&self) {
        self.0.run(&mut Core::refresh);
    }

    /// Stores evaluations that the application brought.
    pub fn set(&self, evaluations: &Evaluations) {
        self.0
            .run(&mut |core, now| core.set_evaluations(now, evaluations.clone()));
    }

    /// Posts metrics and writes the cache.
    pub fn flush(&self) {
        self.0.run(&mut Core::flush);
    }

    /// The time asked for has come.
    pub fn tick(&self) {
        self.0.run(&mut Core::handle_timeout);
    }

    /// Something happened to the page: 0 online, 1 visible, 2 hidden, 3 left, 4 restored from the back/forward cache.
    pub fn page(&self, event: u32) {
        let event = match event {
            0 => PageEvent::Online,
            1 => PageEvent::Visible,
            2 => PageEvent::Hidden,
            3 => PageEvent::Left,
            _ => PageEvent::Restored,
        };
        self.0.run(&mut |core, now| core.handle_page(now, event));
    }

    /// Something happened in the group of tabs: 0 the lock is ours, 1 it was stolen, 2 another tab said something.
    pub fn tab(&self, event: u32, message: u8, text: &str) {
        let input = match event {
            0 => TabInput::Leading,
            1 => TabInput::Lost,
            _ => match TabMessage::from_number(message) {
                Some(message) => TabInput::Message(message, text),
                None => return,
            },
        };
        self.0.run(&mut |core, now| core.handle_tabs(now, input));
    }

    /// Ends everything.
    pub fn close(&self) {
        self.0.run(&mut Core::close);
    }
}
