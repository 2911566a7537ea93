//! The means of an attack case: connections to the target, facts, and the server's own view.
//! Never: a connection beyond the bounds; a limit of the server taken for the guard of a case.

use std::net::IpAddr;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use anyhow::Result;
use portcullis_model::Secret;
use portcullis_server::random_id;
use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;

use super::answer::Answer;
use super::budget::Budget;
use super::connection::{Connection, ReadOutcome, client_hello};
use super::facts::Facts;
use super::obstacle::Obstacle;
use super::request::{Request, SOCKET_PATH};
use super::slow_client::{SlowClient, SlowRun, SlowStage};
use super::target::Target;
use super::websocket::WebSocket;
use crate::drill::proof::{self, ProofRequest};

/// The length of a body that is sent byte by byte: more than a slow client sends.
const SLOW_BODY_BYTES: usize = 1_000;

/// The private listener of the server, as a drill uses it.
pub(crate) trait Control {
    /// Lifts the limits of the drill's own address.
    fn reset_limits(&mut self) -> Result<()>;
    /// The address that the server saw for a challenge, if the challenge arrived.
    fn address_of(&mut self, challenge: &str) -> Result<Option<IpAddr>>;
    /// How many violations of an address the server has counted, and how many it permits.
    fn violations_of(&mut self, address: IpAddr) -> Result<ViolationCount>;
}

/// The violations of an address, as the server counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ViolationCount {
    pub(crate) counted: u64,
    pub(crate) permitted: u64,
}

/// The id and the key of the drill, from the private listener.
pub(crate) struct DrillKey {
    pub(crate) id: String,
    pub(crate) key: Secret<String>,
}

/// The outcome of a WebSocket handshake.
pub(crate) enum Upgrade {
    Open(WebSocket),
    Rejected(Answer),
}

/// The outcome of the first request, which has to prove the target.
pub(crate) struct FirstProof {
    pub(crate) answer: Answer,
    pub(crate) is_proven: bool,
    pub(crate) challenge: String,
}

/// The outcome of a request for a proof.
pub(crate) struct Sighting {
    pub(crate) answer: Answer,
    /// The address that the server saw; `None` if the challenge did not arrive.
    pub(crate) address: Option<IpAddr>,
}

/// The target, and everything that a case can do to it.
pub(crate) struct Attacker<'a> {
    pub(crate) target: &'a Target,
    pub(crate) facts: &'a Facts,
    key: &'a DrillKey,
    control: &'a mut dyn Control,
    budget: Budget,
    local: Option<IpAddr>,
    /// The address from which the first proof was requested, as the server saw it.
    pub(crate) first_address: Option<IpAddr>,
    /// The outcomes of the slow clients, after they ran.
    slow: Vec<(SlowStage, Result<SlowRun, Obstacle>)>,
}

impl<'a> Attacker<'a> {
    pub(crate) fn new(
        target: &'a Target,
        facts: &'a Facts,
        key: &'a DrillKey,
        control: &'a mut dyn Control,
    ) -> Self {
        Self {
            target,
            facts,
            key,
            control,
            budget: Budget::new(),
            local: None,
            first_address: None,
            slow: Vec::new(),
        }
    }

    pub(crate) fn connections(&self) -> u32 {
        self.budget.connections()
    }

    /// The address of this machine on the newest connection.
    pub(crate) fn local_ip(&self) -> Option<IpAddr> {
        self.local
    }

    fn connect(&mut self) -> Result<Connection, Obstacle> {
        self.connect_with(&Arc::clone(&self.facts.tls.unverified))
    }

    fn connect_with(&mut self, config: &Arc<ClientConfig>) -> Result<Connection, Obstacle> {
        self.budget.take()?;
        let connection = Connection::open(self.target, config)?;
        self.local = connection.local_ip();
        Ok(connection)
    }

    /// Opens a connection without TLS to a port of the target.
    pub(crate) fn connect_plain(&mut self, port: u16) -> Result<Connection, Obstacle> {
        self.budget.take()?;
        Ok(Connection::plain(self.target, port)?)
    }

    /// The certificates of the target, and the error of a client that verifies them.
    pub(crate) fn certificates(
        &mut self,
    ) -> Result<(Vec<CertificateDer<'static>>, Option<String>), Obstacle> {
        let sent = self.connect()?.certificates();
        let verified = self.connect_with(&Arc::clone(&self.facts.tls.verified));
        Ok((sent, verified.err().map(Obstacle::why)))
    }

    /// Sends a request once, and reads its answer.
    pub(crate) fn ask_once(&mut self, request: &Request) -> Result<Answer, Obstacle> {
        self.send(request)?.in_time()
    }

    fn send(&mut self, request: &Request) -> Result<Answer, Obstacle> {
        let mut connection = self.connect()?;
        connection.send(&request.bytes(self.target));
        Ok(Answer::read(&mut connection))
    }

    /// Sends a request; one that a rate or a block rejects is sent again with lifted limits.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Answer, Obstacle> {
        let first = self.ask_once(request)?;
        if !is_limited(&first) {
            return Ok(first);
        }
        self.control.reset_limits()?;
        let second = self.ask_once(request)?;
        if is_limited(&second) {
            return Err(limited(&second));
        }
        Ok(second)
    }

    /// Sends a handshake; as [`Attacker::ask`].
    pub(crate) fn upgrade(&mut self, request: &Request) -> Result<Upgrade, Obstacle> {
        for is_last in [false, true] {
            let mut connection = self.connect()?;
            connection.send(&request.bytes(self.target));
            let answer = Answer::read(&mut connection).in_time()?;
            if answer.status() == 101 {
                return Ok(Upgrade::Open(WebSocket(connection)));
            }
            if !is_limited(&answer) {
                return Ok(Upgrade::Rejected(answer));
            }
            if is_last {
                return Err(limited(&answer));
            }
            self.control.reset_limits()?;
        }
        Err(Obstacle::Other(String::from("the handshake was not answered")))
    }

    /// Opens a socket as the page of the operator does.
    pub(crate) fn open_socket(&mut self) -> Result<WebSocket, Obstacle> {
        let request = Request::upgrade(SOCKET_PATH).origin(Some(&self.facts.page));
        match self.upgrade(&request)? {
            Upgrade::Open(socket) => Ok(socket),
            Upgrade::Rejected(answer) => {
                Err(Obstacle::Other(format!("no socket could be opened: {}", answer.words())))
            }
        }
    }

    /// Sends bytes on a connection of their own; returns everything that comes back.
    pub(crate) fn exchange(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Obstacle> {
        let mut connection = self.connect()?;
        connection.send(bytes);
        if connection.read_all() == ReadOutcome::Late {
            Answer::Late.in_time()?;
        }
        Ok(std::mem::take(&mut connection.buffer))
    }

    /// A request for a proof, and its challenge.
    pub(crate) fn proof_request(&self) -> Result<(Request, String), Obstacle> {
        let challenge = random_id::<16>();
        let challenge = challenge
            .map_err(|_| Obstacle::Other(String::from("the system has no random numbers")))?;
        let body = ProofRequest { drill: self.key.id.clone(), challenge: challenge.clone() };
        let body = serde_json::to_vec(&body).map_err(|error| Obstacle::Other(error.to_string()))?;
        Ok((Request::post(proof::PATH, &body), challenge))
    }

    /// The address that the server saw for a challenge.
    pub(crate) fn address_of(&mut self, challenge: &str) -> Result<Option<IpAddr>, Obstacle> {
        Ok(self.control.address_of(challenge)?)
    }

    /// Requests a proof, with a change of the request; what the server saw of it.
    pub(crate) fn sight(
        &mut self,
        change: impl FnOnce(Request) -> Request,
    ) -> Result<Sighting, Obstacle> {
        let (request, challenge) = self.proof_request()?;
        let answer = self.ask(&change(request))?;
        let address = self.address_of(&challenge)?;
        Ok(Sighting { answer, address })
    }

    /// Requests the first proof: nothing else is sent, whatever the answer is.
    pub(crate) fn first_proof(&mut self) -> Result<FirstProof, Obstacle> {
        let (request, challenge) = self.proof_request()?;
        let answer = self.send(&request)?;
        let is_proven = self.is_proven(&answer, &challenge);
        Ok(FirstProof { answer, is_proven, challenge })
    }

    fn is_proven(&self, answer: &Answer, challenge: &str) -> bool {
        let Some(response) = answer.response().filter(|response| response.status == 200) else {
            return false;
        };
        let body = serde_json::from_slice::<serde_json::Value>(&response.body).ok();
        let proof = body.as_ref().and_then(|body| body.get("proof")?.as_str());
        proof.is_some_and(|proof| proof::is_proven(&self.key.key, challenge, proof))
    }

    /// Lifts the limits of the drill's own address.
    pub(crate) fn reset_limits(&mut self) -> Result<(), Obstacle> {
        Ok(self.control.reset_limits()?)
    }

    /// The violations of an address, as the server counts them.
    pub(crate) fn violations_of(&mut self, address: IpAddr) -> Result<ViolationCount, Obstacle> {
        Ok(self.control.violations_of(address)?)
    }

    /// How a slow client of this stage ended. The first call runs those of all stages at the same
    /// time, each until its limit.
    pub(crate) fn slow_run(
        &mut self,
        stage: SlowStage,
        limit: impl Fn(SlowStage) -> Duration,
    ) -> Result<SlowRun, Obstacle> {
        if self.slow.is_empty() {
            let longest = SlowStage::ALL.into_iter().map(&limit).max().unwrap_or_default();
            self.budget.check_time(longest)?;
            self.reset_limits()?;
            self.slow = self.run_slow_clients(limit);
        }
        let run = self.slow.iter().find(|(own, _)| *own == stage);
        run.map_or_else(
            || Err(Obstacle::Other(String::from("it did not run"))),
            |(_, run)| run.clone(),
        )
    }

    fn run_slow_clients(
        &mut self,
        limit: impl Fn(SlowStage) -> Duration,
    ) -> Vec<(SlowStage, Result<SlowRun, Obstacle>)> {
        let failed = |_| Obstacle::Other(String::from("a thread of the drill failed"));
        thread::scope(|scope| {
            let mut clients = Vec::new();
            for stage in SlowStage::ALL {
                let (client, limit) = (self.open_slow(stage), limit(stage));
                clients.push((stage, client.map(|client| scope.spawn(move || client.run(limit)))));
            }
            let mut runs = Vec::new();
            for (stage, client) in clients {
                let end = |client: ScopedJoinHandle<'_, _>| client.join().map_err(failed);
                runs.push((stage, client.and_then(end)));
            }
            runs
        })
    }

    /// Opens the connection of a slow client, as far as its stage.
    fn open_slow(&mut self, stage: SlowStage) -> Result<SlowClient, Obstacle> {
        let is_of_tls =
            matches!(stage, SlowStage::Hello | SlowStage::Handshake | SlowStage::Request);
        if is_of_tls && !self.target.has_tls {
            return Err(Obstacle::Other(String::from(
                "the address is http://, so no TLS is in use",
            )));
        }
        let (target, facts) = (self.target, self.facts);
        let hello = || client_hello(target, &facts.tls.unverified);
        let port = target.address.port();
        Ok(match stage {
            SlowStage::Connection => SlowClient::below_http(self.connect_plain(port)?, Vec::new()),
            SlowStage::Hello => SlowClient::below_http(self.connect_plain(port)?, hello()?),
            SlowStage::Handshake => {
                let hello = hello()?;
                let mut connection = self.connect_plain(port)?;
                connection.send(&hello);
                SlowClient::below_http(connection, Vec::new())
            }
            SlowStage::Request => SlowClient::of_http(self.connect()?, Vec::new()),
            SlowStage::Head => {
                let head = Request::get("/").origin(Some(&facts.page)).bytes(target);
                SlowClient::of_http(self.connect()?, head)
            }
            SlowStage::Body => {
                let body = vec![b' '; SLOW_BODY_BYTES.min(facts.limits.body_max_bytes)];
                let head = Request::new("POST", "/auth/login")
                    .header("Content-Type", "application/json")
                    .header("Content-Length", &body.len().to_string())
                    .origin(Some(&facts.page));
                let mut connection = self.connect()?;
                connection.send(&head.bytes(target));
                SlowClient::of_http(connection, body)
            }
            SlowStage::Connect => SlowClient::silent_socket(self.open_socket()?),
        })
    }
}

/// Whether a rate, a block or a full server is the reason of an answer.
pub(crate) fn is_limited(answer: &Answer) -> bool {
    matches!(answer.status(), 429 | 503)
}

fn limited(answer: &Answer) -> Obstacle {
    let status = answer.status();
    Obstacle::Other(format!(
        "a limit answered with status {status}, also after the server lifted its own"
    ))
}
