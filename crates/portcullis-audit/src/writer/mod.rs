//! The thread that writes lines.
//! Never: waits for anything but the file.

pub(crate) mod thread; // its loop: number, append, print
pub(crate) mod monitor; // what it checks once a second
