//! The security records of a connection's life.
//! Never: a refusal; that one is `refuse.rs`.

use portcullis_audit::{Outcome, Record};
use portcullis_model::{Code, Now, Roles, Secret};

use crate::connection::state::{Connection, End};
use crate::shard::state::Shard;

impl Shard {
    pub(crate) fn record_connected(&self, connection: &Connection, by_ticket: bool, now: Now) {
        let mut record = Record::new(Code::WsConnected);
        record.outcome = Outcome::Success;
        record.reason = match connection.caller() {
            Some(caller) if caller.principal.is_anonymous() => "anonymous",
            _ if by_ticket => "ticket",
            _ => "token",
        };
        self.note_withheld(&mut record, connection);
        self.record_connection(record, connection, now);
    }

    /// Records that a newer credential prolongs a connection.
    pub(crate) fn record_renewed(&self, connection: &Connection, now: Now) {
        let mut record = Record::new(Code::SessionRenewed);
        record.outcome = Outcome::Success;
        self.note_withheld(&mut record, connection);
        self.record_connection(record, connection, now);
    }

    /// Roles of the user that have no effect on a connection, for want of a second factor.
    pub(crate) fn withheld_roles(&self, connection: &Connection) -> Vec<String> {
        let withheld = connection.caller().map(|caller| caller.principal.withheld());
        let table = &self.gate.options().roles.table;
        let names = table.names(withheld.unwrap_or(Roles::NONE));
        names.into_iter().map(String::from).collect()
    }

    fn note_withheld(&self, record: &mut Record, connection: &Connection) {
        let withheld = self.withheld_roles(connection);
        if !withheld.is_empty() {
            let names = withheld.join(", ");
            record.reason = "second_factor_missing";
            record.detail = Some(format!(
                "without effect on this connection, because no second factor was shown: {names}; \
                 for other issuers see privileged_amr and privileged_acr"
            ));
        }
    }

    /// Records that a connection is over, and why.
    pub(crate) fn record_end(&self, connection: &Connection, end: &End, code: u16, now: Now) {
        let mut record = Record::new(Code::WsDisconnected);
        // Of strangers, of whom there may be a flood, records are sampled.
        let known = connection.caller().is_some();
        record.outcome = if known { Outcome::Unknown } else { Outcome::Failure };
        record.reason = match end {
            End::Peer => "peer",
            End::Goodbye => "goodbye",
            End::Replaced => "replaced",
            End::Refused(denial) | End::Told(denial) => denial.answer().rule,
        };
        record.status = Some(code);
        self.record_connection(record, connection, now);
    }

    fn record_connection(&self, mut record: Record, connection: &Connection, now: Now) {
        record.client = Some(connection.client);
        record.port = connection.port;
        record.connection = Some(connection.id);
        record.origin = connection.origin.as_deref().map(String::from);
        if let Some(caller) = connection.caller() {
            record.user = Some(caller.principal.user().id.clone());
            let issuer = caller.principal.foreign_issuer().filter(|issuer| !issuer.is_empty());
            record.labels.extend(issuer.map(|issuer| ("issuer", issuer.to_string())));
            let session = caller.principal.session();
            record.session = session.map(|name| Secret::new(String::from(name)));
        }
        self.audit.record(record, now);
    }
}
