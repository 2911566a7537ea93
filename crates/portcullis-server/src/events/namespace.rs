//! The namespaces that a product registers by name or pattern, with their events and hooks.
//! Never: an unregistered namespace; a hook that runs for another namespace.

use std::pin::Pin;
use std::sync::Arc;

use portcullis_guard::{Event, Gate, GateError, Permit, RawPermit, Rule, User};
use portcullis_model::{ConnectionId, Denial, Namespace, Role, RoleTable, Roles, RoomId};

use crate::connection::socket_id::SocketId;
use crate::delivery::hub::Hub;
use crate::events::context::Context;
use crate::events::event_table::EventTable;
use crate::events::reply::Reply;
use crate::rooms::kept_sockets::{RecoveryFuture, RecoveryRequest};

pub(crate) type HookFuture = Pin<Box<dyn Future<Output = Result<(), Denial>>>>;
type ConnectingHook = Box<dyn Fn(Arc<User>, Namespace) -> HookFuture + Send + Sync>;
type ConnectedHook = Box<dyn Fn(Context, Option<String>) -> HookFuture + Send + Sync>;
type DisconnectingHook = Box<dyn Fn(&Departure) + Send + Sync>;
type RecoverHook = Box<dyn Fn(RecoveryRequest) -> RecoveryFuture + Send + Sync>;

/// The names that a registered namespace matches.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exact(Namespace),
    /// All names with this prefix and one further path segment.
    Prefix(String),
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, GateError> {
        let invalid = || GateError::Namespace(String::from(text));
        match text.strip_suffix('*') {
            None => Namespace::parse(text).map(Self::Exact).map_err(|_| invalid()),
            Some(prefix) => match Namespace::parse(prefix) {
                Ok(_) => Ok(Self::Prefix(String::from(prefix))),
                Err(_) => Err(invalid()),
            },
        }
    }

    /// The name, or the prefix of all its names.
    fn text(&self) -> &str {
        match self {
            Self::Exact(namespace) => namespace.as_str(),
            Self::Prefix(prefix) => prefix,
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(namespace) => namespace.as_str() == name,
            Self::Prefix(prefix) => name
                .strip_prefix(prefix.as_str())
                .is_some_and(|rest| !rest.is_empty() && !rest.contains('/')),
        }
    }
}

/// A registered namespace.
pub(crate) struct NamespaceRule {
    pattern: Pattern,
    /// Users need one of them; without any, every user is admitted.
    roles: Vec<Role>,
    pub(crate) events: EventTable,
    pub(crate) connecting: Option<ConnectingHook>,
    pub(crate) connected: Option<ConnectedHook>,
    pub(crate) disconnecting: Option<DisconnectingHook>,
    pub(crate) recover: Option<RecoverHook>,
}

/// All registered namespaces; `/` is always the first.
pub(crate) struct NamespaceTable {
    rules: Vec<NamespaceRule>,
}

impl NamespaceTable {
    pub(crate) fn new() -> Self {
        Self { rules: vec![NamespaceRule::new(Pattern::Exact(Namespace::MAIN))] }
    }

    /// The rule for a name and its index: exact names before patterns, then in order.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &NamespaceRule)> {
        let matching = |exact: bool| {
            self.rules.iter().enumerate().find(|(_, rule)| {
                matches!(rule.pattern, Pattern::Exact(_)) == exact && rule.pattern.matches(name)
            })
        };
        matching(true).or_else(|| matching(false))
    }

    /// A namespace whose role is not defined.
    pub(crate) fn undefined_role(&self, roles: &RoleTable) -> Option<&str> {
        let undefined =
            |rule: &&NamespaceRule| rule.roles.iter().any(|role| roles.name(*role).is_empty());
        self.rules.iter().find(undefined).map(|rule| rule.pattern.text())
    }

    /// The rule with this index.
    pub(crate) fn rule(&self, index: usize) -> Option<&NamespaceRule> {
        self.rules.get(index)
    }

    fn entry(&mut self, text: &str) -> Result<&mut NamespaceRule, GateError> {
        let pattern = Pattern::parse(text)?;
        let known = self.rules.iter().position(|rule| rule.pattern == pattern);
        let index = known.unwrap_or_else(|| {
            self.rules.push(NamespaceRule::new(pattern));
            self.rules.len() - 1
        });
        self.rules.get_mut(index).ok_or_else(|| GateError::Namespace(String::from(text)))
    }
}

impl NamespaceRule {
    fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            roles: Vec::new(),
            events: EventTable::default(),
            connecting: None,
            connected: None,
            disconnecting: None,
            recover: None,
        }
    }

    /// Whether users with these roles may connect.
    pub(crate) fn admits(&self, roles: Roles) -> bool {
        self.roles.is_empty() || self.roles.iter().any(|role| roles.contains(*role))
    }
}

/// A socket that leaves its namespace; it is still in its rooms.
pub struct Departure {
    /// The socket.
    pub socket: SocketId,
    /// The connection of the socket.
    pub connection: ConnectionId,
    /// The namespace.
    pub namespace: Namespace,
    /// The user who was signed in.
    pub user: Arc<User>,
    /// The rooms it was in.
    pub rooms: Vec<RoomId>,
    /// The reason, as Socket.IO names it: `transport close`, `ping timeout`, `client namespace
    /// disconnect`, `server namespace disconnect`, `server shutting down`, `forced close`.
    pub reason: &'static str,
    /// Delivers to other connections.
    pub hub: Hub,
}

/// A namespace of a server before its start.
pub struct NamespaceBuilder<'a> {
    gate: &'a mut Gate,
    rule: &'a mut NamespaceRule,
    name: &'a str,
}

impl<'a> NamespaceBuilder<'a> {
    pub(crate) fn open(
        gate: &'a mut Gate,
        table: &'a mut NamespaceTable,
        name: &'a str,
    ) -> Result<Self, GateError> {
        Ok(Self { gate, rule: table.entry(name)?, name })
    }

    /// Requires a role of users who connect.
    pub fn role(&mut self, role: Role) -> &mut Self {
        self.any_role(&[role])
    }

    /// Requires one of these roles of users who connect.
    pub fn any_role(&mut self, roles: &[Role]) -> &mut Self {
        self.rule.roles = roles.to_vec();
        self
    }

    /// Declares an event and its handler.
    ///
    /// # Errors
    /// [`GateError`] when the event's rule is invalid or its name is already declared.
    pub fn on<E, H, F>(&mut self, handler: H) -> Result<&mut Self, GateError>
    where
        E: Event + Send + Sync,
        H: Fn(Permit<E>, Context) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Denial>> + 'static,
    {
        let declared = self.gate.declare::<E>(self.name)?;
        let (size_max_bytes, message_max_bytes) =
            (E::RULE.size_max_bytes, self.gate.options().message_max_bytes);
        if size_max_bytes > message_max_bytes.max(Rule::DEFAULT.size_max_bytes) {
            tracing::warn!(
                event = E::NAME,
                size_max_bytes,
                message_max_bytes,
                "the rule of the event allows larger messages than the server: message_max_bytes \
                 of the guards and of the engine applies"
            );
        }
        self.rule.events.insert(declared, handler);
        Ok(self)
    }

    /// Declares an event whose handler gets the arguments exactly as the client sent them.
    ///
    /// # Errors
    /// As [`NamespaceBuilder::on`].
    pub fn danger_on_raw<H, F>(
        &mut self,
        name: &'static str,
        rule: Rule,
        handler: H,
    ) -> Result<&mut Self, GateError>
    where
        H: Fn(RawPermit, Context) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Denial>> + 'static,
    {
        let declared = self.gate.danger_declare_raw(self.name, name, rule)?;
        self.rule.events.insert_raw(name, declared, handler);
        Ok(self)
    }

    /// Decides whether a signed-in user may connect to the namespace.
    pub fn on_connecting<H, F>(&mut self, hook: H) -> &mut Self
    where
        H: Fn(Arc<User>, Namespace) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Denial>> + 'static,
    {
        self.rule.connecting =
            Some(Box::new(move |user, namespace| Box::pin(hook(user, namespace))));
        self
    }

    /// Runs after a socket has connected, before its first event.
    ///
    /// The text is the CONNECT payload as JSON, on a server that requires no credential. Elsewhere
    /// it is `None`, because payloads hold only credentials there. A denial ends the connection.
    pub fn on_connected<H, F>(&mut self, hook: H) -> &mut Self
    where
        H: Fn(Context, Option<String>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Denial>> + 'static,
    {
        self.rule.connected =
            Some(Box::new(move |context, payload| Box::pin(hook(context, payload))));
        self
    }

    /// Runs when a socket leaves, with the reason and the rooms it was in.
    pub fn on_disconnecting<H>(&mut self, hook: H) -> &mut Self
    where
        H: Fn(&Departure) + Send + Sync + 'static,
    {
        self.rule.disconnecting = Some(Box::new(hook));
        self
    }

    /// Enables connection state recovery for clients that return within two minutes.
    ///
    /// The hook decides whether the socket can be recovered. If so, it passes
    /// [`crate::Delta::Resume`] to the hub at the point of its order of deliveries where the missed
    /// events end and live events begin. Without recovery, clients get no private id.
    pub fn on_recover<H, F>(&mut self, hook: H) -> &mut Self
    where
        H: Fn(RecoveryRequest) -> F + Send + Sync + 'static,
        F: Future<Output = Result<crate::RecoveryOutcome, Denial>> + 'static,
    {
        self.rule.recover = Some(Box::new(move |request| Box::pin(hook(request))));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_name_has_priority_over_pattern() {
        let mut table = NamespaceTable::new();
        for name in ["/doc-*", "/doc-1", "/a/*"] {
            table.entry(name).unwrap();
        }
        let found = |name| table.find(name).map(|(index, _)| index);
        let cases = [
            ("/", Some(0)),
            ("/doc-7", Some(1)),
            ("/doc-1", Some(2)),
            ("/doc-", None),
            ("/doc-1/x", None),
            ("/a/b", Some(3)),
            ("/a/", None),
            ("/a", None),
            ("/other", None),
        ];
        for (name, expect) in cases {
            assert_eq!(found(name), expect, "{name}");
        }
        assert!(table.entry("/doc-1").is_ok());
        assert_eq!(table.rules.len(), 4, "the same name is the same namespace");
        for invalid in ["", "doc", "/a b", "/*/x", "/a**"] {
            assert!(table.entry(invalid).is_err(), "{invalid:?}");
        }
    }
}
