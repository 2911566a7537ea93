//! CONNECT and DISCONNECT packets: their rate, and those for an unknown namespace.
//! Never: a namespace joined or left.

use portcullis_model::{Denial, Namespace, Now};

use crate::connect::answer::unknown_namespace;
use crate::connection::end::EndReason;
use crate::connection::link::Link;
use crate::setup::options::ConnectAnswer;
use crate::websocket::control_rate::ControlRate;

/// Counts a CONNECT or DISCONNECT packet; above the rate, the connection ends.
pub(crate) fn count_namespace_packet(link: &Link, now: Now) -> bool {
    let caller = link.connection.caller();
    let user = caller.as_ref().map(|caller| &caller.principal.user().id);
    let packets = &link.connection.client.packets;
    let counted = link.shard.server.gate.limits().count_namespace_packet(packets, user, now);
    counted.map_err(|denial| link.deny(denial)).is_ok()
}

/// Finds a namespace that exists for the client, and the index of its rule; rejects the CONNECT
/// to any other one.
pub(crate) fn find_namespace(
    link: &Link,
    control: &mut ControlRate,
    name: &str,
    now: Now,
) -> Option<(usize, Namespace)> {
    let found = find(link, name);
    found.map_err(|denial| reject_unknown_namespace(link, control, name, denial, now)).ok()
}

fn find(link: &Link, name: &str) -> Result<(usize, Namespace), Denial> {
    let registered = &link.shard.server.registered;
    let found = registered.namespaces.find(name).map(|(rule, _)| rule);
    let found = found.zip(Namespace::parse(name).ok()).ok_or(Denial::NamespaceUnknown)?;
    let reach = link.connection.client.reach;
    let exists = match name == registered.dashboard.namespace {
        true => reach.has_dashboard(),
        false => reach.has_product(),
    };
    if exists { Ok(found) } else { Err(reach.hidden_namespace()) }
}

/// Rejects a CONNECT to an unknown namespace. The connection ends after repeated ones.
fn reject_unknown_namespace(
    link: &Link,
    control: &mut ControlRate,
    name: &str,
    denial: Denial,
    now: Now,
) {
    let rejection = link.reject(&denial, None, now);
    link.send(unknown_namespace(link, name, &rejection));
    // Without a caller, violations cannot be counted. A server without credentials leaves the end
    // to the CONNECT deadline.
    let is_bare = link.shard.server.options.connect_answer == ConnectAnswer::Bare;
    let ends = match link.connection.caller() {
        Some(caller) => caller.count_violation(now),
        None if is_bare => !link.count_control_frame(control, now),
        None => true,
    };
    if ends {
        link.connection.end(EndReason::DeniedAndSent(denial));
    }
}
