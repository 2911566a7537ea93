//! The configuration and start of a server, once or again with the same data.
//! Never: a limit that differs from production without a word on the page.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::clients::token::{ISSUER, KEYS_ISSUER, SECRET};
use crate::servers::contender::peers_folder;
use crate::servers::measure::{MeasuredServer, Processors};
use crate::siege::server::defence::{Defence, Needs};

/// The page whose scripts connect: production accepts no page of this machine.
pub(crate) const PAGE: &str = "https://siege.example";
const CERTIFICATE: &str = "cert.pem";
const KEY: &str = "key.pem";
const CONFIGURATION: &str = "portcullis.toml";

/// All that it takes to start a server.
pub(crate) struct Launch {
    defence: Defence,
    needs: Needs,
    directory: PathBuf,
    address: SocketAddr,
    /// The public key of the second issuer.
    public: String,
    certificate: String,
}

impl Launch {
    /// Writes what the server reads, and chooses its address.
    pub(crate) fn prepare(
        defence: Defence,
        needs: Needs,
        directory: &Path,
        public: String,
    ) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed([String::from("127.0.0.1")])?;
        let certificate = made.cert.pem();
        std::fs::write(directory.join(CERTIFICATE), &certificate)?;
        secret_file(&directory.join(KEY), made.signing_key.serialize_pem().as_bytes())?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let directory = directory.to_path_buf();
        let launch = Self { defence, needs, directory, address, public, certificate };
        if defence != Defence::SocketIo {
            launch.write_own()?;
        }
        Ok(launch)
    }

    /// The certificate that clients trust, in PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Starts it alone on the first processor.
    pub(crate) fn start(&self) -> Result<MeasuredServer> {
        let command = match self.defence {
            Defence::SocketIo => self.socket_io(),
            Defence::Priorities | Defence::Flat | Defence::Unguarded => self.own()?,
        };
        MeasuredServer::start(command, Processors::First)
    }

    fn own(&self) -> Result<Command> {
        let program = std::env::current_exe()?.with_file_name("portcullis");
        ensure!(program.exists(), "build the server first: cargo build --release -p portcullis");
        let directory = &self.directory;
        let mut command = Command::new(program);
        command.arg("serve").arg("--config").arg(directory.join(CONFIGURATION));
        command.arg("--data").arg(directory.join("data")).stderr(Stdio::null());
        if self.needs.memory_limit_mib.is_some() {
            command
                .env("LD_PRELOAD", memory_pressure(directory)?)
                .env("SIEGE_MEMORY_PRESSURE", memory_pressure_file(directory));
        }
        Ok(command)
    }

    fn socket_io(&self) -> Command {
        let mut command = Command::new("node");
        command.arg("siege.mjs").arg(&self.directory).current_dir(peers_folder().join("node"));
        command.env("NODE_ENV", "production");
        command.env("SIEGE_ORIGIN", PAGE);
        command.env("SIEGE_PORT", self.address.port().to_string());
        command.env("SIEGE_SECRET", String::from_utf8_lossy(SECRET).into_owned());
        command.env("SIEGE_PUBLIC_KEY", &self.public);
        command
    }

    fn write_own(&self) -> Result<()> {
        let Self { directory, public, .. } = self;
        secret_file(&directory.join("secret"), SECRET)?;
        let key =
            format!(r#""kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","x":"{public}""#);
        std::fs::write(directory.join("keys.json"), format!(r#"{{"keys":[{{{key}}}]}}"#))?;
        Ok(std::fs::write(directory.join(CONFIGURATION), self.configuration())?)
    }

    fn configuration(&self) -> String {
        let Self { defence, needs, address, .. } = self;
        let directory = self.directory.display();
        let memory = match needs.memory_limit_mib {
            Some(limit) => format!("memory_limit_mib = {limit}\n"),
            None => String::new(),
        };
        let (budget, limits) = (needs.budget(*defence), needs.limits);
        let (capacity, rate, overload) = taken_away(*defence, *needs);
        let alert = needs.engine.configuration();
        format!(
            r#"profile = "production"
[listen]
public = "{address}"
private = "127.0.0.1:0"
shards = 1
[tls]
certificate_file = "{directory}/{CERTIFICATE}"
key_file = "{directory}/{KEY}"
[origin]
allowed = ["{PAGE}"]
[[token.issuer]]
issuer = "{ISSUER}"
audience = "portcullis"
algorithm = "HS256"
secret_file = "{directory}/secret"
[[token.issuer]]
issuer = "{KEYS_ISSUER}"
audience = "portcullis"
algorithm = "EdDSA"
jwks_file = "{directory}/keys.json"
[capacity]
{capacity}
[rate]
{rate}{limits}
[overload]
{memory}{overload}
[audit]
{budget}stdout = false
{alert}"#
        )
    }
}

/// The lines of `[capacity]`, `[rate]` and `[overload]` that take something away from a server.
fn taken_away(defence: Defence, needs: Needs) -> (&'static str, &'static str, &'static str) {
    match defence {
        Defence::Flat => (
            "pre_auth_total = 10000\nadmin_reserve = 0\n",
            "connect_total = \"100000/1s\"\ntls_total = \"100000/1s\"\n\
             login_total = \"100000/1s\"\nconnect_known_per_prefix = \"10/60s\"\n",
            "state = \"normal\"\nwaiting_known = 0\nwaiting_strangers = 0\nwaiting_logins = 0\n",
        ),
        // Less is recorded of an overloaded server; an attacker who begins slowly keeps it normal.
        Defence::Unguarded if needs.day_mib.is_some() => ("", "", "state = \"normal\"\n"),
        Defence::Unguarded => ("", needs.without, ""),
        Defence::Priorities | Defence::SocketIo => ("", "", ""),
    }
}

/// The file that says how many MiB of memory pressure a server carries.
pub(crate) fn memory_pressure_file(directory: &Path) -> PathBuf {
    directory.join("memory_pressure")
}

/// Compiles the library that holds the memory.
fn memory_pressure(directory: &Path) -> Result<PathBuf> {
    let library = directory.join("memory_pressure.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/siege/server/memory_pressure.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-pthread", "-O1", "-o"]).arg(&library).arg(source);
    ensure!(compiler.status()?.success(), "cannot compile {source}");
    Ok(library)
}

/// Writes a file that only its owner may read.
fn secret_file(path: &Path, content: &[u8]) -> Result<()> {
    std::fs::write(path, content)?;
    Ok(std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?)
}
