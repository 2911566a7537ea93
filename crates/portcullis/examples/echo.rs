//! The smallest server: one event with its rule, answered to its sender.
//! Never: more than fits on a page.
//!
//! ```sh
//! ECHO_SECRET=$(openssl rand -hex 32) cargo run --example echo -- --port 3000
//! ```
//!
//! A client brings an HS256 token of issuer `https://echo.example` for audience `portcullis`.

use portcullis::prelude::*;
use portcullis::{Error, LoadState};

/// `echo {text}`: at most 1,000 characters, ten in ten seconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Echo {
    text: String,
}

impl Event for Echo {
    const NAME: &'static str = "echo";
    const RULE: Rule = Rule {
        fields: &["text"],
        size_max_bytes: 2048,
        rate: Some(Rate::per(10, 10_000)),
        ..Rule::DEFAULT
    };

    fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        self.text = cleaner.message("text", &self.text)?.text;
        Ok(())
    }
}

fn main() -> Result<(), Error> {
    let mut server = Server::builder()
        .listen(([127, 0, 0, 1], port()).into())
        .own_origin()
        .issuer_hs256("https://echo.example", "portcullis", &secret())
        .guards(|guards| guards.load = pinned())
        .build()?;
    server.on(|permit: Permit<Echo>, _context: Context| async move {
        Ok(Reply::fields(permit.payload()))
    })?;
    server.run()
}

#[expect(clippy::disallowed_methods, reason = "an example has no configuration file")]
fn secret() -> Vec<u8> {
    std::env::var("ECHO_SECRET").unwrap_or_default().into_bytes()
}

/// What `LOAD_STATE` pins the state of load to, such as `normal`; measured without.
#[expect(clippy::disallowed_methods, reason = "an example has no configuration file")]
fn pinned() -> Option<LoadState> {
    LoadState::named(&std::env::var("LOAD_STATE").ok()?)
}

/// `--port N`, or 3000.
fn port() -> u16 {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--port");
    arguments.nth(1).and_then(|port| port.parse().ok()).unwrap_or(3000)
}
