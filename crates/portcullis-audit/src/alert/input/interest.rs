//! The records that alert rules need, and the texts of them, for each code.
//! Never: changes; it is made from the rules at the start.

use portcullis_model::Code;

use super::note::{Note, Text};
use crate::alert::rule::condition::Condition;
use crate::alert::rule::rules::Rules;

/// The interest of rules in the records of one code.
#[derive(Debug, Default)]
pub(crate) struct CodeInterest {
    /// Bits of [`Text`]; `None` when no rule counts the code.
    texts: Option<u8>,
    /// Triggers that count all records together: their numbers and conditions.
    whole: Vec<(usize, Condition)>,
}

/// The interest of rules in all records.
#[derive(Debug)]
pub(crate) struct Interest {
    codes: Vec<CodeInterest>,
    triggers: usize,
}

impl Interest {
    pub(crate) fn new(rules: &Rules) -> Self {
        let mut codes: Vec<CodeInterest> =
            Code::ALL.iter().map(|_| CodeInterest::default()).collect();
        let mut triggers = 0;
        for (number, _, trigger) in rules.triggers() {
            triggers = number + 1;
            for condition in trigger.conditions.iter().chain(&trigger.ends) {
                let Some(code) = codes.get_mut(condition.code as usize) else { continue };
                let texts = code.texts.get_or_insert(Text::Reference.bit());
                *texts |= trigger.texts();
                if trigger.counts_all() && !trigger.ends.contains(condition) {
                    code.whole.push((number, condition.clone()));
                }
            }
        }
        Self { codes, triggers }
    }

    /// The number of triggers.
    pub(crate) fn triggers(&self) -> usize {
        self.triggers
    }

    /// The texts that rules need of records of a code; `None` when no rule counts them.
    pub(crate) fn texts(&self, code: Code) -> Option<u8> {
        self.codes.get(code as usize)?.texts
    }

    /// The triggers without a key that count a note.
    pub(crate) fn whole<'s>(&'s self, note: &'s Note) -> impl Iterator<Item = usize> + 's {
        let code = self.codes.get(note.code as usize);
        let whole = code.map(|code| &*code.whole).unwrap_or_default();
        whole.iter().filter(|(_, condition)| condition.matches(note)).map(|(number, _)| *number)
    }
}
