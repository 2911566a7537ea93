//! The first stage: which connections and requests are admitted.
//! Never: await, sockets; the identity of the user.

pub(crate) mod admit; // the stage: which connections and requests are admitted
pub(crate) mod handshake; // the request head, and the result of admission
pub(crate) mod proxy; // the addresses that trusted proxies report
pub(crate) mod names; // the names of this server, and the pages that may connect
pub(crate) mod admission_token; // admission tokens of returning clients
pub(crate) mod source; // requests that a page of another site may have caused
pub(crate) mod polling_binding; // the binding of the requests of a long-polling session
pub(crate) mod returning_client; // which class of client a request belongs to
pub(crate) mod counts; // the limits that a socket or request counts toward
pub(crate) mod client; // which client a request comes from
pub(crate) mod reports; // reports of browsers about the policy of a page
pub(crate) mod redirect; // redirects from plain text to TLS
