//! The PROXY protocol, versions 1 and 2: the client address that a proxy reports.
//! Never: decides which peers may send it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use memchr::memmem;

/// Longest header: version 2 with some extensions. Version 1 has at most 107 bytes.
pub const HEADER_MAX_BYTES: usize = 2048;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const LINE_START: &[u8] = b"PROXY ";
const LINE_MAX_BYTES: usize = 107;
/// Signature, version and command, family, length.
const FIXED_BYTES: usize = 16;

/// The header at the start of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The client; `None` for a connection of the proxy itself (a health check).
    pub client: Option<SocketAddr>,
    /// Bytes of the header; the bytes after it belong to the client.
    pub length: usize,
}

/// The start of a connection is not a valid header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyFault;

/// Reads the header at the start of a connection; `None` if more bytes are needed.
///
/// # Errors
/// [`ProxyFault`] as soon as the bytes cannot become a header.
pub fn read_proxy_header(input: &[u8]) -> Result<Option<ProxyHeader>, ProxyFault> {
    if agrees_with_start(input, SIGNATURE) {
        return read_binary(input);
    }
    if agrees_with_start(input, LINE_START) {
        return read_line(input);
    }
    Err(ProxyFault)
}

/// Whether the bytes so far agree with those of `start`.
fn agrees_with_start(input: &[u8], start: &[u8]) -> bool {
    input.iter().zip(start).all(|(a, b)| a == b)
}

fn read_line(input: &[u8]) -> Result<Option<ProxyHeader>, ProxyFault> {
    let window = input.get(..LINE_MAX_BYTES).unwrap_or(input);
    let Some(end) = memmem::find(window, b"\r\n") else {
        return if window.len() == LINE_MAX_BYTES { Err(ProxyFault) } else { Ok(None) };
    };
    let line = window.get(LINE_START.len()..end).ok_or(ProxyFault)?;
    let line = std::str::from_utf8(line).map_err(|_| ProxyFault)?;
    let length = end + 2;
    let mut words = line.split(' ');
    let family = words.next();
    if family == Some("UNKNOWN") {
        return Ok(Some(ProxyHeader { client: None, length }));
    }
    let (source, target) = (words.next(), words.next());
    let (source_port, target_port) = (words.next(), words.next());
    if words.next().is_some() {
        return Err(ProxyFault);
    }
    let source = address(family, source)?;
    address(family, target)?;
    port(target_port)?;
    let client = Some(SocketAddr::new(source, port(source_port)?));
    Ok(Some(ProxyHeader { client, length }))
}

fn address(family: Option<&str>, word: Option<&str>) -> Result<IpAddr, ProxyFault> {
    let word = word.ok_or(ProxyFault)?;
    match family {
        Some("TCP4") => word.parse().map(IpAddr::V4).map_err(|_| ProxyFault),
        Some("TCP6") => word.parse().map(IpAddr::V6).map_err(|_| ProxyFault),
        _ => Err(ProxyFault),
    }
}

/// Reads a port without a sign or leading zero.
fn port(word: Option<&str>) -> Result<u16, ProxyFault> {
    let word = word.ok_or(ProxyFault)?;
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let spare = word.len() > 1 && word.starts_with('0');
    if !digits || spare {
        return Err(ProxyFault);
    }
    word.parse().map_err(|_| ProxyFault)
}

fn read_binary(input: &[u8]) -> Result<Option<ProxyHeader>, ProxyFault> {
    let Some((fixed, rest)) = input.split_first_chunk::<FIXED_BYTES>() else {
        return Ok(None);
    };
    let [.., command, family, high, low] = *fixed;
    let body = usize::from(u16::from_be_bytes([high, low]));
    let length = FIXED_BYTES + body;
    if length > HEADER_MAX_BYTES {
        return Err(ProxyFault);
    }
    let proxied = match command {
        0x20 => false,
        0x21 => true,
        _ => return Err(ProxyFault),
    };
    let Some(body) = rest.get(..body) else { return Ok(None) };
    let client = match (proxied, family) {
        (false, _) | (true, 0x00) => None,
        (true, 0x11) => Some(ipv4(body)?),
        (true, 0x21) => Some(ipv6(body)?),
        // The server does not accept datagrams and local sockets.
        (true, _) => return Err(ProxyFault),
    };
    Ok(Some(ProxyHeader { client, length }))
}

fn ipv4(body: &[u8]) -> Result<SocketAddr, ProxyFault> {
    let (addresses, _extensions) = body.split_first_chunk::<12>().ok_or(ProxyFault)?;
    let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
    let port = u16::from_be_bytes([high, low]);
    Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port))
}

fn ipv6(body: &[u8]) -> Result<SocketAddr, ProxyFault> {
    let (addresses, _extensions) = body.split_first_chunk::<36>().ok_or(ProxyFault)?;
    let source = addresses.first_chunk::<16>().ok_or(ProxyFault)?;
    let [.., high, low, _, _] = *addresses;
    let port = u16::from_be_bytes([high, low]);
    Ok(SocketAddr::new(IpAddr::V6(Ipv6Addr::from(*source)), port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(text: &str) -> Option<SocketAddr> {
        Some(text.parse().unwrap())
    }

    fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, body].concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x1f, 0x90, 0x01, 0xbb];

    #[test]
    fn complete_header_is_read_to_its_last_byte() {
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        v6[15] = 9;
        v6[32..34].copy_from_slice(&[0x00, 0x50]);
        let extended = [V4.as_slice(), &[0x04, 0, 3, 1, 2, 3]].concat();
        let cases: [(Vec<u8>, Option<SocketAddr>); 9] = [
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\r\n".to_vec(), client("192.0.2.7:8080")),
            (b"PROXY TCP6 2001:db8::9 ::1 80 443\r\n".to_vec(), client("[2001:db8::9]:80")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (binary(0x21, 0x11, &V4), client("192.0.2.7:8080")),
            (binary(0x21, 0x11, &extended), client("192.0.2.7:8080")),
            (binary(0x21, 0x21, &v6), client("[2001:db8::9]:80")),
            (binary(0x20, 0x00, &[]), None),
            (binary(0x21, 0x00, &[]), None),
        ];
        for (header, expect) in cases {
            let input = [header.as_slice(), b"GET / HTTP/1.1\r\n"].concat();
            for cut in 0..header.len() {
                assert_eq!(read_proxy_header(&input[..cut]), Ok(None), "{header:?} at {cut}");
            }
            let read = read_proxy_header(&input).unwrap().unwrap();
            assert_eq!((read.client, read.length), (expect, header.len()), "{header:?}");
        }
    }

    #[test]
    fn invalid_header_is_rejected() {
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 120]].concat();
        let cases: [Vec<u8>; 17] = [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"\x16\x03\x01".to_vec(),
            b"proxy TCP4 1.2.3.4 1.2.3.5 1 2\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4 1.2.3.5 1\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4 1.2.3.5 1 2 3\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4  1.2.3.5 1 2\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::2 1 2\r\n".to_vec(),
            b"PROXY TCP6 1.2.3.4 1.2.3.5 1 2\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4 1.2.3.5 01 2\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4 1.2.3.5 65536 2\r\n".to_vec(),
            b"PROXY TCP4 1.2.3.4 1.2.3.5 +1 2\r\n".to_vec(),
            b"PROXY UDP4 1.2.3.4 1.2.3.5 1 2\r\n".to_vec(),
            endless,
            binary(0x11, 0x11, &V4),
            binary(0x21, 0x12, &V4),
            binary(0x21, 0x11, &V4[..11]),
            binary(0x21, 0x11, &[0; 2040]),
        ];
        for input in cases {
            assert_eq!(read_proxy_header(&input), Err(ProxyFault), "{input:?}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(
            input in proptest::collection::vec(any::<u8>(), 0..300), start in 0..3_u8
        ) {
            let start = match start { 0 => SIGNATURE, 1 => LINE_START, _ => b"" };
            let input = [start, &input].concat();
            if let Ok(Some(header)) = read_proxy_header(&input) {
                prop_assert!(header.length <= input.len());
                prop_assert!(header.length <= HEADER_MAX_BYTES);
            }
        }
    }
}
