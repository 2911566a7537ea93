//! Attackers of the siege.
//! Never: honest users.

pub(crate) mod floods; // the attackers
pub(crate) mod schedule; // when they act
pub(crate) mod strikes; // what they do
pub(crate) mod rejections; // what they do to be rejected
pub(crate) mod reader; // one of them, who never reads
