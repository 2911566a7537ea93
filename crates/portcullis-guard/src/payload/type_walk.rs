//! A walk through a type as `serde` reads it: one path through its members for each run.
//! Never: more runs than the limit; a type that refers to itself is entered once a path.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Error, Expected, Visitor};

use crate::payload::open_type::{OpenFault, OpenType};

/// Runs for one type. A payload of a hundred members in four levels takes some hundreds.
const RUNS_MAX: usize = 20_000;
/// The member that no type declares.
pub(crate) const UNDECLARED: &str = "portcullis.undeclared";

/// The result of reading a generated value; most runs are stopped on purpose.
#[derive(Debug)]
pub(crate) enum ProbeError {
    /// The run is over.
    Stop,
    /// A member that the type does not declare was rejected.
    UnknownField(String),
    /// A member is missing.
    MissingField(&'static str),
    /// The variants there are.
    UnknownVariant(&'static [&'static str]),
}

impl fmt::Display for ProbeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a made-up value was rejected")
    }
}

impl std::error::Error for ProbeError {}

impl Error for ProbeError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Stop
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::UnknownField(String::from(field))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::MissingField(field)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::UnknownVariant(expected)
    }
}

/// One decision of a run: which of several ways was taken.
struct Choice {
    taken: usize,
    of: usize,
}

/// A question that is answered by how the whole run ends.
enum Pending {
    /// The variant is closed when the undeclared member was rejected.
    Tagged(String),
    /// The enum is open when it took the undeclared member.
    Untagged(String),
}

/// The facts found about an enum with `#[serde(tag)]`.
#[derive(Default, Clone, Copy)]
pub(crate) struct TagFacts {
    pub(crate) tag: Option<&'static str>,
    pub(crate) variants: &'static [&'static str],
}

/// The use of an undeclared member by a type.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberUse {
    /// Its name was not read, or rejected.
    #[default]
    Unread,
    /// Its name was accepted.
    Named,
    /// Its value was requested.
    Taken,
}

/// All runs over one type.
#[derive(Default)]
pub(crate) struct Walk {
    script: Vec<Choice>,
    /// How many choices of the script this run has taken.
    at: usize,
    runs: usize,
    /// JSON pointer to the current value; `*` is any element or key.
    pointer: String,
    /// The structs around the current value, by the types of their visitors.
    around: Vec<&'static str>,
    tags: HashMap<String, TagFacts>,
    pending: Option<Pending>,
    /// The use of the undeclared member by a struct.
    undeclared: MemberUse,
    /// Whether the type has requested something that an object can be.
    requested_object: bool,
    /// Whether the value was read to its end.
    accepted: bool,
    fault: Option<OpenType>,
    facts: TypeFacts,
}

/// The findings of a walk over a closed type.
#[derive(Debug, Default)]
pub(crate) struct TypeFacts {
    /// JSON pointers of the fields of type [`crate::Sealed`].
    pub(crate) sealed: BTreeSet<String>,
    /// The names of all members, at any depth.
    members: BTreeSet<&'static str>,
    /// Whether some members have names that the walk cannot know.
    has_unnamed: bool,
    /// Whether a field holds binary data.
    pub(crate) has_attachment: bool,
}

impl TypeFacts {
    /// Whether the type has members.
    pub(crate) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// Whether no member can have the name.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        !self.has_unnamed && !self.members.contains(name)
    }
}

impl Walk {
    /// Prepares the next run.
    pub(crate) fn start_run(&mut self) {
        self.at = 0;
        self.runs += 1;
        self.pointer.clear();
        self.around.clear();
        self.accepted = false;
        self.requested_object = false;
    }

    /// Evaluates how a run has ended.
    pub(crate) fn end_run(&mut self, outcome: &Result<(), ProbeError>) {
        self.accepted |= outcome.is_ok();
        if !self.requested_object {
            self.report("the payload", OpenFault::NoObject);
        }
        let rejected = matches!(outcome,
            Err(ProbeError::UnknownField(name)) if name == UNDECLARED);
        match self.pending.take() {
            Some(Pending::Tagged(name)) if !rejected => {
                self.report(name, OpenFault::TaggedVariant);
            }
            Some(Pending::Untagged(pointer)) if self.accepted => {
                self.report(pointer, OpenFault::Untagged);
            }
            Some(_) | None => {}
        }
    }

    /// Changes the script to the next path; false when all were read.
    pub(crate) fn advance(&mut self) -> bool {
        while let Some(last) = self.script.last_mut() {
            last.taken += 1;
            if last.taken < last.of {
                self.facts.has_unnamed |= self.runs >= RUNS_MAX;
                return self.runs < RUNS_MAX;
            }
            self.script.pop();
        }
        false
    }

    /// Which of so many ways to take now, and which choice of the script it is.
    pub(crate) fn choose(&mut self, of: usize) -> (usize, usize) {
        if self.at == self.script.len() {
            self.script.push(Choice { taken: 0, of });
        }
        let number = self.at;
        self.at += 1;
        (number, self.script.get(number).map_or(0, |choice| choice.taken))
    }

    /// A choice turns out to have so many ways.
    pub(crate) fn widen(&mut self, number: usize, of: usize) {
        if let Some(choice) = self.script.get_mut(number) {
            choice.of = of;
        }
    }

    /// Goes into a struct; an error when it is around already.
    pub(crate) fn enter<V>(&mut self) -> Result<(), ProbeError> {
        let identity = std::any::type_name::<V>();
        if self.around.contains(&identity) {
            return Err(ProbeError::Stop);
        }
        self.around.push(identity);
        self.undeclared = MemberUse::Unread;
        Ok(())
    }

    pub(crate) fn undeclared(&self) -> MemberUse {
        self.undeclared
    }

    pub(crate) fn note_undeclared(&mut self, state: MemberUse) {
        self.undeclared = state;
    }

    /// Goes to a member, an element (`*`) or a variant.
    pub(crate) fn step(&mut self, name: &str) {
        self.pointer.push('/');
        self.pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
    }

    /// The argument of [`Walk::go_back`].
    pub(crate) fn place(&self) -> usize {
        self.pointer.len()
    }

    pub(crate) fn go_back(&mut self, place: usize) {
        self.pointer.truncate(place);
    }

    /// Whether the current value is the payload itself.
    pub(crate) fn is_payload(&self) -> bool {
        self.pointer.is_empty()
    }

    /// The type asks for a struct, a map, an enum or any value.
    pub(crate) fn note_object(&mut self) {
        self.requested_object |= self.is_payload();
    }

    pub(crate) fn note_sealed(&mut self) {
        self.facts.sealed.insert(self.pointer.clone());
    }

    pub(crate) fn note_attachment(&mut self) {
        self.facts.has_attachment = true;
    }

    pub(crate) fn note_members(&mut self, names: &[&'static str]) {
        self.facts.members.extend(names);
    }

    /// A type asks for any value, a map or an enum, whose members have names of their own.
    pub(crate) fn note_unnamed(&mut self) {
        self.facts.has_unnamed = true;
    }

    pub(crate) fn note_accepted(&mut self) {
        self.accepted = true;
    }

    pub(crate) fn tag_facts(&mut self, name: &str) -> &mut TagFacts {
        self.tags.entry(format!("{} {name}", self.pointer)).or_default()
    }

    /// The run asks whether a variant of an enum with a tag takes an undeclared member.
    pub(crate) fn ask_tagged(&mut self, variant: &str, name: &str) {
        self.pending = Some(Pending::Tagged(format!("variant {variant} of {name}")));
    }

    /// The run asks whether an untagged enum takes an undeclared member.
    pub(crate) fn ask_untagged(&mut self) {
        self.pending = Some(Pending::Untagged(self.pointer.clone()));
    }

    /// Notes the first fault.
    pub(crate) fn report(&mut self, name: impl Into<String>, fault: OpenFault) {
        self.fault.get_or_insert_with(|| OpenType::new(name, fault));
    }

    pub(crate) fn take_fault(&mut self) -> Option<OpenType> {
        self.fault.take()
    }

    pub(crate) fn into_facts(self) -> TypeFacts {
        self.facts
    }
}

/// The expectation text of a visitor; derived code names its type there.
pub(crate) fn expected<'de, V: Visitor<'de>>(visitor: &V) -> String {
    let expected: &dyn Expected = visitor;
    expected.to_string()
}

/// Reads a name as a member or a variant.
pub(crate) fn read_name<'de, S: DeserializeSeed<'de>>(
    seed: S,
    name: &str,
) -> Result<S::Value, ProbeError> {
    seed.deserialize(StrDeserializer::new(name))
}
