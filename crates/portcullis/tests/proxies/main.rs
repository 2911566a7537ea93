//! Clients behind proxies: the client that a request is charged to, and equal parsing by both.
//! Never: a proxy that keeps running after the test.
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
mod small_proxy; // proxies of these tests, careful and careless
mod drill; // attack cases through a proxy, right and wrong
mod logs; // what proxies write about requests
mod metrics; // what monitoring on other machines reads
mod smuggling; // requests that two servers could read differently
