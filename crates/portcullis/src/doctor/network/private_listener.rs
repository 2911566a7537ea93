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
        check.skip("the server does not run");
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
    for (name, host, page) in [
        ("no key", address.to_string(), ""),
        ("foreign name", String::from("portcullis.example"), ""),
        ("page", address.to_string(), "Origin: https://portcullis.example\r\n"),
    ] {
        match status(address, &host, page) {
            Ok(status) => check_status(name, status, check),
            Err(error) => check.skip(format!("{name}: {error}")),
        }
    }
}

fn check_status(name: &str, status: u16, check: &mut CheckBuilder) {
    if (200..300).contains(&status) {
        let found = format!("the private listener accepts an operation ({name})");
        let remedy = "stop this program: it is not the server, or it was changed";
        check.alarm(name, found, remedy);
    } else {
        check.fact(format!("{name}: rejected with {status}"));
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

/// The status of a POST of an operation without a key.
fn status(address: SocketAddr, host: &str, headers: &str) -> io::Result<u16> {
    let mut socket = connect(address)?;
    let request = format!(
        "POST {OPERATION} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: 2\r\n\
         Connection: close\r\n\r\n{{}}"
    );
    socket.write_all(request.as_bytes())?;
    let response = read_response(socket);
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::other("the response is not HTTP"))
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

    use portcullis_admin::{CheckId, CheckResult};

    use super::*;

    /// Answers each connection with a text, until the test ends.
    fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (mut socket, mut head) = (socket, [0; 1_024]);
                let _read = socket.read(&mut head);
                let _written = socket.write_all(answer.as_bytes());
            }
        });
        address
    }

    #[test]
    fn t409_d14_listener_that_accepts_operations_or_forwards_is_found() {
        let rejects = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}";
        let accepts = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}";
        for (answer, expect, is_private) in
            [(rejects, CheckResult::Ok, false), (accepts, CheckResult::Critical, true)]
        {
            let address = server(answer);
            let mut check = CheckBuilder::new(CheckId::D14);
            check_status("no key", status(address, "a", "").unwrap(), &mut check);
            assert_eq!(check.finish().result, expect);
            assert_eq!(answers(address), is_private);
        }
    }
}
