//! Messages that are not delivered yet.
//! Never: more than a bounded number of them.

pub(crate) mod delivery; // one message for one channel, and the times of its attempts
pub(crate) mod hold; // messages that quiet hours hold
pub(crate) mod queue; // the messages of all channels
pub(crate) mod file; // the file that keeps them
pub(crate) mod quota; // limits of messages to a channel
