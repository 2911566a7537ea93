//! The requests of operators: read and change the load level and the state of limits.
//! Never: a change that a page in an operator's browser could request.

use std::net::{IpAddr, SocketAddr};

use portcullis_audit::{Outcome, Record};
use portcullis_guard::LoadState;
use portcullis_model::{Code, UserId};
use portcullis_wire::http1::{FieldValue, Head};
use serde_json::{Value, json};

use crate::admin::host::Rejection;
use crate::admin::limit_view::{limit_view, prefix_view};
use crate::admin::private::Private;

/// A header that a page cannot send to another origin without a preflight.
const OPERATOR_HEADER: &str = "x-portcullis-operator";

const NO_KEY: Rejection =
    (403, "the request has no valid key: use the portcullis command, which reads the key");

impl Private {
    /// Answers a request below `/admin/`: a status and JSON.
    pub(crate) fn admin(&self, head: &Head<'_>, peer: SocketAddr) -> (u16, String) {
        let outcome = check_operator(head).and_then(|()| self.check_key(head, peer));
        let outcome = outcome.and_then(|()| self.act(head));
        match outcome {
            Ok(body) => (200, body.to_string()),
            Err((status, why)) => (status, json!({ "error": why }).to_string()),
        }
    }

    /// Checks that the request comes from this machine, with a key of the data directory.
    pub(crate) fn check_key(&self, head: &Head<'_>, peer: SocketAddr) -> Result<(), Rejection> {
        if !peer.ip().to_canonical().is_loopback() {
            return Err((
                403,
                "the request is not from this machine: send it on the machine of the server",
            ));
        }
        let Some(keys) = &self.server.options.operator_keys else { return Ok(()) };
        match head.header(OPERATOR_HEADER) {
            FieldValue::One(shown) if keys.knows(shown) => Ok(()),
            FieldValue::One(_) | FieldValue::Many | FieldValue::None => Err(NO_KEY),
        }
    }

    fn act(&self, head: &Head<'_>) -> Result<Value, Rejection> {
        match (head.method, head.path) {
            ("GET", "/admin/state") => Ok(self.state()),
            ("POST", "/admin/state") => {
                self.pin(parameter(head.query, "pin"), parameter(head.query, "for_s"))
            }
            ("GET", "/admin/limits") => self.explain(head.query),
            ("POST", "/admin/limits/unlock") => self.unlock(head.query),
            (_, "/admin/state" | "/admin/limits" | "/admin/limits/unlock") => {
                Err((405, "the method is not permitted for this path"))
            }
            _ => Err((404, "the path does not exist")),
        }
    }

    fn state(&self) -> Value {
        let pinned = self.server.gate.limits().pinned_load().map(LoadState::name);
        let limits = self.server.gate.limits().explain_total(self.server.clock.now());
        json!({
            "state": self.server.gate.load().name(),
            "measured": self.server.gate.limits().measured_load().name(),
            "pinned": pinned,
            "pinned_for_ms": self.server.gate.limits().pinned_for_ms(self.server.clock.now()),
            "known_level": self.server.gate.limits().returning_permille(),
            "limits": limits.iter().map(limit_view).collect::<Vec<_>>(),
        })
    }

    fn pin(&self, wanted: Option<&str>, lasting_s: Option<&str>) -> Result<Value, Rejection> {
        let wanted = wanted.ok_or((
            400,
            "the query names no load level: add ?pin=normal, elevated, shedding, critical or auto",
        ))?;
        let state = match wanted {
            "auto" => None,
            name => Some(LoadState::named(name).ok_or((
                400,
                "the load level does not exist: use normal, elevated, shedding, critical or auto",
            ))?),
        };
        let lasting_s: Option<u32> = match lasting_s.map(str::parse) {
            None => None,
            Some(Ok(seconds)) => Some(seconds),
            Some(Err(_)) => return Err((400, "for_s is not a number of seconds")),
        };
        let (limits, now) = (self.server.gate.limits(), self.server.clock.now());
        let detail = match (state, lasting_s) {
            (Some(state), Some(seconds)) => {
                limits.pin_load_for(state, u64::from(seconds) * 1_000, now);
                format!("the state is pinned to {wanted} for {seconds} s")
            }
            (None, Some(_)) => return Err((400, "auto has no end: leave out the time")),
            (state, None) => {
                limits.pin_load(state, now);
                format!("the state is pinned to {wanted}")
            }
        };
        self.record("pinned", |record| record.detail = Some(detail));
        Ok(self.state())
    }

    fn explain(&self, query: &str) -> Result<Value, Rejection> {
        let now = self.server.clock.now();
        match self.limit_subject(query)? {
            LimitSubject::Address(address) => {
                let prefixes = self.server.gate.limits().explain_address(address, now);
                let each = prefixes.iter().map(|(limits, held)| prefix_view(limits, held));
                Ok(json!({ "address": address.to_string(), "prefixes": each.collect::<Vec<_>>() }))
            }
            LimitSubject::User(user, name) => {
                let limits = self.server.gate.limits().explain_user(&user, &name, now);
                let limits: Vec<_> = limits.iter().map(limit_view).collect();
                let connections =
                    self.server.gate.directory().user(&user).map(|user| user.connections());
                Ok(json!({
                    "user": user.as_str(), "connections": connections, "limits": limits,
                }))
            }
        }
    }

    fn unlock(&self, query: &str) -> Result<Value, Rejection> {
        match self.limit_subject(query)? {
            LimitSubject::Address(address) => {
                self.server.gate.limits().unlock_address(address, self.server.clock.now());
                self.record("unlocked", |record| {
                    record.labels.push(("address", address.to_string()))
                });
            }
            LimitSubject::User(user, name) => {
                self.server.gate.limits().unlock_user(&user, &name, self.server.clock.now());
                self.record("unlocked", |record| record.target = Some(user));
            }
        }
        self.explain(query)
    }

    fn limit_subject(&self, query: &str) -> Result<LimitSubject, Rejection> {
        match (parameter(query, "address"), parameter(query, "user")) {
            (Some(address), None) => {
                let address =
                    address.parse::<IpAddr>().map_err(|_| (400, "address is not an IP address"))?;
                Ok(LimitSubject::Address(address.to_canonical()))
            }
            (None, Some(user)) => {
                let user = UserId::parse(user).map_err(|_| (400, "user is not a valid user id"))?;
                let found =
                    self.server.gate.directory().user(&user).ok_or((404, "no such user"))?;
                let name = found.name().to_string();
                Ok(LimitSubject::User(user, name))
            }
            _ => Err((400, "the query names no subject: add ?address=… or ?user=…")),
        }
    }

    fn record(&self, reason: &'static str, more: impl FnOnce(&mut Record)) {
        let mut record = Record::new(Code::AuthzAdmin);
        record.outcome = Outcome::Success;
        record.rule = "limits";
        record.reason = reason;
        more(&mut record);
        self.server.audit.record(record, self.server.clock.now());
    }
}

enum LimitSubject {
    Address(IpAddr),
    /// A user, and the name by which log-ins are counted.
    User(UserId, String),
}

/// Checks that an operator's program sends the request: a page cannot send the header to another
/// origin. The `Host` was checked before.
pub(crate) fn check_operator(head: &Head<'_>) -> Result<(), Rejection> {
    let has_header = matches!(head.header(OPERATOR_HEADER), FieldValue::One(_));
    let page = !matches!(head.header("origin"), FieldValue::None);
    if has_header && !page { Ok(()) } else { Err(NO_KEY) }
}

/// The value of a parameter that occurs once; addresses and ids need no decoding.
fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let mut values = query.split('&').filter_map(|pair| {
        let (found, value) = pair.split_once('=')?;
        (found == name).then_some(value)
    });
    let value = values.next()?;
    values.next().is_none().then_some(value)
}
