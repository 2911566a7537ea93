//! Fields of events that are sealed before a handler gets them.
//! Never: plain text in a handler that did not open it, in an error, or in a record.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use portcullis_model::{Denial, RoomId, Secret, UserId};
use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

/// The name under which `serde` reads a sealed field.
pub(crate) const SEALED_TYPE: &str = "portcullis.sealed";
/// The prefix of the text of a sealed value.
const TEXT_PREFIX: &str = "sealed1.";

/// Where a sealed field belongs. It opens at this place and at no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedPlace<'a> {
    /// The namespace that the event came in, such as `/`.
    pub namespace: &'a str,
    /// The name of the event.
    pub event: &'a str,
    /// The user who sent it.
    pub user: &'a UserId,
    /// The room that the event is about ([`crate::Event::room`]), if it has one.
    pub room: Option<&'a RoomId>,
    /// The JSON pointer of the field in the payload, as in [`crate::Rule::sealed`].
    pub field: &'a str,
}

/// Why a field was not sealed or does not open.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// The value is too large, or the machine fails.
    #[error("the field cannot be sealed: it is over 1 MiB, or the cipher failed")]
    Seal,
    /// It was changed or moved, or its key is not in the keyring.
    #[error(
        "the sealed field does not open at this place: it was changed, it belongs to another \
         event, user, room or field, or its key is not in the keyring"
    )]
    Open,
    /// It opens, and holds another type.
    #[error("the sealed field opens, but its content is of another type")]
    Type,
    /// The text is not a sealed value.
    #[error("the text is not a sealed field")]
    Text,
    /// It is not sealed yet: an event is still being checked.
    #[error("the field is not sealed yet: only Event::clean sees it before")]
    Plain,
}

portcullis_model::debug_as_sentence!(SealFault);

impl From<SealFault> for Denial {
    /// The client reads `INTERNAL`, because stored fields and their keys belong to the server.
    fn from(fault: SealFault) -> Self {
        Self::Internal(match fault {
            SealFault::Seal => "seal",
            SealFault::Open | SealFault::Type | SealFault::Text => "sealed_field_not_opened",
            SealFault::Plain => "sealed_field_plain",
        })
    }
}

/// The holder of the keys. It is called on the thread of the caller and must not wait.
pub trait FieldSealer: Send + Sync {
    /// Seals a value for its place.
    ///
    /// # Errors
    /// [`SealFault::Seal`].
    fn seal(&self, place: &SealedPlace<'_>, plain: &[u8]) -> Result<Vec<u8>, SealFault>;

    /// Opens a value at its place.
    ///
    /// # Errors
    /// [`SealFault::Open`] for every fault.
    fn open(&self, place: &SealedPlace<'_>, sealed: &[u8]) -> Result<Secret<Vec<u8>>, SealFault>;
}

/// A field that the server seals before the event's handler gets it.
///
/// The client sends a plain `T`. After [`crate::Event::clean`] the gate seals it for its
/// [`SealedPlace`], so the handler can store and forward it, and reads it only by
/// [`Sealed::open`]. As JSON it is a text, which clients cannot open. The name of the field is
/// listed in [`crate::Rule::sealed`].
pub struct Sealed<T> {
    cell: Arc<Mutex<State<T>>>,
}

enum State<T> {
    /// As the client sent it, with the number of its field among those of the rule.
    Plain(usize, T),
    Sealed(Vec<u8>),
}

impl<T> Sealed<T> {
    fn of(state: State<T>) -> Self {
        Self { cell: Arc::new(Mutex::new(state)) }
    }

    /// Takes the bytes of a sealed value, such as a database has them.
    #[must_use]
    pub fn from_bytes(sealed: Vec<u8>) -> Self {
        Self::of(State::Sealed(sealed))
    }

    /// The bytes of the sealed value, for a database.
    ///
    /// # Errors
    /// [`SealFault::Plain`] in [`crate::Event::clean`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, SealFault> {
        match &*self.cell.lock() {
            State::Sealed(sealed) => Ok(sealed.clone()),
            State::Plain(..) => Err(SealFault::Plain),
        }
    }

    /// Takes the text of a sealed value, as it is in JSON.
    ///
    /// # Errors
    /// [`SealFault::Text`].
    pub fn parse(text: &str) -> Result<Self, SealFault> {
        let encoded = text.strip_prefix(TEXT_PREFIX).ok_or(SealFault::Text)?;
        URL_SAFE_NO_PAD.decode(encoded).map(Self::from_bytes).map_err(|_| SealFault::Text)
    }

    /// The text of the sealed value: base64url, with a prefix.
    ///
    /// # Errors
    /// As [`Sealed::to_bytes`].
    pub fn to_text(&self) -> Result<String, SealFault> {
        let sealed = self.to_bytes()?;
        Ok(format!("{TEXT_PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Changes the plain value, in [`crate::Event::clean`] only.
    ///
    /// # Errors
    /// The error of `change`; [`Denial::Internal`] once the value is sealed.
    pub fn edit(
        &mut self,
        change: impl FnOnce(&mut T) -> Result<(), Denial>,
    ) -> Result<(), Denial> {
        match &mut *self.cell.lock() {
            State::Plain(_, value) => change(value),
            State::Sealed(_) => Err(Denial::Internal("sealed_already")),
        }
    }
}

impl<T: Serialize> Sealed<T> {
    /// Seals a value, for example one that was opened for another place.
    ///
    /// # Errors
    /// [`SealFault::Seal`].
    pub fn seal(
        keys: &dyn FieldSealer,
        place: &SealedPlace<'_>,
        value: &T,
    ) -> Result<Self, SealFault> {
        let plain = serde_json::to_vec(value).map(Zeroizing::new).map_err(|_| SealFault::Seal)?;
        keys.seal(place, &plain).map(Self::from_bytes)
    }
}

impl<T: DeserializeOwned> Sealed<T> {
    /// Opens the value at its place.
    ///
    /// # Errors
    /// [`SealFault`]; none of its texts holds anything of the value.
    pub fn open(&self, keys: &dyn FieldSealer, place: &SealedPlace<'_>) -> Result<T, SealFault> {
        let plain = keys.open(place, &self.to_bytes()?)?;
        serde_json::from_slice(plain.expose()).map_err(|_| SealFault::Type)
    }
}

impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Self { cell: Arc::clone(&self.cell) }
    }
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealed(..)")
    }
}

impl<T> Serialize for Sealed<T> {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_text().map_err(serde::ser::Error::custom)?;
        writer.serialize_str(&text)
    }
}

/// In an event: the plain value, marked by the gate. Elsewhere: the text of a sealed value.
impl<'de, T: DeserializeOwned + Serialize + Send + 'static> Deserialize<'de> for Sealed<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_newtype_struct(SEALED_TYPE, SealedVisitor(PhantomData))
    }
}

struct SealedVisitor<T>(PhantomData<fn() -> T>);

impl<'de, T: DeserializeOwned + Serialize + Send + 'static> Visitor<'de> for SealedVisitor<T> {
    type Value = Sealed<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field that is sealed")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, reader: D) -> Result<Sealed<T>, D::Error> {
        if !is_collecting() {
            let text = String::deserialize(reader)?;
            return Sealed::parse(&text).map_err(D::Error::custom);
        }
        let (mark, number, value) = <(u64, usize, T)>::deserialize(reader)?;
        if mark != self::mark() {
            return Err(D::Error::custom("not marked"));
        }
        let sealed = Sealed::of(State::Plain(number, value));
        note(Arc::clone(&sealed.cell) as Arc<dyn Sealable>);
        Ok(sealed)
    }
}

/// Seals the plain value of the field with this number in the rule.
pub(crate) type SealField<'a> = &'a dyn Fn(usize, &[u8]) -> Result<Vec<u8>, Denial>;

/// The mark of plain values: random, so that no client can mark one.
pub(crate) fn mark() -> u64 {
    static MARK: OnceLock<u64> = OnceLock::new();
    *MARK.get_or_init(|| {
        let mut bytes = [0; 8];
        // Without randomness no gate is built, so no client is served.
        match SystemRandom::new().fill(&mut bytes) {
            Ok(()) => u64::from_be_bytes(bytes),
            Err(_) => 0,
        }
    })
}

/// A field that was read and waits for being sealed; its type is known only inside.
pub(crate) trait Sealable {
    /// Puts the sealed value in the place of the plain one.
    fn seal_by(&self, seal: SealField<'_>) -> Result<(), Denial>;
}

impl<T: Serialize> Sealable for Mutex<State<T>> {
    fn seal_by(&self, seal: SealField<'_>) -> Result<(), Denial> {
        let mut state = self.lock();
        let State::Plain(number, value) = &*state else { return Ok(()) };
        let plain = serde_json::to_vec(value).map(Zeroizing::new);
        let plain = plain.map_err(|_| Denial::Internal("seal"))?;
        *state = State::Sealed(seal(*number, &plain)?);
        Ok(())
    }
}

/// The fields that one event has, in the order in which they were read.
pub(crate) type Sealables = Vec<Arc<dyn Sealable>>;

thread_local! {
    /// The fields of the event that this thread reads now.
    static COLLECTED: RefCell<Option<Sealables>> = const { RefCell::new(None) };
}

/// Reads an event, and returns its fields that have to be sealed.
pub(crate) fn collect<R>(read: impl FnOnce() -> R) -> (R, Sealables) {
    let _ends = Collecting::begin();
    let outcome = read();
    let found = COLLECTED.with_borrow_mut(|collected| collected.take());
    (outcome, found.unwrap_or_default())
}

/// Ends the collecting, also when reading panics.
struct Collecting;

impl Collecting {
    fn begin() -> Self {
        COLLECTED.with_borrow_mut(|collected| *collected = Some(Vec::new()));
        Self
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        COLLECTED.with_borrow_mut(|collected| *collected = None);
    }
}

fn is_collecting() -> bool {
    COLLECTED.with_borrow(Option::is_some)
}

fn note(cell: Arc<dyn Sealable>) {
    COLLECTED.with_borrow_mut(|collected| {
        if let Some(cells) = collected {
            cells.push(cell);
        }
    });
}
