//! The state of the store in `/ready`.
//! Never: unready because of a full disk; connections, reads and logins still work.

use portcullis_server::ReadyFact;
use portcullis_store::{Health, StoreStatus};

/// The part of the store in `/ready`.
///
/// A server with a full disk stays ready: a load balancer would otherwise end its connections.
pub(crate) fn store_readiness(status: StoreStatus) -> ReadyFact {
    if !status.writer_runs {
        return ReadyFact { state: "writer_ended", is_ready: false };
    }
    if !status.readers_run {
        return ReadyFact { state: "reader_ended", is_ready: false };
    }
    let is_ready = match status.health {
        Health::Ok | Health::Full => true,
        Health::Failing | Health::Corrupt | Health::Moved => false,
    };
    ReadyFact { state: status.health.name(), is_ready }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_is_ready_while_its_threads_run_and_it_can_be_read() {
        let status =
            |health| StoreStatus { health, free_bytes: None, writer_runs: true, readers_run: true };
        let cases = [
            (status(Health::Ok), "ok", true),
            (status(Health::Full), "full", true),
            (status(Health::Failing), "failing", false),
            (status(Health::Corrupt), "corrupt", false),
            (status(Health::Moved), "moved", false),
            (StoreStatus { writer_runs: false, ..status(Health::Ok) }, "writer_ended", false),
            (StoreStatus { readers_run: false, ..status(Health::Full) }, "reader_ended", false),
        ];
        for (status, state, is_ready) in cases {
            assert_eq!(store_readiness(status), ReadyFact { state, is_ready });
        }
    }
}
