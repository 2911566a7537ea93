//! Every security decision, synchronous and pure, with the time passed in.
//! Never: await, sockets, storage.

mod gate; // the three doors' owner, built once
mod gate_options; // everything the gate decides by
mod admit; // door 1: a connection or request comes in
mod authenticate; // door 2: a credential becomes a principal
mod permit; // door 3: a message becomes a permit
mod login; // how often somebody may try to log in
mod binding; // which requests belong to one long-polling session
mod danger; // what weakens the doors
mod handshake; // what door 1 is asked
mod host; // whose name the request uses
mod lead_on; // where a page is to be had over TLS
mod app_origin; // origins of apps, which are no pages on the web
mod origin; // which page is asking
mod proxy; // whom a request comes from behind proxies
mod client_ip; // which address, and its prefix
mod rate; // GCRA: so many in so long
mod rate_table; // buckets by key, in a table of fixed size
mod rates; // which bucket a limit takes from
mod shedding; // what a hard-pressed server does without
mod load; // how hard-pressed the server is
mod limits_explain; // the operator's look at them
mod limits; // the operator's limits: taken, observed, explained, lifted
mod tls_lane; // TLS handshakes, and whose count together
mod observed; // which of them only count
mod capacity;
mod capacity_counts; // connection slots that release themselves
mod attempt; // what limits count, as it can be written down
mod refund;
mod rehearsal; // and counted again, by any limits
mod source; // which requests another site's page may have caused
mod admission; // who has been here before
mod credential; // where a credential may stand
mod token; // the acceptance profile of tokens
mod token_header; // its header, and what rejects it
mod token_claims; // claims with exact types
mod token_key; // keys pinned to issuer and algorithm
mod token_rules; // what an issuer's tokens have to be beside genuine
mod secret_strength; // which shared secrets can be guessed
mod jwks; // an issuer's keys as it publishes them
mod ticket; // one-time tickets
mod once_table; // keys that count once
mod first_key; // the key a token of another issuer was first shown with
mod shares; // how much of a table one party may hold
mod client_key; // the key a client keeps
mod proof; // proofs that a client holds its key
mod authority; // what is revoked, and how fresh that knowledge is
mod revocation_table; // the revoked tokens and sessions
#[cfg(test)]
mod signed_tests; // door 3 with a session's key
#[cfg(test)]
mod token_forge; // tokens for tests
#[cfg(test)]
mod token_stock_tests; // tokens as stock identity providers issue them
#[cfg(test)]
mod external_tests; // users of other issuers behind the gate
#[cfg(test)]
mod wycheproof_tests; // RSA signatures against known attacks
mod directory; // live users, rooms, memberships
mod directory_user; // one user
mod directory_room; // one room
mod directory_list; // the list of rooms, page by page
mod directory_name; // whose names look alike
mod directory_share; // how full its tables are, and of whom
mod table_alarm; // which table is nearly full
mod display_name; // names of users of other issuers
mod look_alike; // which names look alike
mod rank; // who can act on whom
mod second_factor; // who needs a second factor, and what is withheld without
mod directory_session; // one session
mod directory_sessions; // the sessions there are
mod striped; // the map they all stand in
mod principal; // who is acting on a connection
mod packets; // what a connection asks for besides events
mod lease; // what a message was permitted on, asked again at its effect
mod ask; // what door 3 is asked
mod event; // what an event declares
mod rules; // what the operator lays over it
pub mod json; // one-pass structure scan
mod attachment; // binary data and where a message names it
mod answer; // what clients answer to events of the server
mod raw; // events without a payload type
mod open_type; // payload types that take undeclared members
mod type_walk; // a walk through a type, run by run
mod type_probe; // a reader that gives a type what it asks for
mod type_access; // its members, elements and variants
mod type_sample; // values before those that are walked
mod sealed; // fields that are sealed before a handler gets them
mod sealing; // which fields those are, and when it happens
mod schema; // typed payloads that name the field at fault
pub mod field; // readers of single fields
mod reference; // references that explain themselves
mod replay; // envelopes and idempotency keys
mod access; // roles and room relations
mod cleaner; // text in: normalise, bound, clean
mod text; // Unicode rules of text
mod markup; // safe formatting
mod markup_attributes; // the attributes of a tag
mod markup_code; // what stands between backticks
mod markup_escape; // formatting among text that is shown as written
mod markup_tags; // which `<` is a tag, where markup is removed
mod markup_active; // markup that would run as a script
mod spam; // which combinations reject a text
mod spam_links; // links and hosts
mod spam_parts; // what phrases are looked for in
mod spam_phrases; // phrases, however they are spelled
mod spam_repeats; // characters that repeat
#[cfg(test)]
mod ordinary_tests; // ordinary messages that no rule may reject

pub use admission::{ADMISSION_COOKIE, ADMISSION_LIFE_S, make_admission};
pub use answer::Answer;
pub use app_origin::is_app_origin;
pub use ask::{Ask, Body};
pub use attachment::Attachment;
pub use attempt::{Attempt, Lane, RequestFrom, Trace, Traced};
pub use authority::{Authority, RevocationName, RevocationSlot, UNCONFIRMED_MAX_MS, Withdrawn};
pub use binding::{Binding, Further, PollingBinding};
pub use capacity::{Class, ConnectionSlot, HeldByPrefix, HttpSeat, Places};
pub use capacity_counts::CapacityCounts;
pub use cleaner::{CleanText, Cleaner, Findings, Malicious};
pub use client_key::thumbprint;
pub use credential::{Credential, Return, read_return, shows_ticket};
pub use danger::Danger;
pub use directory::{Directory, DirectoryLimits};
pub use directory_list::{RoomCursor, RoomPage, RoomQuery};
pub use directory_room::{Charge, Relation, Room, RoomFacts, Visibility};
pub use directory_session::{Session, SessionFacts};
pub use directory_share::{Party, Table};
pub use directory_user::{LastHeard, User, UserFacts};
pub use display_name::{NameClaim, is_own_name_reserved, is_shown, neutral_name, skeleton};
pub use event::{Access, Declared, Event, Priority, Replay, Rule, Unnamed};
pub use gate::{Action, Gate, GateError, UsualAction};
pub use gate_options::{GateOptions, WhenUserFull, WithoutOrigin};
pub use handshake::{Admitted, Cookies, Door, Handshake};
pub use jwks::{JwksError, KeySet, read_jwks};
pub use lease::Lease;
pub use limits::Lanes;
pub use limits_explain::LimitState;
pub use load::{LoadChange, LoadMachine, LoadState, Look, Signal, TICK_MS};
pub use login::LoginFrom;
pub use look_alike::is_look_alike;
pub use markup::Markup;
pub use open_type::OpenType;
pub use origin::check_origin;
pub use packets::PacketBudget;
pub use permit::Permit;
pub use principal::{Caller, Patience, Principal};
pub use proof::{CheckedProof, ProofAsk};
pub use proxy::{ClientScheme, ForwardedHeader, ProxyRules};
pub use rank::{Rank, check_rank};
pub use rate::{Penalty, Rate, RateError};
pub use rates::TableUse;
pub use raw::RawPermit;
pub use reference::{
    REFERENCE_PERIOD_S, REFERENCE_STEP_S, ReferenceError, ReferenceFacts, ReferenceKey,
    normalize_reference,
};
pub use rehearsal::Rehearsal;
pub use replay::{Envelope, LooseEnvelope};
pub use revocation_table::ReserveError;
pub use rules::{ReplayRules, RoleRules};
pub use schema::read_json;
pub use sealed::{FieldSealer, SealFault, Sealed, SealedPlace};
pub use second_factor::{FactorGap, SecondFactorRule};
pub use shares::{EntryOwner, Owner, ShareError, ShareUse, Shares};
pub use source::Source;
pub use spam::{SpamAction, SpamOptions, SpamRule};
pub use table_alarm::{TableAlarm, TableLevel};
pub use ticket::{TICKET_LIFE_S, TICKET_PREFIX};
pub use tls_lane::TlsLane;
pub use token::Verified;
pub use token_key::{Algorithm, Issuer, IssuerKey, KeyStrength};
pub use token_rules::{FactorRule, IssuerRules, RuleFault, TokenKind};
