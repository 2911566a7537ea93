//! The one thread that writes.
//! Never: an answer before the commit.

pub(crate) mod thread; // its queue and its loop
pub(crate) mod commit; // a batch: commit, feed, replies
pub(crate) mod task; // one change on its way
pub(crate) mod recheck; // what other programs have changed
