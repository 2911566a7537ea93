//! Tests of plans: each bound, needs, settings.
//! Never: a figure of this machine.

use super::*;
use crate::capacity::caps::RateCaps;
use crate::capacity::figures::Figures;
use crate::capacity::slopes::Encryption;

/// A large machine and limits that nothing reaches; each test lowers one of them.
fn inputs() -> Inputs {
    let machine = Machine {
        cores: 1_000,
        memory_bytes: Some(1 << 50),
        files: None,
        ports: Some(20_000),
        tracked_connections: None,
        network_mbit: None,
        commit_us: Some(1.0),
        commit_from: String::new(),
    };
    let caps = Caps {
        shards: 1_000,
        tls: true,
        ping_interval_ms: 25_000,
        connections_total: 1e9,
        users_total: 1e9,
        members_per_room: 10_000,
        rates: RateCaps {
            messages_per_s: 1e9,
            bytes_per_s: 1e12,
            user_messages_per_s: 1e6,
            user_stored_per_s: None,
            connects_per_s: 1e9,
        },
        memory_bytes: None,
        proxies: 0,
    };
    let load = Workload {
        connections: None,
        messages: None,
        members: 10,
        stored_percent: 100.0,
        text_bytes: 100,
    };
    let slopes = Slopes::read(&Figures::read().unwrap(), Encryption::Tls).unwrap();
    Inputs { machine, caps, slopes, load, notes: Vec::new() }
}

fn check(kind: fn(&Carries) -> &Ceiling, change: fn(&mut Inputs), name: &str, expect: f64) {
    let mut inputs = inputs();
    change(&mut inputs);
    let plan = Plan::of(inputs);
    let carried = kind(&plan.carries);
    assert_eq!(carried.first().map(|bound| bound.name), Some(name), "{carried:?}");
    assert!((carried.value - expect).abs() < 1.0, "{name}: {} is not {expect}", carried.value);
}

#[test]
fn each_bound_of_connections_can_be_the_first() {
    fn bound(change: fn(&mut Inputs), name: &str, expect: f64) {
        check(|carries| &carries.connections, change, name, expect);
    }
    bound(|inputs| inputs.caps.connections_total = 10_000.0, "capacity.connections_total", 7_000.0);
    bound(|inputs| inputs.caps.users_total = 500.0, "capacity.users_total", 500.0);
    bound(|inputs| inputs.machine.files = Some(20_000), "open files", 10_000.0);
    bound(|inputs| inputs.machine.tracked_connections = Some(1_000), "firewall", 700.0);
    bound(|inputs| inputs.caps.proxies = 2, "ports of the proxy", 40_000.0);
    bound(
        |inputs| {
            inputs.slopes.base_bytes = 20_000.0;
            (inputs.slopes.connection_bytes, inputs.slopes.kernel_bytes) = (8_000.0, 2_000.0);
            inputs.machine.memory_bytes = Some(10_000_000);
        },
        "memory",
        698.0,
    );
    bound(|inputs| inputs.caps.memory_bytes = Some(0), "memory", 0.0);
    bound(
        |inputs| {
            inputs.machine.cores = 1;
            inputs.slopes.single = inputs.slopes.single.scaled(0.0);
            inputs.slopes.single.message_us = 25_000.0;
        },
        "processor",
        700.0,
    );
}

#[test]
fn each_bound_of_messages_can_be_the_first() {
    fn bound(change: fn(&mut Inputs), name: &str, expect: f64) {
        check(|carries| &carries.messages_per_s, change, name, expect);
    }
    bound(|inputs| inputs.caps.rates.messages_per_s = 300.0, "rate.message_total", 300.0);
    bound(|inputs| inputs.caps.rates.bytes_per_s = 5_000.0, "rate.bytes_total", 50.0);
    bound(|inputs| inputs.machine.commit_us = Some(1e6), "disk", 256.0);
    bound(|inputs| inputs.machine.network_mbit = Some(0.44), "network", 7.0);
    bound(
        |inputs| {
            inputs.caps.rates.user_messages_per_s = 0.5;
            inputs.load.connections = Some(100);
        },
        "rate.message_per_user",
        50.0,
    );
    bound(
        |inputs| {
            inputs.caps.rates.user_stored_per_s = Some(0.1);
            (inputs.load.connections, inputs.load.stored_percent) = (Some(100), 50.0);
        },
        "rate.event_per_user",
        20.0,
    );
    bound(|inputs| inputs.slopes.batched.stored_us = 1_000.0, "writer of the store", 700.0);
    bound(
        |inputs| {
            inputs.caps.shards = 2;
            inputs.slopes.single = inputs.slopes.single.scaled(0.0);
            inputs.slopes.single.message_us = 1_000.0;
            // Their pings take 4,000 µs a second, of 1,400,000.
            inputs.load.connections = Some(100);
        },
        "processor",
        1_396.0,
    );
}

#[test]
fn messages_that_are_not_stored_have_no_bound_of_the_store() {
    let mut inputs = inputs();
    inputs.load.stored_percent = 0.0;
    let bounds = Plan::of(inputs).carries.messages_per_s.bounds;
    assert!(bounds.iter().all(|bound| !["disk", "writer of the store"].contains(&bound.name)));
}

#[test]
fn load_needs_settings_only_where_the_configuration_does_not_permit_it() {
    let mut inputs = inputs();
    inputs.caps.connections_total = 10_000.0;
    inputs.caps.rates.user_messages_per_s = 100.0 / 60.0;
    inputs.caps.rates.user_stored_per_s = Some(1.0 / 60.0);
    inputs.caps.rates.messages_per_s = 200.0;
    inputs.caps.proxies = 1;
    inputs.machine.files = Some(20_000);
    inputs.load.connections = Some(50_000);
    inputs.load.messages = Some(1_000.0);
    inputs.load.members = 20_000;
    let needs = Plan::of(inputs.clone()).needs.unwrap();
    for line in [
        "capacity.connections_total = 72000",
        "capacity.members_per_room = 20000",
        "rate.message_total = \"1500/1s\"",
        "rate.event_per_user = { \"chat:send\" = \"2/1m\" }",
        "LimitNOFILE=144512 in the unit, or ulimit -n",
    ] {
        assert!(needs.settings.iter().any(|seen| seen == line), "{line}: {:?}", needs.settings);
    }
    assert!(needs.settings.iter().any(|line| line.starts_with("3 addresses of the proxy")));
    assert!(!needs.settings.iter().any(|line| line.contains("message_per_user")));
    inputs.caps.rates.user_stored_per_s = None;
    let names: Vec<&str> = needs.exceeds.iter().map(|bound| bound.name).collect();
    for name in ["capacity.connections_total", "open files", "rate.message_total"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    inputs.load =
        Workload { connections: Some(5_000), messages: Some(10.0), members: 5, ..inputs.load };
    let needs = Plan::of(inputs).needs.unwrap();
    assert_eq!(needs.exceeds, []);
    assert!(needs.settings.iter().all(|line| !line.starts_with("rate.")), "{:?}", needs.settings);
}

#[test]
fn needs_grow_with_the_load_and_are_absent_without_one() {
    let mut inputs = inputs();
    assert_eq!(Plan::of(inputs.clone()).needs, None);
    inputs.load.messages = Some(1_000.0);
    let few = Plan::of(inputs.clone()).needs.unwrap();
    inputs.load.messages = Some(2_000.0);
    inputs.load.connections = Some(10_000);
    let many = Plan::of(inputs).needs.unwrap();
    assert!(many.cores > few.cores * 2.0 && few.cores > few.cores_at_least, "{few:?} {many:?}");
    assert!(many.memory_bytes > few.memory_bytes);
    assert_eq!((few.stored_per_s, few.commits_per_s_at_least), (1_000.0, 4.0));
}
