//! Clients behind proxies: whom a request counts for, and one reading of it by proxy and server.
//! Never: a proxy that is left running.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod started; // proxies from Debian's packages, started and stopped
mod forwarded; // headers of proxies, and the PROXY protocol
mod behind; // the server behind nginx and HAProxy
mod logs; // what proxies write about requests
mod metrics; // what monitoring on other machines reads
mod smuggling; // requests that two servers could read differently
