//! Requests that this server makes itself: timed, bounded, no private addresses.
//! Never: redirects, proxies, requests that a client can direct.
//!
//! An attacker who chooses an address could make the server send requests to its own network.
//! So the server connects only to the address that was checked, and follows no redirect.
//!
//! ```
//! use portcullis_outbound::{Policy, Target};
//!
//! let policy = Policy::default();
//! let target = Target::parse("https://id.example.com/jwks.json?tenant=7", &policy)?;
//! assert_eq!(target.to_string(), "https://id.example.com:443/jwks.json");
//! assert!(Target::parse("https://2130706433/", &policy).is_err());
//! # Ok::<(), portcullis_outbound::OutboundError>(())
//! ```

mod policy; // what an operator can allow
mod target; // the target of a request: a URL that was checked
mod client; // sends requests under one deadline
mod connect; // from a name to a socket, with the check of addresses
mod address; // which addresses are public
mod trust; // which certificates are accepted
mod request; // the requests: GET, HEAD and POST
mod exchange; // one request and its response, bounded
mod freshness; // how long a response may be cached
mod error; // errors, and the limits that they name

pub use client::Client;
pub use error::{OutboundError, URL_MAX_BYTES};
pub use exchange::FetchResponse;
pub use freshness::retry_after_s;
pub use policy::Policy;
pub use request::ProtocolRequest;
pub use target::Target;
pub use tokio_rustls::client::TlsStream;
