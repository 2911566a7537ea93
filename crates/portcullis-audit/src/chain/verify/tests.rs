//! Logs as the server writes them, and attacks by a program that can write the files.
//! Never: a disk.

use std::path::{Path, PathBuf};

use super::*;
use crate::chain::epoch::EpochCertificate;
use crate::chain::hash::{ChainHash, Salt};
use crate::chain::key::{SigningKey, VerifierKey};
use crate::chain::line::{SealedLine, seal_line};
use crate::chain::note::{Note, SignedNote};

const NAME: &str = "chat.example/portcullis/00112233445566778899aabbccddeeff";
/// Lines between two notes, and notes between two epochs.
const NOTE_EVERY: u64 = 7;
const EPOCH_EVERY: u64 = 20;

/// A log that is being written, its keys and its files.
pub(super) struct Log {
    name: String,
    keys: Vec<SigningKey>,
    head: ChainHash,
    pub(super) sequence: u64,
    pub(super) files: Vec<Vec<String>>,
    notes: Vec<SignedNote>,
}

impl Log {
    pub(super) fn new(name: &str) -> Self {
        let mut log = Self {
            name: String::from(name),
            keys: Vec::new(),
            head: ChainHash::start(name.as_bytes()),
            sequence: 0,
            files: vec![Vec::new()],
            notes: Vec::new(),
        };
        log.epoch();
        log
    }

    fn push(&mut self, code: &str, labels: &str, personal: &str) {
        self.sequence += 1;
        let file = self.files.last_mut().unwrap();
        let chain = if file.is_empty() {
            format!(",\"chain\":{{\"log\":\"{}\",\"previous\":\"{}\"}}", self.name, self.head)
        } else {
            String::new()
        };
        let (number, labels) = (self.sequence, labels.replace('\n', "\\u000a"));
        let event = format!("{{\"code\":\"{code}\",\"sequence\":{number}}}");
        let mut line = format!("{{\"event\":{event}{chain},\"labels\":{{{labels}}}");
        let start = line.len();
        line.push_str(personal);
        let salt = Salt([self.sequence.to_le_bytes()[0]; 16]);
        self.head = seal_line(&mut line, 0, start, &salt, &self.head);
        file.push(line.trim_end().to_owned());
    }

    fn epoch(&mut self) {
        let key = SigningKey::generate().unwrap();
        let (epoch, at) = (self.keys.len() as u64, (self.sequence, self.head));
        let signer = self.keys.last().unwrap_or(&key);
        let certificate = EpochCertificate::sign(&self.name, (epoch, key.public()), at, signer);
        self.keys.push(key);
        let labels = format!("\"certificate\":\"{}\"", certificate.to_text());
        self.push("log_epoch", &labels, "");
    }

    fn note(&mut self) {
        let epoch = self.keys.len() as u64 - 1;
        let note = Note {
            name: self.name.clone(),
            sequence: self.sequence,
            head: self.head,
            epoch,
            time: format!("2026-11-29T00:00:00.{:03}Z", self.sequence),
            state: String::from("ok"),
        };
        let signed = note.sign(self.keys.last().unwrap());
        self.push("log_checkpoint", &format!("\"note\":\"{signed}\""), "");
        self.notes.push(signed);
    }

    /// Ordinary records, with notes and epochs among them; the last line is a note.
    pub(super) fn write(mut self, records: u64) -> Self {
        for _ in 0..records {
            let user = format!(",\"user\":{{\"id\":\"u{}\"}}", self.sequence % 3);
            self.push("ws_connected", "", &user);
            if self.sequence.is_multiple_of(EPOCH_EVERY) {
                self.epoch();
            } else if self.sequence.is_multiple_of(NOTE_EVERY) {
                self.note();
            }
        }
        self.note();
        self
    }

    pub(super) fn rotate(mut self) -> Self {
        self.files.push(Vec::new());
        self
    }

    fn verifier_key(&self) -> VerifierKey {
        VerifierKey::new(&self.name, self.keys[0].public())
    }

    fn verify(&self) -> VerifyReport {
        verify(&self.files, self.options())
    }

    pub(super) fn options(&self) -> VerifyOptions {
        VerifyOptions { keys: vec![self.verifier_key()], ..VerifyOptions::default() }
    }
}

fn verify(files: &[Vec<String>], options: VerifyOptions) -> VerifyReport {
    let mut verifier = Verifier::new(options);
    for (number, lines) in files.iter().enumerate() {
        verifier.begin_file(Path::new(&format!("{number}.log")));
        let mut offset = 0;
        for line in lines {
            verifier.line(line.as_bytes(), offset);
            offset += line.len() as u64 + 1;
        }
    }
    verifier.finish()
}

fn log() -> Log {
    Log::new(NAME).write(30).rotate().write(30)
}

/// The kinds and lines of the findings.
fn found(report: &VerifyReport) -> Vec<(FindingKind, u64)> {
    report.findings().iter().map(|finding| (finding.kind, finding.sequence)).collect()
}

#[test]
fn untouched_log_is_sound() {
    let log = log();
    let report = log.verify();
    assert_eq!(report.verdict(), Verdict::Sound, "{report:?}");
    assert_eq!(report.range, Some((1, log.sequence)));
    assert_eq!(report.newest_note.as_ref(), log.notes.last());
    assert!(log.keys.len() > 2, "epochs changed");
}

// T-361
#[test]
fn t361_flipped_bit_is_found_and_its_line_is_named() {
    let log = log();
    for (file, lines) in log.files.iter().enumerate() {
        for (at, line) in lines.iter().enumerate() {
            for bit in (0..line.len() * 8).step_by(97) {
                let mut bytes = line.clone().into_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let mut verifier = Verifier::new(log.options());
                for (number, other) in log.files.iter().enumerate() {
                    verifier.begin_file(Path::new(&format!("{number}.log")));
                    for (index, line) in other.iter().enumerate() {
                        let is_changed = (number, index) == (file, at);
                        verifier.line(if is_changed { &bytes } else { line.as_bytes() }, 7);
                    }
                }
                let report = verifier.finish();
                assert_eq!(report.verdict(), Verdict::Tampered, "{file} {at} {bit}");
                let first = &report.findings()[0];
                let place = (PathBuf::from(format!("{file}.log")), 7);
                let sequence = at as u64 + 1 + if file == 0 { 0 } else { first_of_second(&log) };
                let near = first.sequence.abs_diff(sequence) <= 1;
                assert!(near && first.place == Some(place), "{file} {at} {bit}: {first:?}");
            }
        }
    }
}

fn first_of_second(log: &Log) -> u64 {
    log.files[0].len() as u64
}

// T-362
#[test]
fn t362_deleted_swapped_copied_and_forged_lines_are_named() {
    let log = log();
    let ordinary = |line: &String| line.contains("ws_connected");
    let places: Vec<_> = (1..20).filter(|at| ordinary(&log.files[0][*at])).collect();
    for at in places {
        let sequence = at as u64 + 1;
        let attack = |change: &dyn Fn(&mut Vec<String>)| {
            let mut files = log.files.clone();
            change(&mut files[0]);
            verify(&files, log.options())
        };
        let deleted = attack(&|lines| drop(lines.remove(at)));
        assert_eq!(found(&deleted), [(FindingKind::Missing, sequence)]);
        let swapped = attack(&|lines| lines.swap(at, at + 1));
        assert_eq!(found(&swapped), [(FindingKind::Reordered, sequence)], "{swapped:?}");
        let copied = attack(&|lines| lines.insert(at + 1, lines[at].clone()));
        assert_eq!(found(&copied), [(FindingKind::Inserted, sequence)]);
        let far = attack(&|lines| lines.insert(at + 5, lines[at].clone()));
        assert_eq!(found(&far), [(FindingKind::Inserted, sequence)]);
        let edited = attack(&|lines| lines[at] = lines[at].replace("ws_connected", "ws_connectad"));
        assert_eq!(found(&edited), [(FindingKind::Edited, sequence)]);
        let added = attack(&|lines| lines.insert(at, forged(&log, at)));
        assert_eq!(found(&added), [(FindingKind::Inserted, sequence)], "{added:?}");
    }
}

/// A line that follows from the one before `at`, as an attacker can compute it.
fn forged(log: &Log, at: usize) -> String {
    let before = SealedLine::parse(log.files[0][at - 1].as_bytes()).unwrap().hash;
    let public = format!("{{\"event\":{{\"code\":\"forged\",\"sequence\":{}}}", at + 1);
    let mut line = public.clone();
    // The forged line states a hash of its own, so the genuine line follows as well as before.
    seal_line(&mut line, 0, public.len(), &Salt([0; 16]), &ChainHash::start(b"forged"));
    assert_ne!(SealedLine::parse(line.trim_end().as_bytes()).unwrap().hash, before);
    line.trim_end().to_owned()
}

// T-169, T-365, T-366: today's key does not sign the past, whatever epoch the note states.
#[test]
fn t365_t366_log_with_hashes_computed_anew_is_resealed() {
    let original = log();
    // Everything again with one line changed, with today's key for all that follows.
    for signer in ["none", "today", "newer", "own"] {
        let mut files = original.files.clone();
        let mut before = ChainHash::start(NAME.as_bytes());
        let mut changed = false;
        for line in files.iter_mut().flatten() {
            let parsed = SealedLine::parse(line.as_bytes()).unwrap();
            let mut public = String::from_utf8(parsed.public.to_vec()).unwrap();
            if !changed && public.contains("ws_connected") {
                public = public.replace("ws_connected", "ws_connectad");
                changed = true;
            }
            if let Some((head, _)) = public.split_once(",\"chain\"") {
                let chain = format!(",\"chain\":{{\"log\":\"{NAME}\",\"previous\":\"{before}\"}}");
                let labels = public.split_once(",\"labels\"").unwrap().1;
                public = format!("{head}{chain},\"labels\"{labels}");
            }
            if changed && public.contains("log_checkpoint") {
                public = resigned(&public, &original, signer, before);
            }
            let start = public.len();
            let mut again = public;
            if let crate::chain::line::Personal::Present(part) = parsed.personal {
                again.push_str(std::str::from_utf8(part.bytes).unwrap());
            }
            before = seal_line(&mut again, 0, start, &Salt([5; 16]), &before);
            *line = again.trim_end().to_owned();
        }
        // With and without the certificates that are kept beside the log.
        let beside = VerifyOptions { certificates: certificates(&original), ..original.options() };
        for options in [original.options(), beside] {
            let report = verify(&files, options);
            assert_eq!(report.verdict(), Verdict::Tampered, "{signer}");
            assert!(
                report.findings().iter().all(|one| one.kind == FindingKind::Resealed),
                "{report:?}"
            );
        }
    }
}

/// The record of a note, signed anew by an attacker.
fn resigned(public: &str, log: &Log, signer: &str, head: ChainHash) -> String {
    let own = SigningKey::generate().unwrap();
    let key = match signer {
        "none" => return String::from(public),
        "today" | "newer" => log.keys.last().unwrap(),
        _ => &own,
    };
    let text = super::members::label(public.as_bytes(), "note").unwrap();
    let note = text.parse::<SignedNote>().unwrap().note;
    let epoch = if signer == "newer" { log.keys.len() as u64 - 1 } else { note.epoch };
    let signed = Note { head, epoch, ..note }.sign(key).to_string().replace('\n', "\\u000a");
    let (before, _) = public.split_once("\"note\":").unwrap();
    format!("{before}\"note\":\"{signed}\"}}")
}

// T-363
#[test]
fn t363_cut_tail_is_found_by_a_note_or_the_time() {
    let log = log();
    let mut files = log.files.clone();
    let tail = files[1].len() - 12;
    files[1].truncate(tail);
    let cut = log.sequence - 12;
    let sound = verify(&files, log.options());
    assert_eq!(sound.verdict(), Verdict::Sound, "nothing at hand tells it");
    let late = VerifyOptions { now_unix_ms: Some(1_796_000_000_000), ..log.options() };
    assert_eq!(verify(&files, late).verdict(), Verdict::Undecided);
    let note = log.notes.last().cloned();
    let lines = note.as_ref().unwrap().note.sequence - cut;
    let report = verify(&files, VerifyOptions { note, ..log.options() });
    assert_eq!(found(&report), [(FindingKind::Truncated, cut + 1)]);
    assert_eq!(report.findings()[0].lines, lines);
}

// T-367
#[test]
fn t367_without_the_right_key_nothing_is_proved() {
    let log = log();
    let none = VerifyOptions { keys: Vec::new(), ..log.options() };
    assert_eq!(verify(&log.files, none).verdict(), Verdict::Undecided);
    let foreign = Log::new(NAME).verifier_key();
    let other = Log::new("chat.example/portcullis/other").verifier_key();
    for key in [foreign, other] {
        let options = VerifyOptions { keys: vec![key], ..VerifyOptions::default() };
        let report = verify(&log.files, options);
        assert_eq!(report.verdict(), Verdict::Undecided, "{report:?}");
    }
}

// T-368
#[test]
fn t368_erased_parts_need_a_record() {
    let mut log = Log::new(NAME).write(30);
    let mut count = 0;
    for line in &mut log.files[0] {
        let parsed = SealedLine::parse(line.as_bytes()).unwrap();
        if line.contains("\"id\":\"u1\"") {
            *line = String::from_utf8(parsed.erased()).unwrap().trim_end().to_owned();
            count += 1;
        }
    }
    let by_hand = log.verify();
    assert_eq!(found(&by_hand)[0].0, FindingKind::RedactedWithoutRecord);
    let last = log.sequence;
    let labels = format!("\"first\":\"1\",\"last\":\"{last}\",\"count\":\"{count}\"");
    log.push("log_erased", &labels, "");
    log.note();
    assert_eq!(log.verify().verdict(), Verdict::Sound, "{:?}", log.verify());
    let line = log.files[0].iter_mut().find(|line| line.contains("\"id\":\"u2\"")).unwrap();
    let erased = SealedLine::parse(line.as_bytes()).unwrap().erased();
    *line = String::from_utf8(erased).unwrap().trim_end().to_owned();
    assert_eq!(found(&log.verify())[0].0, FindingKind::RedactedWithoutRecord);
}

// T-372
#[test]
fn t372_removed_files_need_a_record() {
    let mut log = Log::new(NAME).write(30).rotate().write(30).rotate().write(10);
    let certificates = certificates(&log);
    let gone = log.files.remove(0).len() as u64;
    let options = VerifyOptions { certificates: certificates.clone(), ..log.options() };
    let report = verify(&log.files, options.clone());
    assert_eq!(report.verdict(), Verdict::Undecided);
    assert_eq!(report.undecided, [ProofGap::FileMissing(1..=gone, None)]);
    log.push("log_removed", &format!("\"first\":\"1\",\"last\":\"{gone}\""), "");
    log.note();
    let report = verify(&log.files, options.clone());
    assert_eq!(report.verdict(), Verdict::Sound, "{report:?}");
    // A file between two others.
    let mut files = log.files.clone();
    files.insert(0, Log::new(NAME).write(3).files.remove(0));
    let mut between = Log::new(NAME).write(30).rotate().write(30).rotate().write(10);
    between.files.remove(1);
    let report = between.verify();
    assert_eq!(report.verdict(), Verdict::Undecided, "{report:?}");
}

fn certificates(log: &Log) -> String {
    let lines = log.files.iter().flatten().filter(|line| line.contains("log_epoch"));
    let texts = lines.map(|line| super::members::label(line.as_bytes(), "certificate").unwrap());
    std::iter::once(format!("log {NAME}")).chain(texts).map(|line| line + "\n").collect()
}

#[test]
fn log_that_changes_to_another_is_replaced() {
    let mut log = Log::new(NAME).write(30);
    let mut other = Log::new("chat.example/portcullis/other");
    other.sequence = log.sequence;
    other.files = vec![Vec::new()];
    other.keys.clear();
    other.head = ChainHash::start(other.name.as_bytes());
    other.epoch();
    let other = other.write(10);
    log.files.extend(other.files.clone());
    let report = log.verify();
    assert_eq!(found(&report)[0].0, FindingKind::Replaced);
    let keys = vec![log.verifier_key(), other.verifier_key()];
    let report = verify(&log.files, VerifyOptions { keys, ..VerifyOptions::default() });
    assert_eq!(report.verdict(), Verdict::Sound, "{report:?}");
}

#[test]
fn lines_of_an_earlier_version_are_counted_and_later_ones_are_findings() {
    let mut log = Log::new(NAME).write(30);
    log.files.insert(0, vec![String::from("{\"event\":{\"sequence\":1}}"); 3]);
    let report = log.verify();
    assert_eq!((report.verdict(), report.unsealed_before), (Verdict::Sound, 3));
    log.files[1].insert(9, String::from("{\"event\":{\"sequence\":9}}"));
    assert_eq!(found(&log.verify()), [(FindingKind::Unsealed, 10)]);
}
