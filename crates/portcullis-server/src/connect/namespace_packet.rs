//! CONNECT and DISCONNECT packets: their rate, and those for an unknown namespace.
//! Never: a namespace joined or left.

use portcullis_model::{Denial, Now};

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

/// Rejects a CONNECT to an unknown namespace. The connection ends after repeated ones.
pub(crate) fn reject_unknown_namespace(
    link: &Link,
    control: &mut ControlRate,
    name: &str,
    now: Now,
) {
    let rejection = link.reject(&Denial::NamespaceUnknown, None, now);
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
        link.connection.end(EndReason::DeniedAndSent(Denial::NamespaceUnknown));
    }
}
