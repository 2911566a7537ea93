//! The account routes together, over a real store and a real gate.
//! Never: a socket; those tests stand elsewhere.

mod accounts; // people come
mod factors; // what proves who they are
mod step_up; // a fresh proof belongs to the token it was given for
mod sessions; // a log-in lives on and ends
mod logouts; // tokens of other issuers are logged out
mod guesses; // wrong secrets count, and the owner gets in
mod world; // what the stories share
