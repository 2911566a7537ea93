//! Tests of the public interface of the store, one module for each subject.
//! Never: a server, the network.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this binary is test code"
)]

mod fixture; // a store in a directory of its own, a feed that records, rows to insert
mod story; // the story that every backend must pass
mod users; // creation, changes, second factors
mod sessions; // opening, rotation, reauthentication, rechecks, cleanup
mod relations; // invitations to rooms, kicks
mod deletions; // users and rooms that an operator deletes
mod blocks; // blocked networks, of the server and of an operator
mod operator; // the operator's store beside a running one
mod sealed; // fields that are encrypted at rest
