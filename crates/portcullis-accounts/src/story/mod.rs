//! The account routes together, over a real store and a real gate.
//! Never: a socket; those tests stand elsewhere.

mod accounts; // people come
mod factors; // what proves who they are
mod sessions; // a log-in lives on and ends
mod world; // what the stories share
