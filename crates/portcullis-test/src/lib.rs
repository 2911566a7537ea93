//! Raw clients and a server under test, for the integration tests.
//! Never: part of a release.
