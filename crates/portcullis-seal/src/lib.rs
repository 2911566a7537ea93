//! Fields sealed at rest, and the private files their keys lie in.
//! Never: decisions, sockets, SQL.

pub mod private_file; // small files only their owner may read

pub use private_file::PrivateFileError;
