//! How the embedded store works: queues, batches, threads, free space.
//! Never: a limit that is missing.

/// Options of the embedded store.
#[derive(Debug, Clone, Copy)]
pub struct SqliteOptions {
    /// Most changes that wait for the writer, and most reads that wait for the readers.
    ///
    /// A waiting change holds its text: with messages of 4 KiB, 8192 of them are 32 MiB.
    pub queue_max: usize,
    /// Most changes in one transaction.
    pub batch_max: usize,
    /// Longest wait for more changes before a commit, and only under load; 0 never waits.
    pub batch_wait_ms: u64,
    /// Threads that read history, each with a connection and up to 8 MiB of cache.
    ///
    /// One more thread looks up users, so that no login waits for history. Another one reads the
    /// authority after another program has changed it.
    pub readers: usize,
    /// Space that is kept free on the disk, in bytes: with less, clients' changes are rejected.
    /// `None` is 256 MiB, or an eighth of a smaller disk; 0 keeps none.
    pub min_free_bytes: Option<u64>,
    /// Whether the texts of messages are sealed at rest, if the store has a seal.
    ///
    /// Second factors are sealed in any case. Sealed values can be read either way.
    pub seal_messages: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            queue_max: 8192,
            batch_max: 256,
            batch_wait_ms: 5,
            readers: 2,
            seal_messages: true,
            min_free_bytes: None,
        }
    }
}
