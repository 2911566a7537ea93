//! T-170: long-polling sessions of clients whose requests come from several addresses.
//! Never: a session that an id alone opens.

use portcullis_test::{Config, PollingClient, hs256};

use crate::clients::start;

fn with_rule(rule: &str) -> Config {
    let transport = vec![format!("polling_binding = \"{rule}\"")];
    Config { transport, ..Config::plaintext() }
}

#[test]
fn t_170_network_rule_accepts_addresses_of_the_network_and_no_others() {
    let server = start(&with_rule("network"));
    let client = PollingClient::connect(&server, &hs256("ann"));
    for (source, status) in [([127, 0, 0, 9], 200), ([127, 0, 1, 1], 400), ([127, 9, 9, 9], 400)] {
        let other = PollingClient { source: source.into(), ..client.clone() };
        assert_eq!(other.post("421[\"room:list\",{}]").status, status, "{source:?}");
        let agent = PollingClient { agent: "thief/1".into(), ..other };
        assert_eq!(agent.post("421[\"room:list\",{}]").status, 400, "{source:?}");
    }
}

#[test]
fn t_170_token_rule_accepts_any_address_that_shows_the_token() {
    let server = start(&with_rule("token"));
    let token = hs256("ann");
    let own = format!("Bearer {token}");
    let mut client = PollingClient::outsider(&server);
    let opened = client.send(&client.request("GET", "").header("Authorization", &own));
    assert_eq!(opened.status, 200);
    let open: serde_json::Value =
        serde_json::from_str(&portcullis_test::packets(&opened)[0][1..]).unwrap();
    client.sid = open["sid"].as_str().unwrap().to_owned();
    let far = PollingClient { source: [127, 9, 9, 9].into(), ..client.clone() };
    let with = |token: &str| far.post_request(b"40").header("Authorization", token);
    assert_eq!(far.send(&far.post_request(b"40")).status, 400, "no token");
    let other = format!("Bearer {}", hs256("bob"));
    assert_eq!(far.send(&with(&other)).status, 400, "another user's token");
    assert_eq!(far.send(&with(&own)).status, 200);
    let poll = far.poll_request().header("Authorization", &own);
    assert!(portcullis_test::packets(&far.send(&poll))[0].starts_with("40{"));
    // A session that was opened without a token has none to show.
    let bare = PollingClient::connect(&server, &token);
    let far = PollingClient { source: [127, 9, 9, 9].into(), ..bare.clone() };
    let shown = far.post_request(b"421[\"room:list\",{}]").header("Authorization", &own);
    assert_eq!(far.send(&shown).status, 400);
    assert_eq!(bare.post("421[\"room:list\",{}]").status, 200);
}
