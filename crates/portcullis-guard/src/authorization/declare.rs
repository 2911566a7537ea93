//! Declares events: checks their rules, and applies the operator's options to them.
//! Never: an event that is declared while the server runs.

use std::marker::PhantomData;
use std::sync::Arc;

use portcullis_model::limits::{ATTACHMENTS_MAX, EVENT_NAME_MAX_BYTES};

use crate::authorization::access::AllowedRoles;
use crate::authorization::action::Action;
use crate::authorization::authorize::Authorization;
use crate::authorization::event::{
    Access, DeclaredEvent, EffectiveRule, Event, EventDeclaration, EventRow, Replay,
};
use crate::error::GateError;
use crate::gate_options::GateOptions;
use crate::payload::sealed::FieldSealer;

/// Event names that Socket.IO reserves.
const RESERVED: [&str; 8] = [
    "connect",
    "connect_error",
    "connection",
    "disconnect",
    "disconnecting",
    "error",
    "newListener",
    "removeListener",
];

impl Authorization {
    /// Declares an event of a namespace; a configured rate replaces the declared one.
    ///
    /// `namespace` is a name or a pattern; two namespaces may have events of one name.
    ///
    /// # Errors
    /// [`GateError`] when the name is invalid or taken, when the rule is invalid, or when the type
    /// of the payload accepts members that it does not declare.
    pub fn declare<E: Event>(&mut self, namespace: &str) -> Result<DeclaredEvent<E>, GateError> {
        self.check_payload::<E>()?;
        let index = self.add(EventDeclaration::new(namespace, E::NAME, &E::RULE))?;
        Ok(DeclaredEvent { index, event: PhantomData })
    }

    /// Adds an event, with the options in force; returns the place of its rule.
    pub(crate) fn add(&mut self, event: EventDeclaration) -> Result<usize, GateError> {
        event.check()?;
        let policy = self.policy.load();
        let row = event.row(&policy.options)?;
        if self.declared.iter().any(|known| known.is_same(&event)) {
            return Err(GateError::EventTwice(String::from(event.name)));
        }
        let index = self.declared.len();
        self.declared.push(event);
        self.policy.replace(policy.with_event(row));
        Ok(index)
    }

    /// Checks that every option about an event names a declared event.
    pub(crate) fn check_declared(&self, options: &GateOptions) -> Result<(), GateError> {
        let rated = options.event_per_user.iter().map(|(name, _)| name.as_str());
        let copied = options.replay.per_event.iter().map(|(name, _)| name.as_str());
        let mut names = rated.chain(copied).chain(options.roles.names());
        let known = |name: &str| self.declared.iter().any(|event| event.name == name);
        match names.find(|name| !known(name)) {
            Some(name) => Err(GateError::EventUndeclared(String::from(name))),
            None => Ok(()),
        }
    }

    /// Sets the keys for sealed fields, before events with sealed fields are declared.
    pub(crate) fn seal_with(&mut self, sealer: Arc<dyn FieldSealer>) {
        self.sealer = Some(sealer);
    }

    /// Every declared event and the roles that may send it, in the order of the declarations.
    #[must_use]
    pub fn actions(&self) -> Vec<Action> {
        self.policy.load().actions()
    }
}

impl EventDeclaration {
    /// Checks what does not depend on the operator's options.
    fn check(&self) -> Result<(), GateError> {
        let name = self.name;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_:.-".contains(&byte);
        let is_valid =
            !name.is_empty() && name.len() <= EVENT_NAME_MAX_BYTES && name.bytes().all(allowed);
        if !is_valid {
            return Err(GateError::EventName(String::from(name)));
        }
        if RESERVED.contains(&name) {
            return Err(GateError::EventReserved(String::from(name)));
        }
        if self.rule.size_max_bytes == 0 {
            return Err(self.invalid("its size limit rejects every message"));
        }
        if usize::from(self.rule.attachments_max) > ATTACHMENTS_MAX {
            return Err(self.invalid("a message carries 10 attachments at most"));
        }
        Ok(())
    }

    /// The rule in force with these options.
    ///
    /// # Errors
    /// [`GateError::EventRule`] when the options do not fit the declaration.
    pub(crate) fn row(&self, options: &GateOptions) -> Result<EventRow, GateError> {
        let (name, rule) = (self.name, &self.rule);
        if let Access::Role(role) | Access::OwnerOr(role) = rule.access
            && options.roles.table.name(role).is_empty()
        {
            return Err(
                self.invalid("its access names a role that is not defined: see RoleTable::define")
            );
        }
        let configured = options.event_per_user.iter().find(|(known, _)| known == name);
        let rate = configured.map(|(_, rate)| *rate).or(rule.rate);
        if rate.is_some_and(|rate| !rate.is_valid()) {
            return Err(self.invalid("its rate must let something pass, in 1 ms to 24 h"));
        }
        let replay = options.replay.in_force(name, rule);
        if replay == Replay::Signed && rule.attachments_max > 0 {
            return Err(self.invalid("it takes attachments, which a signature does not cover"));
        }
        if replay != Replay::None && !self.is_typed {
            return Err(self.invalid(
                "an event without a payload type has no envelope, so it takes no `replay`",
            ));
        }
        let allowed = options.roles.in_force(name, rule.access);
        let usual = EffectiveRule {
            rate: rule.rate,
            allowed: AllowedRoles::by_rule(rule.access),
            replay: options.replay.usual(rule),
        };
        Ok(EventRow {
            namespace: self.namespace.clone(),
            name,
            size_max_bytes: rule.size_max_bytes.min(options.message_max_bytes) as usize,
            allowed: allowed.map_err(|why| self.invalid(why))?,
            replay,
            rate,
            usual,
        })
    }

    fn invalid(&self, why: &'static str) -> GateError {
        GateError::EventRule { event: String::from(self.name), why }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde::Deserialize;

    use portcullis_model::Role;

    use super::*;
    use crate::authorization::event::Rule;
    use crate::directory::space::DirectoryLimits;
    use crate::directory::tables::Directory;
    use crate::gate::Gate;
    use crate::gate_options::GateOptions;
    use crate::tables::rate::Rate;

    macro_rules! event {
        ($type:ident, $name:expr, $size:expr, $rate:expr) => {
            #[derive(Deserialize)]
            #[serde(deny_unknown_fields)]
            struct $type {}
            impl Event for $type {
                const NAME: &'static str = $name;
                const RULE: Rule = Rule {
                    fields: &[],
                    size_max_bytes: $size,
                    rate: $rate,
                    access: Access::User,
                    replay: Replay::None,
                    ..Rule::DEFAULT
                };
            }
        };
    }

    event!(Plain, "test:plain", 512, Some(Rate::per(3, 1000)));
    event!(Huge, "test:huge", u32::MAX, None);
    event!(NoSize, "test:size", 0, None);
    event!(NoRate, "test:rate", 1, Some(Rate::per(0, 1000)));
    event!(Reserved, "disconnect", 1, None);
    event!(Spaced, "test plain", 1, None);
    event!(UntypedEvent, "", 1, None);

    fn gate(event_per_user: Vec<(String, Rate)>) -> Gate {
        let options = GateOptions {
            hosts: vec![String::from("chat.example")],
            origins: vec![String::from("https://chat.example")],
            event_per_user,
            ..GateOptions::default()
        };
        Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap()
    }

    #[test]
    fn declared_rules_are_bounded_by_the_options() {
        let mut gate = gate(Vec::new());
        gate.declare::<Plain>("/").unwrap();
        gate.declare::<Huge>("/").unwrap();
        let policy = gate.policy.load();
        let rows: Vec<_> =
            policy.events.iter().map(|row| (row.name, row.size_max_bytes, row.rate)).collect();
        let plain = ("test:plain", 512, Some(Rate::per(3, 1000)));
        assert_eq!(rows, [plain, ("test:huge", 10_240, None)]);
    }

    #[test]
    fn configured_rate_replaces_the_declared_one() {
        let configured = Rate::per(1, 5000);
        let mut gate = gate(vec![(String::from("test:plain"), configured)]);
        assert!(gate.check_declared().is_err(), "nothing is declared yet");
        gate.declare::<Plain>("/").unwrap();
        assert_eq!(gate.policy.load().events[0].rate, Some(configured));
        assert_eq!(gate.check_declared(), Ok(()));
    }

    macro_rules! payload {
        ($type:ident, $field:ident: $of:ty, $rule:expr) => {
            #[derive(Deserialize)]
            #[serde(deny_unknown_fields)]
            #[expect(dead_code, reason = "only the declaration is tested")]
            struct $type {
                $field: $of,
            }
            impl Event for $type {
                const NAME: &'static str = "test:payload";
                const RULE: Rule = $rule;
            }
        };
    }

    payload!(Unmatched, image: Option<crate::Attachment>, Rule::DEFAULT);
    payload!(Matched, image: crate::Attachment, Rule { attachments_max: 1, ..Rule::DEFAULT });
    payload!(Misspelled, item: u8, Rule { fields: &["itme"], ..Rule::DEFAULT });
    payload!(SharedRule, item: u8, Rule { fields: &["itme", "item"], ..Rule::DEFAULT });
    payload!(Inner, deep: Vec<Matched>, Rule {
        fields: &["deep", "image"], attachments_max: 1, ..Rule::DEFAULT
    });
    payload!(AnyMembers, any: std::collections::HashMap<String, u8>, Rule {
        fields: &["any", "price"], ..Rule::DEFAULT
    });
    payload!(OtherRole, item: u8, Rule { access: Access::Role(Role::Custom(3)), ..Rule::DEFAULT });

    #[test]
    fn rule_that_does_not_fit_its_payload_is_rejected() {
        let mut gate = gate(Vec::new());
        let seen = |declared: Result<(), GateError>| match declared {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        let unmatched = seen(gate.declare::<Unmatched>("/a").map(drop));
        assert!(unmatched.contains("attachments_max is 0"), "{unmatched}");
        assert_eq!(seen(gate.declare::<Matched>("/b").map(drop)), "");
        let misspelled = seen(gate.declare::<Misspelled>("/c").map(drop));
        assert!(misspelled.contains("\"itme\""), "{misspelled}");
        assert_eq!(seen(gate.declare::<Inner>("/d").map(drop)), "");
        assert_eq!(seen(gate.declare::<AnyMembers>("/e").map(drop)), "");
        let role = seen(gate.declare::<OtherRole>("/f").map(drop));
        assert!(role.contains("RoleTable::define"), "{role}");
    }

    #[test]
    fn rule_with_only_foreign_fields_is_rejected_with_the_first() {
        let declared = gate(Vec::new()).declare::<Misspelled>("/").map(drop);
        let event = String::from("test:payload");
        assert_eq!(declared, Err(GateError::EventField { event, field: "itme" }));
        assert_eq!(gate(Vec::new()).declare::<SharedRule>("/").map(drop), Ok(()));
    }

    #[test]
    fn invalid_rule_or_name_is_rejected() {
        let mut gate = gate(Vec::new());
        assert!(gate.declare::<Plain>("/").is_ok());
        assert!(gate.declare::<Plain>("/other").is_ok(), "another namespace, another event");
        let is_twice = matches!(gate.declare::<Plain>("/"), Err(GateError::EventTwice(_)));
        assert!(is_twice);
        assert!(matches!(gate.declare::<NoSize>("/"), Err(GateError::EventRule { .. })));
        assert!(matches!(gate.declare::<NoRate>("/"), Err(GateError::EventRule { .. })));
        assert!(matches!(gate.declare::<Reserved>("/"), Err(GateError::EventReserved(_))));
        assert!(matches!(gate.declare::<Spaced>("/"), Err(GateError::EventName(_))));
        assert!(matches!(gate.declare::<UntypedEvent>("/"), Err(GateError::EventName(_))));
    }
}
