//! Installs operations as events of the namespace `/admin` and on the private listener.
//! Never: a check that one of the two ways leaves out.

use std::sync::Arc;

use portcullis_guard::{Event, GateError, Permit};
use portcullis_model::{Denial, Namespace, Role};
use portcullis_server::{Builder, Context, run_to_completion};

use crate::operation::call::Call;
use crate::operation::connections::block::{AddressBlock, AddressUnblock, AdminBlocks};
use crate::operation::connections::connection_close::ConnectionClose;
use crate::operation::connections::connection_list::{AdminConnection, AdminConnections};
use crate::operation::contract::Operation;
use crate::operation::desk::Desk;
use crate::operation::people::invitation::{AdminInvitations, InvitationCreate, InvitationRevoke};
use crate::operation::people::limits::AdminLimits;
use crate::operation::people::limits_unlock::LimitsUnlock;
use crate::operation::people::user_change::{
    SessionEnd, UserBan, UserDisable, UserKick, UserLogout, UserMute, UserRole,
};
use crate::operation::people::users::{AdminUser, AdminUsers};
use crate::operation::read_record::record_ended;
use crate::operation::records::alert_change::{AlertAcknowledge, AlertSilence, AlertUnsilence};
use crate::operation::records::alerts::AdminAlerts;
use crate::operation::records::events::AdminEvents;
use crate::operation::state::attack::offenders::{AdminOffenders, AffectedUsers};
use crate::operation::state::load_pin::{StatePin, StateUnpin};
use crate::operation::state::load_state::AdminState;
use crate::operation::state::overview::AdminOverview;
use crate::operation::state::sampler;
use crate::operation::state::timeline::AdminTimeline;
use crate::operation::state::watch::{self, AdminUnwatch, AdminWatch};
use crate::self_audit::doctor::AdminDoctor;

/// The namespace of administrators and auditors.
const NAMESPACE: &str = "/admin";
/// Period of the task of the regular audit, in milliseconds.
const AUDIT_EVERY_MS: u64 = 60_000;

/// Installs all operations, and the task that samples rates once a second.
///
/// # Errors
/// [`GateError`] when another product has declared one of the events.
pub fn install_operations(builder: &mut Builder, desk: &Arc<Desk>) -> Result<(), GateError> {
    builder.namespace(NAMESPACE)?.any_role(&[Role::Admin, Role::Auditor]);
    install::<AdminOverview>(builder, desk)?;
    install::<AdminState>(builder, desk)?;
    install::<AdminTimeline>(builder, desk)?;
    install::<AdminAlerts>(builder, desk)?;
    install::<AdminOffenders>(builder, desk)?;
    install::<AffectedUsers>(builder, desk)?;
    install::<AdminEvents>(builder, desk)?;
    install::<AdminConnections>(builder, desk)?;
    install::<AdminConnection>(builder, desk)?;
    install::<AdminUsers>(builder, desk)?;
    install::<AdminUser>(builder, desk)?;
    install::<AdminLimits>(builder, desk)?;
    install::<AdminDoctor>(builder, desk)?;
    install::<AlertAcknowledge>(builder, desk)?;
    install::<AlertSilence>(builder, desk)?;
    install::<AlertUnsilence>(builder, desk)?;
    install_changes(builder, desk)?;
    install_audit(builder, desk);
    install_streams(builder, desk)
}

/// Installs the task of the regular audit and of the digest.
fn install_audit(builder: &mut Builder, desk: &Arc<Desk>) {
    let desk = Arc::clone(desk);
    builder.every("self_audit", AUDIT_EVERY_MS, move |services| {
        let desk = Arc::clone(&desk);
        async move {
            if let Some(audit) = desk.self_audit() {
                audit.tick(&services, || desk.live_facts(&services, audit.started()));
            }
            if let Some(digest) = desk.digest() {
                digest.tick(&services, || (desk.newest_report(), desk.letters()));
            }
        }
    });
}

/// Installs the streams, which only sockets can get, and the task that feeds them.
fn install_streams(builder: &mut Builder, desk: &Arc<Desk>) -> Result<(), GateError> {
    let invalid = |_| GateError::Namespace(String::from(NAMESPACE));
    let name = Namespace::parse(NAMESPACE).map_err(invalid)?;
    let mut namespace = builder.namespace(NAMESPACE)?;
    let of_watch = Arc::clone(desk);
    namespace.on(move |permit: Permit<AdminWatch>, context| {
        watch::watch(Arc::clone(&of_watch), permit, context)
    })?;
    let of_unwatch = Arc::clone(desk);
    namespace.on(move |permit: Permit<AdminUnwatch>, context| {
        watch::unwatch(Arc::clone(&of_unwatch), permit, context)
    })?;
    let of_departure = Arc::clone(desk);
    namespace.on_disconnecting(move |departure| watch::leave(&of_departure, departure.connection));
    let desk = Arc::clone(desk);
    builder.every("admin", sampler::EVERY_MS, move |services| {
        let (desk, name) = (Arc::clone(&desk), name.clone());
        async move {
            desk.sample(&services);
            record_ended(&desk, &services);
            watch::send_overview(&desk, &services, &name);
            watch::send_records(&desk, &services, &name).await;
        }
    });
    Ok(())
}

/// Installs the operations that change the store, connections and the load level.
fn install_changes(builder: &mut Builder, desk: &Arc<Desk>) -> Result<(), GateError> {
    install::<AdminBlocks>(builder, desk)?;
    install::<AddressBlock>(builder, desk)?;
    install::<AddressUnblock>(builder, desk)?;
    install::<ConnectionClose>(builder, desk)?;
    install::<LimitsUnlock>(builder, desk)?;
    install::<StatePin>(builder, desk)?;
    install::<StateUnpin>(builder, desk)?;
    install::<AdminInvitations>(builder, desk)?;
    install::<InvitationCreate>(builder, desk)?;
    install::<InvitationRevoke>(builder, desk)?;
    install::<SessionEnd>(builder, desk)?;
    install::<UserLogout>(builder, desk)?;
    install::<UserMute>(builder, desk)?;
    install::<UserBan>(builder, desk)?;
    install::<UserKick>(builder, desk)?;
    install::<UserRole>(builder, desk)?;
    install::<UserDisable>(builder, desk)
}

/// Installs one operation in both ways.
fn install<O: Operation>(builder: &mut Builder, desk: &Arc<Desk>) -> Result<(), GateError> {
    let of_event = Arc::clone(desk);
    let handler = move |permit: Permit<O>, context: Context| {
        let call = Call::of_user(&permit, &context);
        run_to_completion(permit.into_payload().run(Arc::clone(&of_event), call))
    };
    builder.namespace(NAMESPACE)?.on(handler)?;
    let of_request = Arc::clone(desk);
    builder.private_route(path(O::NAME), move |services, body| {
        let desk = Arc::clone(&of_request);
        async move {
            let payload = read::<O>(&body)?;
            run_to_completion(payload.run(desk, Call::of_operator(services))).await
        }
    });
    Ok(())
}

/// The path of an operation: `admin:overview` is `overview`, `alert:silence` is `alert/silence`.
fn path(name: &str) -> String {
    name.strip_prefix("admin:").unwrap_or(name).replace(':', "/")
}

/// Reads the body of a request; an empty one is `{}`.
fn read<E: Event>(body: &[u8]) -> Result<E, Denial> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Denial::app("payload_invalid", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_names() {
        for (name, expect) in [
            ("admin:overview", "overview"),
            ("address:block", "address/block"),
            ("alert:silence", "alert/silence"),
        ] {
            assert_eq!(path(name), expect);
        }
    }
}
