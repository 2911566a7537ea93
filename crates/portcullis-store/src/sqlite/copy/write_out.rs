//! Passes the bytes of a copy on to the disk while it is made.
//! Never: a wait for the disk on the writer's thread.

use std::fs::File;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// Starts to write what the system still holds of a file, and frees the memory of the rest.
///
/// Without it, the sync at the end of a long copy writes all of it at once. The file system joins
/// it with the sync of the log of the database, and every commit waits for it.
pub fn write_out(file: &File) {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{Advice, fadvise};
        // Only advice: a file system that ignores it makes the sync longer.
        let _ignored = fadvise(file, 0, None, Advice::DontNeed);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// A thread that writes out a file; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct WriteOut(SyncSender<()>);

impl WriteOut {
    /// Starts the thread. Without one, the sync at the end is longer.
    pub(super) fn start(file: File) -> Self {
        let (wake, woken) = sync_channel(1);
        let run = move || {
            while woken.recv().is_ok() {
                write_out(&file);
            }
        };
        let _none_started = thread::Builder::new().name("store-copy".into()).spawn(run);
        Self(wake)
    }

    /// Writes out soon what has been written so far.
    pub(super) fn wake(&self) {
        // A full channel has a request that covers it; a missing thread leaves it to the sync.
        let _covered = self.0.try_send(());
    }
}
