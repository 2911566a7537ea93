//! What a product registers, and how the server starts and drains.
//! Never: a request; a connection.

pub(crate) mod options; // plain numbers the engine runs by
pub(crate) mod operator_keys; // what operators show on the private listener
pub(crate) mod builder; // what a product registers before the start
pub(crate) mod running; // threads, readiness, drain
pub(crate) mod port; // a port fixed before the start
pub(crate) mod vitals; // whether threads and lasting tasks run
