//! D14: whether the private listener can be reached only where it should be.
//! Never: a request with the operator's key.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use portcullis_admin::CheckBuilder;

use super::probe::{connect, reachable};
use crate::doctor::examination::Examination;

/// Addresses for documentation (RFC 5737, RFC 3849): no packet is sent to them.
const ELSEWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];
/// Longest response that is read.
const RESPONSE_MAX_BYTES: usize = 4_096;
/// A path of operators.
const OPERATION: &str = "/admin/v1/overview";

/// Checks where the private listener can be reached, and that it rejects requests without a key.
pub(in crate::doctor) fn check(examination: &Examination<'_>, check: &mut CheckBuilder) {
    let Some(addresses) = examination.addresses() else {
        check.skip(examination.why_no_server());
        return;
    };
    let Some(private) = addresses.private else {
        check.fact("no private listener");
        return;
    };
    if private.port() == 0 {
        check.skip("listen.private has no port");
        return;
    }
    if private.ip().is_loopback() {
        check.fact(format!("bound to {private}"));
        check_other_addresses(private.port(), check);
    } else {
        let found = format!(
            "the private listener is bound to {private}: all machines that reach it can read \
             health and metrics"
        );
        let remedy =
            "bind it to 127.0.0.1, and use listen.probe for health checks of other machines";
        check.warn("address", found, remedy);
    }
    let address = reachable(private);
    for probe in &PROBES {
        probe.run(address, check);
    }
}

/// A request that the private listener has to reject for one reason, which no other probe has.
struct Probe {
    name: &'static str,
    /// The `Host`; the address of the listener.
    host: Option<&'static str>,
    headers: &'static str,
    /// The status of the rejection, and a word of its text.
    status: u16,
    word: &'static str,
}

/// The order of the server's checks: the host, the page, the key. A server that leaves out one of
/// them rejects the probe for a later reason.
const PROBES: [Probe; 4] = [
    Probe {
        name: "foreign name",
        host: Some("portcullis.example"),
        headers: "",
        status: 421,
        word: "Host",
    },
    Probe {
        name: "page",
        host: None,
        headers: "Origin: https://portcullis.example\r\nX-Portcullis-Operator: doctor\r\n",
        status: 403,
        word: "Origin",
    },
    Probe { name: "no key", host: None, headers: "", status: 403, word: "" },
    Probe {
        name: "another key",
        host: None,
        headers: "X-Portcullis-Operator: doctor\r\n",
        status: 403,
        word: "",
    },
];

impl Probe {
    fn run(&self, address: SocketAddr, check: &mut CheckBuilder) {
        let host = self.host.map_or_else(|| address.to_string(), String::from);
        match response(address, &host, self.headers) {
            Ok((status, text)) => self.judge(status, &text, check),
            Err(error) => check.skip(format!("{}: {error}", self.name)),
        }
    }

    fn judge(&self, status: u16, text: &str, check: &mut CheckBuilder) {
        let Self { name, status: expected, word, .. } = self;
        let remedy = "stop this program: it is not the server, or it was changed";
        match status {
            200..=299 => {
                let found = format!("the private listener accepts an operation ({name})");
                check.alarm(name, found, remedy);
            }
            // It has no time for a decision.
            408 | 429 | 500..=599 => {
                check.skip(format!("{name}: the private listener answered {status}"));
            }
            _ if status == *expected && text.contains(word) => {
                check.fact(format!("{name}: rejected with {status}"));
            }
            _ => {
                let found = format!(
                    "the private listener does not reject an operation for this reason ({name}): \
                     it answered {status}, and {expected} with {word:?} is the rejection"
                );
                check.alarm(name, found, remedy);
            }
        }
    }
}

/// A listener on loopback must not answer on other addresses of the machine.
fn check_other_addresses(port: u16, check: &mut CheckBuilder) {
    for ip in ELSEWHERE.into_iter().filter_map(own_address) {
        let address = SocketAddr::new(ip, port);
        if answers(address) {
            let found = format!(
                "a program on {address} answers as the private listener does: other machines can \
                 reach it"
            );
            let remedy = "remove the port forwarding or the proxy that leads there";
            check.alarm("other address", found, remedy);
        } else {
            check.fact(format!("not reachable at {address}"));
        }
    }
}

/// Whether a private listener answers at an address.
fn answers(address: SocketAddr) -> bool {
    let request = || -> io::Result<String> {
        let mut socket = connect(address)?;
        let host = address.to_string();
        let head = format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        socket.write_all(head.as_bytes())?;
        Ok(read_response(socket))
    };
    request().is_ok_and(|response| response.contains("{\"status\":\"ok\"}"))
}

/// The address from which this machine sends to other machines; no packet is sent.
fn own_address(elsewhere: IpAddr) -> Option<IpAddr> {
    let any = match elsewhere {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((elsewhere, 9)).ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}

/// The status and the text of the response to a POST of an operation.
fn response(address: SocketAddr, host: &str, headers: &str) -> io::Result<(u16, String)> {
    let mut socket = connect(address)?;
    let request = format!(
        "POST {OPERATION} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: 2\r\n\
         Connection: close\r\n\r\n{{}}"
    );
    socket.write_all(request.as_bytes())?;
    let response = read_response(socket);
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("the response is not HTTP"))?;
    let body = response.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, String::from(body)))
}

/// The start of a response; the other side may reset the connection after it.
fn read_response(mut socket: impl Read) -> String {
    let (mut response, mut buffer) = (Vec::new(), [0; 1_024]);
    while let Ok(count) = socket.read(&mut buffer) {
        if count == 0 || response.len() > RESPONSE_MAX_BYTES {
            break;
        }
        response.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
    String::from_utf8_lossy(&response).into_owned()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use portcullis_admin::{Check, CheckId, CheckResult};

    use super::*;

    /// Answers each request as `answer` says for its head, until the test ends.
    fn server(answer: impl Fn(&str) -> String + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut socket in listener.incoming().map_while(Result::ok) {
                let mut head = [0; 1_024];
                let count = socket.read(&mut head).unwrap_or(0);
                let answer = answer(&String::from_utf8_lossy(&head[..count]));
                let _written = socket.write_all(answer.as_bytes());
            }
        });
        address
    }

    fn rejection(status: u16, word: &str) -> String {
        format!("HTTP/1.1 {status} X\r\nConnection: close\r\n\r\n{{\"error\":\"{word}\"}}")
    }

    /// The checks of a server, and one that it leaves out.
    fn incomplete(left_out: &'static str) -> impl Fn(&str) -> String + Send + 'static {
        move |head: &str| {
            let has_key = head.contains("X-Portcullis-Operator");
            let checks = [
                ("foreign name", head.contains("Host: portcullis.example"), 421, "this Host is"),
                ("page", head.contains("Origin:"), 403, "the header Origin"),
                ("no key", !has_key, 403, "no valid key"),
                ("another key", has_key, 403, "no valid key"),
            ];
            let failed = checks.iter().find(|(name, fails, ..)| *fails && *name != left_out);
            failed.map_or_else(
                || String::from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
                |(_, _, status, word)| rejection(*status, word),
            )
        }
    }

    fn probed(address: SocketAddr) -> Check {
        let mut check = CheckBuilder::new(CheckId::D14);
        PROBES.iter().for_each(|probe| probe.run(address, &mut check));
        check.finish()
    }

    #[test]
    fn t409_d14_each_probe_finds_the_check_that_a_server_leaves_out() {
        let healthy = probed(server(incomplete("")));
        assert_eq!((healthy.result, healthy.facts.len()), (CheckResult::Ok, PROBES.len()));
        for probe in &PROBES {
            let check = probed(server(incomplete(probe.name)));
            let keys: Vec<&str> = check.findings.iter().map(|one| one.key.as_str()).collect();
            assert_eq!(keys, [format!("D14 {}", probe.name)], "{check:?}");
        }
    }

    #[test]
    fn t409_d14_overloaded_listener_is_not_checked() {
        for status in [408, 429, 500, 503] {
            let check = probed(server(move |_| rejection(status, "busy")));
            assert_eq!(check.result, CheckResult::NotChecked, "{status}");
            assert_eq!(check.not_checked.len(), PROBES.len(), "{status}");
        }
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(probed(closed).result, CheckResult::NotChecked);
    }

    #[test]
    fn t409_d14_listener_that_forwards_is_found() {
        let healthy = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}";
        assert!(answers(server(move |_| String::from(healthy))));
        assert!(!answers(server(|_| rejection(403, "no valid key"))));
    }
}
