//! Tests of the gate's options and of its build.
//! Never: built into the server.

use portcullis_model::Roles;

use super::*;
use crate::authorization::event::{EventDeclaration, Replay, Rule};
use crate::authorization::rules::{ReplayRules, RoleRules};
use crate::capacity::pools::CapacityOptions;
use crate::content::spam::filter::SpamOptions;
use crate::directory::space::DirectoryLimits;
use crate::tables::rate::Rate;
use crate::tokens::forge::issuers;

fn options() -> GateOptions {
    GateOptions {
        hosts: vec!["myapp.com".into()],
        origins: vec!["https://myapp.com".into()],
        rate_keys_max: 1024,
        ..GateOptions::default()
    }
}

fn build(options: GateOptions) -> Result<Gate, GateError> {
    Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default())))
}

#[test]
fn options_out_of_range_stop_the_start() {
    let nothing = Rate::per(0, 1000);
    let places = CapacityOptions::default();
    let mut spam = SpamOptions::default();
    spam.phrases.push("...".into());
    let cases: [(&str, GateOptions); 17] = [
        ("spam phrase \"...\"", GateOptions { spam, ..options() }),
        ("rate", GateOptions { connect_per_prefix: nothing, ..options() }),
        ("rate", GateOptions { request_per_prefix: nothing, ..options() }),
        ("rate", GateOptions { login_per_prefix: nothing, ..options() }),
        ("rate", GateOptions { login_per_user: nothing, ..options() }),
        ("rate", GateOptions { message_per_user: Rate::per(1, 0), ..options() }),
        ("rate", GateOptions { message_per_connection: Rate::per(1, u64::MAX), ..options() }),
        ("rate", GateOptions { event_per_user: vec![("a".into(), nothing)], ..options() }),
        (
            "connections_total",
            GateOptions { capacity: CapacityOptions { total: 0, ..places }, ..options() },
        ),
        (
            "pre_auth_total",
            GateOptions { capacity: CapacityOptions { pre_auth: 10_001, ..places }, ..options() },
        ),
        (
            "admin_reserve",
            GateOptions {
                capacity: CapacityOptions { admin_reserve: 10_000, ..places },
                ..options()
            },
        ),
        ("\"connect\"", GateOptions { observe: vec!["connect".into()], ..options() }),
        ("connections_per_user", GateOptions { connections_per_user: 0, ..options() }),
        ("rooms_per_connection", GateOptions { rooms_per_connection: 129, ..options() }),
        ("message_max_bytes", GateOptions { message_max_bytes: 1_048_577, ..options() }),
        ("rate_keys_max", GateOptions { rate_keys_max: 0, ..options() }),
        ("no host", GateOptions { hosts: Vec::new(), ..options() }),
    ];
    for (word, options) in cases {
        let error = build(options).unwrap_err().to_string();
        assert!(error.starts_with(word), "{word}: {error}");
    }
    assert!(build(options()).is_ok());
}

#[test]
fn shards_share_the_gate_and_slots_travel() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Gate>();
    shared::<Directory>();
    sent::<crate::AdmittedRequest>();
    sent::<crate::Caller>();
}

#[test]
fn keys_leave_the_options() {
    let gate = build(GateOptions { issuers: issuers(), ..options() }).unwrap();
    assert!(gate.options().issuers.is_empty());
}

#[test]
fn rate_for_an_undeclared_event_is_an_error() {
    let event_per_user = vec![("chat:sned".to_owned(), Rate::per(1, 1000))];
    let mut replay = ReplayRules::default();
    replay.per_event.push((String::from("chat:sned"), Replay::Signed));
    let mut roles = RoleRules::default();
    roles.access.push((String::from("chat:sned"), Roles::user()));
    let cases = [
        GateOptions { event_per_user, ..options() },
        GateOptions { replay, ..options() },
        GateOptions { roles, ..options() },
    ];
    let declare = |gate: &mut Gate, name| {
        gate.authorization.add(EventDeclaration::new("/", name, &Rule::DEFAULT)).unwrap();
    };
    for options in cases {
        let mut gate = build(options).unwrap();
        declare(&mut gate, "chat:send");
        let error = GateError::EventUndeclared("chat:sned".into());
        assert_eq!(gate.check_declared(), Err(error));
        declare(&mut gate, "chat:sned");
        assert_eq!(gate.check_declared(), Ok(()));
    }
}

#[test]
fn prepared_options_apply_as_a_whole_and_nothing_before() {
    let mut gate = build(options()).unwrap();
    gate.authorization.add(EventDeclaration::new("/", "chat:send", &Rule::DEFAULT)).unwrap();
    let client = std::net::IpAddr::from([192, 0, 2, 1]);
    let passes = |gate: &Gate, origin: &str, host: &str| {
        let headers: [(&str, &[u8]); 2] =
            [("Host", host.as_bytes()), ("Origin", origin.as_bytes())];
        let (method, query) = ("GET", "");
        let endpoint = crate::Endpoint::SocketIo;
        let request =
            Handshake { client, endpoint, method, query, authority: None, headers: &headers };
        gate.admit(&request, Now::default()).map(drop)
    };
    let rate = Rate::per(7, 1_000);
    let newer = GateOptions {
        hosts: vec!["new.example".into()],
        origins: vec!["https://new.example".into()],
        event_per_user: vec![(String::from("chat:send"), rate)],
        connect_per_prefix: Rate::per(1_000, 60_000),
        links_allowed: true,
        ..options()
    };
    assert_eq!(passes(&gate, "https://myapp.com", "myapp.com"), Ok(()));
    let prepared = gate.prepare(newer).unwrap();
    assert_eq!(prepared.actions()[0].rate, Some(rate));
    assert_eq!(gate.authorization().actions()[0].rate, None);
    assert_eq!(passes(&gate, "https://myapp.com", "myapp.com"), Ok(()));
    gate.apply(prepared);
    assert_eq!(passes(&gate, "https://myapp.com", "myapp.com"), Err(Denial::OriginForbidden));
    assert_eq!(passes(&gate, "https://new.example", "new.example"), Ok(()));
    assert_eq!(gate.authorization().actions()[0].rate, Some(rate));
    assert!(gate.options().links_allowed);
}

#[test]
fn options_that_are_invalid_or_need_a_restart_are_rejected() {
    let gate = build(options()).unwrap();
    let undeclared = vec![(String::from("chat:sned"), Rate::per(1, 1_000))];
    let strict = ReplayRules { strict: true, ..ReplayRules::default() };
    let cases = [
        (GateOptions { origins: vec!["*".into()], ..options() }, "*"),
        (GateOptions { hosts: Vec::new(), ..options() }, "no host"),
        (GateOptions { event_per_user: undeclared, ..options() }, "chat:sned"),
        (GateOptions { observe: vec!["nothing".into()], ..options() }, "nothing"),
        (GateOptions { connections_per_user: 0, ..options() }, "connections_per_user"),
        (GateOptions { rate_keys_max: 2048, ..options() }, "rate_keys_max"),
        (GateOptions { ticket_per_user: Rate::per(1, 1_000), ..options() }, "ticket_per_user"),
        (GateOptions { proof_required: true, ..options() }, "proof_required"),
        (GateOptions { replay: strict, ..options() }, ""),
    ];
    for (newer, expect) in cases {
        let error = gate.prepare(newer).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(error.is_empty(), expect.is_empty(), "{error}");
        assert!(error.contains(expect), "{expect}: {error}");
    }
}

/// Connections and table entries survive a lower limit.
#[test]
fn lower_limit_keeps_what_clients_hold() {
    let gate = build(options()).unwrap();
    let client = std::net::IpAddr::from([192, 0, 2, 1]);
    let reserve = || gate.limits.reserve(client, crate::ClientClass::Unauthenticated);
    let held = [reserve().unwrap(), reserve().unwrap(), reserve().unwrap()];
    let capacity = CapacityOptions { pre_auth_per_prefix: 2, ..CapacityOptions::default() };
    gate.apply(gate.prepare(GateOptions { capacity, ..options() }).unwrap());
    assert_eq!(gate.limits.counts().pre_auth, 3);
    assert!(reserve().is_err());
    drop(held);
    assert!(reserve().is_ok());
}
