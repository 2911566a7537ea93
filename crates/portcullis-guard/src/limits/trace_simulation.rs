//! Replays a trace with other limits, without a server and a clock.
//! Never: capacities; a trace does not record slots of connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use portcullis_model::{Denial, Now, UserId};

use crate::admission::admission_token::AdmissionClaims;
use crate::capacity::client_class::ClientClass;
use crate::directory::space::DirectoryLimits;
use crate::directory::tables::Directory;
use crate::error::GateError;
use crate::gate::Gate;
use crate::gate_options::GateOptions;
use crate::limits::attempt::{Attempt, RequestCause, TraceEntry, rejected_by};
use crate::limits::connection_usage::ConnectionUsage;
use crate::limits::login::LoginKeys;
use crate::limits::packets::PacketBudget;
use crate::load::state::LoadState;
use crate::tables::rate::Rate;

/// A replay of a trace with some limits.
pub struct Simulation {
    gate: Gate,
    connections: HashMap<u64, ConnectionUsage>,
    packets: HashMap<u64, PacketBudget>,
}

impl Simulation {
    /// A simulation with empty buckets.
    ///
    /// # Errors
    /// [`GateError`] of an invalid option.
    pub fn new(options: GateOptions) -> Result<Self, GateError> {
        let directory = Arc::new(Directory::new(DirectoryLimits::default()));
        // The trace sets the load; capacities are not simulated.
        let gate = Gate::build(GateOptions { load: None, ..options }, directory)?;
        Ok(Self { gate, connections: HashMap::new(), packets: HashMap::new() })
    }

    /// Replays one entry. Returns the limit that rejects it, or `shed`; none where it passes.
    ///
    /// The rate of an event is the one in the options, otherwise the one in the trace.
    pub fn play(&mut self, traced: &TraceEntry) -> Option<&'static str> {
        let now = Now { monotonic_ms: traced.at_ms, unix_ms: 0 };
        self.count(&traced.attempt, now).err().and_then(|denial| rejected_by(&denial))
    }

    fn count(&mut self, attempt: &Attempt, now: Now) -> Result<(), Denial> {
        let gate = &self.gate;
        let admission =
            |shown: &(u64, ClientClass)| AdmissionClaims { alias: shown.0, class: shown.1 };
        match attempt {
            Attempt::Tls { client, signed_in } => {
                gate.limits.count_tls(*client, *signed_in, now).map(drop)
            }
            Attempt::Connect { client, admission: shown } => {
                gate.admission.count_socket(*client, shown.as_ref().map(admission), now).map(drop)
            }
            Attempt::Slot { class } => gate.admission.count_place(*class, now),
            Attempt::Request { client, from: RequestCause::Anywhere, .. } => {
                gate.admission.count_anywhere(*client, now)
            }
            Attempt::Request { client, admission: shown, from: RequestCause::Client } => {
                gate.admission.count_request(*client, shown.as_ref().map(admission), now).map(drop)
            }
            Attempt::PollingRequest { client, user } => {
                gate.admission.count_again(*client, read_any_user(user.as_deref())?.as_ref(), now)
            }
            Attempt::Login { client, name, device } => {
                gate.limits.count_login(*client, keys(*name, *device), now)
            }
            Attempt::LoginSlot {} => gate.limits.count_login_slot(now),
            Attempt::Code { name, device } => gate.limits.count_code(keys(*name, *device), now),
            Attempt::Ticket { user } => gate.limits.count_ticket(&read_user(user)?, now),
            Attempt::Event { client, connection, user, event } => {
                let amounts = amounts(&mut self.connections, gate, *connection, *client);
                let named = event.as_ref().map(|(name, rate)| named(gate, name, rate.as_deref()));
                if let Some((name, Some(rate))) = named {
                    // An operator may have reset the rates of the user.
                    gate.limits.traced_events.add(name, rate);
                }
                gate.limits.count_event(&read_user(user)?, amounts, named, now)
            }
            Attempt::Bytes { client, connection, user, bytes } => {
                let amounts = amounts(&mut self.connections, gate, *connection, *client);
                gate.limits.count_bytes(&read_user(user)?, amounts, *bytes, now)
            }
            Attempt::Namespace { connection, user } => {
                let (budget, user) = packet(&mut self.packets, *connection, user.as_deref())?;
                gate.limits.count_namespace(budget, user.as_ref(), now)
            }
            Attempt::Signature { connection, user } => {
                let (budget, user) = packet(&mut self.packets, *connection, user.as_deref())?;
                gate.limits.count_signature(budget, user.as_ref(), now)
            }
            Attempt::SignIn { .. }
            | Attempt::LoginProven { .. }
            | Attempt::LoginFailed { .. }
            | Attempt::CodeFailed { .. }
            | Attempt::CodeAccepted { .. }
            | Attempt::Violation { .. }
            | Attempt::UnlockedAddress { .. }
            | Attempt::UnlockedUser { .. }
            | Attempt::Load { .. } => apply(gate, attempt, now),
        }
    }
}

fn keys(name: u64, own: Option<u64>) -> LoginKeys {
    LoginKeys { name, own }
}

/// Replays the operations that cannot be rejected.
fn apply(gate: &Gate, attempt: &Attempt, now: Now) -> Result<(), Denial> {
    match attempt {
        Attempt::SignIn { client, class } => gate.limits.count_sign_in(*client, *class),
        Attempt::LoginProven { client } => gate.limits.count_login_proven(*client, now),
        Attempt::LoginFailed { name, device } => {
            gate.limits.count_failed(keys(*name, *device), now);
        }
        Attempt::CodeFailed { name, device } => {
            gate.limits.count_wrong_code(keys(*name, *device), now);
        }
        Attempt::CodeAccepted { name, device } => gate.limits.return_code(keys(*name, *device)),
        Attempt::Violation { client, user } => {
            gate.admission.count_violation(*client, read_any_user(user.as_deref())?.as_ref(), now);
        }
        Attempt::UnlockedAddress { client } => gate.limits.unlock_address(*client, now),
        Attempt::UnlockedUser { user, name } => gate.limits.clear_user(&read_user(user)?, *name),
        Attempt::Load { state, returning_permille } => {
            gate.limits
                .follow_load(LoadState::named(state).unwrap_or_default(), *returning_permille);
        }
        Attempt::Tls { .. }
        | Attempt::Connect { .. }
        | Attempt::Slot { .. }
        | Attempt::Request { .. }
        | Attempt::PollingRequest { .. }
        | Attempt::Login { .. }
        | Attempt::LoginSlot {}
        | Attempt::Code { .. }
        | Attempt::Ticket { .. }
        | Attempt::Event { .. }
        | Attempt::Bytes { .. }
        | Attempt::Namespace { .. }
        | Attempt::Signature { .. } => {}
    }
    Ok(())
}

/// The usage of a connection, from its first entry on.
fn amounts<'a>(
    connections: &'a mut HashMap<u64, ConnectionUsage>,
    gate: &Gate,
    connection: u64,
    client: Option<IpAddr>,
) -> &'a ConnectionUsage {
    connections.entry(connection).or_insert_with(|| {
        client.map_or_else(ConnectionUsage::default, |client| {
            ConnectionUsage::of(gate.limits.address_buckets(client))
        })
    })
}

/// An event and its rate: the one in the options, otherwise the one in the trace.
fn named<'a>(gate: &Gate, name: &'a str, traced: Option<&str>) -> (&'a str, Option<Rate>) {
    let traced = traced.and_then(|rate| rate.parse().ok());
    (name, own_rate(&gate.options(), name).or(traced))
}

/// The budget of a connection and the user of one of its packets, if the entry names them.
fn packet<'a>(
    budgets: &'a mut HashMap<u64, PacketBudget>,
    connection: Option<u64>,
    user: Option<&str>,
) -> Result<(Option<&'a PacketBudget>, Option<UserId>), Denial> {
    let budget = connection.map(|number| &*budgets.entry(number).or_default());
    Ok((budget, read_any_user(user)?))
}

fn read_any_user(user: Option<&str>) -> Result<Option<UserId>, Denial> {
    user.map(read_user).transpose()
}

fn read_user(id: &str) -> Result<UserId, Denial> {
    UserId::parse(id).map_err(|_| Denial::Internal("trace"))
}

fn own_rate(options: &GateOptions, event: &str) -> Option<Rate> {
    let mut rates = options.event_per_user.iter();
    rates.find(|(name, _)| name == event).map(|(_, rate)| *rate)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;

    fn options() -> GateOptions {
        GateOptions {
            hosts: vec![String::from("a.example")],
            origins: vec![String::from("https://a.example")],
            rate_keys_max: 4096,
            ..GateOptions::default()
        }
    }

    fn tight() -> GateOptions {
        GateOptions {
            connect_per_prefix: Rate::per(3, 1_000),
            connect_known_per_prefix: Rate::per(5, 1_000),
            connect_total: Rate::per(8, 1_000),
            tls_per_prefix: Rate::per(4, 1_000),
            tls_total: Rate::per(9, 1_000),
            request_per_prefix: Rate::per(3, 1_000),
            login_per_prefix: Rate::per(3, 1_000),
            login_per_user: Rate::per(2, 1_000),
            login_failed_per_user: Rate::per(3, 10_000),
            code_failed_per_user: Rate::per(2, 10_000),
            login_total: Rate::per(5, 1_000),
            ticket_per_user: Rate::per(2, 1_000),
            penalty_per_prefix: Rate::per(4, 1_000),
            namespace_per_connection: Rate::per(3, 1_000),
            namespace_per_user: Rate::per(4, 1_000),
            signature_per_user: Rate::per(2, 1_000),
            ..options()
        }
    }

    fn from(client_number: u8) -> crate::LoginSource<'static> {
        match client_number % 4 {
            0 | 1 => crate::LoginSource::Anywhere,
            2 => crate::LoginSource::KnownDevice("device"),
            _ => crate::LoginSource::SignedIn,
        }
    }

    /// Runs operations on a traced gate; returns the trace.
    fn trace_of(options: GateOptions, operations: &[(u8, u8, u16)]) -> Vec<TraceEntry> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let directory = Arc::new(Directory::new(DirectoryLimits::default()));
        let gate = Gate::build(options, directory).unwrap();
        gate.limits.trace_to(Arc::new(move |traced, _now| sink.lock().unwrap().push(traced)));
        let budgets = [gate.limits.packet_budget(), gate.limits.packet_budget()];
        let mut now_ms = 0;
        for (kind, client_number, later_ms) in operations {
            now_ms += u64::from(*later_ms);
            let now = Now { monotonic_ms: now_ms, unix_ms: 0 };
            let client = IpAddr::from([192, 0, 2, client_number % 4]);
            let name = format!("user-{}", client_number % 3);
            let user = UserId::parse(&name).unwrap();
            let known = AdmissionClaims {
                alias: u64::from(client_number % 2),
                class: ClientClass::Returning,
            };
            match kind % 22 {
                0 => drop(gate.limits.count_tls_handshake(client, now)),
                1 => drop(gate.admission.count_socket(client, None, now)),
                2 => drop(gate.admission.count_socket(client, Some(known), now)),
                3 => {
                    let outcome = gate.admission.count_place(ClientClass::Unauthenticated, now);
                    drop(gate.limits.note(now, outcome, || Attempt::Slot {
                        class: ClientClass::Unauthenticated,
                    }));
                }
                4 => drop(gate.admission.count_request(client, None, now)),
                5 => drop(gate.limits.check_login(client, &name, from(*client_number), now)),
                6 => drop(gate.limits.take_login_slot(now)),
                7 => drop(gate.limits.count_failed_login(&name, from(*client_number), now)),
                17 => drop(gate.limits.take_code_attempt(&name, from(*client_number), now)),
                18 => drop(gate.limits.count_failed_code(&name, from(*client_number), now)),
                19 => gate.limits.return_code_attempt(&name, from(*client_number), now),
                20 => {
                    gate.limits.note_done(now, || Attempt::SignIn {
                        client,
                        class: ClientClass::Unauthenticated,
                    });
                    gate.limits.count_sign_in(client, ClientClass::Unauthenticated);
                }
                21 => gate.limits.refund_login(client, now),
                8 => drop(gate.limits.check_ticket_rate(&user, now)),
                9 => gate.admission.count_violation(Some(client), None, now),
                16 => drop(gate.admission.count_anywhere(client, now)),
                13 => drop(gate.limits.count_namespace_packet(
                    &budgets[usize::from(client_number % 2)],
                    Some(&user),
                    now,
                )),
                14 => drop(gate.limits.count_first_namespace_packet(&user, now)),
                15 => drop(gate.limits.count_user_signature(&user, now)),
                11 => drop(gate.admission.count_again(client, None, now)),
                12 => drop(gate.admission.count_again(client, Some(&user), now)),
                _ => match client_number % 4 {
                    0 => gate.limits.pin_load(Some(LoadState::Shedding), now),
                    1 => gate.limits.unlock_address(client, now),
                    2 => gate.limits.unlock_user(&user, &name, now),
                    _ => gate.limits.pin_load(None, now),
                },
            }
        }
        drop(gate);
        Arc::into_inner(lines).unwrap().into_inner().unwrap()
    }

    proptest! {
        #[test]
        fn same_limits_make_the_same_decisions(
            operations in proptest::collection::vec((any::<u8>(), any::<u8>(), 0_u16..300), 1..300),
        ) {
            let trace = trace_of(tight(), &operations);
            prop_assert_eq!(trace.len(), operations.len());
            let mut simulation = Simulation::new(tight()).unwrap();
            for traced in &trace {
                // Through JSON, as a trace is stored.
                let text = serde_json::to_string(traced).unwrap();
                let read: TraceEntry = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(&read, traced);
                prop_assert_eq!(simulation.play(&read), traced.refused.as_deref(), "{}", text);
            }
        }
    }

    #[test]
    fn other_limits_make_other_decisions() {
        let operations: Vec<_> = (0..10).map(|_| (1, 0, 1)).collect();
        let trace = trace_of(tight(), &operations);
        let refused = trace.iter().filter(|traced| traced.refused.is_some()).count();
        assert_eq!(refused, 7);
        let mut wide = Simulation::new(options()).unwrap();
        assert_eq!(trace.iter().filter(|traced| wide.play(traced).is_some()).count(), 0);
        let narrow = GateOptions { connect_per_prefix: Rate::per(1, 1_000), ..tight() };
        let mut narrow = Simulation::new(narrow).unwrap();
        let refusals: Vec<_> = trace.iter().filter_map(|traced| narrow.play(traced)).collect();
        assert_eq!(refusals, ["connect_per_prefix"; 9]);
    }

    #[test]
    fn messages_and_bytes_are_counted_by_connection_user_and_address() {
        let options = GateOptions {
            message_per_connection: Rate::per(3, 1_000),
            message_per_user: Rate::per(5, 1_000),
            bytes_per_connection: Rate::per(100, 1_000),
            ..options()
        };
        let mut simulation = Simulation::new(options).unwrap();
        let event = |connection, user: &str, own: Option<&str>| TraceEntry {
            at_ms: 10,
            refused: None,
            attempt: Attempt::Event {
                client: Some(IpAddr::from([192, 0, 2, 1])),
                connection,
                user: String::from(user),
                event: Some((String::from("chat:send"), own.map(String::from))),
            },
        };
        let mut replayed = |connection, user, own| simulation.play(&event(connection, user, own));
        assert_eq!([1, 1, 1].map(|c| replayed(c, "ann", None)), [None; 3]);
        assert_eq!(replayed(1, "ann", None), Some("message_per_connection"));
        assert_eq!(replayed(2, "ann", None), None);
        assert_eq!(replayed(2, "ann", None), Some("message_per_user"));
        assert_eq!(replayed(3, "bob", Some("1/60000ms")), None);
        assert_eq!(replayed(3, "bob", Some("1/60000ms")), Some("event_per_user"));
        let bytes = |bytes| TraceEntry {
            at_ms: 10,
            refused: None,
            attempt: Attempt::Bytes { client: None, connection: 9, user: "eve".into(), bytes },
        };
        assert_eq!(simulation.play(&bytes(90)), None);
        assert_eq!(simulation.play(&bytes(20)), Some("bytes_per_connection"));
    }
}
