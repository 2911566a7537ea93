//! The security records of a connection's life.
//! Never: a denial; `rejection.rs` records those.

use portcullis_audit::{Outcome, Record};
use portcullis_model::{Code, Now, Roles, Secret};
use std::num::NonZeroU16;

use crate::connection::end::EndReason;
use crate::connection::state::Connection;
use crate::shard::state::Shard;

/// Records that a user has signed in on a connection.
pub(crate) fn record_connected(shard: &Shard, connection: &Connection, by_ticket: bool, now: Now) {
    let mut record = Record::new(Code::WsConnected);
    record.outcome = Outcome::Success;
    record.reason = match connection.caller() {
        Some(caller) if caller.principal.is_anonymous() => "anonymous",
        _ if by_ticket => "ticket",
        _ => "token",
    };
    add_withheld_roles(shard, &mut record, connection);
    record_connection(shard, record, connection, now);
}

/// Records that a newer credential extends a connection.
pub(crate) fn record_renewed(shard: &Shard, connection: &Connection, now: Now) {
    let mut record = Record::new(Code::SessionRenewed);
    record.outcome = Outcome::Success;
    add_withheld_roles(shard, &mut record, connection);
    record_connection(shard, record, connection, now);
}

/// Records the end of a connection and its reason.
pub(crate) fn record_end(
    shard: &Shard,
    connection: &Connection,
    reason: &EndReason,
    code: u16,
    now: Now,
) {
    let mut record = Record::new(Code::WsDisconnected);
    // Records of unauthenticated clients are sampled, because there may be a flood of them.
    let is_signed_in = connection.caller().is_some();
    record.outcome = if is_signed_in { Outcome::Unknown } else { Outcome::Failure };
    record.reason = match reason {
        EndReason::PeerClosed => "peer",
        EndReason::ClientClosed => "goodbye",
        EndReason::Replaced => "replaced",
        EndReason::Denied(denial) | EndReason::DeniedAndSent(denial) => denial.answer().rule,
    };
    record.labels.push(("close_code", code.to_string()));
    record_connection(shard, record, connection, now);
}

/// The user's roles that have no effect on a connection, because a second factor is missing.
pub(crate) fn withheld_roles(shard: &Shard, connection: &Connection) -> Vec<String> {
    let withheld = connection.caller().map(|caller| caller.principal.withheld());
    let options = shard.server.gate.options();
    let table = &options.roles.table;
    let names = table.names(withheld.unwrap_or(Roles::NONE));
    names.into_iter().map(String::from).collect()
}

fn add_withheld_roles(shard: &Shard, record: &mut Record, connection: &Connection) {
    let withheld = withheld_roles(shard, connection);
    if !withheld.is_empty() {
        let names = withheld.join(", ");
        record.reason = "second_factor_missing";
        record.detail = Some(format!(
            "without effect on this connection, because no second factor was shown: {names}; \
             for other issuers see privileged_amr and privileged_acr"
        ));
    }
}

fn record_connection(shard: &Shard, mut record: Record, connection: &Connection, now: Now) {
    record.client = Some(connection.client.address);
    record.port = connection.client.port.map(NonZeroU16::get);
    record.connection = Some(connection.id);
    record.origin = connection.client.origin.as_deref().map(String::from);
    if let Some(caller) = connection.caller() {
        record.user = Some(caller.principal.user().id.clone());
        let issuer = caller.principal.foreign_issuer().filter(|issuer| !issuer.is_empty());
        record.labels.extend(issuer.map(|issuer| ("issuer", issuer.to_string())));
        let session = caller.principal.session();
        record.session = session.map(|name| Secret::new(String::from(name)));
    }
    shard.server.audit.record(record, now);
}
