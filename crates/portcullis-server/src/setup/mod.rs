//! Registrations of a product, and the start and stop of the server.
//! Never: a request; a connection.

pub(crate) mod options; // the options of the engine
pub(crate) mod operator_keys; // the keys of operators' programs
pub(crate) mod operator_proof; // proofs of such a key, one for each request
pub(crate) mod builder; // registrations of a product before the start
pub(crate) mod dashboard; // the parts of the dashboard
pub(crate) mod registered; // the registrations, as all shards share them
pub(crate) mod start; // listeners, threads and their shards
pub(crate) mod running; // a running server, and its drain
pub(crate) mod port; // a port fixed before the start
pub(crate) mod task_health; // whether threads and background tasks run
