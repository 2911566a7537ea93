//! Advisories about dependencies, from files that the operator provides.
//! Never: a download.

pub(super) mod dependencies; // the dependencies of this binary
pub(super) mod version; // versions in their order
pub(super) mod osv; // one advisory in the format OSV
pub(super) mod check; // D10
