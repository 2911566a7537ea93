//! `portcullis init`: writes the configuration of a new server.
//! Never: a secret, or a file that `portcullis check` rejects.

use std::io::{IsTerminal, stdin, stdout};
use std::path::Path;

use anyhow::{Error, Result};
use portcullis_model::{Clock, SystemClock};

use super::arguments::InitArguments;
use super::plan::{Plan, TlsPlan};
use super::questions::Terminal;
use super::text::render;
use super::write::{Existing, check_absent, write};
use crate::output::{errln, outln, shell_path};

/// The file of the Debian package.
const PACKAGED: &str = "/etc/portcullis/portcullis.toml";

/// Runs `portcullis init`.
pub(crate) fn init(arguments: &InitArguments) -> Result<()> {
    let existing = if arguments.force { Existing::Replaced } else { Existing::Kept };
    let file = arguments.file();
    check_absent(file, existing)?;
    let now = SystemClock::start().now();
    let plan = if arguments.domain.is_none() && stdin().is_terminal() {
        Terminal { input: stdin().lock(), output: stdout().lock(), now }.plan(arguments)?
    } else {
        Plan::from_arguments(arguments)?
    };
    for warning in plan.check(now).map_err(name_option)? {
        errln!("warning: {warning}");
    }
    write(file, &render(&plan), existing)?;
    outln!("\nWrote {}.\n\n{}", file.display(), next_steps(&plan, file, &arguments.data))?;
    Ok(())
}

/// Keys, and the options that set them.
const OPTIONS: [(&str, &str); 9] = [
    ("origin.allowed", "--origin"),
    ("tls.certificate_file", "--certificate"),
    ("tls.key_file", "--key"),
    ("tls.acme_email", "--acme-email"),
    ("tls.mode", "--tls"),
    ("listen.trusted_proxies", "--proxy"),
    ("token.issuer.jwks_url", "--jwks-url"),
    ("token.issuer.algorithm", "--algorithm"),
    ("admin.host", "--admin-host"),
];

/// Puts the option before an error about the key that it sets.
fn name_option(error: Error) -> Error {
    let text = error.to_string();
    let option = OPTIONS.iter().find(|(key, _)| text.starts_with(&format!("{key} is ")));
    match option {
        Some((_, option)) => error.context(*option),
        None => error,
    }
}

/// What to do with the file.
fn next_steps(plan: &Plan, file: &Path, data: &Path) -> String {
    let mut steps = Vec::new();
    match &plan.tls {
        TlsPlan::Acme(_) => steps.push(format!(
            "Point the DNS name {} to this machine, and open the ports 80 and 443.",
            plan.domain
        )),
        TlsPlan::Files { .. } => {}
        TlsPlan::Proxy(_) => steps.push(format!(
            "Let your proxy forward https://{} to 127.0.0.1:8443. docs/proxies.md has examples.",
            plan.domain
        )),
    }
    if file == Path::new(PACKAGED) {
        steps.push(String::from("Check it: sudo portcullisctl check"));
        steps.push(String::from("Start the server: sudo systemctl enable --now portcullis"));
        steps.push(String::from(
            "Open the set-up link in a browser, and create the administrator:\n     \
             sudo journalctl -u portcullis -g 'set-up link' -o cat",
        ));
    } else {
        let named = format!("--config {} --data {}", shell_path(file), shell_path(data));
        steps.push(format!("Check it: portcullis check {named}"));
        let port = match &plan.tls {
            TlsPlan::Acme(_) | TlsPlan::Files { .. } => {
                " (as root, or as a service: port 443 needs a privilege)"
            }
            TlsPlan::Proxy(_) => "",
        };
        steps.push(format!("Start the server: portcullis serve {named}{port}"));
        steps.push(String::from(
            "Open the set-up link that the server prints, and create the administrator.",
        ));
    }
    let numbered = steps.iter().zip(1..).map(|(step, number)| format!("  {number}. {step}"));
    format!("Next:\n{}", numbered.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_commands_name_the_same_file_and_data_directory() {
        let plan = Plan::new("chat.example").unwrap();
        let steps = next_steps(&plan, Path::new("p.toml"), Path::new("/srv/data"));
        for verb in ["check", "serve"] {
            let command = format!("portcullis {verb} --config p.toml --data /srv/data");
            assert!(steps.contains(&command), "{steps}");
        }
        let packaged = next_steps(&plan, Path::new(PACKAGED), Path::new("/srv/data"));
        assert!(packaged.contains("portcullisctl check") && !packaged.contains("--data"));
    }
}
