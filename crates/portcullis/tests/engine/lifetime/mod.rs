//! Upgrade, timeouts, slow peers and recovery of a connection.
//! Never: a sleep; every wait has a deadline.

mod upgrades; // a WebSocket takes over
mod deadlines; // silence and chatter
mod slow_senders; // clients that deliver too slowly
mod slow_consumers; // clients whose socket takes little
mod slow; // peers that do not read, write or go
mod recovery; // places that are taken again
