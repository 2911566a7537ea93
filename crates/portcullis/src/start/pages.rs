//! The files of the chat page and the dashboard, built into the binary.
//! Never: a file read from disk at run time.

use bytes::Bytes;
use portcullis_server::{Builder, DashboardParts};

use crate::config::{AdminSettings, DashboardPage};

/// The folder of the dashboard.
const DASHBOARD: &str = "/admin/";
/// The routes and files beside that folder that the dashboard uses: to sign in and out, to prove a
/// login again, and to add a second factor.
const SHARED: &[&str] = &[
    "/favicon.svg",
    "/auth/login",
    "/auth/logout",
    "/auth/reauthenticate",
    "/auth/refresh",
    "/auth/ticket",
    "/auth/totp/begin",
    "/auth/totp/confirm",
];

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Whether the build included the page.
pub(crate) fn are_built() -> bool {
    !PAGES.is_empty()
}

/// Serves every file of the pages; `index.html` also at the path of its folder.
pub(crate) fn install(builder: &mut Builder, admin: &AdminSettings) {
    let is_served = admin.page == DashboardPage::Served && are_built();
    let folder = is_served.then_some(DASHBOARD);
    builder.dashboard(DashboardParts { folder, namespace: "/admin", shared: SHARED });
    for (path, bytes) in PAGES {
        if admin.page == DashboardPage::Absent && path.starts_with(DASHBOARD) {
            continue;
        }
        let content_type = content_type(path);
        if let Some(folder) = path.strip_suffix("index.html") {
            builder.page(folder, content_type, Bytes::from_static(bytes));
        }
        builder.page(path, content_type, Bytes::from_static(bytes));
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml; charset=utf-8",
        "png" => "image/png",
        "json" => "application/json; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    /// What the build script writes becomes a part of the binary, which has to be the same in any
    /// folder: see "Reproducible builds" in docs/install.md.
    #[test]
    fn generated_sources_name_no_folder_of_this_machine() {
        let generated = [
            include_str!(concat!(env!("OUT_DIR"), "/pages.rs")),
            include_str!(concat!(env!("OUT_DIR"), "/dependencies.rs")),
        ];
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let root = std::path::Path::new(root).canonicalize().unwrap();
        let folders = [env!("CARGO_MANIFEST_DIR"), env!("OUT_DIR"), root.to_str().unwrap()];
        for text in generated {
            assert!(text.starts_with("static "), "{text}");
            for folder in folders {
                assert!(!text.contains(folder), "{text}");
            }
        }
    }
}
