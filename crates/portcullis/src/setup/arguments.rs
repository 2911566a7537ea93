//! The command line of `portcullis init`.
//! Never: a secret.

use std::path::{Path, PathBuf};

use clap::Args;

use super::plan::{LoginKind, TlsKind};

/// `portcullis init …`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct InitArguments {
    /// The file to write.
    #[arg(value_name = "FILE", default_value = "portcullis.toml")]
    file: PathBuf,
    /// The file to write, as for the other commands.
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
    /// The data directory that the printed commands name; `init` writes nothing there.
    #[arg(long, value_name = "DIR", default_value = "portcullis-data")]
    pub(super) data: PathBuf,
    /// The name of this server, such as chat.example; without it, the command asks on a terminal.
    #[arg(long, value_name = "NAME")]
    pub(super) domain: Option<String>,
    /// A page that can connect, beside the pages of this server at https://NAME; can be repeated.
    #[arg(long, value_name = "ORIGIN")]
    pub(super) origin: Vec<String>,
    #[command(flatten)]
    pub(super) login: LoginArguments,
    #[command(flatten)]
    pub(super) tls: TlsArguments,
    /// A host of its own for the dashboard, such as admin.chat.example.
    #[arg(long, value_name = "HOST")]
    pub(super) admin_host: Option<String>,
    /// Replaces a file that exists.
    #[arg(long)]
    pub(super) force: bool,
}

impl InitArguments {
    /// The file to write.
    pub(super) fn file(&self) -> &Path {
        self.config.as_deref().unwrap_or(&self.file)
    }
}

/// How users sign in.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct LoginArguments {
    /// How users sign in: own (accounts of this server) or issuer (your own login).
    #[arg(long, value_name = "KIND", value_parser = LoginKind::parse)]
    pub(super) login: Option<LoginKind>,
    /// With --login issuer: the claim `iss` of its tokens, exactly.
    #[arg(long, value_name = "ISS")]
    pub(super) issuer: Option<String>,
    /// With --login issuer: the address of its keys; ISS/.well-known/jwks.json by default.
    #[arg(long, value_name = "URL")]
    pub(super) jwks_url: Option<String>,
    /// With --login issuer: the claim `aud` of its tokens, exactly.
    #[arg(long, value_name = "AUD")]
    pub(super) audience: Option<String>,
    /// With --login issuer: the algorithm of its tokens; RS256 by default.
    #[arg(long, value_name = "ALG")]
    pub(super) algorithm: Option<String>,
}

/// Where TLS ends.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct TlsArguments {
    /// Where TLS ends: acme (here, with a certificate that the server gets itself), files (here,
    /// with your certificate) or proxy (a proxy on this machine).
    #[arg(long, value_name = "KIND", value_parser = TlsKind::parse)]
    pub(super) tls: Option<TlsKind>,
    /// With --tls acme: you agree to the terms of Let's Encrypt,
    /// https://letsencrypt.org/repository.
    #[arg(long)]
    pub(super) agree_terms: bool,
    /// With --tls acme: the address to which the authority writes.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) acme_email: Option<String>,
    /// With --tls acme: certificates for tests, which no client trusts.
    #[arg(long)]
    pub(super) acme_staging: bool,
    /// With --tls files: the certificate chain in PEM; /etc/portcullis/tls.crt by default.
    #[arg(long, value_name = "PEM")]
    pub(super) certificate: Option<PathBuf>,
    /// With --tls files: its private key in PEM; /etc/portcullis/tls.key by default.
    #[arg(long, value_name = "PEM")]
    pub(super) key: Option<PathBuf>,
    /// The address of a proxy that forwards connections, such as 127.0.0.1; can be repeated.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) proxy: Vec<String>,
}

impl TlsArguments {
    /// The first option that only `--tls acme` has.
    pub(super) fn first_of_acme(&self) -> Option<&'static str> {
        let set = [
            ("--agree-terms", self.agree_terms),
            ("--acme-email", self.acme_email.is_some()),
            ("--acme-staging", self.acme_staging),
        ];
        set.into_iter().find(|(_, is_set)| *is_set).map(|(flag, _)| flag)
    }
}
