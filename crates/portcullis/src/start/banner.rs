//! Prints addresses and links at the start, for people and programs.
//! Never: a line after the public address.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use portcullis_audit::Output;
use portcullis_model::Secret;

use crate::config::Settings;
use crate::start::pages;

/// Facts for the printed lines that only a running server knows.
pub(crate) struct Banner<'a> {
    pub(crate) public: SocketAddr,
    pub(crate) private: Option<SocketAddr>,
    pub(crate) probe: Option<SocketAddr>,
    pub(crate) redirect: Option<SocketAddr>,
    pub(crate) authority: Option<&'a Path>,
    pub(crate) setup_token: Option<&'a Secret<String>>,
}

/// Prints the lines. The server continues if no program reads them.
pub(crate) fn print(settings: &Settings, banner: &Banner<'_>) {
    let lines = lines(settings, banner);
    let count = lines.lines().count() as u64;
    if !Output::stdout().is_ok_and(|out| out.push(&lines, count)) {
        tracing::warn!("the addresses are not printed: no program reads standard output");
    }
}

fn lines(settings: &Settings, banner: &Banner<'_>) -> String {
    let scheme = settings.tls.scheme();
    let mut lines = String::new();
    let mut line = |text: String| {
        lines.push_str(&text);
        lines.push('\n');
    };
    if let Some(authority) = banner.authority {
        line(format!("certificate authority {}", authority.display()));
    }
    if let Some(token) = banner.setup_token {
        let mut link = format!("set-up link {}/#setup=", settings.page_url());
        let _written = link.write_str(token.expose());
        line(link);
    }
    if !pages::are_built() {
        line(String::from("no chat page in this build: cargo xtask run builds it with Node.js"));
    }
    if settings.identity.admin.has_own_host() {
        line(format!("dashboard {}", settings.dashboard_url()));
    }
    if let Some(private) = banner.private {
        line(format!("listening private http://{private}"));
    }
    if let Some(probe) = banner.probe {
        line(format!("listening probe http://{probe}"));
    }
    if let Some(redirect) = banner.redirect {
        line(format!("listening redirect http://{redirect}"));
    }
    line(format!("listening public {scheme}://{}", banner.public));
    lines
}
