//! The time of an answer reveals no secret.
//! Never: one run that decides; classes alternate, outliers are cut alike, and the sign may vary.

use std::time::Duration;

use portcullis_test::{
    Config, Connection, Request, SioClient, TestServer, hs256, login, sign_up, timed,
};
use serde_json::{Value, json};

use crate::start;

/// Times of one class, in nanoseconds.
type Times = Vec<f64>;

/// Alternates two acts in an order that no rhythm of the machine follows; gives the times of each.
fn alternate(runs: usize, mut act: impl FnMut(usize) -> Duration) -> [Times; 2] {
    let mut times = [Vec::with_capacity(runs), Vec::with_capacity(runs)];
    let mut order = 0x9e37_79b9_u32;
    for _ in 0..runs {
        order ^= order << 13;
        order ^= order >> 17;
        order ^= order << 5;
        let first = (order & 1) as usize;
        for class in [first, 1 - first] {
            times[class].push(act(class).as_nanos() as f64);
        }
    }
    times
}

/// The times up to what nine in ten of both classes together stay below: what the machine did
/// besides is cut from both alike.
fn cropped(times: [Times; 2]) -> [Times; 2] {
    let mut all: Times = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let limit = all[all.len() * 9 / 10];
    times.map(|class| class.into_iter().filter(|time| *time <= limit).collect())
}

/// Welch's t of two samples.
fn welch([one, other]: &[Times; 2]) -> f64 {
    let facts = |times: &Times| {
        let count = times.len() as f64;
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let ((mean, spread), (other_mean, other_spread)) = (facts(one), facts(other));
    (mean - other_mean) / (spread + other_spread).sqrt()
}

/// The time one in four stays below: what the machine does besides only ever adds.
fn quartile(times: &Times) -> f64 {
    let mut sorted = times.clone();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 4]
}

#[test]
fn timing_test_detects_a_difference() {
    let base = |index: usize| 1_000.0 + ((index * 7_919) % 100) as f64;
    let same = [(0..4_000).map(base).collect(), (0..4_000).map(|index| base(index + 13)).collect()];
    assert!(welch(&same).abs() < 4.5);
    let apart = [(0..4_000).map(base).collect(), (0..4_000).map(|at| base(at) + 5.0).collect()];
    assert!(welch(&apart).abs() > 4.5);
}

#[test]
fn t025_nearly_valid_ticket_takes_as_long_as_any_other() {
    let server = start(&Config {
        rate: [Config::default().rate, vec![String::from("ticket_per_user = \"100000/60s\"")]]
            .concat(),
        ..Config::plaintext()
    });
    let token = hs256("ann");
    drop(SioClient::connect(&server, &token));
    let good = || {
        let answer = Request::post(&server, "/auth/ticket", "{}")
            .header("Authorization", &format!("Bearer {token}"))
            .ask(&server);
        answer.json()["ticket"].as_str().unwrap().to_owned()
    };
    let ticket = good();
    // A wrong letter right behind the prefix, and at the very end.
    let wrong = |at: usize| {
        let mut bytes = ticket.clone().into_bytes();
        bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
        String::from_utf8(bytes).unwrap()
    };
    let tickets = [wrong(4), wrong(ticket.len() - 2)];
    let path = "/ws";
    let times = alternate(1_500, |class| {
        let upgrade = Request::upgrade(&server, path)
            .header("Authorization", &format!("Bearer {}", tickets[class]));
        let mut connection = Connection::open(&server);
        let (answer, took) = timed(|| upgrade.ask_on(&mut connection));
        assert!(answer.status == 101 || answer.status == 401, "{}", answer.status);
        took
    });
    let t = welch(&cropped(times));
    assert!(t.abs() < 4.5, "t = {t}");
}

#[test]
fn t028_unknown_name_takes_as_long_as_a_wrong_password() {
    let lines = ["login_per_user = \"100000/60s\"", "login_failed_per_user = \"100000/24h\""];
    let mut config = Config::default();
    config.rate.extend(lines.map(String::from));
    let server = start(&config);
    let _known = sign_up(&server, "known_one");
    let times = alternate(60, |class| {
        let name = ["known_one", "unknown_1"][class];
        let (answer, took) = timed(|| login(&server, name, "not the password at all"));
        assert_eq!(answer.status, 401);
        took
    });
    let [known, unknown] = [quartile(&times[0]), quartile(&times[1])];
    let apart = (known - unknown).abs() / known.max(unknown);
    assert!(apart < 0.1, "{known} ns and {unknown} ns: {apart}");
}

#[test]
fn t064_missing_room_takes_as_long_as_a_forbidden_room() {
    let lines = [
        "message_per_user = \"1000000/60s\"",
        "message_per_connection = \"1000000/60s\"",
        // The user comes back 250 times.
        "namespace_per_user = \"1000000/60s\"",
        "event_per_user = { \"room:delete\" = \"1000000/60s\" }",
    ];
    let mut config = Config::plaintext();
    config.rate.extend(lines.map(String::from));
    let server = start(&config);
    let mut owner = SioClient::connect(&server, &hs256("owner"));
    let made = owner.ask("room:create", &json!({ "name": "Room", "visibility": "private" }));
    let rooms = [made["room"]["id"].clone(), json!("A".repeat(22))];
    let mut other = RefreshSample::new(&server);
    let times = alternate(1_000, |class| other.ask(&json!({ "roomId": rooms[class] })));
    let [there, missing] = [quartile(&times[0]), quartile(&times[1])];
    let apart = (there - missing).abs() / there.max(missing);
    assert!(apart < 0.1, "{there} ns and {missing} ns: {apart}");
}

/// A client that connects again before the rejections end the connection.
struct RefreshSample<'a> {
    server: &'a TestServer,
    client: SioClient,
    request: usize,
}

impl<'a> RefreshSample<'a> {
    fn new(server: &'a TestServer) -> Self {
        Self { server, client: SioClient::connect(server, &hs256("other")), request: 0 }
    }

    fn ask(&mut self, payload: &Value) -> Duration {
        if self.request == 8 {
            *self = Self::new(self.server);
        }
        self.request += 1;
        let (answer, took) = timed(|| self.client.ask("room:delete", payload));
        assert_eq!(answer["error"]["code"], "forbidden");
        took
    }
}
