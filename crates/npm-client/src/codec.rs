//! Passes the core's calls about requests, replies and values to JavaScript.

use flagwire_core::{Ask, ChangeEvent, Codec, Moment, Parsed, SignedIn};
use wasm_bindgen::JsValue;

use crate::border::{self, ChangeCode};
use crate::host::{Changes, Evaluations, Values, Wire};

/// A codec that leaves everything to JavaScript, which has a parser of JSON and keeps requests and values on its side.
pub(crate) struct HostCodec {
    pub(crate) wire: Wire,
    pub(crate) values: Values,
}

impl Codec for HostCodec {
    type Json = JsValue;
    type Text = JsValue;
    type Request = JsValue;
    type Evaluations = Evaluations;
    type Changes = Changes;
    type Saved = JsValue;
    type Target = JsValue;

    fn set_target(&mut self, target: JsValue) {
        self.values.set_target(target);
    }

    fn group(&self) -> Option<JsValue> {
        self.wire.group()
    }

    fn request(&self, ask: Ask<'_, JsValue>) -> JsValue {
        let (number, text) = border::ask(&ask);
        self.wire
            .request(number as u32, text.unwrap_or(&JsValue::UNDEFINED))
    }

    fn sign_in(&mut self, reply: JsValue) -> Option<SignedIn> {
        border::signed_in(self.wire.sign_in(reply))
    }

    fn change_event(&self, data: &[u8]) -> Parsed<Evaluations, JsValue> {
        let event = self.wire.change_event(data);
        let code = ChangeCode::from_number(event.code()).unwrap_or(ChangeCode::Malformed);
        let Some((domain, change)) = code.change() else {
            return match code {
                ChangeCode::Unknown => Parsed::Unknown,
                _ => Parsed::Malformed,
            };
        };
        Parsed::Change(ChangeEvent {
            change,
            domain,
            identifier: event.identifier(),
            evaluations: event.carried(),
        })
    }

    fn evaluations(&self, reply: JsValue, single: bool) -> Option<Evaluations> {
        self.wire.evaluations(reply, single)
    }

    fn replace(&mut self, evaluations: Evaluations, as_of: Moment) -> Option<Changes> {
        self.values.replace(evaluations, as_of.number())
    }

    fn merge(&mut self, evaluations: Evaluations, as_of: Moment) -> Option<Changes> {
        self.values.merge(evaluations, as_of.number())
    }

    fn remove(&mut self, flag: &JsValue, as_of: Moment) -> Option<Changes> {
        self.values.remove(flag, as_of.number())
    }

    fn settle(&mut self) {
        self.values.settle();
    }

    fn save(&self) -> JsValue {
        self.wire.save()
    }

    fn take_counts(&mut self) -> Option<JsValue> {
        self.wire.take_counts()
    }

    fn settle_counts(&mut self, keep: bool) {
        self.values.settle_counts(keep);
    }
}
