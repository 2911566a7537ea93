//! Long-polling sessions: opening, binding, bodies.
//! Never: a sleep; every wait has a deadline.

mod opening; // session ids, parameters, methods, floods
mod addresses; // sessions of clients with several addresses
mod binding; // the client that a session belongs to
mod bodies; // posted bodies, polled packets, overlaps
