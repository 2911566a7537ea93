//! The report of a drill: its content, as text, and as files in JSON and HTML.
//! Never: a token, a key of the drill, or text of the target that is not bounded.

pub(crate) mod result; // the result of a case and of the drill
pub(crate) mod text; // lines for a terminal
pub(crate) mod html; // one page without scripts
pub(crate) mod files; // both files in a directory
