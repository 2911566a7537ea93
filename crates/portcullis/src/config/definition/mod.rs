//! The definition of every key: description, type, permitted values, default, example.
//! Never: a text about a key that its section does not have; all texts come from there.

mod source; // what the sections of the file declare
mod defaults; // the defaults of each profile
mod order; // the order of keys, as in the documentation
mod key; // keys and sections, in that order
mod schema; // the JSON Schema of the file
mod example; // an annotated configuration file
mod reference; // the page of the documentation
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_values; // defaults, words and ranges against the server

pub(crate) use example::example;
pub(crate) use reference::reference;
pub(crate) use schema::schema;
