//! `auth:refresh {token}`: a newer token prolongs an open connection, in place.
//! Never: another user or session on a connection, or a refused token that ends it.

use std::rc::Rc;
use std::sync::Arc;

use portcullis_guard::{Caller, DeclaredEvent, Event, EventRequest, Permit, Priority, Rate, Rule};
use portcullis_model::limits::TOKEN_MAX_BYTES;
use portcullis_model::{Denial, Now, Secret, TokenFault};
use serde::{Deserialize, Deserializer, Serialize};

use crate::connection::socket::Socket;
use crate::connection::task::ConnectionTask;
use crate::events::context::Reply;
use crate::events::event_table::HandlerFuture;
use crate::events::pipeline::{AnswerTo, EventName, Recipient};

/// The payload.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthRefresh {
    #[serde(deserialize_with = "secret")]
    token: Secret<String>,
}

fn secret<'de, D: Deserializer<'de>>(reader: D) -> Result<Secret<String>, D::Error> {
    portcullis_guard::field::text::<_, TOKEN_MAX_BYTES>(reader).map(Secret::new)
}

impl Event for AuthRefresh {
    const NAME: &'static str = "auth:refresh";
    const RULE: Rule = Rule {
        fields: &["token"],
        rate: Some(Rate::per(10, 60_000)),
        priority: Priority::Vital,
        ..Rule::DEFAULT
    };
}

/// Whose event it is: every namespace's.
pub(crate) const EVERY_NAMESPACE: &str = "";

#[derive(Serialize)]
struct Refreshed {
    /// In milliseconds since 1970.
    expires_at: i64,
}

impl ConnectionTask {
    /// Prolongs the connection. A key nobody knows yet is waited for, as at CONNECT.
    pub(crate) fn refresh(
        &mut self,
        rule: &DeclaredEvent<AuthRefresh>,
        socket: &Rc<Socket>,
        recipient: Recipient,
        ask: &EventRequest<'_>,
        caller: &Rc<Caller>,
        now: Now,
    ) {
        let event = EventName::Declared(AuthRefresh::NAME);
        let answer = AnswerTo { socket: Rc::clone(socket), recipient, event };
        let permit = match self.shard.gate.permit(rule, caller, ask, now) {
            Ok(permit) => permit,
            Err(denial) => return self.answer(&answer, Err(denial), now),
        };
        let future = self.renewal(permit, Rc::clone(caller));
        self.run(future, answer, now);
    }

    fn renewal(&self, permit: Permit<AuthRefresh>, caller: Rc<Caller>) -> HandlerFuture {
        let (shard, token) = (Rc::clone(&self.shard), permit.into_payload().token);
        let connection = Rc::clone(&self.connection);
        Box::pin(async move {
            let now = shard.now();
            let budget = &connection.packets;
            let renew = |now| {
                shard.gate.authentication().renew_on(budget, &caller.principal, token.expose(), now)
            };
            let renewed = match (renew(now), &shard.registered.unknown_key) {
                (Err(Denial::Token(TokenFault::Key)), Some(hook)) => {
                    hook(Arc::clone(&shard.surroundings), now).await?;
                    renew(shard.now())
                }
                (outcome, _) => outcome,
            };
            let verified = renewed.map_err(|denial| match denial {
                Denial::Token(fault) => Denial::Renewal(fault),
                other => other,
            })?;
            if let Some(hook) = shard.product_of(connection.client, &verified) {
                hook.await?;
            }
            shard.record_renewed(&connection, shard.now());
            // The newer token may show less, so that a role of a namespace has no effect any more.
            shard.recheck(&[Rc::clone(&connection)]);
            let expires_at = caller.principal.expires_unix_s().saturating_mul(1000);
            Ok(Reply::fields(&Refreshed { expires_at }))
        })
    }
}
