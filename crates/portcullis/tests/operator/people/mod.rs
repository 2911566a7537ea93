//! Users, invitations, rooms, keys and tokens by commands and operations.
//! Never: a wait by sleeping.

mod users; // roles, bans, passwords, log-outs, invitations
mod invitations; // invitations of administrators
mod rooms; // rooms and users deleted
mod keys; // rotated, revoked, sealed anew
mod tokens; // made and explained
