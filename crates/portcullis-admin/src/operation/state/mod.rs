//! Operations on the state of the server: the overview, its parts, and the load level.
//! Never: an operation on a user.

pub(crate) mod attack; // attacks: sources, parties, blocks, remedies
pub(crate) mod sampler; // rates and the time line, once a second
pub(crate) mod overview; // `admin:overview`
pub(crate) mod happening; // the sentence of the overview
pub(crate) mod series_text; // words for the series of a time line
pub(crate) mod timeline; // `admin:timeline`
pub(crate) mod watch; // `admin:watch`, `admin:unwatch`
pub(crate) mod load_state; // `admin:state`
pub(crate) mod load_pin; // `state:pin`, `state:unpin`
