//! The thread that writes lines.
//! Never: waits for anything except the file.

pub(crate) mod thread; // the loop: take records, number, write, print, handle faults
mod statements; // keys and notes of the chain
pub(crate) mod batch; // encoded lines
pub(crate) mod storage; // the files that the thread writes to
pub(crate) mod file_monitor; // the once-a-second checks of the file and the disk
pub(crate) mod status; // the reports of the thread to other threads
