//! Operations on the state of the server: the overview, its parts, and the load level.
//! Never: an operation on a user.

pub(crate) mod sampler; // rates and the time line, once a second
pub(crate) mod block_changes; // blocks that began or ended, for marks in charts
pub(crate) mod overview; // `admin:overview`
pub(crate) mod happening; // the sentence of the overview
pub(crate) mod blocked_parties; // the parties that a block rejects already
pub(crate) mod attack_blocks; // the blocks that an attack has left
pub(crate) mod sources; // the users, networks and origins that an attack comes from
pub(crate) mod remedy; // the operations that the overview offers
pub(crate) mod network_clients; // connections and users of networks
pub(crate) mod offenders; // `admin:offenders`, `admin:affected`
pub(crate) mod series_text; // words for the series of a time line
pub(crate) mod timeline; // `admin:timeline`
pub(crate) mod watch; // `admin:watch`, `admin:unwatch`
pub(crate) mod load_state; // `admin:state`
pub(crate) mod load_pin; // `state:pin`, `state:unpin`
