//! The options in force, in the form in which the stages read them.
//! Never: an option that was not checked.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use portcullis_model::{Denial, Role, Roles};

use crate::admission::handshake::Handshake;
use crate::admission::names::dashboard::Dashboard;
use crate::admission::names::host::Hosts;
use crate::admission::names::origin::Origins;
use crate::admission::proxy::Proxies;
use crate::authorization::action::{Action, UsualAction};
use crate::authorization::event::{Access, EventDeclaration, EventRow};
use crate::content::cleaner::Cleaner;
use crate::content::spam::filter::SpamFilter;
use crate::error::GateError;
use crate::gate_options::GateOptions;
use crate::limits::observe::ObservedLimits;

/// The options in force, for the time of one decision.
pub(crate) type PolicyGuard = Guard<Arc<Policy>>;

/// Valid options in the form in which the stages read them.
#[derive(Clone)]
pub(crate) struct Policy {
    /// The options, without the keys of issuers.
    pub(crate) options: Arc<GateOptions>,
    pub(crate) proxies: Proxies,
    pub(crate) hosts: Hosts,
    pub(crate) dashboard: Dashboard,
    /// The pages of the product, and those of the dashboard on a host of its own.
    origins: Origins,
    dashboard_origins: Origins,
    pub(crate) spam: Arc<SpamFilter>,
    pub(crate) observed: ObservedLimits,
    /// The declared events with the rules in force, in the order of the declarations.
    pub(crate) events: Vec<EventRow>,
    /// Administrators, moderators, auditors, and the roles that events reserve for them.
    pub(crate) privileged: Roles,
}

impl Policy {
    /// Reads options for the declared events.
    ///
    /// # Errors
    /// [`GateError`] names the first option that is invalid.
    pub(crate) fn read(
        options: GateOptions,
        declared: &[EventDeclaration],
    ) -> Result<Self, GateError> {
        options.check()?;
        let spam = SpamFilter::build(options.spam.clone())
            .map_err(|(phrase, why)| GateError::SpamPhrase { phrase, why })?;
        let rows = declared.iter().map(|event| event.row(&options));
        let events = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            proxies: Proxies::parse(&options.proxies)?,
            hosts: Hosts::parse(&options.hosts, &options.dashboard.hosts, &options.danger)?,
            dashboard: Dashboard::parse(&options.dashboard)?,
            dashboard_origins: Origins::parse_some(
                &options.dashboard.origins,
                options.without_origin,
                &options.danger,
            )?,
            origins: Origins::parse(&options.origins, options.without_origin, &options.danger)?,
            spam: Arc::new(spam),
            observed: ObservedLimits::parse(&options.observe)?,
            privileged: privileged(&events),
            events,
            options: Arc::new(options),
        })
    }

    /// The same options, with one more event.
    pub(crate) fn with_event(&self, event: EventRow) -> Self {
        let mut events = self.events.clone();
        events.push(event);
        Self { privileged: privileged(&events), events, ..self.clone() }
    }

    /// The rule in force of a declared event.
    pub(crate) fn event(&self, index: usize) -> Result<&EventRow, Denial> {
        self.events.get(index).ok_or(Denial::Internal("event_rule"))
    }

    /// Every declared event and the roles that may send it, in the order of the declarations.
    pub(crate) fn actions(&self) -> Vec<Action> {
        let table = &self.options.roles.table;
        let names = |roles| table.names(roles).into_iter().map(String::from).collect();
        let action = |facts: &EventRow| Action {
            namespace: facts.namespace.clone(),
            event: facts.name,
            access: facts.allowed.access,
            roles: names(facts.allowed.roles),
            anywhere: names(facts.allowed.anywhere),
            replay: facts.replay,
            rate: facts.rate,
            usual: UsualAction {
                roles: names(facts.usual.allowed.roles),
                replay: facts.usual.replay,
                rate: facts.usual.rate,
            },
        };
        self.events.iter().map(action).collect()
    }

    /// The pages that may send a request to its host: those of the dashboard are not those of the
    /// product, so a script in one cannot act in the other (ASVS 5.0, 3.5.4).
    pub(crate) fn origins_for(&self, request: &Handshake<'_>) -> &Origins {
        if self.dashboard.is_own_host(request) { &self.dashboard_origins } else { &self.origins }
    }

    /// A cleaner for the texts of one message.
    pub(crate) fn cleaner(&self) -> Cleaner<'_> {
        let options = &self.options;
        Cleaner::new(&self.spam, options.links_allowed, options.markup, options.malicious)
    }
}

/// Administrators, moderators, auditors, and the roles that may send events of these.
fn privileged(events: &[EventRow]) -> Roles {
    let theirs = events.iter().map(|facts| match facts.allowed.access {
        Access::Role(Role::Admin | Role::Moderator | Role::Auditor) => facts.allowed.roles,
        Access::OwnerOr(_) => facts.allowed.anywhere,
        Access::Role(Role::User | Role::Custom(_))
        | Access::User
        | Access::Joinable
        | Access::Member
        | Access::Owner => Roles::NONE,
    });
    let own = Roles::NONE.with(Role::Admin).with(Role::Moderator).with(Role::Auditor);
    theirs.fold(own, Roles::union).without(Role::User)
}

/// The options in force, shared by the stages.
pub(crate) struct CurrentPolicy {
    policy: ArcSwap<Policy>,
}

impl CurrentPolicy {
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy: ArcSwap::from_pointee(policy) }
    }

    /// The options in force. A decision loads them once where it can, and never across a wait.
    pub(crate) fn load(&self) -> PolicyGuard {
        self.policy.load()
    }

    /// Replaces the options in force.
    pub(crate) fn replace(&self, policy: Policy) {
        self.policy.store(Arc::new(policy));
    }
}
