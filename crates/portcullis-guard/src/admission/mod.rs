//! The first stage: which connections and requests are admitted.
//! Never: await, sockets; who the user is.

pub(crate) mod admit; // door 1: a connection or request comes in
pub(crate) mod handshake; // what door 1 is asked
pub(crate) mod proxy; // whom a request comes from behind proxies
pub(crate) mod host; // whose name the request uses
pub(crate) mod origin; // which page is asking
pub(crate) mod app_origin; // origins of apps, which are no pages on the web
pub(crate) mod admission_token; // who has been here before
pub(crate) mod source; // which requests another site's page may have caused
pub(crate) mod polling_binding; // which requests belong to one long-polling session
pub(crate) mod returning_client; // which class of client a request belongs to
pub(crate) mod counts; // what a socket or request counts toward
pub(crate) mod client; // which client a request comes from
pub(crate) mod redirect; // where a page is to be had over TLS
