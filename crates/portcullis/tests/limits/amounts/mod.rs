//! Limits of rate: events, packets, requests.
//! Never: a sleep; every wait has a deadline.

mod rates; // how often, by address and by user
mod packets; // limits of packets that are not events
mod other_sites; // what a page of another site makes a browser send
