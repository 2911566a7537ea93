//! Reads the text of the metrics of a running server.
//! Never: a guess; a metric that is missing makes the text useless.

/// The counters of a running server, since its start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct ServerFacts {
    pub(crate) cpu_s: f64,
    pub(crate) resident_bytes: f64,
    pub(crate) files_max: f64,
    pub(crate) connections_open: f64,
    pub(crate) connections_total: f64,
    pub(crate) messages: f64,
    pub(crate) deliveries: f64,
    pub(crate) commits: f64,
    pub(crate) commit_s: f64,
}

impl ServerFacts {
    /// Reads an answer of `/metrics`; none if it is not one of this server.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(' '));
            lines.find(|(found, _)| *found == name)?.1.parse::<f64>().ok()
        };
        Some(Self {
            cpu_s: value("process_cpu_seconds_total")?,
            resident_bytes: value("process_resident_memory_bytes")?,
            files_max: value("process_max_fds")?,
            connections_open: value("portcullis_connections_open")?,
            connections_total: value("portcullis_connections_total")?,
            messages: value("portcullis_messages_total")?,
            deliveries: value("portcullis_deliveries_total")?,
            // A server without a store has no commits.
            commits: value("portcullis_store_commit_seconds_count").unwrap_or_default(),
            commit_s: value("portcullis_store_commit_seconds_sum").unwrap_or_default(),
        })
    }

    /// The differences between an earlier answer and this one.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            cpu_s: self.cpu_s - earlier.cpu_s,
            connections_total: self.connections_total - earlier.connections_total,
            messages: self.messages - earlier.messages,
            deliveries: self.deliveries - earlier.deliveries,
            commits: self.commits - earlier.commits,
            commit_s: self.commit_s - earlier.commit_s,
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_metrics_are_read() {
        let text = "HTTP/1.1 200 OK\r\n\r\n# TYPE process_cpu_seconds counter\n\
                    process_cpu_seconds_total 1.5\nprocess_resident_memory_bytes 50000000\n\
                    process_max_fds 1024\nportcullis_connections_open 7\n\
                    portcullis_connections_total 9\nportcullis_messages_total 100\n\
                    portcullis_deliveries_total 900\n";
        let facts = ServerFacts::parse(text).unwrap();
        let expect = ServerFacts {
            cpu_s: 1.5,
            resident_bytes: 5e7,
            files_max: 1024.0,
            connections_open: 7.0,
            connections_total: 9.0,
            messages: 100.0,
            deliveries: 900.0,
            ..ServerFacts::default()
        };
        assert_eq!(facts, expect);
        let commits = "portcullis_store_commit_seconds_sum 0.2\n\
                       portcullis_store_commit_seconds_count 400\n";
        let facts = ServerFacts::parse(&format!("{text}{commits}")).unwrap();
        assert_eq!((facts.commits, facts.commit_s), (400.0, 0.2));
        let later = ServerFacts { messages: 150.0, resident_bytes: 6e7, ..facts };
        let between = later.since(&facts);
        assert_eq!((between.messages, between.commits, between.resident_bytes), (50.0, 0.0, 6e7));
        for missing in ["process_max_fds", "portcullis_deliveries_total"] {
            assert_eq!(ServerFacts::parse(&text.replace(missing, "x")), None, "{missing}");
        }
        assert_eq!(ServerFacts::parse("SSH-2.0-OpenSSH\r\n"), None);
    }
}
