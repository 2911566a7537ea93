//! The requests this server makes itself: timed, bounded, no private addresses.
//! Never: redirects, proxies, requests a peer can steer.
//!
//! Whoever can choose an address could make the server ask its own network for him. So the
//! address connected to is the one that was checked, and nothing the answer says leads elsewhere.
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

mod policy; // what an operator may loosen or tighten
mod target; // a URL that was checked
mod client; // asks, under one deadline
mod connect; // from a name to a socket, through the check of addresses
mod address; // which addresses are public
mod trust; // whose certificates are taken
mod request; // what is sent
mod exchange; // one request and its answer, bounded
mod freshness; // how long an answer may be kept
mod error; // why there is no answer

pub use client::Client;
pub use error::OutboundError;
pub use exchange::Fetched;
pub use policy::Policy;
pub use target::{Target, URL_MAX_BYTES};
