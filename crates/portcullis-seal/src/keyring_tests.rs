//! T-150 to T-153 and T-155: attacks on sealed values, on the keyring and on its file.
//! Never: the file's grammar, whose tests are in the file of its parser.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use portcullis_model::Now;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::field_key::FieldKey;
use crate::keyring_text;
use crate::keys::Keys;
use crate::line_fault::KEYS_MAX;
use crate::private_file;
use crate::{
    KeyId, KeyIdError, Keyring, KeyringError, LineFault, OVERHEAD_BYTES, OpenError,
    PLACE_PART_MAX_BYTES, PLAIN_MAX_BYTES, Place, PrivateFileError, SealError, sealed,
};

const NOW: i64 = 1_770_000_000_000;
const PLACE: Place<'_> = Place { tenant: "main", record: "user-7", field: "totp" };

struct Scene {
    directory: TempDir,
    ring: Keyring,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ring = Keyring::load_or_create(directory.path(), NOW).unwrap();
        Self { directory, ring }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn file(&self) -> PathBuf {
        self.path().join("field-keys.ring")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn opened(ring: &Keyring, place: &Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    ring.open(place, sealed).map(|plain| plain.expose().clone())
}

// Computed by other software from the documented construction.
#[test]
fn sealed_value_has_the_documented_bytes() {
    let key = FieldKey::parse(&mut (0..32).collect(), NOW).unwrap();
    assert_eq!(key.id().to_string(), "1ad27a17980de4f3");
    let nonce = std::array::from_fn(|index| 0xa0 + u8::try_from(index).unwrap());
    let sealed = sealed::seal(&key, &PLACE, &nonce, b"a shared secret").unwrap();
    let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
    let expect = "011ad27a17980de4f3a0a1a2a3a4a5a6a7a8a9aaab0000000f274913f15a8c7c424c65cfc69c8103\
                  9f71f06e8106c61e57ead182e13072c9";
    assert_eq!(hex, expect);
    let keys = Keys::new(key, Vec::new()).unwrap();
    assert_eq!(sealed::open(&keys, &PLACE, &sealed).unwrap().expose(), b"a shared secret");
}

#[test]
fn t_150_nonces_do_not_repeat_in_100_000_seals() {
    let scene = Scene::new();
    let mut nonces = HashSet::new();
    for _ in 0..100_000 {
        let sealed = scene.ring.seal(&PLACE, b"same").unwrap();
        assert_eq!(sealed.len(), 4 + OVERHEAD_BYTES);
        let nonce: [u8; 12] = sealed[9..21].try_into().unwrap();
        assert!(nonces.insert(nonce));
    }
}

#[test]
fn t_150_equal_nonces_at_two_places_use_different_keys() {
    let key = FieldKey::parse(&mut vec![5; 32], NOW).unwrap();
    let stream = |record| {
        let place = Place { record, ..PLACE };
        sealed::seal(&key, &place, &[1; 12], &[0; 64]).unwrap()[25..89].to_vec()
    };
    // Text of zeros: the ciphertext is the key stream itself.
    assert_eq!(stream("a"), stream("a"));
    assert_ne!(stream("a"), stream("b"));
}

#[test]
fn t_151_value_opens_at_its_own_place_only() {
    let scene = Scene::new();
    let other_ring = Scene::new();
    let sealed = scene.ring.seal(&PLACE, b"text").unwrap();
    let long = "x".repeat(PLACE_PART_MAX_BYTES + 1);
    let places = [
        (PLACE, true),
        (Place { tenant: "other", ..PLACE }, false),
        (Place { record: "user-8", ..PLACE }, false),
        (Place { field: "message", ..PLACE }, false),
        (Place { tenant: "user-7", record: "main", ..PLACE }, false),
        (Place { tenant: "mainuser-7", record: "", ..PLACE }, false),
        (Place { tenant: "main\0\x06user-7", record: "", ..PLACE }, false),
        (Place { record: "user-7totp", field: "", ..PLACE }, false),
        (Place { record: "User-7", ..PLACE }, false),
        (Place { record: "user-7 ", ..PLACE }, false),
        (Place { field: &long, ..PLACE }, false),
    ];
    for (place, fine) in places {
        let expect = if fine { Ok(b"text".to_vec()) } else { Err(OpenError) };
        assert_eq!(opened(&scene.ring, &place, &sealed), expect, "{place:?}");
        assert_eq!(opened(&other_ring.ring, &place, &sealed), Err(OpenError));
    }
}

#[test]
fn t_151_changed_bit_is_detected() {
    let scene = Scene::new();
    let old = scene.ring.current_id();
    scene.ring.rotate(NOW + 1).unwrap();
    let sealed = scene.ring.seal(&PLACE, b"a shared secret").unwrap();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[at] ^= 1 << bit;
            assert_eq!(opened(&scene.ring, &PLACE, &changed), Err(OpenError), "{at} {bit}");
        }
    }
    // Another key of the same ring, and another version.
    let mut changed = sealed.clone();
    changed[1..9].copy_from_slice(old.as_bytes());
    assert_eq!(opened(&scene.ring, &PLACE, &changed), Err(OpenError));
    for version in (0..=255).filter(|version| *version != 1) {
        changed.clone_from(&sealed);
        changed[0] = version;
        assert_eq!(opened(&scene.ring, &PLACE, &changed), Err(OpenError), "{version}");
    }
}

#[test]
fn t_151_parts_of_two_values_do_not_mix() {
    let scene = Scene::new();
    let [one, two] = [b"text one", b"text two"].map(|it| scene.ring.seal(&PLACE, it).unwrap());
    for (from, to) in [(9, 21), (25, 33), (33, 49), (9, 33), (25, 49)] {
        let mut mixed = one.clone();
        mixed[from..to].copy_from_slice(&two[from..to]);
        assert_eq!(opened(&scene.ring, &PLACE, &mixed), Err(OpenError), "{from}..{to}");
    }
}

// Unlike the test of the envelope, which has no key, the length matches here.
#[test]
fn t_152_truncated_tag_with_a_matching_length_does_not_open() {
    let scene = Scene::new();
    let sealed = scene.ring.seal(&PLACE, b"a text of more than 16 bytes").unwrap();
    for tag in [15, 12, 8, 4, 0] {
        let mut cut = sealed[..sealed.len() - 16 + tag].to_vec();
        assert_eq!(opened(&scene.ring, &PLACE, &cut), Err(OpenError), "{tag}");
        cut[24] -= 16 - u8::try_from(tag).unwrap();
        assert_eq!(opened(&scene.ring, &PLACE, &cut), Err(OpenError), "{tag}");
    }
    let mut longer = [&sealed[..], &[0]].concat();
    assert_eq!(opened(&scene.ring, &PLACE, &longer), Err(OpenError));
    longer[24] += 1;
    assert_eq!(opened(&scene.ring, &PLACE, &longer), Err(OpenError));
}

#[test]
fn t_153_rotation_opens_old_values_and_seals_with_the_new_key() {
    let scene = Scene::new();
    let first = scene.ring.current_id();
    let old = scene.ring.seal(&PLACE, b"old").unwrap();
    let second = scene.ring.rotate(NOW + 1).unwrap();
    let new = scene.ring.seal(&PLACE, b"new").unwrap();
    assert_ne!(first, second);
    assert_eq!((Keyring::key_id_of(&old), Keyring::key_id_of(&new)), (Some(first), Some(second)));
    assert_eq!((scene.ring.is_current(&old), scene.ring.is_current(&new)), (false, true));
    // The same after a restart.
    for ring in [scene.ring.clone(), Keyring::read(scene.path()).unwrap()] {
        assert_eq!(opened(&ring, &PLACE, &old).unwrap(), b"old");
        assert_eq!(opened(&ring, &PLACE, &new).unwrap(), b"new");
        let facts: Vec<_> =
            ring.list().iter().map(|key| (key.id, key.created_unix_ms, key.current)).collect();
        assert_eq!(facts, [(first, NOW, false), (second, NOW + 1, true)]);
    }
}

#[test]
fn t_153_retired_key_opens_no_value() {
    let scene = Scene::new();
    let first = scene.ring.current_id();
    let old = scene.ring.seal(&PLACE, b"old").unwrap();
    assert!(matches!(scene.ring.retire(first), Err(KeyringError::Current(id)) if id == first));
    scene.ring.rotate(NOW + 1).unwrap();
    let before = fs::read_to_string(scene.file()).unwrap();
    scene.ring.retire(first).unwrap();
    for ring in [scene.ring.clone(), Keyring::read(scene.path()).unwrap()] {
        assert_eq!(opened(&ring, &PLACE, &old), Err(OpenError));
        assert!(!ring.list().iter().any(|key| key.id == first));
    }
    let after = fs::read_to_string(scene.file()).unwrap();
    let line = before.lines().find(|line| line.contains(&first.to_string())).unwrap();
    assert!(!after.contains(line.rsplit(' ').next().unwrap()));
    assert!(matches!(scene.ring.retire(first), Err(KeyringError::Unknown(id)) if id == first));
}

#[test]
fn t_153_reload_applies_changes_of_another_process() {
    let scene = Scene::new();
    let (running, clone) = (scene.ring.clone(), scene.ring.clone());
    let operator = Keyring::read(scene.path()).unwrap();
    let second = operator.rotate(NOW + 1).unwrap();
    assert_ne!(running.current_id(), second);
    let sealed_before_reload = running.seal(&PLACE, b"between").unwrap();
    running.reload().unwrap();
    assert_eq!((running.current_id(), clone.current_id()), (second, second));
    assert_eq!(opened(&clone, &PLACE, &sealed_before_reload).unwrap(), b"between");
    let third = operator.rotate(NOW + 2).unwrap();
    running.replace(&operator);
    assert_eq!(clone.current_id(), third);
    // A keyring that cannot be read leaves the one in force.
    fs::write(scene.file(), "portcullis-field-keys 2\n").unwrap();
    let error = running.reload().unwrap_err();
    assert!(matches!(error, KeyringError::Content { line: 1, fault: LineFault::Later(_), .. }));
    let expect = "line 1: the keyring has format 2, this version reads 1: install a later version";
    assert!(error.to_string().ends_with(expect), "{error}");
    assert_eq!(clone.current_id(), third);
}

#[test]
fn t_153_keyring_of_another_server_does_not_replace_the_one_in_force() {
    let (scene, other) = (Scene::new(), Scene::new());
    let kept = fs::read(scene.file()).unwrap();
    let sealed = scene.ring.seal(&PLACE, b"text").unwrap();
    fs::copy(other.file(), scene.file()).unwrap();
    let error = scene.ring.reload().unwrap_err();
    assert!(matches!(error, KeyringError::Foreign(_)), "{error}");
    assert!(error.to_string().contains("of another server: put back the right file"), "{error}");
    assert_eq!(opened(&scene.ring, &PLACE, &sealed).unwrap(), b"text");
    // Two keyrings in one file: the old key stays.
    let both = String::from_utf8(kept).unwrap().replace("current", "old");
    let added = fs::read_to_string(other.file()).unwrap();
    let added = added.split_once('\n').unwrap().1;
    fs::write(scene.file(), format!("{both}{added}")).unwrap();
    scene.ring.reload().unwrap();
    assert_eq!(opened(&scene.ring, &PLACE, &sealed).unwrap(), b"text");
    assert!(scene.ring.is_current(&other.ring.seal(&PLACE, b"").unwrap()));
    assert!(other.ring.list().iter().all(|key| scene.ring.has_key(key.id)));
}

#[test]
fn t_153_values_under_unknown_keys_read_the_file_once_a_second() {
    let scene = Scene::new();
    let other = Keyring::read(scene.path()).unwrap();
    let open = |sealed: &[u8], monotonic_ms| {
        let now = Now { monotonic_ms, unix_ms: NOW };
        scene.ring.open_or_reload_at(&PLACE, sealed, now).map(|_| ())
    };
    // The first value under an unknown key makes the keyring read the changes of another process.
    other.rotate(NOW).unwrap();
    let first = other.seal(&PLACE, b"first").unwrap();
    assert_eq!(open(&first, 5), Ok(()));
    // After that anyone's values under unknown keys do not reach the disk for a second.
    other.rotate(NOW).unwrap();
    let second = other.seal(&PLACE, b"second").unwrap();
    let current = scene.ring.current_id();
    for at_ms in [5, 6, 1_004] {
        assert_eq!(open(&second, at_ms), Err(OpenError), "{at_ms}");
    }
    assert_eq!(scene.ring.current_id(), current);
    // Values under a known key never cause a read.
    let mut changed = first.clone();
    changed[20] ^= 1;
    assert_eq!(open(&changed, 1_005), Err(OpenError));
    assert_eq!(open(&first, 1_005), Ok(()));
    assert_eq!(open(&second, 1_005), Ok(()));
}

#[test]
fn t_153_simultaneous_changes_are_all_stored() {
    let scene = Scene::new();
    let rotate = |offset: i64| {
        let ring = Keyring::read(scene.path()).unwrap();
        (0..8).filter_map(|step| ring.rotate(NOW + offset + step).ok()).collect::<Vec<_>>()
    };
    let (one, two) = std::thread::scope(|scope| {
        let other = scope.spawn(|| rotate(100));
        (rotate(200), other.join().unwrap())
    });
    scene.ring.reload().unwrap();
    let known: HashSet<_> = scene.ring.list().iter().map(|key| key.id).collect();
    assert!(one.iter().chain(&two).all(|id| known.contains(id)));
    assert_eq!(known.len(), 1 + one.len() + two.len());
    assert_eq!(scene.names(), ["field-keys.ring"]);
}

#[test]
fn t_153_busy_or_full_keyring_is_not_changed() {
    let scene = Scene::new();
    let lock = fs::File::open(scene.path()).unwrap();
    lock.lock().unwrap();
    assert!(matches!(scene.ring.rotate(NOW + 1), Err(KeyringError::Busy(_))));
    drop(lock);
    let old = (1..64).map(|byte| FieldKey::parse(&mut vec![byte; 32], NOW).unwrap()).collect();
    let current = FieldKey::parse(&mut vec![200; 32], NOW).unwrap();
    let text = keyring_text::render(&Keys::new(current, old).unwrap());
    private_file::replace(&scene.file(), text.expose(), "a").unwrap();
    assert!(matches!(scene.ring.rotate(NOW + 1), Err(KeyringError::Full)));
    assert_eq!(fs::read(scene.file()).unwrap(), *text.expose());
    assert_eq!(Keyring::read(scene.path()).unwrap().list().len(), KEYS_MAX);
}

#[test]
fn keyring_is_created_once_with_private_permissions() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("deep/keys");
    assert!(matches!(Keyring::read(&keys), Err(KeyringError::Missing(_))));
    let rings = std::thread::scope(|scope| {
        let start = || scope.spawn(|| Keyring::load_or_create(&keys, NOW).unwrap().current_id());
        [start(), start(), start()].map(|thread| thread.join().unwrap())
    });
    assert!(rings.iter().all(|id| *id == rings[0]));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let file = keys.join("field-keys.ring");
    assert_eq!((mode(&keys), mode(&file)), (0o700, 0o600));
    Keyring::read(&keys).unwrap().rotate(NOW + 1).unwrap();
    assert_eq!(mode(&file), 0o600);
    for content in ["", "portcullis-field-keys 1\n", "nothing of ours\n"] {
        private_file::replace(&file, content.as_bytes(), "a").unwrap();
        for outcome in [Keyring::load_or_create(&keys, NOW), Keyring::read(&keys)] {
            assert!(matches!(outcome, Err(KeyringError::Content { .. })), "{content:?}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let outcome = Keyring::load_or_create(&keys, NOW);
    assert!(matches!(outcome, Err(KeyringError::File(PrivateFileError::Readable { .. }))));
}

#[test]
fn too_long_value_or_place_is_rejected() {
    let scene = Scene::new();
    let largest = vec![1; PLAIN_MAX_BYTES];
    let sealed = scene.ring.seal(&PLACE, &largest).unwrap();
    assert_eq!(opened(&scene.ring, &PLACE, &sealed).unwrap(), largest);
    let larger = vec![1; PLAIN_MAX_BYTES + 1];
    let refused = SealError::TooLarge(PLAIN_MAX_BYTES + 1);
    assert_eq!(scene.ring.seal(&PLACE, &larger), Err(refused));
    let long = "x".repeat(PLACE_PART_MAX_BYTES + 1);
    let place = Place { record: &long, ..PLACE };
    assert_eq!(scene.ring.seal(&place, b""), Err(SealError::PlaceTooLong));
}

/// Everything an error says, itself and its sources, to people and to programmers.
fn text(error: &dyn Error) -> String {
    let sources = std::iter::successors(Some(error), |error: &&dyn Error| (*error).source());
    sources.map(|error| format!("{error} {error:?} {error:#?}\n")).collect()
}

#[test]
fn t_155_neither_key_nor_text_is_in_debug_or_errors() {
    let scene = Scene::new();
    let sealed = scene.ring.seal(&PLACE, b"correct horse").unwrap();
    let opened = scene.ring.open(&PLACE, &sealed).unwrap();
    let file = fs::read_to_string(scene.file()).unwrap();
    let key = file.trim_end().rsplit(' ').next().unwrap();
    let mut all = format!("{:?} {opened:?} {:?}", scene.ring, scene.ring.list());
    for error in [SealError::TooLarge(1), SealError::PlaceTooLong, SealError::Cipher] {
        all.push_str(&text(&error));
    }
    all.push_str(&text(&OpenError));
    all.push_str(&text(&key.parse::<KeyId>().unwrap_err()));
    assert_eq!(key.parse::<KeyId>(), Err(KeyIdError));
    // The key at every place where a damaged file can have it.
    let damaged = [
        file.replace(' ', "  "),
        file.replace("portcullis-field-keys 1\n", ""),
        file.replace("portcullis-field-keys 1", &format!("portcullis-field-keys {key}")),
        file.replace("current", key),
        file.replace(&format!("current {}", scene.ring.current_id()), &format!("current {key}")),
        file.replace(&NOW.to_string(), key),
        file.replace(key, &format!("{key}{key}")),
        file.replace(key, &format!("{key} {key}")),
        file.replace(key, &format!("{key}\n{key}")),
        file.replace(key, &key.replace('=', "!")),
        file.repeat(2),
        file.trim_end().to_owned(),
    ];
    for content in damaged {
        private_file::replace(&scene.file(), content.as_bytes(), "a").unwrap();
        let error = scene.ring.reload().unwrap_err();
        assert!(matches!(error, KeyringError::Content { .. }));
        all.push_str(&text(&error));
    }
    let bytes = FieldKey::parse(&mut vec![7; 32], NOW).unwrap();
    assert_eq!(bytes.expose().len(), 32);
    assert!(all.contains("Secret(..)") && all.contains("line 2"));
    for secret in [key, &key[..8], "correct", "horse", "[99, 111, 114"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

proptest! {
    #[test]
    fn sealed_text_opens_at_its_place(
        plain in proptest::collection::vec(any::<u8>(), 0..600),
        tenant in ".{0,20}", record in ".{0,20}", field in ".{0,20}",
    ) {
        let key = FieldKey::parse(&mut vec![5; 32], NOW).unwrap();
        let keys = Keys::new(key, Vec::new()).unwrap();
        let place = Place { tenant: &tenant, record: &record, field: &field };
        let sealed = sealed::seal(keys.current(), &place, &[1; 12], &plain).unwrap();
        prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD_BYTES);
        let opened = sealed::open(&keys, &place, &sealed).unwrap();
        prop_assert_eq!(opened.expose(), &plain);
    }

    #[test]
    fn t_151_made_up_bytes_do_not_open(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let key = FieldKey::parse(&mut vec![5; 32], NOW).unwrap();
        let mut named = vec![1];
        named.extend_from_slice(key.id().as_bytes());
        named.extend_from_slice(&bytes);
        let keys = Keys::new(key, Vec::new()).unwrap();
        for sealed in [bytes, named] {
            prop_assert_eq!(sealed::open(&keys, &PLACE, &sealed).err(), Some(OpenError));
        }
    }
}
