//! Servers built with the library, in this process, spoken to over real sockets.
//! Never: a server that outlives its test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails says so"
)]

mod served; // a server for one test, and its clients
mod kit; // the public test kit
mod covered; // rooms that a handler may emit to
mod rejections; // the application's own rejections, errors for its developer
mod options; // types of options
mod copies; // copies of a message with the same `mid`
mod sealed; // fields of events that are sealed
mod users; // users of other issuers: bans, second factors, routes
mod handlers; // what a handler may do, and what it may not break
mod fairness; // fair scheduling of handlers
mod namespaces; // names, patterns, hooks, leaving and coming back
mod operators; // the recipients of an event
mod readiness; // threads and tasks that have ended
mod world; // many clients, many shards, random acts, and what must hold
