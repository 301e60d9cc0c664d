//! Hands the core's questions about JSON and values to the host.

use flagwire_core::protocol::{Change, Domain};
use flagwire_core::{Codec, Parsed, SignIn};
use js_sys::Array;
use wasm_bindgen::JsValue;

use crate::host::{Changes, Evaluations, Host};

/// JSON by JavaScript's own parser, values on JavaScript's side.
pub(crate) struct HostCodec(pub(crate) Host);

impl Codec for HostCodec {
    type Json = JsValue;
    type Body = JsValue;
    type Evaluations = Evaluations;
    type Changes = Changes;
    type Saved = JsValue;
    type Target = JsValue;

    fn set_target(&mut self, target: JsValue) {
        self.0.set_target(target);
    }

    fn target_path(&self) -> String {
        self.0.target_path()
    }

    fn target_header(&self) -> String {
        self.0.target_header()
    }

    fn sign_in_request(&self, _api_key: &str) -> JsValue {
        self.0.sign_in_request() // the host has the key: it gave it to us
    }

    fn sign_in(&self, reply: &JsValue) -> Option<SignIn> {
        let texts = self.0.sign_in(reply)?;
        Some(SignIn {
            token: texts.at(0),
            environment: texts.at(1),
            cluster: texts.at(2),
            environment_identifier: texts.at(3),
            account: texts.at(4),
            stream_url: texts.at(5),
        })
    }

    fn change_event(&self, data: &str) -> Parsed<Evaluations> {
        let event = self.0.change_event(data);
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
        Parsed::Change(flagwire_core::ChangeEvent {
            change,
            domain,
            identifier: event.identifier(),
            evaluations: event.carried(),
        })
    }

    fn evaluations(&self, reply: JsValue, single: bool) -> Option<Evaluations> {
        self.0.evaluations(reply, single)
    }

    fn replace(&mut self, evaluations: Evaluations, keep: &[&str]) -> Option<Changes> {
        let list = Array::new();
        for flag in keep {
            list.push(&JsValue::from_str(flag));
        }
        self.0.replace(evaluations, list)
    }

    fn merge(&mut self, evaluations: Evaluations) -> Option<Changes> {
        self.0.merge(evaluations)
    }

    fn flags(&self, evaluations: &Evaluations, visit: &mut dyn FnMut(String)) {
        let texts = self.0.flags(evaluations);
        for index in 0..texts.length() {
            visit(texts.at(index));
        }
    }

    fn remove(&mut self, flag: &str) -> Option<Changes> {
        self.0.remove(flag)
    }

    fn save(&self) -> JsValue {
        self.0.save()
    }

    fn take_counts(&mut self) -> Option<JsValue> {
        let body = self.0.take_counts();
        (!body.is_undefined()).then_some(body)
    }

    fn settle_counts(&mut self, keep: bool) {
        self.0.settle_counts(keep);
    }
}
