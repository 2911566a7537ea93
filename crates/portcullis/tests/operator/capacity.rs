//! Capacity planning beside a running server and without one.
//! Never: a figure of this machine; only its source and the arithmetic.

use portcullis_test::Config;
use serde_json::Value;

use crate::{done, refused, start};

fn plan(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn capacity_reads_configuration_machine_and_running_server() {
    let server = start(&Config::default());
    let plan = plan(&done(&server, &["capacity", "--json"], ""));
    let carries = &plan["carries"];
    let first = &carries["connections"]["bounds"][0];
    assert_eq!(carries["connections"]["value"], first["value"], "{plan:#}");
    assert!(carries["messages_per_s"]["value"].as_f64().unwrap() > 0.0, "{plan:#}");
    assert!(plan["needs"].is_null(), "no load was stated");
    // The server runs, and has no connection yet.
    let notes = plan["notes"].to_string();
    assert!(notes.contains("the running server has 0 connections"), "{notes}");
    let sources = plan["slopes"].to_string();
    assert!(sources.contains("docs/capacity.md") && sources.contains("docs/benchmarks.md"));
}

#[test]
fn capacity_measures_only_a_server_that_runs() {
    let mut server = start(&Config::default());
    let idle = done(&server, &["capacity", "--measured", "1"], "");
    assert!(idle.contains("note: the running server got 0 messages in 1 s"), "{idle}");
    server.terminate();
    let error = refused(&server, &["capacity", "--measured", "1"], "");
    assert!(error.contains("check that it runs"), "{error}");
    let without = done(&server, &["capacity"], "");
    assert!(without.contains("note: no server runs here"), "{without}");
}

#[test]
fn stated_load_has_needs_and_the_bounds_that_it_exceeds() {
    let mut server = start(&Config::default());
    server.terminate();
    let load = ["--connections", "1000000", "--messages-per-second", "100", "--json"];
    let small = ["--cores", "1", "--memory", "1", "--files", "1024"];
    let words = [&["capacity"][..], &load, &small].concat();
    let plan = plan(&done(&server, &words, ""));
    assert_eq!(plan["machine"]["cores"], 1, "{plan:#}");
    let needs = &plan["needs"];
    let exceeds: Vec<&str> = needs["exceeds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    for name in ["memory", "open files", "capacity.connections_total"] {
        assert!(exceeds.contains(&name), "{name}: {exceeds:?}");
    }
    assert!(needs["memory_bytes"].as_f64().unwrap() > f64::from(1 << 30), "{needs:#}");
    let text = done(&server, &["capacity", "--connections", "100", "--members", "3"], "");
    assert!(text.contains("100 connections need about"), "{text}");
    assert!(text.contains("This machine is enough"), "{text}");
}

#[test]
fn commands_of_the_page_run() {
    let page = include_str!("../../../../docs/capacity.md");
    let server = start(&Config::default());
    let mut count = 0;
    for line in page.lines().filter_map(|line| line.strip_prefix("portcullis ")) {
        // The page measures for a minute.
        let line = line.replace("--measured 60", "--measured 1");
        let words: Vec<&str> = line.split(' ').collect();
        assert!(done(&server, &words, "").contains("This machine"), "{line}");
        count += 1;
    }
    assert_eq!(count, 4, "commands of docs/capacity.md");
}
