//! The input of alert rules: a part of each record, before sampling.
//! Never: waits for the thread that evaluates rules.

pub(crate) mod subject; // the subject of a record, also when its texts are not built
pub(crate) mod note; // the parts of a record that rules compare
pub(crate) mod interest; // the parts of records that the rules need, for each code
pub(crate) mod key; // the key of a rule
pub(crate) mod queues; // bounded queues between recorders and the engine
