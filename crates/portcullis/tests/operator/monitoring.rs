//! Metrics for Prometheus: times, the process, and what dashboard and rules name.
//! Never: an instance of Prometheus or Grafana; `promtool` checks the rules.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use portcullis_test::{Config, PlainClient, Request, TestServer, counter, sign_up, until};
use serde_json::{Value, json};

use crate::start;

const DASHBOARD: &str = include_str!("../../../../monitoring/grafana-dashboard.json");
const RULES: &str = include_str!("../../../../monitoring/prometheus-rules.yaml");
const GUIDE: &str = include_str!("../../../../docs/monitoring.md");
/// More series than this are too many for one server without traffic.
const SERIES_MAX: usize = 500;

fn scrape(server: &TestServer) -> String {
    let answer = Request::get(server, "/metrics").ask_private(server);
    assert_eq!(answer.status, 200, "metrics");
    String::from_utf8(answer.body).unwrap()
}

/// The names of all series, such as `portcullis_handler_seconds_bucket`.
fn names(text: &str) -> BTreeSet<String> {
    let series = text.lines().filter(|line| !line.starts_with('#'));
    let name = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
    series.map(name).collect()
}

/// The metrics of this server that an expression names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let is_metric = |word: &&str| word.starts_with("portcullis_") || word.starts_with("process_");
    words.filter(is_metric).map(String::from).collect()
}

fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().clone();
    panels.into_iter().filter(|panel| panel["type"] != "row").collect()
}

fn promtool(arguments: &[&str]) {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../monitoring"].iter().collect();
    let output = Command::new("promtool").args(arguments).current_dir(folder).output();
    assert!(output.is_ok(), "promtool is missing: install the Debian package prometheus");
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {text}");
}

#[test]
fn promtool_accepts_the_rules_and_their_tests() {
    promtool(&["check", "config", "prometheus.yaml"]);
    promtool(&["check", "rules", "--lint-fatal", "prometheus-rules.yaml"]);
    promtool(&["test", "rules", "prometheus-rules-test.yaml"]);
}

#[test]
fn each_rule_has_a_test_and_a_line_in_the_guide() {
    let tests = include_str!("../../../../monitoring/prometheus-rules-test.yaml");
    let alerts = RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let alerts: Vec<_> = alerts.collect();
    assert!(alerts.len() > 20, "{alerts:?}");
    for alert in alerts {
        assert!(tests.contains(&format!("alertname: {alert}\n")), "{alert} has no test");
        assert!(GUIDE.contains(&format!("| `{alert}` |")), "{alert} is not in the guide");
    }
}

#[test]
fn each_panel_has_a_question_that_the_guide_repeats() {
    for panel in panels() {
        let (title, question) = (panel["title"].as_str(), panel["description"].as_str());
        let line = format!("| {} | {} |", title.unwrap(), question.unwrap());
        assert!(GUIDE.contains(&line), "{line} is not in the guide");
    }
}

#[test]
fn metrics_of_dashboard_and_rules_exist() {
    let server = start(&Config::default());
    // Counters of rejections exist from the first rejection on.
    let rejected = Request::get(&server, "/nothing").ask(&server);
    assert_eq!(rejected.status, 404);
    let found = names(&scrape(&server));
    let expressions = panels().into_iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().unwrap().clone();
        targets.into_iter().map(|target| String::from(target["expr"].as_str().unwrap()))
    });
    let expressions: String = expressions.collect::<Vec<_>>().join("\n");
    let rules: Vec<_> = RULES.lines().filter(|line| line.trim().starts_with("expr: ")).collect();
    for (of, text) in [("dashboard", expressions), ("rules", rules.join("\n"))] {
        let named = named(&text);
        assert!(named.len() > 15, "{of}: {named:?}");
        let missing: Vec<_> = named.difference(&found).collect();
        assert!(missing.is_empty(), "the {of} names metrics that do not exist: {missing:?}");
    }
}

#[test]
fn promtool_accepts_a_scrape_and_the_process_is_described() {
    let server = start(&Config::default());
    let text = scrape(&server);
    assert!(text.ends_with("# EOF\n"));
    let version = format!("portcullis_build_info{{version=\"{}\",", env!("CARGO_PKG_VERSION"));
    let build = text.lines().find(|line| line.starts_with(&version)).unwrap();
    assert!(build.ends_with("} 1"), "{build}");
    let resident = counter(&server, "process_resident_memory_bytes") / 1024;
    let kernel = server.resident_kib();
    assert!(resident.abs_diff(kernel) < kernel / 4, "{resident} and {kernel}");
    assert!(counter(&server, "process_open_fds") > 10);
    assert!(counter(&server, "process_threads") > 4);
    assert!(counter(&server, "process_max_fds") > 0);
}

#[test]
fn message_is_counted_in_the_times_of_handler_commit_and_delivery() {
    let server = start(&Config::default());
    let person = sign_up(&server, "ann");
    let mut client = PlainClient::connect(&server, &person.token);
    let created = client.ask("room:create", &json!({ "name": "Tea", "visibility": "public" }));
    let room = &created["room"]["id"];
    let before = counter(&server, "portcullis_delivery_seconds_count");
    let handled = counter(&server, "portcullis_handler_seconds_count{kind=\"event\"}");
    let committed = counter(&server, "portcullis_store_commit_seconds_count");
    for number in 0..5 {
        let text = format!("message {number}");
        let answer = client.ask("chat:send", &json!({ "roomId": room, "message": text }));
        assert_eq!(answer["ok"], true, "{answer}");
    }
    let delivered = || counter(&server, "portcullis_delivery_seconds_count");
    until("the times of deliveries", || (delivered() == before + 5).then_some(()));
    let after = counter(&server, "portcullis_handler_seconds_count{kind=\"event\"}");
    assert_eq!(after - handled, 5);
    assert!(counter(&server, "portcullis_store_commit_seconds_count") > committed);
    assert!(counter(&server, "portcullis_handler_seconds_count{kind=\"route\"}") > 0);
    let all = "portcullis_delivery_seconds_bucket{le=\"+Inf\"}";
    assert_eq!(counter(&server, all), delivered());
}

#[test]
fn logins_are_counted_by_outcome() {
    let server = start(&Config::default());
    let _person = sign_up(&server, "ann");
    let count =
        |outcome| counter(&server, &format!("portcullis_logins_total{{outcome=\"{outcome}\"}}"));
    let (success, rejected, invalid) = (count("success"), count("rejected"), count("invalid"));
    let body = json!({"username": "ann", "password": "a sentence that no user chose"}).to_string();
    assert_eq!(Request::post(&server, "/auth/login", &body).ask(&server).status, 401);
    assert_eq!(Request::post(&server, "/auth/login", "{}").ask(&server).status, 400);
    assert_eq!((count("success"), count("rejected")), (success, rejected + 1));
    assert_eq!(count("invalid"), invalid + 1);
}

// T-164
#[test]
fn t164_unique_paths_events_and_names_add_no_series() {
    let mut config = Config::default();
    let rates = ["request_per_prefix = \"10000/60s\"", "login_per_prefix = \"10000/60s\""];
    config.rate.extend(rates.map(String::from));
    let server = start(&config);
    let person = sign_up(&server, "ann");
    let attack = |number: usize| {
        let path = format!("/x{number}");
        let _rejected = Request::get(&server, &path).ask(&server);
        let _rejected = Request::get(&server, "/").header("X-Forwarded-For", &path).ask(&server);
        let body = json!({"username": format!("n{number}"), "password": "no user chose this one"});
        let _rejected = Request::post(&server, "/auth/login", &body.to_string()).ask(&server);
        let mut client = PlainClient::connect(&server, &person.token);
        let _rejected = client.ask(&format!("event{number}"), &json!({}));
    };
    attack(0);
    let before = scrape(&server).lines().count();
    assert!(before < SERIES_MAX, "{before}");
    (1..30).for_each(attack);
    let after = scrape(&server);
    // A limit that is reached meanwhile is a rule of its own.
    assert!(after.lines().count() <= before + 4, "{before}: {after}");
    for text in ["x17", "event17", "n17"] {
        assert!(!after.contains(text), "{text} is in the metrics");
    }
}
