//! Tests of several account routes together, with a real store and a real gate.
//! Never: sockets; tests with sockets are in the crate of the server binary.

mod accounts; // registration and login
mod factors; // passwords, second factors, tickets
mod step_up; // reauthentication applies to one token
mod sessions; // sessions are refreshed and end
mod logouts; // logout with tokens of other issuers
mod guesses; // wrong secrets count, and the owner can still log in
mod world; // the store, the gate and the clients of these tests
