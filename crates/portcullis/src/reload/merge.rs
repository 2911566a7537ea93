//! The options of the gate after a reload.
//! Never: an option whose key needs a restart.

use std::collections::BTreeSet;

use portcullis_guard::{DashboardRules, GateOptions, RoleRules};
use portcullis_model::Role;

use crate::config::{Settings, TlsFiles, TlsSettings};

/// The options in force with the new values of the keys that take effect at once.
pub(crate) fn merge(in_force: &GateOptions, newer: &GateOptions) -> GateOptions {
    GateOptions {
        roles: merge_roles(&in_force.roles, &newer.roles),
        capacity: newer.capacity,
        hosts: newer.hosts.clone(),
        origins: newer.origins.clone(),
        dashboard: DashboardRules {
            from: newer.dashboard.from.clone(),
            ..in_force.dashboard.clone()
        },
        proxies: newer.proxies.clone(),
        without_origin: newer.without_origin,
        polling: newer.polling,
        polling_binding: newer.polling_binding,
        event_per_user: newer.event_per_user.clone(),
        connections_per_user: newer.connections_per_user,
        when_user_full: newer.when_user_full,
        observe: newer.observe.clone(),
        penalty: newer.penalty,
        replay: newer.replay.clone(),
        links_allowed: newer.links_allowed,
        markup: newer.markup,
        malicious: newer.malicious,
        spam: newer.spam.clone(),
        ..with_rates(in_force, newer)
    }
}

/// The settings in force after a reload, for the checks of the regular audit. `options` are those
/// of the gate in force; `is_live`: the issuers whose rules and keys were replaced.
pub(crate) fn merge_settings(
    in_force: Settings,
    newer: Settings,
    options: &GateOptions,
    is_live: impl Fn(&str) -> bool,
) -> Settings {
    let mut identity = in_force.identity;
    let mut issuers = in_force.gate.issuers;
    identity.issuers.retain(|facts| !is_live(&facts.issuer));
    identity.issuers.extend(newer.identity.issuers.into_iter().filter(|it| is_live(&it.issuer)));
    issuers.retain(|issuer| !is_live(&issuer.issuer));
    issuers.extend(newer.gate.issuers.into_iter().filter(|issuer| is_live(&issuer.issuer)));
    let tls = match (in_force.tls, newer.tls) {
        (TlsSettings::Files(old), TlsSettings::Files(new)) => {
            TlsSettings::Files(TlsFiles { client_ca: old.client_ca, ..new })
        }
        (old, _) => old,
    };
    let mut audit = in_force.audit;
    let alert = newer.audit.alert;
    audit.alert.rules = alert.rules;
    audit.alert.custom = alert.custom;
    audit.alert.resolve_after_s = alert.resolve_after_s;
    audit.alert.update_every_s = alert.update_every_s;
    audit.alert.storm_keys = alert.storm_keys;
    Settings {
        file: newer.file,
        tls,
        audit,
        identity,
        gate: GateOptions { issuers, ..options.clone() },
        origins: newer.origins,
        ..in_force
    }
}

/// The options in force with the new rates.
fn with_rates(in_force: &GateOptions, newer: &GateOptions) -> GateOptions {
    GateOptions {
        connect_per_prefix: newer.connect_per_prefix,
        connect_known_per_prefix: newer.connect_known_per_prefix,
        connect_total: newer.connect_total,
        tls_per_prefix: newer.tls_per_prefix,
        tls_total: newer.tls_total,
        request_per_prefix: newer.request_per_prefix,
        login_per_prefix: newer.login_per_prefix,
        login_per_user: newer.login_per_user,
        login_failed_per_user: newer.login_failed_per_user,
        code_failed_per_user: newer.code_failed_per_user,
        login_total: newer.login_total,
        message_per_user: newer.message_per_user,
        message_per_connection: newer.message_per_connection,
        message_per_prefix: newer.message_per_prefix,
        message_total: newer.message_total,
        bytes_per_connection: newer.bytes_per_connection,
        bytes_per_user: newer.bytes_per_user,
        bytes_per_prefix: newer.bytes_per_prefix,
        bytes_total: newer.bytes_total,
        namespace_per_connection: newer.namespace_per_connection,
        namespace_per_user: newer.namespace_per_user,
        signature_per_connection: newer.signature_per_connection,
        signature_per_user: newer.signature_per_user,
        penalty_per_prefix: newer.penalty_per_prefix,
        penalty_per_user: newer.penalty_per_user,
        ..in_force.clone()
    }
}

/// The new rights of the roles in force. With other names of roles, all rights need a restart.
fn merge_roles(in_force: &RoleRules, newer: &RoleRules) -> RoleRules {
    let names = |rules: &RoleRules| {
        let custom = rules.table.all().filter(|role| matches!(role, Role::Custom(_)));
        custom.map(|role| String::from(rules.table.name(role))).collect::<BTreeSet<_>>()
    };
    if names(in_force) == names(newer) {
        newer.renumbered(in_force.table.clone())
    } else {
        in_force.clone()
    }
}
