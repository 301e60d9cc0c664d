//! Hands the core's questions about the wire and the values to JavaScript.

use flagwire_core::protocol::{Change, Domain};
use flagwire_core::{Ask, ChangeEvent, Codec, Moment, Parsed, SignedIn};
use wasm_bindgen::JsValue;

use crate::host::{Changes, Evaluations, Values, Wire};

/// JSON by JavaScript's own parser, requests and values on JavaScript's side.
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
        let none = &JsValue::UNDEFINED;
        let (number, text) = match ask {
            Ask::SignIn => (0, none),
            Ask::All(etag) => (1, etag.unwrap_or(none)),
            Ask::Flag(flag) => (2, flag),
            Ask::Stream => (3, none),
            Ask::NativeStream => (4, none),
        };
        self.wire.request(number, text)
    }

    fn sign_in(&mut self, reply: JsValue) -> Option<SignedIn> {
        let signed_in = self.wire.sign_in(reply);
        (signed_in > 0).then_some(SignedIn {
            offers_native: signed_in > 1,
        })
    }

    fn change_event(&self, data: &[u8]) -> Parsed<Evaluations, JsValue> {
        let event = self.wire.change_event(data);
        let (domain, change) = match event.code() {
            2 => (Domain::Flag, Change::Create),
            3 => (Domain::Flag, Change::Patch),
            4 => (Domain::Flag, Change::Delete),
            5 => (Domain::TargetSegment, Change::Create),
            6 => (Domain::TargetSegment, Change::Patch),
            7 => (Domain::TargetSegment, Change::Delete),
            1 => return Parsed::Unknown,
            _ => return Parsed::Malformed,
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
