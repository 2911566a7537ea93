//! The questions of `portcullis init` on a terminal.
//! Never: an answer that is accepted and later rejected; each is checked at once.

use std::io::{BufRead, Read, Write};
use std::path::Path;

use anyhow::Result;
use portcullis_model::Now;

use super::arguments::{InitArguments, TlsArguments};
use super::plan::{
    ALGORITHM, AcmePlan, CERTIFICATE, IssuerPlan, KEY, LOOPBACK, Login, LoginKind, Plan, TlsKind,
    TlsPlan, absolute, jwks_url_of,
};
use crate::config::ConfigError;

/// Longest answer that is read.
const ANSWER_MAX_BYTES: u64 = 4096;
const WELCOME: &str = "This writes the configuration of a server. Empty answers take the value in \
                       brackets.";

/// A terminal, or what stands for it.
pub(super) struct Terminal<R, W> {
    pub(super) input: R,
    pub(super) output: W,
    pub(super) now: Now,
}

impl<R: BufRead, W: Write> Terminal<R, W> {
    /// Asks for everything that the command line does not have.
    pub(super) fn plan(&mut self, arguments: &InitArguments) -> Result<Plan> {
        writeln!(self.output, "{WELCOME}\n")?;
        let now = self.now;
        let question = "Name of this server, as in its address (such as chat.example)";
        let mut plan = self.ask(question, None, |text| {
            let plan = Plan::new(text)?;
            plan.check(now)?;
            Ok(plan)
        })?;
        self.origins(&mut plan, arguments)?;
        self.login(&mut plan, arguments)?;
        self.tls(&mut plan, arguments)?;
        self.admin_host(&mut plan, arguments)?;
        Ok(plan)
    }

    fn origins(&mut self, plan: &mut Plan, arguments: &InitArguments) -> Result<()> {
        if !arguments.origin.is_empty() {
            plan.set_origins(&arguments.origin);
            plan.check(self.now)?;
            return Ok(());
        }
        let question = format!(
            "Pages that can connect, beside those of {}, with spaces between them (such as \
             https://app.example)",
            plan.domain
        );
        self.improve(&question, "none", plan, |plan, text| {
            let origins: Vec<_> = text.split_whitespace().map(String::from).collect();
            plan.set_origins(if text == "none" { &[] } else { &origins });
            Ok(())
        })
    }

    fn login(&mut self, plan: &mut Plan, arguments: &InitArguments) -> Result<()> {
        let given = &arguments.login;
        let is_issuer = given.issuer.is_some().then_some(LoginKind::Issuer);
        let kind = match given.login.or(is_issuer) {
            Some(kind) => kind,
            None => {
                let question = "How users sign in: own (accounts of this server) or issuer (your \
                                own login, with tokens)";
                self.ask(question, Some("own"), |text| Ok(LoginKind::parse(text)?))?
            }
        };
        if kind == LoginKind::Own {
            plan.login = Login::from_arguments(given)?;
            return Ok(());
        }
        let issuer = self.given(&given.issuer, "Issuer: the claim iss of its tokens", None)?;
        let usual = jwks_url_of(&issuer);
        plan.login = Login::Issuer(IssuerPlan {
            audience: self.given(&given.audience, "Audience: the claim aud of its tokens", None)?,
            algorithm: String::from(ALGORITHM),
            jwks_url: String::from("https://id.example/jwks.json"),
            issuer,
        });
        let set = |plan: &mut Plan, set: &dyn Fn(&mut IssuerPlan)| {
            if let Login::Issuer(issuer) = &mut plan.login {
                set(issuer);
            }
        };
        let question = "Address of its public keys (JSON Web Key Set)";
        let url = given.jwks_url.clone();
        self.improve_unless(url, question, &usual, plan, |plan, text| {
            set(plan, &|issuer| issuer.jwks_url = String::from(text));
            Ok(())
        })?;
        let question = "Algorithm of its tokens: RS256, PS256, ES256 or EdDSA";
        self.improve_unless(given.algorithm.clone(), question, ALGORITHM, plan, |plan, text| {
            set(plan, &|issuer| issuer.algorithm = String::from(text));
            Ok(())
        })
    }

    fn tls(&mut self, plan: &mut Plan, arguments: &InitArguments) -> Result<()> {
        let given = &arguments.tls;
        let is_file = given.certificate.is_some() || given.key.is_some();
        let is_acme = given.first_of_acme().is_some();
        let known = is_file.then_some(TlsKind::Files).or(is_acme.then_some(TlsKind::Acme));
        let known = given.tls.or(known);
        loop {
            let kind = match known {
                Some(kind) => kind,
                None => self.tls_kind(plan)?,
            };
            match kind {
                TlsKind::Acme => {
                    if self.acme(plan, given)? {
                        return Ok(());
                    }
                    let no = "Let's Encrypt issues no certificate without it";
                    anyhow::ensure!(known.is_none(), "{no}: use --tls files or --tls proxy");
                    writeln!(self.output, "  {no}.")?;
                }
                TlsKind::Files => return self.files(plan, given),
                TlsKind::Proxy => return self.proxy(plan, given),
            }
        }
    }

    fn tls_kind(&mut self, plan: &Plan) -> Result<TlsKind> {
        let question = "Where TLS ends: acme (here, with a certificate of Let's Encrypt, which the \
                        server gets itself), files (here, with your certificate) or proxy (a proxy \
                        on this machine)";
        let now = self.now;
        self.ask(question, Some("acme"), |text| {
            let kind = TlsKind::parse(text)?;
            if kind == TlsKind::Acme {
                let tls = TlsPlan::Acme(AcmePlan::default());
                Plan { tls, ..plan.clone() }.check(now)?;
            }
            Ok(kind)
        })
    }

    fn proxy(&mut self, plan: &mut Plan, given: &TlsArguments) -> Result<()> {
        let question = "Address from which the proxy connects";
        let given = (!given.proxy.is_empty()).then(|| given.proxy.join(" "));
        self.improve_unless(given, question, LOOPBACK, plan, |plan, text| {
            let addresses: Vec<_> = text.split_whitespace().map(String::from).collect();
            plan.tls = TlsPlan::proxies(&addresses)?;
            Ok(())
        })
    }

    fn files(&mut self, plan: &mut Plan, given: &TlsArguments) -> Result<()> {
        // The two files are checked together.
        loop {
            let shown = |path: &Option<std::path::PathBuf>| {
                path.as_ref().map(|path| path.display().to_string())
            };
            let (certificate, key) = (shown(&given.certificate), shown(&given.key));
            let question = "File of the certificate chain, in PEM";
            let certificate = self.given(&certificate, question, Some(CERTIFICATE))?;
            let key = self.given(&key, "File of its private key, in PEM", Some(KEY))?;
            let mut with_files = plan.clone();
            let mut arguments = given.clone();
            arguments.tls = Some(TlsKind::Files);
            arguments.certificate = Some(absolute(Path::new(&certificate)));
            arguments.key = Some(absolute(Path::new(&key)));
            with_files.tls = TlsPlan::from_arguments(&arguments)?;
            match with_files.check(self.now) {
                Ok(_) => {
                    *plan = with_files;
                    return Ok(());
                }
                Err(error) if given.certificate.is_some() && given.key.is_some() => {
                    return Err(error);
                }
                Err(error) => self.explain(&error)?,
            }
        }
    }

    /// `false` if the operator does not agree to the terms.
    fn acme(&mut self, plan: &mut Plan, given: &TlsArguments) -> Result<bool> {
        let mut arguments = TlsArguments { tls: Some(TlsKind::Acme), ..given.clone() };
        if !arguments.agree_terms {
            let question = "Do you agree to the terms of Let's Encrypt \
                            (https://letsencrypt.org/repository): yes or no";
            arguments.agree_terms = self.ask(question, None, |text| match text {
                "yes" => Ok(true),
                "no" => Ok(false),
                _ => anyhow::bail!("write yes or no"),
            })?;
        }
        if !arguments.agree_terms {
            return Ok(false);
        }
        plan.tls = TlsPlan::from_arguments(&arguments)?;
        plan.check(self.now)?;
        let question = "Address to which the authority writes";
        self.improve_unless(given.acme_email.clone(), question, "none", plan, |plan, text| {
            if let TlsPlan::Acme(acme) = &mut plan.tls {
                acme.email = (text != "none").then(|| String::from(text));
            }
            Ok(())
        })?;
        Ok(true)
    }

    fn admin_host(&mut self, plan: &mut Plan, arguments: &InitArguments) -> Result<()> {
        let question = format!(
            "Host of its own for the dashboard, which is safer (such as admin.{}; its certificate \
             needs the name)",
            plan.domain
        );
        let given = arguments.admin_host.clone();
        self.improve_unless(given, &question, "none", plan, |plan, text| {
            plan.admin_host = (text != "none").then(|| String::from(text));
            Ok(())
        })
    }

    /// A value of the command line, or an answer.
    fn given(
        &mut self,
        given: &Option<String>,
        question: &str,
        usual: Option<&str>,
    ) -> Result<String> {
        match given {
            Some(value) => Ok(value.clone()),
            None => self.ask(question, usual, |text| Ok(String::from(text))),
        }
    }

    /// Sets a value of the command line, or asks for it.
    fn improve_unless(
        &mut self,
        given: Option<String>,
        question: &str,
        usual: &str,
        plan: &mut Plan,
        set: impl Fn(&mut Plan, &str) -> Result<()>,
    ) -> Result<()> {
        let Some(value) = given else { return self.improve(question, usual, plan, set) };
        set(plan, &value)?;
        plan.check(self.now)?;
        Ok(())
    }

    /// Asks until the plan with the answer passes the checks.
    fn improve(
        &mut self,
        question: &str,
        usual: &str,
        plan: &mut Plan,
        set: impl Fn(&mut Plan, &str) -> Result<()>,
    ) -> Result<()> {
        let (before, now) = (plan.clone(), self.now);
        *plan = self.ask(question, Some(usual), |text| {
            let mut plan = before.clone();
            set(&mut plan, text)?;
            plan.check(now)?;
            Ok(plan)
        })?;
        Ok(())
    }

    /// Asks until the answer is valid, and says why it is not.
    fn ask<T>(
        &mut self,
        question: &str,
        usual: Option<&str>,
        read: impl Fn(&str) -> Result<T>,
    ) -> Result<T> {
        loop {
            match usual {
                Some(usual) => write!(self.output, "{question} [{usual}]: ")?,
                None => write!(self.output, "{question}: ")?,
            }
            self.output.flush()?;
            let mut line = Vec::new();
            if self.input.by_ref().take(ANSWER_MAX_BYTES).read_until(b'\n', &mut line)? == 0 {
                writeln!(self.output)?;
                let why = "standard input ended before all questions were answered";
                let mend = "start again, or use the options of portcullis init --help";
                return Err(ConfigError::refused("the answer", "missing", why, mend).into());
            }
            let Ok(line) = String::from_utf8(line) else {
                writeln!(self.output, "  The answer is not UTF-8 text.")?;
                continue;
            };
            let answer = Some(line.trim()).filter(|line| !line.is_empty()).or(usual);
            let outcome = match answer {
                Some(answer) => read(answer),
                None => {
                    writeln!(self.output, "  An answer is needed here.")?;
                    continue;
                }
            };
            match outcome {
                Ok(value) => return Ok(value),
                Err(error) => self.explain(&error)?,
            }
        }
    }

    fn explain(&mut self, error: &anyhow::Error) -> Result<()> {
        Ok(writeln!(self.output, "  {error:#}")?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// The plan after these answers, one a line; or the error, and all that was printed.
    fn answer(lines: &str) -> (Result<Plan>, String) {
        let now = Now { monotonic_ms: 0, unix_ms: 1_790_000_000_000 };
        let mut terminal = Terminal { input: Cursor::new(lines), output: Vec::new(), now };
        let plan = terminal.plan(&InitArguments::default());
        (plan, String::from_utf8(terminal.output).unwrap())
    }

    #[test]
    fn answers_make_the_plan_of_the_same_options() {
        let (plan, printed) = answer("chat.example\n\n\n\nyes\nops@chat.example\n\n");
        let acme = TlsPlan::Acme(AcmePlan {
            email: Some(String::from("ops@chat.example")),
            ..AcmePlan::default()
        });
        let plan = plan.unwrap_or_else(|error| panic!("{error}: {printed}"));
        assert_eq!(plan, Plan { tls: acme, ..Plan::new("chat.example").unwrap() });
        let (plan, printed) = answer("chat.example\nhttps://app.example\nown\nproxy\n::1\nnone\n");
        let plan = plan.unwrap_or_else(|error| panic!("{error}: {printed}"));
        assert_eq!(plan.tls, TlsPlan::Proxy(vec![String::from("::1")]));
        assert_eq!(plan.origins, ["https://app.example"]);
    }

    #[test]
    fn answer_that_is_not_possible_is_explained_and_the_question_is_repeated() {
        // A name that no public authority certifies; terms without agreement; a wrong address.
        for (lines, expect) in [
            ("chat.internal\n\n\nacme\nproxy\n\n\n", "chat.internal"),
            ("chat.example\n\n\nacme\nno\nproxy\n\n\n", "no certificate without it"),
            ("chat.example\n\n\nacme\nmaybe\nyes\n\n\n", "write yes or no"),
            ("chat.example\n\n\nacme\nyes\nops\nnone\n\n", "it is not an address"),
        ] {
            let (plan, printed) = answer(lines);
            assert!(plan.is_ok() && printed.contains(expect), "{lines:?}: {printed}");
        }
        let (plan, _) = answer("chat.example\n");
        assert!(plan.unwrap_err().to_string().contains("before all questions were answered"));
    }
}
