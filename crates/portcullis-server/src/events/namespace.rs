//! The namespaces a product registers: by name or by pattern, each with its events and hooks.
//! Never: a namespace nobody registered, or a hook that runs for one it was not registered for.

use std::pin::Pin;
use std::sync::Arc;

use portcullis_guard::{Event, Gate, GateError, Permit, RawPermit, Rule, User};
use portcullis_model::{ConnectionId, Denial, Namespace, Role, RoomId};

use crate::connection::socket::SocketId;
use crate::delivery::hub::Hub;
use crate::events::context::{Context, Reply};
use crate::events::event_table::EventTable;
use crate::rooms::recovery::{RecoverFuture, Recovering};

pub(crate) type HookFuture = Pin<Box<dyn Future<Output = Result<(), Denial>>>>;
type ConnectingHook = Box<dyn Fn(Arc<User>, Namespace) -> HookFuture + Send + Sync>;
type ConnectedHook = Box<dyn Fn(Context, Option<String>) -> HookFuture + Send + Sync>;
type DisconnectingHook = Box<dyn Fn(&Departure) + Send + Sync>;
type RecoverHook = Box<dyn Fn(Recovering) -> RecoverFuture + Send + Sync>;

/// Which names a registered namespace has.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exact(Namespace),
    /// Everything that begins so, with something of one path segment behind it.
    Prefix(String),
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, GateError> {
        let unsound = || GateError::Namespace(String::from(text));
        match text.strip_suffix('*') {
            None => Namespace::parse(text).map(Self::Exact).map_err(|_| unsound()),
            Some(prefix) => match Namespace::parse(prefix) {
                Ok(_) => Ok(Self::Prefix(String::from(prefix))),
                Err(_) => Err(unsound()),
            },
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
    pub(crate) role: Option<Role>,
    pub(crate) events: EventTable,
    pub(crate) connecting: Option<ConnectingHook>,
    pub(crate) connected: Option<ConnectedHook>,
    pub(crate) disconnecting: Option<DisconnectingHook>,
    pub(crate) recover: Option<RecoverHook>,
}

/// All of them; `/` is always the first.
pub(crate) struct NamespaceTable {
    rules: Vec<NamespaceRule>,
}

impl NamespaceTable {
    pub(crate) fn new() -> Self {
        Self { rules: vec![NamespaceRule::new(Pattern::Exact(Namespace::MAIN))] }
    }

    /// The rule for a name, and which it is: exact names before patterns, then in order.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &NamespaceRule)> {
        let matching = |exact: bool| {
            self.rules.iter().enumerate().find(|(_, rule)| {
                matches!(rule.pattern, Pattern::Exact(_)) == exact && rule.pattern.matches(name)
            })
        };
        matching(true).or_else(|| matching(false))
    }

    /// The rule with this number.
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
            role: None,
            events: EventTable::default(),
            connecting: None,
            connected: None,
            disconnecting: None,
            recover: None,
        }
    }
}

/// A socket that leaves its namespace; it still hears its rooms.
pub struct Departure {
    /// The socket.
    pub socket: SocketId,
    /// The connection it was on.
    pub connection: ConnectionId,
    /// The namespace it leaves.
    pub namespace: Namespace,
    /// Who was signed in.
    pub user: Arc<User>,
    /// The rooms it heard.
    pub rooms: Vec<RoomId>,
    /// Why, in the words of Socket.IO: `transport close`, `ping timeout`, `client namespace
    /// disconnect`, `server namespace disconnect`, `server shutting down`, `forced close`.
    pub reason: &'static str,
    /// The way to others.
    pub hub: Hub,
}

/// A namespace of a server that is not started yet.
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

    /// Lets in only who holds the role.
    pub fn role(&mut self, role: Role) -> &mut Self {
        self.rule.role = Some(role);
        self
    }

    /// Declares an event and what handles it.
    ///
    /// # Errors
    /// [`GateError`] when the event's rule is not sound or its name is declared already.
    pub fn on<E, H, F>(&mut self, handler: H) -> Result<&mut Self, GateError>
    where
        E: Event + Send + Sync,
        H: Fn(Permit<E>, Context) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Denial>> + 'static,
    {
        let declared = self.gate.declare::<E>(self.name)?;
        self.rule.events.insert(declared, handler);
        Ok(self)
    }

    /// Declares an event whose arguments reach the handler as the client wrote them.
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

    /// Decides whether a signed-in user may come in, each time one asks.
    pub fn on_connecting<H, F>(&mut self, hook: H) -> &mut Self
    where
        H: Fn(Arc<User>, Namespace) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Denial>> + 'static,
    {
        self.rule.connecting =
            Some(Box::new(move |user, namespace| Box::pin(hook(user, namespace))));
        self
    }

    /// Runs once a socket is in, before its first event.
    ///
    /// The text is the CONNECT payload as JSON, on a server that asks for no credential; elsewhere
    /// it is `None`, since a payload holds credentials there and nothing else. A refusal ends the
    /// connection.
    pub fn on_connected<H, F>(&mut self, hook: H) -> &mut Self
    where
        H: Fn(Context, Option<String>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Denial>> + 'static,
    {
        self.rule.connected =
            Some(Box::new(move |context, payload| Box::pin(hook(context, payload))));
        self
    }

    /// Runs when a socket leaves, with the reason and the rooms it heard.
    pub fn on_disconnecting<H>(&mut self, hook: H) -> &mut Self
    where
        H: Fn(&Departure) + Send + Sync + 'static,
    {
        self.rule.disconnecting = Some(Box::new(hook));
        self
    }

    /// Offers connection state recovery: lets who comes back within two minutes go on.
    ///
    /// The hook says whether the place can be taken again. When it can, it hands
    /// [`crate::Delta::Resume`] to the hub, at the one point of its own order of deliveries where
    /// what was missed ends and what is live begins. Without recovery no private id is given out.
    pub fn on_recover<H, F>(&mut self, hook: H) -> &mut Self
    where
        H: Fn(Recovering) -> F + Send + Sync + 'static,
        F: Future<Output = Result<crate::Recovered, Denial>> + 'static,
    {
        self.rule.recover = Some(Box::new(move |recovering| Box::pin(hook(recovering))));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_before_patterns() {
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
        for unsound in ["", "doc", "/a b", "/*/x", "/a**"] {
            assert!(table.entry(unsound).is_err(), "{unsound:?}");
        }
    }
}
