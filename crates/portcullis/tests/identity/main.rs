//! Authentication: issuers' keys, logins, second factors, invitations, and timing.
//! Never: a sleep, or a measurement that decides by one run.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod requests; // requests that the tests share
mod published; // tokens of issuers that publish their keys
mod login; // guessing, names, odd passwords
mod factors; // second factors, recovery codes, invitations
mod recorded; // what records say of log-ins, sessions and targets
mod outside; // second factors of users of other issuers, and of all users
mod authorities; // certificate authorities for the address of a key set
mod fetched; // keys that an issuer publishes after the start
mod timing; // what an answer's time tells

use portcullis_test::{Config, SioClient, TestServer};
use serde_json::json;

pub(crate) fn start(config: &Config) -> TestServer {
    TestServer::start(env!("CARGO_BIN_EXE_portcullis"), config)
}

/// Whether a token is accepted; every rejection has to read the same.
pub(crate) fn is_accepted(server: &TestServer, token: &str) -> bool {
    let mut client = SioClient::open(server);
    match client.join_namespace("/", &json!({ "token": token }).to_string()) {
        Ok(_) => true,
        Err(mut refusal) => {
            assert!(refusal["data"]["ref"].take().is_string());
            let expect = json!({ "message": "unauthorized",
                "data": { "code": "unauthorized", "ref": null } });
            assert_eq!(refusal, expect);
            assert_eq!(client.close_code(), Some(4401));
            false
        }
    }
}
