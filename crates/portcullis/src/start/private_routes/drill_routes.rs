//! The server's side of `portcullis drill`: a proof while a drill is open, and what it saw of it.
//! Never: a proof without an open drill; lifted limits of another address than the drill's own.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_audit::{Outcome, Record};
use portcullis_model::{Code, Denial, Now, Secret};
use portcullis_server::{ApiRequest, ApiResponse, Builder, Method, Reply, Services, random_id};
use serde::Deserialize;
use serde_json::json;

use crate::drill::proof::{self, ProofRequest};

/// How long a drill is open at most, in milliseconds.
const LIFE_MS: u64 = 120_000;
/// Most proofs of a drill; each one is remembered until its end.
const SIGHTINGS_MAX: usize = 128;
/// Longest challenge, in bytes.
const CHALLENGE_MAX_BYTES: usize = 64;
/// How often a drill can lift the limits of its addresses.
const RESETS_MAX: u32 = 20;
/// Period between checks for a drill that was not ended, in milliseconds.
const EXPIRY_CHECK_MS: u64 = 1_000;

/// An operation of a drill on the private listener.
type DrillOperation = fn(&DrillDesk, &Services, &[u8]) -> Result<Reply, Denial>;

/// The drill that is open, if there is one.
#[derive(Default)]
struct DrillDesk(Mutex<Option<OpenDrill>>);

/// An open drill.
struct OpenDrill {
    id: String,
    key: Secret<String>,
    until_ms: u64,
    /// The challenges that arrived on the public listener, with the address of their client.
    sightings: Vec<(String, IpAddr)>,
    resets: u32,
}

/// The body of `drill/end`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EndRequest {
    passed: u32,
    failed: u32,
    skipped: u32,
}

/// Installs the operations on the private listener, and the route of the proof.
pub(crate) fn install(builder: &mut Builder) {
    let desk = Arc::new(DrillDesk::default());
    let operations: [(&str, DrillOperation); 4] = [
        ("drill/start", DrillDesk::start),
        ("drill/status", DrillDesk::status),
        ("drill/reset", DrillDesk::reset),
        ("drill/end", DrillDesk::end),
    ];
    for (path, operation) in operations {
        let desk = Arc::clone(&desk);
        builder.private_route(String::from(path), move |services, body| {
            let outcome = operation(&desk, &services, &body);
            async move { outcome }
        });
    }
    let of_route = Arc::clone(&desk);
    builder.route(Method::Post, proof::PATH, move |request| {
        let outcome = of_route.prove(&request);
        async move { outcome }
    });
    builder.every("drill", EXPIRY_CHECK_MS, move |services| {
        desk.expire(&services);
        async {}
    });
}

impl OpenDrill {
    fn is_open(&self, now: Now) -> bool {
        now.monotonic_ms < self.until_ms
    }

    /// Lifts the limits of the address from which the drill sent its first proof request.
    fn lift_limits(&self, services: &Services, now: Now) {
        if let Some((_, address)) = self.sightings.first() {
            services.gate.limits().unlock_address(*address, now);
        }
    }
}

impl DrillDesk {
    /// Opens a drill; its key leaves the server only here.
    fn start(&self, services: &Services, body: &[u8]) -> Result<Reply, Denial> {
        check_empty(body)?;
        let now = services.clock.now();
        let (id, key) = (random_id::<16>()?, Secret::new(random_id::<32>()?));
        let mut open = self.0.lock();
        if open.as_ref().is_some_and(|drill| drill.is_open(now)) {
            let why = "another drill runs: wait until it has ended, at most two minutes";
            return Err(Denial::app("drill_running", why));
        }
        let reply = json!({ "id": id, "key": key.expose(), "life_s": LIFE_MS / 1_000 });
        let until_ms = now.monotonic_ms.saturating_add(LIFE_MS);
        *open = Some(OpenDrill { id, key, until_ms, sightings: Vec::new(), resets: 0 });
        let text = format!("an operator started a drill, for {} s at most", LIFE_MS / 1_000);
        record(services, Code::DrillStarted, ("start", text), now);
        Ok(Reply::fields(&reply))
    }

    /// The challenges that arrived, with the addresses that the server saw.
    fn status(&self, services: &Services, body: &[u8]) -> Result<Reply, Denial> {
        check_empty(body)?;
        self.with_open(services.clock.now(), |drill| {
            let sighting = |(challenge, address): &(String, IpAddr)| {
                json!({ "challenge": challenge, "address": address })
            };
            let sightings: Vec<_> = drill.sightings.iter().map(sighting).collect();
            Ok(Reply::fields(&json!({ "sightings": sightings })))
        })
    }

    /// Lifts the limits of the addresses from which the drill sent its first proof request.
    fn reset(&self, services: &Services, body: &[u8]) -> Result<Reply, Denial> {
        check_empty(body)?;
        let now = services.clock.now();
        self.with_open(now, |drill| {
            if drill.resets >= RESETS_MAX {
                let why = "the drill has lifted its limits 20 times, which is the most";
                return Err(Denial::app("drill_limit", why));
            }
            let Some((_, address)) = drill.sightings.first() else {
                return Err(Denial::app("drill_unproven", "no proof was requested yet"));
            };
            drill.resets += 1;
            services.gate.limits().unlock_address(*address, now);
            Ok(Reply::ok())
        })
    }

    /// Ends the drill with its result, and lifts the limits that it caused.
    fn end(&self, services: &Services, body: &[u8]) -> Result<Reply, Denial> {
        let invalid = |error: serde_json::Error| Denial::app("payload_invalid", error.to_string());
        let result: EndRequest = serde_json::from_slice(body).map_err(invalid)?;
        let now = services.clock.now();
        let drill = self.0.lock().take().filter(|drill| drill.is_open(now)).ok_or_else(closed)?;
        drill.lift_limits(services, now);
        let EndRequest { passed, failed, skipped } = result;
        let text = format!(
            "a drill ended: {passed} cases passed, {failed} failed, {skipped} skipped; it lifted \
             the limits of its address {} times before",
            drill.resets
        );
        record(services, Code::DrillEnded, ("end", text), now);
        Ok(Reply::ok())
    }

    /// Ends a drill whose command was interrupted, and lifts the limits that it caused.
    fn expire(&self, services: &Services) {
        let now = services.clock.now();
        let mut open = self.0.lock();
        if let Some(drill) = open.take_if(|drill| !drill.is_open(now)) {
            drill.lift_limits(services, now);
            let text = String::from("a drill ended without a result: its command was interrupted");
            record(services, Code::DrillEnded, ("expired", text), now);
        }
    }

    fn with_open(
        &self,
        now: Now,
        act: impl FnOnce(&mut OpenDrill) -> Result<Reply, Denial>,
    ) -> Result<Reply, Denial> {
        let mut open = self.0.lock();
        act(open.as_mut().filter(|drill| drill.is_open(now)).ok_or_else(closed)?)
    }

    /// Answers a challenge of the open drill; without that drill, the path does not exist.
    fn prove(&self, request: &ApiRequest) -> Result<ApiResponse, Denial> {
        let body: ProofRequest =
            serde_json::from_slice(&request.body).map_err(|_| Denial::NotFound)?;
        let mut open = self.0.lock();
        let drill = open.as_mut().filter(|drill| drill.is_open(request.now));
        let drill = drill.filter(|drill| drill.id == body.drill).ok_or(Denial::NotFound)?;
        if body.challenge.len() > CHALLENGE_MAX_BYTES || drill.sightings.len() >= SIGHTINGS_MAX {
            return Err(Denial::TooLarge);
        }
        let proof = proof::prove(&drill.key, &body.challenge);
        drill.sightings.push((body.challenge, request.client));
        Ok(ApiResponse::json(200, &json!({ "proof": proof })))
    }
}

fn closed() -> Denial {
    Denial::app("drill_closed", "no drill is open: it has ended, or two minutes have passed")
}

fn check_empty(body: &[u8]) -> Result<(), Denial> {
    if body.is_empty() || body == b"{}" {
        return Ok(());
    }
    Err(Denial::app("payload_invalid", "this operation has no members: send {}"))
}

fn record(services: &Services, code: Code, (reason, text): (&'static str, String), now: Now) {
    let mut record = Record::new(code);
    record.rule = "drill";
    record.reason = reason;
    record.outcome = Outcome::Success;
    record.detail = Some(text);
    services.audit.record(record, now);
}
