//! Renewals: the new certificate for new connections only, and failures that change nothing.
//! Never: an end of a connection because of a certificate.

use std::io::{Read, Write};
use std::net::TcpStream;

use portcullis_test::{ShiftedClock, TestServer, counter, until};
use rustls::{ClientConnection, StreamOwned};

use crate::authority::Authority;
use crate::client::{
    Challenge, NAME, attempt, config, connect, contains, is_issued, ready, shown, start,
    wait_until_issued, wait_until_ready,
};

/// The certificates of the authority last five years.
const YEARS_4_MS: i64 = 4 * 365 * 24 * 3_600 * 1_000;

/// Requests a page over a connection that stays open.
fn page(stream: &mut StreamOwned<ClientConnection, TcpStream>, server: &TestServer) -> String {
    let host = format!("{NAME}:{}", server.public.port());
    let request = format!("GET /.well-known/jwks.json HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    let text = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    let length = text.split("content-length: ").nth(1).unwrap();
    let length = length.split("\r\n").next().unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).unwrap();
    text
}

#[test]
fn renewal_replaces_the_certificate_and_ends_no_connection() {
    let mut authority = Authority::start(&[]);
    let mut config = config(&authority, Challenge::Http);
    let mut clock = ShiftedClock::install(&mut config);
    let server = start(&config);
    wait_until_ready(&server);
    // After a restart, no minimum wait since the last certificate applies.
    let server = server.restart();
    let first = shown(&server);
    let mut open = connect(server.public, NAME, &[b"http/1.1"]).unwrap();
    assert!(page(&mut open, &server).starts_with("http/1.1 200"));
    // A reload changes nothing.
    server.signal("HUP");
    let _reloaded = server.records.wait_for(|record| record["event"]["code"] == "sys_reload");
    assert_eq!(shown(&server), first);
    // The authority has lost its accounts: the server creates another one.
    authority.run(&[]);
    clock.set_wall(YEARS_4_MS);
    let renewed = until("a new certificate", || Some(shown(&server)).filter(|new| *new != first));
    assert!(is_issued(&renewed));
    assert!(page(&mut open, &server).starts_with("http/1.1 200"));
    assert_eq!(open.conn.peer_certificates().unwrap()[0].to_vec(), first);
    assert_eq!(ready(&server).status, 200);
}

#[test]
fn reload_with_another_host_orders_a_certificate_that_names_it() {
    const MORE: &str = "eu.chat.example";
    for challenge in [Challenge::Http, Challenge::TlsAlpn] {
        let mut authority = Authority::start(&[]);
        let server = start(&config(&authority, challenge));
        wait_until_issued(&server);
        let first = shown(&server);
        let mut open = connect(server.public, NAME, &[b"http/1.1"]).unwrap();
        assert!(!contains(&first, MORE.as_bytes()));
        let file = server.data().parent().unwrap().join("portcullis.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let old = format!("allowed = [\"https://{NAME}\"");
        assert_eq!(text.matches(&old).count(), 1, "{text}");
        let new = text.replace(&old, &format!("{old}, \"https://{MORE}\""));
        // Without the authority, the old certificate stays.
        authority.stop();
        std::fs::write(&file, &new).unwrap();
        let mark = server.records.mark();
        server.signal("HUP");
        let reloaded = server.records.wait_after(mark, |it| it["event"]["code"] == "sys_reload");
        assert_eq!(reloaded["message"], "applied: origin.allowed", "{reloaded}");
        let _failed = attempt(&server, mark, "failure");
        assert_eq!(shown(&server), first, "{challenge:?}");
        // The names of before need no order, and other names count no former failure.
        let next = || counter(&server, "portcullis_acme_next_attempt_seconds");
        let retry = next();
        std::fs::write(&file, &text).unwrap();
        let mark = server.records.mark();
        server.signal("HUP");
        until("the plan of before", || (next() > retry + 24 * 3_600).then_some(()));
        authority.run(&[]);
        std::fs::write(&file, &new).unwrap();
        server.signal("HUP");
        let record = attempt(&server, mark, "success");
        assert!(record["message"].as_str().unwrap().contains(MORE), "{record}");
        let second = until("the certificate", || Some(shown(&server)).filter(|it| *it != first));
        assert!(is_issued(&second) && contains(&second, MORE.as_bytes()), "{challenge:?}");
        assert!(contains(&second, NAME.as_bytes()));
        assert!(page(&mut open, &server).starts_with("http/1.1 200"), "it stays open");
        // The next start finds it.
        let server = server.restart();
        assert_eq!(shown(&server), second);
    }
}

#[test]
fn fifth_reload_with_another_host_within_an_hour_waits() {
    let authority = Authority::start(&[]);
    let server = start(&config(&authority, Challenge::TlsAlpn));
    wait_until_issued(&server);
    let file = server.data().parent().unwrap().join("portcullis.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let old = format!("allowed = [\"https://{NAME}\"");
    for (host, outcome) in
        [("a", "success"), ("b", "success"), ("c", "success"), ("d", "success"), ("e", "unknown")]
    {
        let host = format!("{host}.{NAME}");
        std::fs::write(&file, text.replace(&old, &format!("{old}, \"https://{host}\""))).unwrap();
        let mark = server.records.mark();
        server.signal("HUP");
        let record = attempt(&server, mark, outcome);
        let message = record["message"].as_str().unwrap();
        assert!(message.contains(&host), "{message}");
        assert_eq!(message.contains("waits: reloads have started"), host.starts_with('e'));
    }
    let in_use = shown(&server);
    assert!(contains(&in_use, format!("d.{NAME}").as_bytes()), "the last one that was ordered");
    // The names of the certificate in use need no order, so nothing waits.
    std::fs::write(&file, text.replace(&old, &format!("{old}, \"https://d.{NAME}\""))).unwrap();
    let next = || counter(&server, "portcullis_acme_next_attempt_seconds");
    let waiting = next();
    server.signal("HUP");
    until("the plan of the renewal", || (next() > waiting + 24 * 3_600).then_some(()));
}

#[test]
fn failed_renewal_keeps_the_old_certificate_and_is_recorded() {
    let mut authority = Authority::start(&[]);
    let mut config = config(&authority, Challenge::TlsAlpn);
    let mut clock = ShiftedClock::install(&mut config);
    let server = start(&config);
    wait_until_ready(&server);
    let server = server.restart();
    let first = shown(&server);
    let mark = server.records.mark();
    authority.stop();
    clock.set_wall(YEARS_4_MS);
    let record = attempt(&server, mark, "failure");
    assert_eq!(record["log"]["level"], "warning", "{record}");
    assert_eq!(shown(&server), first);
    assert_eq!(ready(&server).status, 200);
}

#[test]
fn rejected_name_keeps_the_others_from_renewal_only_until_the_end_is_near() {
    const LOST: &str = "eu.chat.example";
    let authority = Authority::start(&[("PEBBLE_AUTHZREUSE", "0")]);
    let mut config = config(&authority, Challenge::TlsAlpn);
    config.listen.push(format!("hosts = [{NAME:?}, {LOST:?}]"));
    let mut clock = ShiftedClock::install(&mut config);
    let server = start(&config);
    wait_until_ready(&server);
    let server = server.restart();
    let first = shown(&server);
    assert!(contains(&first, LOST.as_bytes()));
    // The name now leads to another machine, without a server.
    authority.set_address(LOST, Some([127, 0, 0, 2].into()));
    let mark = server.records.mark();
    clock.set_wall(YEARS_4_MS);
    let record = attempt(&server, mark, "failure");
    assert!(record["message"].as_str().unwrap().contains(LOST), "{record}");
    assert_eq!(shown(&server), first, "it is valid for another year");
    // Five years, but for a month.
    let mark = server.records.mark();
    clock.set_wall(YEARS_4_MS + 335 * 24 * 3_600 * 1_000);
    clock.pass(std::time::Duration::from_secs(3 * 60));
    let record = attempt(&server, mark, "success");
    assert!(!record["message"].as_str().unwrap().contains(LOST), "{record}");
    let second = shown(&server);
    assert!(contains(&second, NAME.as_bytes()) && !contains(&second, LOST.as_bytes()));
}
