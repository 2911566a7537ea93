//! Text from users: normalized, checked and cleaned.
//! Never: decisions about users or rooms.

pub(crate) mod cleaner; // text in: normalise, bound, clean
pub(crate) mod text; // Unicode rules of text
pub(crate) mod markup; // formatting in text, without anything that can run
pub(crate) mod page_report; // reports of browsers about a violated policy
pub(crate) mod spam; // spam rules: links, repeats and phrases
