//! Every security decision, synchronous and pure, with the time passed in.
//! Never: await, sockets, storage.

mod gate; // the three stages, and what they share
mod gate_options; // the options of the gate
mod options_check; // whether they are valid
mod policy; // the options in force, and their replacement
mod error; // why no gate can be built
mod admission; // first stage: connections and requests
mod authentication; // second stage: from a credential to a principal
mod authorization; // third stage: from a message to a permit
mod disabled_guards; // options and calls that weaken a stage
mod capacity; // how many connections there are
mod limits; // rates, capacities and what counts toward them
mod load; // the load of the server, and what it rejects then
mod tables; // tables of a fixed size
mod tokens; // tokens of issuers
mod directory; // live users, sessions, rooms and memberships
mod payload; // payloads of events: JSON and types
mod content; // text from users

pub use admission::admission_token::{ADMISSION_COOKIE, ADMISSION_LIFE_S, make_admission_token};
pub use admission::admit::Admission;
pub use admission::handshake::{AdmittedRequest, Cookies, Endpoint, Handshake};
pub use admission::names::app_origin::is_app_origin;
pub use admission::names::dashboard::{DashboardRules, HiddenBy, Reach};
pub use admission::names::origin::WithoutOrigin;
pub use admission::names::origin::check_origin;
pub use admission::polling_binding::{FollowUp, PollingBinding, SessionBinding};
pub use admission::proxy::{ClientScheme, ForwardedHeader, ProxyRules};
pub use admission::source::Source;
pub use authentication::authenticate::Authentication;
pub use authentication::credentials::client_key::thumbprint;
pub use authentication::credentials::credential::{
    Credential, RecoveryClaim, presents_ticket, read_recovery_claim,
};
pub use authentication::credentials::proof::{CheckedProof, ProofRequest};
pub use authentication::credentials::ticket::{TICKET_LIFE_S, TICKET_PREFIX};
pub use authentication::lease::Lease;
pub use authentication::principal::{Caller, Principal, SessionTimeouts};
pub use authentication::second_factor::{FactorGap, SecondFactorRule};
pub use authorization::action::{Action, UsualAction};
pub use authorization::answer::Answer;
pub use authorization::authorize::Authorization;
pub use authorization::event::{
    Access, DeclaredEvent, Event, Priority, Replay, Rule, UntypedEvent,
};
pub use authorization::permit::Permit;
pub use authorization::raw::RawPermit;
pub use authorization::replay::{Envelope, LooseEnvelope};
pub use authorization::request::{EventBody, EventRequest};
pub use authorization::rules::{ReplayRules, RoleRules};
pub use capacity::client_class::ClientClass;
pub use capacity::pools::{CapacityOptions, ConnectionSlot, HttpSlot};
pub use capacity::prefix_usage::PrefixUsage;
pub use capacity::slots::CapacityCounts;
pub use content::cleaner::{CleanText, Cleaner, Findings, Malicious};
pub use content::markup::formatting::Markup;
pub use content::page_report::{
    PolicyViolation, REPORT_MAX_BYTES, REPORT_PATH, ReportFormat, read_reports,
};
pub use content::spam::filter::{SpamAction, SpamOptions, SpamRule};
pub use directory::block_rules::{BlockFault, BlockRules, BlockedNetwork};
pub use directory::blocks::{BlockFacts, Blocks};
pub use directory::display_name::{
    NameClaim, is_own_name_reserved, is_shown, neutral_name, skeleton,
};
pub use directory::list::{RoomCursor, RoomPage, RoomQuery};
pub use directory::look_alike::is_look_alike;
pub use directory::rank::{Rank, check_rank};
pub use directory::room::{Charge, Relation, Room, RoomFacts};
pub use directory::sessions::authority::{
    Authority, RevocationName, RevocationSlot, UNCONFIRMED_MAX_MS,
};
pub use directory::sessions::revocations::ReserveError;
pub use directory::sessions::session::{Session, SessionFacts};
pub use directory::space::DirectoryLimits;
pub use directory::space::{Party, Table};
pub use directory::tables::Directory;
pub use directory::user::{LastActivity, User, UserFacts};
pub use disabled_guards::Danger;
pub use error::GateError;
pub use gate::Gate;
pub use gate_options::{GateOptions, WhenUserFull};
pub use limits::attempt::{Attempt, RequestCause, Trace, TraceEntry};
pub use limits::connection_usage::AddressBuckets;
pub use limits::explain::LimitState;
pub use limits::limiter::Limiter;
pub use limits::login::LoginSource;
pub use limits::packets::PacketBudget;
pub use limits::tls_class::TlsClass;
pub use limits::trace_simulation::Simulation;
pub use load::level_machine::{LoadChange, LoadMachine};
pub use load::signal::{LoadSample, LoadSignal, SAMPLE_INTERVAL_MS};
pub use load::state::LoadState;
pub use payload::attachment::Attachment;
pub use payload::open_type::OpenType;
pub use payload::reference::{
    REFERENCE_PERIOD_S, REFERENCE_STEP_S, ReferenceError, ReferenceFacts, ReferenceKey,
    normalize_reference,
};
pub use payload::schema::read_json;
pub use payload::sealed::{FieldSealer, SealFault, Sealed, SealedPlace};
pub use payload::{field, json};
pub use policy::prepared::PreparedOptions;
pub use portcullis_model::RevocationKind;
pub use portcullis_model::Visibility;
pub use tables::alarm::{TableAlarm, TableLevel};
pub use tables::buckets::TableUse;
pub use tables::rate::{Penalty, Rate, RateError};
pub use tables::shares::{EntryOwner, Owner, ShareError, ShareUse, Shares};
pub use tokens::jwks::{JwksError, KeySet, read_jwks};
pub use tokens::key::{Algorithm, Issuer, IssuerKey, KeyStrength};
pub use tokens::rules::{FactorRule, IssuerRules, RuleFault, TokenKind};
pub use tokens::token::{CredentialKeys, LoginEvidence, VerifiedCredential};
