//! `portcullis drill`: attack cases against the operator's own deployment, and a report.
//! Never: an attack before the target has proven itself; a secret on the command line.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use ipnet::IpNet;
use portcullis_accounts::{AccessClaims, AccountOptions, SigningKeys};
use portcullis_audit::{Audit, utc};
use portcullis_guard::is_app_origin;
use portcullis_model::{Secret, UserId};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::load_native_certs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::private_request::operate;
use crate::command::installation::{Installation, InstallationArguments, read_secret};
use crate::config::{DashboardPage, Settings, TlsSettings};
use crate::drill::client::attacker::{Attacker, Control, DrillKey, ViolationCount};
use crate::drill::client::facts::{
    BlockFacts, DashboardFact, Facts, LimitFacts, TimeoutFacts, TlsFacts, TokenFacts, UnlockCommand,
};
use crate::drill::client::target::Target;
use crate::drill::report::result::{
    AlertCause, CaseResult, DrillReport, FiredAlert, FiredAlerts, ResultCounts, bounded,
    count_not_reached,
};
use crate::drill::report::{files, text};
use crate::drill::run::{require_proof, run_cases};
use crate::output::{errln, outln};
use crate::tls::probe_client::unverified_config;

/// Time for the alerts of the last cases to fire; rules are evaluated four times a second.
const ALERT_TIME: Duration = Duration::from_secs(1);
/// The error of a drill that the server did not open.
const NOT_OPENED: &str = "the drill was not opened, and nothing was sent";
/// The age of the expired token, in seconds.
const EXPIRED_S: i64 = 60 * 60;

/// `portcullis drill`.
#[derive(Debug, Args)]
pub(crate) struct DrillArguments {
    /// The public address; by default the first page of the configuration.
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Writes drill-report.json and drill-report.html into this directory.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Prints the report as JSON.
    #[arg(long)]
    json: bool,
    /// Trusts the authorities in this PEM file in place of those of the system.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Connects to this address in place of the address of the name.
    #[arg(long, value_name = "ADDR")]
    connect: Option<SocketAddr>,
    /// Sends from this address of the machine.
    #[arg(long, value_name = "IP")]
    source: Option<IpAddr>,
    /// Reads a token of a test user from standard input, for cases of signed-in users.
    #[arg(long)]
    with_token: bool,
    /// Also causes violations until the server blocks the address of the drill, as the last case,
    /// and lifts the block.
    #[arg(long)]
    with_block: bool,
}

/// Runs the drill, and prints what was seen.
pub(crate) fn run(server: &InstallationArguments, arguments: &DrillArguments) -> Result<ExitCode> {
    let installation = Installation::read(server)?;
    let url = arguments.url.clone().unwrap_or_else(|| installation.settings.page_url());
    let target = Target { source: arguments.source, ..Target::read(&url, arguments.connect)? };
    let block = arguments.with_block.then(|| block_facts(&installation, server.named()));
    let facts = Facts { block, ..read_facts(&installation, arguments, &target)? };
    if let Some(directory) = &arguments.report {
        files::prepare(directory)?;
    }
    let report = drill(&installation, arguments, &target, &facts)?;
    let page = arguments.report.as_deref().map(|directory| files::write(&report, directory));
    let page = page.transpose()?;
    if arguments.json {
        outln!("{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        outln!("{}", text::summary(&report, page.as_deref()).trim_end())?;
    }
    Ok(ExitCode::from(report.exit_code()))
}

fn drill(
    installation: &Installation,
    arguments: &DrillArguments,
    target: &Target,
    facts: &Facts,
) -> Result<DrillReport> {
    let started = installation.now();
    let alerts_before = alert_states(installation).context(NOT_OPENED)?;
    let (mut control, key) = OpenDrill::start(installation)?;
    let mut attacker = Attacker::new(target, facts, &key, &mut control);
    let own_address = require_proof(&mut attacker)?;
    // The server does not block a proxy.
    let blocked = facts.block.as_ref().filter(|block| block.is_in_reach()).zip(own_address);
    let blocked = blocked.filter(|(_, address)| !facts.is_proxy(*address));
    if let Some((block, address)) = blocked {
        errln!("{}\n", block_notice(block, address));
    }
    let print = |case: &CaseResult| match arguments.json {
        true => Ok(()),
        false => Ok(outln!("{}", text::line(case))?),
    };
    let cases = run_cases(&mut attacker, print)?;
    let connections = attacker.connections();
    let counts = ResultCounts::of(&cases);
    let ended = control.end(counts);
    ended.with_context(|| match blocked {
        Some((block, address)) => format!("a block may remain: {}", block.unlock.of(address)),
        None => String::from("the end of the drill was not reported"),
    })?;
    thread::sleep(ALERT_TIME);
    let fired = fired_alerts(installation, &alerts_before, own_address);
    Ok(DrillReport {
        format: 1,
        version: env!("CARGO_PKG_VERSION"),
        target: target.origin.clone(),
        address: target.address.to_string(),
        started: utc(started.unix_ms),
        ended: utc(installation.now().unix_ms),
        connections,
        counts,
        not_reached: count_not_reached(&cases),
        cases,
        alerts: fired.listed,
        alerts_of_others: fired.of_others,
    })
}

/// The drill that the private listener has opened; its end is reported also after an error.
struct OpenDrill<'a> {
    installation: &'a Installation,
    is_ended: bool,
}

impl<'a> OpenDrill<'a> {
    fn start(installation: &'a Installation) -> Result<(Self, DrillKey)> {
        let answer = operate(installation, "drill:start", &json!({}));
        let answer = answer.context(NOT_OPENED)?;
        let text = |name: &str| {
            let text = answer.get(name).and_then(Value::as_str).map(String::from);
            text.context("the server has another version")
        };
        let key = DrillKey { id: text("id")?, key: Secret::new(text("key")?) };
        Ok((Self { installation, is_ended: false }, key))
    }

    fn end(&mut self, counts: ResultCounts) -> Result<()> {
        self.is_ended = true;
        let ResultCounts { passed, failed, skipped } = counts;
        let result = json!({ "passed": passed, "failed": failed, "skipped": skipped });
        operate(self.installation, "drill:end", &result).map(drop)
    }
}

impl Drop for OpenDrill<'_> {
    fn drop(&mut self) {
        if !self.is_ended {
            // If this fails, the server ends the drill by itself.
            let _ended = operate(self.installation, "drill:end", &json!({}));
        }
    }
}

impl Control for OpenDrill<'_> {
    fn reset_limits(&mut self) -> Result<()> {
        operate(self.installation, "drill:reset", &json!({})).map(drop)
    }

    fn violations_of(&mut self, address: IpAddr) -> Result<ViolationCount> {
        let address = address.to_canonical().to_string();
        let answer = operate(self.installation, "admin:limits", &json!({ "address": address }))?;
        let limits = answer.pointer("/prefixes/0/limits").and_then(Value::as_array);
        let mut limits = limits.into_iter().flatten();
        let is_own = |limit: &&Value| limit.get("limit") == Some(&json!("penalty_per_prefix"));
        let count = limits.find(is_own).and_then(|limit| {
            let number = |name: &str| limit.get(name).and_then(Value::as_u64);
            Some(ViolationCount { counted: number("used")?, permitted: number("of")? })
        });
        count.context("the server has another version")
    }

    fn address_of(&mut self, challenge: &str) -> Result<Option<IpAddr>> {
        let answer = operate(self.installation, "drill:status", &json!({}))?;
        let sightings = answer.get("sightings").and_then(Value::as_array);
        let mut sightings = sightings.into_iter().flatten();
        let text = |sighting: &Value, name: &str| {
            sighting.get(name).and_then(Value::as_str).map(String::from)
        };
        let found = sightings.find(|one| text(one, "challenge").as_deref() == Some(challenge));
        let address = found.and_then(|sighting| text(sighting, "address")?.parse().ok());
        Ok(address)
    }
}

/// The open alerts, each with the time of its last event.
fn alert_states(installation: &Installation) -> Result<HashSet<(String, String)>> {
    let answer = operate(installation, "admin:alerts", &json!({}))?;
    Ok(alerts(&answer).map(state).collect())
}

fn alerts(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.get("alerts").and_then(Value::as_array).into_iter().flatten()
}

fn state(alert: &Value) -> (String, String) {
    let text = |name: &str| alert.get(name).map(Value::to_string).unwrap_or_default();
    (text("id"), text("last"))
}

/// Alerts that are new, or had an event since; those about other addresses are only counted.
fn fired_alerts(
    installation: &Installation,
    before: &HashSet<(String, String)>,
    own: Option<IpAddr>,
) -> FiredAlerts {
    let mut fired = FiredAlerts::default();
    let answer = operate(installation, "admin:alerts", &json!({})).unwrap_or_else(|error| {
        errln!("warning: the alerts of the drill are unknown, the report has none: {error:#}");
        Value::Null
    });
    let text = |alert: &Value, name: &str| {
        bounded(alert.get(name).and_then(Value::as_str).unwrap_or_default())
    };
    for alert in alerts(&answer).filter(|alert| !before.contains(&state(alert))) {
        let member = |name: &str| alert.pointer(&format!("/key/{name}")).and_then(Value::as_str);
        let Some(cause) = AlertCause::of(member("kind").zip(member("value")), own) else {
            fired.of_others += 1;
            continue;
        };
        fired.listed.push(FiredAlert {
            rule: text(alert, "rule"),
            title: text(alert, "title"),
            severity: text(alert, "severity"),
            cause,
        });
    }
    fired
}

fn read_facts(
    installation: &Installation,
    arguments: &DrillArguments,
    target: &Target,
) -> Result<Facts> {
    let mut settings = installation.settings.clone();
    let mut public = settings.server.public;
    if public.port() == 0 {
        public.set_port(target.address.port());
    }
    settings.settle(public);
    let gate = &settings.gate;
    let mut pages = gate.origins.iter().filter(|origin| !is_app_origin(origin));
    let own = gate.origins.iter().find(|origin| **origin == target.origin);
    let page = own.or_else(|| pages.next()).cloned();
    let test = arguments.with_token.then(|| read_secret("the token of the test user"));
    Ok(Facts {
        page: page.context("origin.allowed has no page, so no WebSocket can be opened")?,
        limits: LimitFacts {
            connects: gate.connect_per_prefix.count,
            is_observed: gate.observe.iter().any(|limit| limit == "connect_per_prefix"),
            message_max_bytes: settings.server.message_max_bytes,
            body_max_bytes: settings.server.body_max_bytes,
        },
        timeouts: TimeoutFacts {
            handshake: Duration::from_millis(settings.server.handshake_timeout_ms),
            connect: Duration::from_millis(settings.server.connect_timeout_ms),
        },
        block: None,
        tls: tls_facts(installation, arguments, target)?,
        tokens: token_facts(installation, test.transpose()?),
        proxies: gate.proxies.trusted.iter().filter_map(|text| network(text)).collect(),
        polling: gate.polling,
        dashboard: dashboard(&settings),
    })
}

/// The block after violations; `server` are the arguments that name the server.
fn block_facts(installation: &Installation, server: String) -> BlockFacts {
    let gate = &installation.settings.gate;
    BlockFacts {
        violations: gate.penalty_per_prefix.count,
        is_observed: gate.observe.iter().any(|limit| limit == "penalty_per_prefix"),
        length: Duration::from_millis(gate.penalty.length_ms),
        unlock: UnlockCommand { server },
    }
}

/// The notice for the operator before a case blocks the address of the drill.
fn block_notice(block: &BlockFacts, address: IpAddr) -> String {
    format!(
        "The last case blocks the address {address} for {} s (rate.penalty_s): the server rejects \
         its clients that are not signed in. The drill lifts the block after a moment. If it is \
         interrupted, lift it: {}",
        block.length.as_secs(),
        block.unlock.of(address)
    )
}

/// A network, or the network of one address.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn dashboard(settings: &Settings) -> DashboardFact {
    let admin = &settings.identity.admin;
    match (admin.page, admin.has_own_host(), settings.gate.dashboard.from.is_empty()) {
        (DashboardPage::Absent, _, _) | (_, true, _) => DashboardFact::Absent,
        (DashboardPage::Served, false, false) => DashboardFact::SomeNetworks,
        (DashboardPage::Served, false, true) => DashboardFact::Everyone,
    }
}

fn tls_facts(
    installation: &Installation,
    arguments: &DrillArguments,
    target: &Target,
) -> Result<TlsFacts> {
    let settings = &installation.settings;
    let redirect = settings.server.redirect.map(|address| address.port());
    let usual = (target.address.port() == 443).then_some(80);
    let unverified = unverified_config(rustls::DEFAULT_VERSIONS).context("no TLS is available")?;
    Ok(TlsFacts {
        verified: Arc::new(verified_config(installation, arguments)?),
        unverified: Arc::new(unverified),
        plain_port: usual.or(redirect.filter(|port| *port != 0)),
        now_unix_s: installation.now().unix_s(),
        renewal: settings.tls.renewal_remedy(),
    })
}

/// Trusts the authorities that clients trust.
fn verified_config(
    installation: &Installation,
    arguments: &DrillArguments,
) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let settings = &installation.settings;
    let development = (settings.tls == TlsSettings::Development)
        .then(|| settings.storage.data.join("ca.pem"))
        .filter(|path| path.exists());
    match arguments.ca.clone().or(development) {
        Some(path) => {
            let unusable = || format!("cannot use the authorities in {}", path.display());
            for certificate in CertificateDer::pem_file_iter(&path).with_context(unusable)? {
                roots.add(certificate.with_context(unusable)?).with_context(unusable)?;
            }
        }
        // Systems may have authorities in old forms. They are skipped, and the others are used.
        None => drop(roots.add_parsable_certificates(load_native_certs().certs)),
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .context("no TLS is available")?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn token_facts(installation: &Installation, test: Option<Secret<String>>) -> TokenFacts {
    let issuer = installation.settings.identity.accounts.issuer.clone();
    let clock = Arc::clone(&installation.clock);
    let audience = AccountOptions::new(Audit::silent(), clock).audience;
    let keys = SigningKeys::read(&installation.settings.storage.data).ok();
    let now_s = installation.now().unix_s().saturating_sub(EXPIRED_S);
    let expired = keys.zip(UserId::parse("u_drill").ok()).and_then(|(keys, user)| {
        let claims = AccessClaims {
            issuer: &issuer,
            audience: &audience,
            user: &user,
            name: "drill",
            session: "drill",
            token: "drill",
            issued_unix_s: now_s,
            authenticated_unix_s: now_s,
            generation: 0,
            bound: None,
        };
        keys.access_token(&claims).ok()
    });
    TokenFacts { issuer, audience, expired, test }
}
