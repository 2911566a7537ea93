//! Limits of rate: events, packets, requests.
//! Never: a sleep; every wait has a deadline.

mod rates; // limits of rates by address and by user
mod packets; // limits of packets that are not events
mod other_sites; // requests that a page of another site causes in a browser
