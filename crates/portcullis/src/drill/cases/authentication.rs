//! Missing and forged tokens at CONNECT, tokens in URLs, guessed passwords.
//! Never: a token that is valid; only the last case of packets uses that of a test user.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::case::{Case, CaseOutcome, Group, Verdict, fail, pass, rejected, skip};
use crate::drill::client::attacker::{Attacker, Upgrade};
use crate::drill::client::request::{Request, SOCKET_PATH};
use crate::drill::client::websocket::WebSocket;

const FORGED: &str = "forged tokens";
const REJECTED: &str = "a CONNECT error, or the end of the connection";
const FIX: &str = "another program answers in place of the server, or it is another version: check \
                   where the proxy forwards /socket.io/, and run portcullis doctor";

pub(super) const GROUP: Group = Group {
    name: "authentication",
    cases: &[
        Case {
            id: "token-missing",
            name: "a client without a token is not connected",
            threat: "use without a login",
            sent: "CONNECT without a token",
            expected: REJECTED,
            fix: FIX,
            run: |attacker| connect(attacker, &json!({})),
        },
        Case {
            id: "token-garbage",
            name: "a text that is not a token is rejected",
            threat: FORGED,
            sent: "CONNECT with the token a.b.c",
            expected: REJECTED,
            fix: FIX,
            run: |attacker| connect(attacker, &json!({ "token": "a.b.c" })),
        },
        Case {
            id: "token-alg-none",
            name: "a token without a signature is rejected",
            threat: FORGED,
            sent: "CONNECT with a token of the algorithm none",
            expected: REJECTED,
            fix: FIX,
            run: |attacker| {
                let token = unsigned(attacker, &json!({ "alg": "none", "typ": "at+jwt" }));
                connect(attacker, &json!({ "token": format!("{token}.") }))
            },
        },
        Case {
            id: "token-key-confusion",
            name: "a token signed with the public key is rejected",
            threat: FORGED,
            sent: "CONNECT with a token signed by HMAC with the server's public key",
            expected: REJECTED,
            fix: FIX,
            run: key_confusion,
        },
        Case {
            id: "token-expired",
            name: "an expired token is rejected",
            threat: "a stolen token",
            sent: "CONNECT with a token that this server's key has signed, expired for an hour",
            expected: REJECTED,
            fix: "correct the clock of the server, and check the life of the tokens",
            run: |attacker| {
                let Some(token) = attacker.facts.tokens.expired.clone() else {
                    return Ok(skip("the signing keys of the data directory cannot be read"));
                };
                connect(attacker, &json!({ "token": token.expose() }))
            },
        },
        Case {
            id: "token-wrong-type",
            name: "a token that is not a text is rejected",
            threat: FORGED,
            sent: "CONNECT with an object as token",
            expected: REJECTED,
            fix: FIX,
            run: |attacker| connect(attacker, &json!({ "token": { "$gt": "" } })),
        },
        Case {
            id: "token-in-url",
            name: "a token in the URL is rejected",
            threat: "tokens in the logs of proxies",
            sent: "a WebSocket handshake with token=… in the query",
            expected: "a rejection (401)",
            fix: FIX,
            run: |attacker| {
                let path = format!("{SOCKET_PATH}&token=a.b.c");
                let request = Request::upgrade(&path).origin(Some(&attacker.facts.page));
                Ok(match attacker.upgrade(&request)? {
                    Upgrade::Open(_) => fail("status 101: the socket is open"),
                    Upgrade::Rejected(answer) => rejected(&answer),
                })
            },
        },
        Case {
            id: "login-guess",
            name: "a guessed login is rejected",
            threat: "guessing passwords",
            sent: "POST /auth/login with a made-up user and password",
            expected: "a rejection (401)",
            fix: FIX,
            run: |attacker| {
                let body = json!({ "username": "drill_user", "password": "guess-8Rk2vQz7" });
                let request = Request::post("/auth/login", body.to_string().as_bytes());
                let request = request.origin(Some(&attacker.facts.page));
                Ok(rejected(&attacker.ask(&request)?))
            },
        },
    ],
};

/// Sends a CONNECT with these credentials, which has to be rejected.
fn connect(attacker: &mut Attacker<'_>, credentials: &Value) -> CaseOutcome {
    let mut socket = attacker.open_socket()?;
    socket.send_text(&format!("40{credentials}"));
    Ok(judge_connect(&mut socket))
}

fn judge_connect(socket: &mut WebSocket) -> Verdict {
    let (answer, end) = socket.read_until(|text| text.starts_with("40") || text.starts_with("44"));
    match answer {
        Some(text) if text.starts_with("44") => pass("CONNECT was rejected"),
        Some(_) => fail("CONNECT was accepted"),
        None => super::case::closed(end, &[1002, 1008, 4401]),
    }
}

/// Header and claims of a token of this server for a made-up user, in base64url.
fn unsigned(attacker: &Attacker<'_>, header: &Value) -> String {
    let (facts, now_s) = (&attacker.facts.tokens, attacker.facts.tls.now_unix_s);
    let claims = json!({
        "iss": facts.issuer, "aud": facts.audience, "sub": "u_drill", "sid": "drill",
        "jti": "drill", "name": "drill", "iat": now_s, "exp": now_s + 600, "auth_time": now_s,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(&claims))
}

fn key_confusion(attacker: &mut Attacker<'_>) -> CaseOutcome {
    let answer = attacker.ask(&Request::get("/.well-known/jwks.json"))?;
    let keys =
        answer.response().and_then(|response| serde_json::from_slice::<Value>(&response.body).ok());
    let key = keys.as_ref().and_then(|keys| keys.pointer("/keys/0"));
    let text = |name: &str| key.and_then(|key| key.get(name)?.as_str());
    let (Some(public), Some(id)) = (text("x"), text("kid")) else {
        return Ok(skip(format!("no public key was published: {}", answer.words())));
    };
    let Ok(public) = URL_SAFE_NO_PAD.decode(public) else {
        return Ok(skip("the public key cannot be read"));
    };
    let signed = unsigned(attacker, &json!({ "alg": "HS256", "typ": "at+jwt", "kid": id }));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &public), signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
    connect(attacker, &json!({ "token": token }))
}
