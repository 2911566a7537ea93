//! T-042: who is never connected to, whatever the URL looks like.
//! Never: an error alone taken as proof; the listener is asked, too.

use portcullis_outbound::{Client, OutboundError, Policy, Target};

use crate::peer::{Untouched, loose};

/// The target was checked under a looser policy: the client's own still counts.
async fn check(url: &str, listener: &Untouched) {
    let url = url.replace("PORT", &listener.port().to_string());
    let target = Target::parse(&url, &loose()).unwrap();
    let client = Client::new(Policy { private_allowed: false, ..loose() }).unwrap();
    let fetched = client.fetch(&target).await;
    let posted = client.post_json(&target, &[], b"{}").await;
    for error in [fetched.unwrap_err(), posted.unwrap_err()] {
        // In the clear is refused by the URL alone, before any look-up.
        let refused = match url.starts_with("http:") {
            true => matches!(error, OutboundError::Plain(_)),
            false => matches!(error, OutboundError::Private { .. }),
        };
        assert!(refused, "{url} {error}");
    }
    assert!(!listener.was_found(), "{url}");
}

#[tokio::test]
async fn t_042_private_addresses_are_never_connected_to() {
    let listener = Untouched::new();
    for url in [
        "https://127.0.0.1:PORT/",
        "https://127.1:PORT/",
        "https://2130706433:PORT/",
        "https://0:PORT/",
        "https://[::ffff:127.0.0.1]:PORT/",
        "http://127.0.0.1:PORT/",
    ] {
        check(url, &listener).await;
    }
}

#[tokio::test]
async fn t_042_a_name_of_a_private_address_is_never_connected_to() {
    let listener = Untouched::new();
    check("https://localhost:PORT/", &listener).await;
    check("http://localhost:PORT/", &listener).await;
    // The same listener is found when the policy allows it, so the name leads there.
    let policy = Policy { deadline: std::time::Duration::from_millis(100), ..loose() };
    let url = format!("http://localhost:{}/", listener.port());
    let target = Target::parse(&url, &policy).unwrap();
    let asked = Client::new(policy).unwrap().fetch(&target).await;
    assert!(matches!(asked, Err(OutboundError::Deadline { .. })), "{asked:?}");
    assert!(listener.was_found());
}

#[tokio::test]
async fn a_closed_port_is_named_as_such() {
    let listener = Untouched::new();
    let url = format!("http://127.0.0.1:{}/", listener.port());
    drop(listener);
    let target = Target::parse(&url, &loose()).unwrap();
    let asked = Client::new(loose()).unwrap().fetch(&target).await;
    assert!(matches!(asked, Err(OutboundError::Connect { .. })), "{asked:?}");
}
