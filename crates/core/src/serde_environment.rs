//! A codec of the synchroniser with configuration in Rust: flags and target groups as JSON, by identifier.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use crate::http::{self, HttpRequest, Service, SignIn};
use crate::protocol::{Change, Claims, Domain, SignInReply, SignInRequest};
use crate::synchroniser::{
    EntityEvent, EnvironmentAsk, EnvironmentCodec, HeldVersion, KeyCheck, ParsedEntity, Stored,
};

/// Which flags or target groups differ from what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedEntities {
    /// Whether they are flags or target groups.
    pub domain: Domain,
    /// Their identifiers: of the new, the changed and the removed ones.
    pub identifiers: BTreeSet<String>,
}

/// Writes requests as HTTP, and keeps flags and target groups as the JSON that the server sent.
#[derive(Debug)]
pub struct SerdeEnvironment {
    service: Service,
    session: SignIn,
    flags: BTreeMap<String, Value>,
    groups: BTreeMap<String, Value>,
}

impl SerdeEnvironment {
    /// Makes a codec without configuration. `service` has the server key.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self {
            service,
            session: SignIn::default(),
            flags: BTreeMap::new(),
            groups: BTreeMap::new(),
        }
    }

    /// Returns the flags or the target groups as the server sent them, by identifier.
    #[must_use]
    pub const fn stored(&self, domain: Domain) -> &BTreeMap<String, Value> {
        match domain {
            Domain::Flag => &self.flags,
            Domain::TargetSegment => &self.groups,
        }
    }

    const fn stored_mut(&mut self, domain: Domain) -> &mut BTreeMap<String, Value> {
        match domain {
            Domain::Flag => &mut self.flags,
            Domain::TargetSegment => &mut self.groups,
        }
    }
}

impl EnvironmentCodec for SerdeEnvironment {
    type Json = Value;
    type Text = String;
    type Request = HttpRequest;
    type Entries = BTreeMap<String, Value>;
    type Changes = ChangedEntities;

    fn request(&self, ask: EnvironmentAsk<'_, String>) -> HttpRequest {
        if ask == EnvironmentAsk::SignIn {
            let body = SignInRequest {
                api_key: self.service.api_key.clone(),
                target: None,
            };
            // Texts can always be written.
            let body = serde_json::to_string(&body).unwrap_or_default();
            return http::sign_in(&self.service, body);
        }
        self.session.environment_request(&self.service, &ask)
    }

    fn sign_in(&mut self, reply: Value) -> KeyCheck {
        let Ok(reply) = serde_json::from_value::<SignInReply>(reply) else {
            return KeyCheck::Malformed;
        };
        let Some(claims) = Claims::from_token(&reply.auth_token) else {
            return KeyCheck::Malformed;
        };
        let kind = claims.key_type.as_deref().unwrap_or_default();
        if kind.eq_ignore_ascii_case("client") {
            return KeyCheck::ClientKey;
        }
        self.session = SignIn {
            environment: claims.environment,
            cluster: claims.cluster_identifier,
            environment_identifier: claims.environment_identifier,
            account: claims.account_id,
            stream_url: String::new(),
            token: reply.auth_token,
        };
        KeyCheck::SignedIn
    }

    fn entity_event(&self, data: &[u8]) -> ParsedEntity<String> {
        let data = String::from_utf8_lossy(data);
        let json = data.strip_prefix('\u{feff}').unwrap_or(&data);
        let Ok(Value::Object(mut event)) = serde_json::from_str(json) else {
            return ParsedEntity::Malformed;
        };
        let mut read = |name: &str| event.remove(name).unwrap_or_default();
        let (change, domain, identifier, version) = (
            read("event"),
            read("domain"),
            read("identifier"),
            read("version"),
        );
        if !change.is_string() || !domain.is_string() {
            return ParsedEntity::Malformed;
        }
        let (Ok(change), Ok(domain)) = (
            serde_json::from_value::<Change>(change),
            serde_json::from_value::<Domain>(domain),
        ) else {
            return ParsedEntity::Unknown;
        };
        match identifier {
            // A URL cannot name these two, because it would be resolved, and without an identifier it names the list.
            Value::String(identifier) if !matches!(identifier.as_str(), "" | "." | "..") => {
                ParsedEntity::Change(EntityEvent {
                    change,
                    domain,
                    identifier,
                    version: version.as_i64(),
                })
            }
            _ => ParsedEntity::Malformed,
        }
    }

    fn entries(
        &self,
        domain: Domain,
        reply: Value,
        one: Option<&String>,
    ) -> Option<BTreeMap<String, Value>> {
        let list = if let Some(one) = one {
            if identifier(domain, &reply).as_ref() != Some(one) {
                return None;
            }
            Vec::from([reply])
        } else if let Value::Array(list) = reply {
            list
        } else {
            return None;
        };
        list.into_iter()
            .map(|entry| Some((identifier(domain, &entry)?, entry)))
            .collect()
    }

    fn replace(
        &mut self,
        domain: Domain,
        mut entries: BTreeMap<String, Value>,
        gone: &[String],
        trusted: bool,
    ) -> Stored<ChangedEntities> {
        let mut behind = false;
        for identifier in gone {
            behind |= entries.remove(identifier).is_some();
        }
        let stored = self.stored_mut(domain);
        let mut identifiers = BTreeSet::new();
        stored.retain(|identifier, _| {
            let stays = entries.contains_key(identifier);
            if !stays {
                identifiers.insert(identifier.clone());
            }
            stays
        });
        behind |= store(stored, entries, &mut identifiers, trusted);
        Stored {
            changes: changes(domain, identifiers),
            behind,
        }
    }

    fn merge(
        &mut self,
        domain: Domain,
        entries: BTreeMap<String, Value>,
    ) -> Stored<ChangedEntities> {
        let mut identifiers = BTreeSet::new();
        let behind = store(self.stored_mut(domain), entries, &mut identifiers, false);
        Stored {
            changes: changes(domain, identifiers),
            behind,
        }
    }

    fn remove(&mut self, domain: Domain, identifier: &String) -> Option<ChangedEntities> {
        let removed = self.stored_mut(domain).remove(identifier);
        removed.and_then(|_| changes(domain, BTreeSet::from([identifier.clone()])))
    }

    fn held(&self, domain: Domain, identifier: &String) -> HeldVersion {
        let entry = self.stored(domain).get(identifier);
        entry.map_or(HeldVersion::Nothing, |entry| {
            HeldVersion::Entry(version(entry))
        })
    }
}

/// Stores entries, and collects the identifiers of those that differ. Returns whether one was older than the stored one, and so was not
/// stored.
fn store(
    stored: &mut BTreeMap<String, Value>,
    entries: BTreeMap<String, Value>,
    identifiers: &mut BTreeSet<String>,
    trusted: bool,
) -> bool {
    let mut behind = false;
    for (identifier, entry) in entries {
        let known = stored.get(&identifier);
        let is_older = match (known.and_then(version), version(&entry)) {
            (Some(known), Some(version)) => version < known,
            _ => false,
        };
        if is_older && !trusted {
            behind = true;
        } else if known != Some(&entry) {
            identifiers.insert(identifier.clone());
            stored.insert(identifier, entry);
        }
    }
    behind
}

fn changes(domain: Domain, identifiers: BTreeSet<String>) -> Option<ChangedEntities> {
    (!identifiers.is_empty()).then_some(ChangedEntities {
        domain,
        identifiers,
    })
}

fn identifier(domain: Domain, entry: &Value) -> Option<String> {
    let field = match domain {
        Domain::Flag => "feature",
        Domain::TargetSegment => "identifier",
    };
    Some(entry.get(field)?.as_str()?.into())
}

fn version(entry: &Value) -> Option<i64> {
    entry.get("version")?.as_i64()
}
