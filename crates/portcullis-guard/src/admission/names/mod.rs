//! The names by which clients reach this server, and the pages that can connect.
//! Never: a pattern.

pub(crate) mod host; // the names of this server
pub(crate) mod origin; // the pages that may connect
pub(crate) mod app_origin; // origins of mobile and desktop apps
pub(crate) mod dashboard; // where the dashboard exists
