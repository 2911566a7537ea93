//! The parts of a server that belong to the dashboard of administrators.
//! Never: a decision about a client; the gate and the roles of the namespace make it.

/// The parts of a server that belong to the dashboard. The options of the gate
/// ([`DashboardRules`](portcullis_guard::DashboardRules)) say for which clients they exist.
#[derive(Debug, Clone, Copy, Default)]
pub struct DashboardParts {
    /// The folder of its pages, such as `/admin/`; none without pages.
    pub folder: Option<&'static str>,
    /// Its namespace, such as `/admin`.
    pub namespace: &'static str,
    /// Routes and files of the server that it uses as well.
    pub shared: &'static [&'static str],
}

impl DashboardParts {
    /// Whether a path is of its pages: in the folder, or the folder without the slash.
    pub(crate) fn is_page(&self, path: &str) -> bool {
        self.folder.is_some_and(|folder| path.starts_with(folder)) || self.is_start(path)
    }

    /// Whether a path is the folder without its slash.
    pub(crate) fn is_start(&self, path: &str) -> bool {
        self.folder.and_then(|folder| folder.strip_suffix('/')).is_some_and(|start| start == path)
    }

    /// Whether it uses a route or a file.
    pub(crate) fn uses(&self, path: &str) -> bool {
        self.shared.contains(&path)
    }
}
