//! Logs of nginx and HAProxy: requests without what stands behind the path.
//! Never: the secret id of a long-polling session in a log.

use portcullis_test::{Config, until};

use crate::started::{Behind, Kind};

const SOURCE: [u8; 4] = [127, 7, 7, 7];
const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
/// Of no session, so that the server ends at once.
const SID: &str = "kR8v2WqLz5nTfYp1XcJm9BdHs4G";

#[test]
fn log_of_a_proxy_holds_requests_without_their_query() {
    for kind in [Kind::Nginx, Kind::HaproxyEnds] {
        let mut behind = Behind::start(kind, Config::default());
        let session = format!("{POLLING}&sid={SID}");
        let page = behind.get("/").ask_on(&mut behind.connect(SOURCE));
        assert_eq!(page.status, 200, "{kind:?}");
        // What the server rejects, and what it never gets because it has stopped.
        let rejected = behind.get(&session).ask_on(&mut behind.connect(SOURCE));
        assert_eq!(rejected.status, 400, "{kind:?}");
        assert!(behind.server.terminate().success(), "{kind:?}");
        let status = behind.get(&session).ask_on(&mut behind.connect(SOURCE)).status;
        assert!(matches!(status, 502 | 503), "{kind:?} {status}");
        let status = status.to_string();
        let log = until("the failed request in the log", || {
            let log = behind.log();
            let is_failed = |line: &str| line.contains("/socket.io/") && line.contains(&status);
            log.lines().any(is_failed).then_some(log)
        });
        assert!(log.lines().filter(|line| line.contains("/socket.io/")).count() >= 2, "{log}");
        assert!(!log.contains(SID) && !log.contains("transport="), "{kind:?}: {log}");
    }
}
