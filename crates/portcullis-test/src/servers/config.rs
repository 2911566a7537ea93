//! The configuration of a server under test.
//! Never: a limit of the product's own that it changes without saying so.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::tokens::forge::SECRET;

/// The configuration of a server under test.
///
/// `Config::default()` has the product's own limits, except that one address may do very much, and
/// no client is blocked for violations: tests of those limits use [`Config::strict_rates`].
#[derive(Debug, Clone)]
pub struct Config {
    /// The profile; `development`.
    pub profile: String,
    /// Further lines of `[listen]`.
    pub listen: Vec<String>,
    /// Lines of `[rate]`.
    pub rate: Vec<String>,
    /// Lines of `[capacity]`.
    pub capacity: Vec<String>,
    /// Lines of `[overload]`. Tests share their machine, so its load proves nothing: the level is
    /// `normal` unless a test sets another one.
    pub overload: Vec<String>,
    /// Lines of `[transport]`.
    pub transport: Vec<String>,
    /// Lines of `[origin]`.
    pub origin: Vec<String>,
    /// Whole sections of any other name.
    pub more: String,
    /// Plain text instead of TLS.
    pub plaintext: bool,
    /// The process that runs the server.
    pub process: ProcessOptions,
    /// An HS256 issuer `https://id.example` with [`SECRET`].
    pub issuer: bool,
    /// The origin of the page, where it is not the server's own; see [`Config::production`].
    pub page: Option<String>,
}

/// The options of the process of a server.
#[derive(Debug, Clone, Default)]
pub struct ProcessOptions {
    /// Variables, such as `PORTCULLIS__SECTION__KEY`.
    pub environment: Vec<(String, String)>,
    /// The limit of open files of the process; `None` keeps the limit of the test.
    pub files_max: Option<u64>,
}

impl ProcessOptions {
    /// A process with more variables.
    #[must_use]
    pub fn with_environment(environment: Vec<(String, String)>) -> Self {
        Self { environment, ..Self::default() }
    }
}

impl Default for Config {
    fn default() -> Self {
        let wide = [
            "connect_per_prefix = \"100000/60s\"",
            "request_per_prefix = \"100000/60s\"",
            "login_per_prefix = \"100000/60s\"",
            "connect_total = \"100000/1s\"",
            "tls_per_prefix = \"100000/60s\"",
            "tls_total = \"100000/1s\"",
            "login_total = \"100000/1s\"",
            "message_per_prefix = \"100000/60s\"",
            "penalty_per_prefix = \"100000/60s\"",
            "penalty_per_user = \"100000/60s\"",
        ];
        let room = [
            "pre_auth_per_prefix = 100000",
            "connections_per_prefix = 100000",
            "http_per_prefix = 100000",
        ];
        Self {
            profile: String::from("development"),
            listen: Vec::new(),
            rate: wide.map(String::from).to_vec(),
            capacity: room.map(String::from).to_vec(),
            overload: vec![String::from("state = \"normal\"")],
            transport: Vec::new(),
            origin: Vec::new(),
            more: String::new(),
            plaintext: false,
            process: ProcessOptions::default(),
            issuer: true,
            page: None,
        }
    }
}

impl Config {
    /// The limits of production, for tests of them: development does not limit by address how often
    /// clients of this machine come.
    #[must_use]
    pub fn strict_rates() -> Self {
        let rate = Self::RATES_OF_ADDRESSES.map(String::from).to_vec();
        Self { rate, capacity: Vec::new(), ..Self::default() }
    }

    /// The defaults of production that development does not have.
    pub const RATES_OF_ADDRESSES: [&str; 4] = [
        "connect_per_prefix = \"10/60s\"",
        "connect_known_per_prefix = \"240/60s\"",
        "tls_per_prefix = \"600/60s\"",
        "request_per_prefix = \"1800/60s\"",
    ];

    /// Plain text instead of TLS: for tests of bytes that TLS would only hide.
    #[must_use]
    pub fn plaintext() -> Self {
        Self { plaintext: true, ..Self::default() }
    }

    /// The production profile with the page [`Config::PAGE`], for settings rejected in development:
    /// proxies. With TLS the server has a certificate of the operator's.
    #[must_use]
    pub fn production(mut self) -> Self {
        self.profile = String::from("production");
        self.origin.push(format!("allowed = [{:?}]", Self::PAGE));
        self.page = Some(String::from(Self::PAGE));
        self
    }

    /// The page of [`Config::production`].
    pub const PAGE: &str = "https://chat.example";

    /// The operator's certificate and key in the server's directory.
    pub(crate) const CERTIFICATE: [&str; 2] = ["cert.pem", "key.pem"];

    fn has_own_certificate(&self) -> bool {
        self.page.is_some() && !self.plaintext
    }

    fn write_certificate(directory: &Path) {
        let names = ["chat.example", "admin.chat.example", "localhost", "127.0.0.1"];
        let names = names.map(String::from).to_vec();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let texts = [made.cert.pem(), made.signing_key.serialize_pem()];
        for (name, text) in Self::CERTIFICATE.into_iter().zip(texts) {
            let path = directory.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        }
    }

    /// Writes the file, and the issuer's secret beside it.
    pub(crate) fn write(&self, directory: &Path) {
        let secret = directory.join("hs256.key");
        std::fs::write(&secret, SECRET).unwrap();
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
        if self.has_own_certificate() {
            Self::write_certificate(directory);
        }
        std::fs::write(directory.join("portcullis.toml"), self.text(directory)).unwrap();
    }

    fn text(&self, directory: &Path) -> String {
        let mut text = format!(
            "profile = {:?}\n[listen]\npublic = \"127.0.0.1:0\"\n\
             private = \"127.0.0.1:0\"\nshards = 2\n{}\n",
            self.profile,
            self.listen.join("\n")
        );
        for (name, lines) in [
            ("rate", &self.rate),
            ("capacity", &self.capacity),
            ("overload", &self.overload),
            ("transport", &self.transport),
            ("origin", &self.origin),
        ] {
            text.push_str(&format!("[{name}]\n{}\n", last_of_each_key(lines).join("\n")));
        }
        if self.plaintext {
            text.push_str("[tls]\nmode = \"off\"\n");
        }
        if self.has_own_certificate() {
            let [certificate, key] = Self::CERTIFICATE;
            text.push_str(&format!(
                "[tls]\ncertificate_file = {certificate:?}\nkey_file = {key:?}\n"
            ));
        }
        if self.issuer {
            text.push_str(&format!(
                "[[token.issuer]]\nissuer = \"https://id.example\"\naudience = \"portcullis\"\n\
                 algorithm = \"HS256\"\nsecret_file = {:?}\n",
                directory.join("hs256.key")
            ));
        }
        text + &self.more
    }
}

/// The lines of a section; if a key occurs twice, the later line.
fn last_of_each_key(lines: &[String]) -> Vec<&str> {
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    let is_last = |(index, line): &(usize, &String)| {
        lines.iter().skip(index + 1).all(|later| key(later) != key(line))
    };
    lines.iter().enumerate().filter(is_last).map(|(_, line)| line.as_str()).collect()
}
