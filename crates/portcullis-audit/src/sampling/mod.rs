//! Which records of rejected requests are kept; the others are counted.
//! Never: sampling of operations that took effect.

pub(crate) mod sampler; // records of one kind from one source
pub(crate) mod budget; // bytes that the records of a group may take in a day
