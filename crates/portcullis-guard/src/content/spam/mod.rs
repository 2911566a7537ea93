//! Spam rules: links, repeats and phrases.
//! Never: decisions about users.

pub(crate) mod filter; // which combinations reject a text
pub(crate) mod links; // links and hosts
pub(crate) mod parts; // parts of a text that are searched for phrases
pub(crate) mod phrases; // phrases, however they are spelled
pub(crate) mod repeated_characters; // characters that repeat
#[cfg(test)]
mod ordinary_tests; // ordinary messages that no rule may reject
