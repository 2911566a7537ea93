//! The one thread that writes.
//! Never: a result before the commit.

pub(crate) mod thread; // its loop
pub(crate) mod queue; // collects batches from the queue of changes
pub(crate) mod task; // one change and its caller
pub(crate) mod progress; // started, cancelled, or waiting
pub(crate) mod commit; // a batch: commit, feed, results
pub(crate) mod recheck; // finds changes of other programs
pub(crate) mod authority_watch; // state kept between rechecks
