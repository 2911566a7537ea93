//! The configuration file for the answers of an operator.
//! Never: a secret, or a key whose default is enough.

use std::path::Path;

use super::plan::{AcmePlan, IssuerPlan, Login, Plan, TlsPlan};

/// The file.
pub(super) fn render(plan: &Plan) -> String {
    let mut text = format!(
        "# The configuration of Portcullis for {}, written by `portcullis init`.
#
# After a change, check the file with `portcullis check`, and use it with `portcullis reload`,
# which names what needs a restart.
# `portcullis config example` prints all keys with their descriptions and defaults.
profile = \"production\"
",
        plan.domain
    );
    text.push_str(&listen(plan));
    text.push_str(&origin(plan));
    text.push_str(&tls(&plan.tls));
    text.push_str(&login(&plan.login));
    text.push_str(&admin(plan));
    text.push_str(AUDIT);
    text
}

const AUDIT: &str = "
[audit]
# Security records are in security.log of the data directory. With `true`, standard output, such as
# the journal, has them too.
stdout = false
";

/// Addresses of a server that ends TLS itself.
const OWN_TLS: &str = "# All addresses of this machine, IPv4 and IPv6.
public = \"[::]:443\"
# Health, metrics and operators' requests, for programs on this machine only. Below 1024, so that no
# other user can listen there while the server is down.
private = \"127.0.0.1:943\"
";

fn listen(plan: &Plan) -> String {
    let mut text = String::from("\n[listen]\n");
    match &plan.tls {
        TlsPlan::Acme(AcmePlan { proxies, .. }) => {
            text.push_str(OWN_TLS);
            text.push_str(
                "# The authority validates the name here. Redirects http:// requests to https://.
redirect = \"[::]:80\"
",
            );
            text.push_str(&trusted(proxies));
        }
        TlsPlan::Files { proxies, .. } => {
            text.push_str(OWN_TLS);
            text.push_str(
                "# Redirects plain http:// requests for pages to https://.
#redirect = \"[::]:80\"
",
            );
            text.push_str(&trusted(proxies));
        }
        TlsPlan::Proxy(proxies) => {
            text.push_str(
                "# The proxy forwards to this address. Other machines cannot reach it.
public = \"127.0.0.1:8443\"
# Health, metrics and operators' requests, for programs on this machine only.
private = \"127.0.0.1:9443\"
",
            );
            text.push_str(&trusted(proxies));
        }
    }
    let name = quoted(&plan.domain);
    text.push_str(&format!(
        "# The names of this server, with the port, if it is not 443.\nhosts = [{name}]\n"
    ));
    text
}

fn trusted(proxies: &[String]) -> String {
    if proxies.is_empty() {
        return String::new();
    }
    format!(
        "# Your proxies. Only they can report the addresses of clients, in X-Forwarded-For.
trusted_proxies = {}
",
        list(proxies)
    )
}

fn origin(plan: &Plan) -> String {
    let mut pages = vec![plan.own_origin()];
    pages.extend(plan.origins.iter().cloned());
    let pages_text = match plan.origins.as_slice() {
        [] => "The pages that can connect: those of this server.",
        _ => "The pages that can connect: those of this server, and yours.",
    };
    format!("\n[origin]\n# {pages_text}\nallowed = {}\n", list(&pages))
}

fn tls(tls: &TlsPlan) -> String {
    match tls {
        TlsPlan::Acme(acme) => certificate_of_authority(acme),
        TlsPlan::Files { certificate, key, .. } => format!(
            "
[tls]
# The certificate chain and its key, in PEM. The server must be able to read the key, and other
# users must not. After a renewal, send the server SIGHUP (systemctl reload portcullis).
certificate_file = {}
key_file = {}
",
            path(certificate),
            path(key)
        ),
        TlsPlan::Proxy(_) => String::from(
            "
[tls]
# The proxy ends TLS. docs/proxies.md explains it, with files for nginx and HAProxy.
mode = \"off\"
",
        ),
    }
}

fn certificate_of_authority(acme: &AcmePlan) -> String {
    let mut text = String::from(
        "
[tls]
# The server gets its certificate from Let's Encrypt, and renews it. The DNS name has to point to
# this machine, and port 80 has to be open.
mode = \"acme\"
acme_terms_agreed = true
",
    );
    if let Some(email) = &acme.email {
        text.push_str(&format!("acme_email = {}\n", quoted(email)));
    }
    match acme.is_staging {
        true => text.push_str(
            "# For tests: no client trusts these certificates. Remove the line when they arrive.
acme_staging = true
",
        ),
        false => text.push_str(
            "# First tries without limits, with certificates that no client trusts:
#acme_staging = true
",
        ),
    }
    text
}

fn login(login: &Login) -> String {
    match login {
        Login::Own => String::from(
            "
[accounts]
# Registration is \"open\", by \"invitation\", or \"closed\".
registration = \"open\"
",
        ),
        Login::Issuer(IssuerPlan { issuer, jwks_url, audience, algorithm }) => format!(
            "
[accounts]
# Users sign in at the issuer below. Administrators have accounts of this server.
registration = \"closed\"

[[token.issuer]]
# The claims `iss` and `aud` of its tokens, exactly.
issuer = {}
audience = {}
# The algorithm of all its tokens, and the address of its public keys.
algorithm = {}
jwks_url = {}
",
            quoted(issuer),
            quoted(audience),
            quoted(algorithm),
            quoted(jwks_url)
        ),
    }
}

fn admin(plan: &Plan) -> String {
    let comment = "# A host of its own for the dashboard, so that scripts in other pages cannot
# act in it. Its name has to lead to this server, and to be in the certificate.";
    match &plan.admin_host {
        Some(host) => format!("\n[admin]\n{comment}\nhost = {}\n", quoted(host)),
        None => format!("\n[admin]\n{comment}\n#host = \"admin.{}\"\n", plan.domain),
    }
}

/// A text as TOML.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

fn list(texts: &[String]) -> String {
    let all: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", all.join(", "))
}
