//! A public key in every form that a careless verifier would take for a secret.
//! Never: a private key.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The prefix of the 32 bytes of an Ed25519 key in DER (RFC 8410, section 4).
const DER_HEAD: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// The public half of a key as a JWK.
#[must_use]
pub fn jwk_of(key: &Ed25519KeyPair) -> Value {
    let x = URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
    json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
}

/// An Ed25519 key, given as a JWK, in the forms it is written in: their names and bytes. Texts
/// come bare, and with either line end.
///
/// # Panics
/// If it is not such a key.
#[must_use]
pub fn public_key_forms(jwk: &Value) -> Vec<(String, Vec<u8>)> {
    let x = jwk["x"].as_str().expect("an Ed25519 key");
    let raw = URL_SAFE_NO_PAD.decode(x).unwrap();
    assert_eq!(raw.len(), 32);
    let der = [DER_HEAD, &raw].concat();
    let pem = STANDARD.encode(&der);
    let ssh = [b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20".as_slice(), &raw].concat();
    let mut sorted = jwk.clone();
    sorted.sort_all_objects();
    let texts = [
        ("x", x.to_owned()),
        ("PEM", format!("-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----")),
        ("PEM in one line", pem),
        ("base64", STANDARD.encode(&raw)),
        ("hex", raw.iter().map(|byte| format!("{byte:02x}")).collect()),
        ("JWK as given", jwk.to_string()),
        ("JWK sorted", sorted.to_string()),
        ("JWK in lines", serde_json::to_string_pretty(jwk).unwrap()),
        ("JWK bare", format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#)),
        ("JWK of the thumbprint", format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)),
        ("JWKS", json!({ "keys": [jwk] }).to_string()),
        ("SSH", format!("ssh-ed25519 {}", STANDARD.encode(&ssh))),
        ("SSH with a comment", format!("ssh-ed25519 {} root@host", STANDARD.encode(&ssh))),
    ];
    let mut forms = vec![
        (String::from("raw"), raw),
        (String::from("DER"), der),
        (String::from("SSH, unwrapped"), ssh),
    ];
    for (name, text) in texts {
        for (end, line_end) in [("", ""), (" and LF", "\n"), (" and CRLF", "\r\n")] {
            forms.push((format!("{name}{end}"), format!("{text}{line_end}").into_bytes()));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_forms_match_the_rfc() {
        // RFC 8410, section 10.1.
        let raw = b"\x19\xbf\x44\x09\x69\x84\xcd\xfe\x85\x41\xba\xc1\x67\xdc\x3b\x96\
                    \xc8\x50\x86\xaa\x30\xb6\xb6\xcb\x0c\x5c\x38\xad\x70\x31\x66\xe1";
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(raw) });
        let forms = public_key_forms(&jwk);
        let form = |name: &str| {
            let found = forms.iter().find(|(known, _)| known == name);
            String::from_utf8_lossy(&found.unwrap().1).into_owned()
        };
        let pem = "-----BEGIN PUBLIC KEY-----\n\
                   MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                   -----END PUBLIC KEY-----";
        assert_eq!(form("PEM"), pem);
        assert_eq!(form("PEM and LF"), format!("{pem}\n"));
        assert!(form("SSH").starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"));
    }
}
