//! The thread that writes lines.
//! Never: waits for anything but the file.

pub(crate) mod lines; // its loop: number, append, print
pub(crate) mod watch; // what it checks once a second
