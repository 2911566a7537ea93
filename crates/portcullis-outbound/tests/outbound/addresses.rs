//! T-042: addresses that the client never connects to, in any spelling of the URL.
//! Never: an error as the only proof; the listener is checked as well.

use portcullis_outbound::{Client, OutboundError, Policy, Target};

use crate::peer::{UnusedListener, loose};

/// Parses the target under a looser policy; the policy of the client still applies.
async fn check(url: &str, listener: &UnusedListener) {
    let url = url.replace("PORT", &listener.port().to_string());
    let target = Target::parse(&url, &loose()).unwrap();
    let client = Client::new(Policy { private_allowed: false, ..loose() }).unwrap();
    let fetched = client.fetch(&target).await;
    let posted = client.post_json(&target, &[], b"{}").await;
    for error in [fetched.unwrap_err(), posted.unwrap_err()] {
        // The URL alone is enough to reject plain HTTP, before any look-up.
        let is_rejected = match url.starts_with("http:") {
            true => matches!(error, OutboundError::Plain(_)),
            false => matches!(error, OutboundError::Private { .. }),
        };
        assert!(is_rejected, "{url} {error}");
    }
    assert!(!listener.has_connection(), "{url}");
}

#[tokio::test]
async fn t_042_private_address_is_never_connected_to() {
    let listener = UnusedListener::new();
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
async fn t_042_name_of_a_private_address_is_never_connected_to() {
    let listener = UnusedListener::new();
    check("https://localhost:PORT/", &listener).await;
    check("http://localhost:PORT/", &listener).await;
    // With a policy that allows it, the name reaches the same listener.
    let policy = Policy { deadline: std::time::Duration::from_millis(100), ..loose() };
    let url = format!("http://localhost:{}/", listener.port());
    let target = Target::parse(&url, &policy).unwrap();
    let fetched = Client::new(policy).unwrap().fetch(&target).await;
    assert!(matches!(fetched, Err(OutboundError::Deadline { .. })), "{fetched:?}");
    assert!(listener.has_connection());
}

#[tokio::test]
async fn closed_port_is_a_connect_error() {
    let listener = UnusedListener::new();
    let url = format!("http://127.0.0.1:{}/", listener.port());
    drop(listener);
    let target = Target::parse(&url, &loose()).unwrap();
    let fetched = Client::new(loose()).unwrap().fetch(&target).await;
    assert!(matches!(fetched, Err(OutboundError::Connect { .. })), "{fetched:?}");
}
