//! The hash chain of a log on the disk: restarts, crashes, rotation, faults, attacks while down.
//! Never: a verification without the key that was kept at the start.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_model::{Code, Now};

use super::{FaultyDisk, all_lines, assert_unbroken, at, count, event_of_user, operation, options};
use crate::chain::start::{ChainOptions, set_torn_line_aside};
use crate::options::AuditOptions;
use crate::read::log_files::list_log_files;
use crate::{
    Audit, FindingKind, LogState, Verdict, VerifierKey, VerifyOptions, VerifyReport, root_keys,
    verify_log,
};

/// Two folders: the log's and that of its keys.
struct Place {
    log: tempfile::TempDir,
    data: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { log: tempfile::tempdir().unwrap(), data: tempfile::tempdir().unwrap() }
    }

    fn options(&self) -> AuditOptions {
        AuditOptions {
            sequence_file: Some(self.data.path().join("sequence")),
            chain: Some(ChainOptions {
                folder: self.data.path().to_owned(),
                host: String::from("chat.example"),
            }),
            ..options(self.log.path())
        }
    }

    fn open(&self) -> Audit {
        Audit::open_on(self.options(), None, FaultyDisk::with_room(1 << 40)).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.log.path().join("security.log")
    }

    fn certificates(&self) -> String {
        std::fs::read_to_string(self.data.path().join("audit-chain.keys")).unwrap()
    }

    fn keys(&self) -> Vec<VerifierKey> {
        root_keys(&self.certificates())
    }

    fn verify(&self) -> VerifyReport {
        let options = VerifyOptions {
            keys: self.keys(),
            certificates: self.certificates(),
            ..VerifyOptions::default()
        };
        verify_log(&self.file(), options).unwrap().unwrap()
    }

    /// A copy as a machine leaves it that stops now.
    fn crash(&self) -> Self {
        let copy = Self::new();
        for (from, to) in [(&self.log, &copy.log), (&self.data, &copy.data)] {
            for entry in from.path().read_dir().unwrap() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
            }
        }
        copy
    }

    fn codes(&self, code: Code) -> usize {
        count(&all_lines(self.log.path()), code)
    }
}

/// Records some events, and waits until they are written and synced.
fn write(audit: &Audit, from: Now, records: u64) {
    for _ in 0..records {
        audit.record(event_of_user(), from);
    }
    audit.record(operation(), from);
    audit.tick(from);
    audit.wait_idle();
    audit.wait_synced();
}

#[track_caller]
fn assert_sound(place: &Place) -> VerifyReport {
    let report = place.verify();
    assert_eq!(report.verdict(), Verdict::Sound, "{:?} {:?}", report.findings(), report.undecided);
    report
}

// T-360
#[test]
fn t360_log_is_sound_after_stops_and_starts() {
    let place = Place::new();
    for start in 0..3_u64 {
        let audit = place.open();
        write(&audit, at(start * 100_000), 30);
        write(&audit, at(start * 100_000 + 61_000), 3);
        assert!(audit.newest_note().unwrap().contains("chat.example/portcullis/"));
        audit.close();
        let report = assert_sound(&place);
        let last = report.range.unwrap().1;
        assert!(report.newest_note.unwrap().note.sequence == last - 1, "a note at the end");
    }
    assert_eq!(place.keys().len(), 1, "one log");
    assert_unbroken(&all_lines(place.log.path()));
    assert_eq!(place.codes(Code::LogHeartbeat), 5);
}

// T-360
#[test]
fn t360_log_is_sound_after_a_crash_with_and_without_a_torn_line() {
    let place = Place::new();
    let audit = place.open();
    for round in 0..4 {
        write(&audit, at(round * 1_000), 700);
        for torn in ["", "{\"@timestamp\":\"2026-08-01T12"] {
            let copy = place.crash();
            let mut file = std::fs::OpenOptions::new().append(true).open(copy.file()).unwrap();
            file.write_all(torn.as_bytes()).unwrap();
            let again = copy.open();
            write(&again, at(0), 5);
            again.close();
            assert_sound(&copy);
            assert_eq!(copy.keys().len(), 1, "the log goes on");
            assert_eq!(copy.codes(Code::LogTorn), usize::from(!torn.is_empty()));
            let aside = std::fs::read_to_string(copy.log.path().join("security.log.torn"));
            assert_eq!(aside.unwrap_or_default().trim_end(), torn);
        }
    }
}

#[test]
fn key_changes_by_time_and_by_lines() {
    let place = Place::new();
    let audit = place.open();
    for quarter in 0..4 {
        write(&audit, at(quarter * 15 * 60_000), 10);
    }
    assert_eq!(place.codes(Code::LogEpoch), 4);
    for _ in 0..5 {
        write(&audit, at(45 * 60_000), 4_500);
    }
    audit.close();
    assert!(place.codes(Code::LogEpoch) > 5, "{}", place.codes(Code::LogEpoch));
    assert_sound(&place);
    // Each key verifies what follows it.
    let last = place.certificates().lines().count();
    assert_eq!(last, place.codes(Code::LogEpoch) + 1);
}

// T-370
#[test]
fn t370_rotated_files_follow_from_each_other_and_end_with_a_note() {
    let place = Place::new();
    let options = AuditOptions { segment_bytes: 64 * 1024, ..place.options() };
    let audit = Audit::open_on(options, None, FaultyDisk::with_room(1 << 40)).unwrap();
    for second in 0..6 {
        write(&audit, at(second * 1_000), 200);
    }
    audit.close();
    let files = list_log_files(&place.file()).unwrap();
    let files: Vec<_> = files.into_iter().map(|file| file.path).collect();
    assert!(files.len() > 3, "{files:?}");
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.lines().last().unwrap().contains("log_checkpoint"), "{}", file.display());
        assert!(text.lines().next().unwrap().contains("\"chain\":{"), "{}", file.display());
    }
    assert_sound(&place);
}

// T-364
#[test]
fn t364_older_copy_put_back_while_down_starts_another_log() {
    let place = Place::new();
    let audit = place.open();
    write(&audit, at(0), 10);
    let older = std::fs::read(place.file()).unwrap();
    write(&audit, at(70_000), 10);
    audit.close();
    let note = audit.newest_note().unwrap().parse().unwrap();
    let key = place.keys().remove(0);
    std::fs::write(place.file(), older).unwrap();
    let again = place.open();
    write(&again, at(0), 5);
    again.close();
    assert_eq!(place.codes(Code::LogTruncated), 1);
    assert_eq!(place.keys().len(), 2);
    let keys = VerifyOptions { keys: vec![key], note: Some(note), ..VerifyOptions::default() };
    let report = verify_log(&place.file(), keys).unwrap().unwrap();
    assert_eq!(report.verdict(), Verdict::Tampered);
    assert_eq!(report.findings()[0].kind, FindingKind::Replaced);
}

#[test]
fn changed_tail_or_state_starts_another_log_with_a_record() {
    type Damage = fn(&Place);
    let damage: [(&str, Damage); 4] = [
        ("changed", |place| {
            let text = std::fs::read_to_string(place.file()).unwrap();
            let (head, tail) = text.rsplit_once("ws_connected").unwrap();
            std::fs::write(place.file(), format!("{head}ws_connectid{tail}")).unwrap();
        }),
        ("missing", |place| std::fs::remove_file(place.file()).unwrap()),
        ("state_missing", |place| {
            std::fs::remove_file(place.data.path().join("audit-chain.state")).unwrap();
        }),
        ("state_invalid", |place| {
            std::fs::write(place.data.path().join("audit-chain.state"), "x").unwrap();
        }),
    ];
    for (reason, damage) in damage {
        let place = Place::new();
        let audit = place.open();
        write(&audit, at(0), 10);
        audit.record(event_of_user(), at(1));
        audit.wait_idle();
        let crashed = place.crash();
        damage(&crashed);
        let again = crashed.open();
        write(&again, at(0), 3);
        again.close();
        let lines = all_lines(crashed.log.path());
        assert_eq!(super::reasons(&lines, Code::LogTruncated), [reason]);
        assert_eq!(crashed.keys().len(), 2, "{reason}");
    }
}

#[test]
fn state_of_an_earlier_epoch_starts_another_log() {
    let place = Place::new();
    let audit = place.open();
    write(&audit, at(0), 5);
    let state = place.data.path().join("audit-chain.state");
    let old = std::fs::read(&state).unwrap();
    for quarter in 1..4 {
        write(&audit, at(quarter * 15 * 60_000), 5);
    }
    audit.close();
    std::fs::write(&state, old).unwrap();
    let again = place.open();
    write(&again, at(0), 3);
    again.close();
    let lines = all_lines(place.log.path());
    assert_eq!(super::reasons(&lines, Code::LogTruncated), ["state_old"]);
    assert_sound(&place);
}

#[test]
fn state_is_stored_before_the_first_line_and_after_synced_lines() {
    let place = Place::new();
    let disk = FaultyDisk::with_room(1 << 40);
    let audit = Audit::open_on(place.options(), None, Arc::<FaultyDisk>::clone(&disk)).unwrap();
    let state = || std::fs::read_to_string(place.data.path().join("audit-chain.state")).unwrap();
    let first = state();
    assert!(first.contains("epoch 0") && !first.contains("note"), "{first}");
    assert_eq!(std::fs::metadata(place.file()).unwrap().len(), 0);
    disk.set_hangs(false, true);
    audit.record(operation(), at(0));
    audit.wait_idle();
    disk.wait_hanging();
    let text = std::fs::read_to_string(place.file()).unwrap();
    assert!(text.contains("log_checkpoint"), "{text}");
    assert_eq!(state(), first, "no note before its lines are on the disk");
    disk.set_hangs(false, false);
    audit.wait_synced();
    assert!(state().contains("note"));
    audit.close();
    assert_sound(&place);
}

#[test]
fn torn_lines_of_many_crashes_use_little_space() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("security.log");
    for _ in 0..40 {
        std::fs::write(&log, [&b"{}\n"[..], &[b'x'; 100_000]].concat()).unwrap();
        assert!(set_torn_line_aside(&log).unwrap().is_some());
        assert_eq!(std::fs::read(&log).unwrap(), b"{}\n");
    }
    let aside = std::fs::metadata(folder.path().join("security.log.torn")).unwrap();
    assert!(aside.len() < 1_200_000, "{}", aside.len());
}

#[test]
fn renamed_file_is_found_after_a_restart() {
    let place = Place::new();
    let audit = place.open();
    write(&audit, at(0), 10);
    audit.close();
    std::fs::rename(place.file(), place.log.path().join("security.log.1")).unwrap();
    let again = place.open();
    write(&again, at(0), 3);
    again.close();
    assert_eq!((place.codes(Code::LogTruncated), place.keys().len()), (0, 1));
    assert_sound(&place);
}

#[test]
fn log_of_an_earlier_version_stays_and_the_chain_follows() {
    let place = Place::new();
    let old = AuditOptions { chain: None, ..place.options() };
    let audit = Audit::open_on(old, None, FaultyDisk::with_room(1 << 40)).unwrap();
    write(&audit, at(0), 10);
    audit.close();
    let again = place.open();
    write(&again, at(0), 3);
    again.close();
    let report = assert_sound(&place);
    assert_eq!(report.unsealed_before, 11);
    assert_unbroken(&all_lines(place.log.path()));
}

/// A pseudo-random sequence (a linear congruential generator).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

// T-373
#[test]
fn t373_log_is_sound_after_any_order_of_faults_rotations_and_restarts() {
    for seed in 0..12 {
        let mut random = Random(seed);
        let place = Place::new();
        let mut now_ms = 0;
        for _start in 0..3 {
            let disk = FaultyDisk::with_room(1 << 40);
            let options = AuditOptions { segment_bytes: 32 * 1024, ..place.options() };
            let audit = Audit::open_on(options, None, Arc::<FaultyDisk>::clone(&disk)).unwrap();
            for _step in 0..40 {
                match random.below(10) {
                    0 => disk.set_room(random.below(5_000) as i64),
                    1 => disk.set_broken(true),
                    8 => disk.tear_next_write(),
                    9 => disk.set_grows_only(true),
                    2 => now_ms += random.below(20) * 60_000,
                    3 => {
                        rename(&place, &mut random);
                        audit.reopen(at(now_ms));
                    }
                    _ => {
                        disk.set_broken(false);
                        disk.set_grows_only(false);
                        disk.set_room(1 << 40);
                        for _ in 0..random.below(60) {
                            audit.record(event_of_user(), at(now_ms));
                        }
                        audit.record(operation(), at(now_ms));
                    }
                }
                now_ms += random.below(1_500);
                audit.tick(at(now_ms));
                audit.wait_idle();
            }
            disk.set_broken(false);
            disk.set_grows_only(false);
            disk.set_room(1 << 40);
            audit.tick(at(now_ms));
            audit.wait_idle();
            audit.close();
        }
        let report = assert_sound(&place);
        assert!(report.lines > 50, "seed {seed}: {}", report.lines);
        assert_unbroken(&all_lines(place.log.path()));
    }
}

// T-373
#[test]
fn t373_part_of_a_line_that_cannot_be_removed_waits_and_is_removed_later() {
    type Fault = fn(&FaultyDisk);
    let faults: [Fault; 2] = [FaultyDisk::tear_next_write, |disk| disk.set_room(1_300)];
    for fault in faults {
        let place = Place::new();
        let disk = FaultyDisk::with_room(1 << 40);
        let audit = Audit::open_on(place.options(), None, Arc::<FaultyDisk>::clone(&disk)).unwrap();
        write(&audit, at(0), 5);
        disk.set_grows_only(true);
        fault(&disk);
        write(&audit, at(1_000), 5);
        let text = std::fs::read_to_string(place.file()).unwrap();
        assert!(!text.ends_with('\n'), "the disk does not remove the part");
        // The disk takes bytes again, and still does not truncate: nothing follows the part.
        disk.set_broken(false);
        disk.set_room(1 << 40);
        write(&audit, at(2_000), 5);
        assert_eq!(std::fs::read_to_string(place.file()).unwrap(), text);
        assert_ne!(audit.counts().state, LogState::Ok);
        // A process that stops now leaves the part to the next one.
        let crashed = place.crash();
        let again = crashed.open();
        write(&again, at(0), 3);
        again.close();
        assert_sound(&crashed);
        assert_eq!(crashed.codes(Code::LogTorn), 1);
        // A renamed file gets no part of a line either.
        std::fs::rename(place.file(), place.log.path().join("security.log.1")).unwrap();
        audit.tick(at(3_000));
        audit.wait_idle();
        disk.set_grows_only(false);
        audit.tick(at(4_000));
        audit.wait_idle();
        audit.reopen(at(5_000));
        write(&audit, at(5_000), 3);
        assert_eq!((audit.counts().state, audit.counts().lost), (LogState::Ok, 0));
        audit.close();
        assert_sound(&place);
        let lines = all_lines(place.log.path());
        assert_unbroken(&lines);
        assert_eq!(count(&lines, Code::WsConnected), 18);
        assert_eq!(count(&lines, Code::AuthzAdmin), 4);
    }
}

// T-368
#[test]
fn t368_server_erases_old_personal_parts_with_a_record_and_stays_sound() {
    const DAY_MS: u64 = 86_400_000;
    let place = Place::new();
    let open = |disk: &Arc<FaultyDisk>, personal_days| {
        let options = AuditOptions { personal_days, ..place.options() };
        Audit::open_on(options, None, Arc::<FaultyDisk>::clone(disk)).unwrap()
    };
    let disk = FaultyDisk::with_room(1 << 40);
    let mut audit = open(&disk, 90);
    for day in 0..6 {
        write(&audit, at(day * DAY_MS), 20);
    }
    audit.close();
    audit = open(&disk, 3);
    let erased = |place: &Place| place.codes(Code::LogErased);
    let with_user = || {
        let files = list_log_files(&place.file()).unwrap();
        let has_user = |path: &Path| std::fs::read_to_string(path).unwrap().contains("\"u1\"");
        files.iter().map(|file| has_user(&file.path)).collect::<Vec<_>>()
    };
    let minute = |audit: &Audit, number: u64| {
        audit.tick(at(5 * DAY_MS + number * 61_000));
        audit.wait_idle();
        audit.wait_retention();
        audit.wait_idle();
    };
    // While the disk is full, the record waits, and nothing is erased.
    disk.set_room(0);
    write(&audit, at(5 * DAY_MS + 1_000), 1);
    (1..6).for_each(|number| minute(&audit, number));
    assert_eq!(with_user(), [true; 6]);
    disk.set_room(1 << 40);
    // While the server is overloaded, no file is read.
    audit.set_overloaded(true);
    (6..9).for_each(|number| minute(&audit, number));
    assert_eq!(with_user(), [true; 6]);
    audit.set_overloaded(false);
    (9..20).for_each(|number| minute(&audit, number));
    // The files of the first two days were closed more than three days ago.
    assert_eq!(with_user(), [false, false, true, true, true, true]);
    let records = erased(&place);
    assert_eq!(records, 2);
    audit.close();
    assert_sound(&place);
    // After a restart the files are read again, and nothing is left to erase.
    audit = open(&disk, 3);
    (20..30).for_each(|number| minute(&audit, number));
    audit.close();
    assert_eq!(erased(&place), records);
    assert_sound(&place);
    assert_unbroken(&all_lines(place.log.path()));
}

/// Renames the open file as `logrotate` does.
fn rename(place: &Place, random: &mut Random) {
    let to = place.log.path().join(format!("security.log.{}", random.below(1 << 40)));
    if Path::new(&place.file()).exists() {
        std::fs::rename(place.file(), to).unwrap();
    }
}

#[test]
fn missing_state_and_certificates_of_a_log_are_reported() {
    let place = Place::new();
    let audit = place.open();
    write(&audit, at(0), 10);
    audit.close();
    for name in ["audit-chain.state", "audit-chain.keys"] {
        std::fs::remove_file(place.data.path().join(name)).unwrap();
    }
    let again = place.open();
    write(&again, at(0), 3);
    again.close();
    let lines = all_lines(place.log.path());
    assert_eq!(super::reasons(&lines, Code::LogTruncated), ["state_missing"]);
}

#[test]
fn records_of_the_start_have_the_time_of_the_first_record() {
    let place = Place::new();
    let audit = place.open();
    write(&audit, at(0), 10);
    audit.close();
    std::fs::write(place.data.path().join("audit-chain.state"), "x").unwrap();
    let again = place.open();
    again.wait_idle();
    write(&again, at(0), 3);
    again.close();
    let text = std::fs::read_to_string(place.file()).unwrap();
    let old: Vec<_> = text.lines().filter(|line| line.contains("1970-01-01T")).collect();
    assert!(old.is_empty(), "{old:#?}");
}

#[test]
fn first_line_of_a_log_on_a_full_disk_is_its_first_key() {
    let place = Place::new();
    let disk = FaultyDisk::with_room(1 << 40);
    let audit = Audit::open_on(place.options(), None, Arc::<FaultyDisk>::clone(&disk)).unwrap();
    disk.set_room(0);
    write(&audit, at(0), 3);
    let text = std::fs::read_to_string(place.file()).unwrap();
    let first = text.lines().next().map(super::line);
    assert_eq!(first.map(|line| line.code).as_deref(), Some("log_epoch"));
    disk.set_room(1 << 40);
    audit.tick(at(2_000));
    audit.close();
    assert_sound(&place);
}
