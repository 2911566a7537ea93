//! What alert rules see of each record, before sampling.
//! Never: waits for the thread that evaluates rules.

pub(crate) mod subject; // what a record is about, also when its texts are not built
pub(crate) mod note; // the parts of a record that rules compare
pub(crate) mod interest; // which parts the rules need, for each code
pub(crate) mod key; // what a rule counts by
pub(crate) mod queues; // bounded queues between recorders and the engine
