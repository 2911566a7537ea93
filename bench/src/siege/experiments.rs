//! The experiments: the target, kind and length of each attack.
//! Never: how an attack is run.

use crate::siege::attack::floods::Flood;
use crate::siege::attack::speaker::Packets;
use crate::siege::experiment::Experiment;
use crate::siege::figures::line::{Line, RecordLimit, Records};
use crate::siege::server::defence::{Defence, Needs};
use crate::siege::users::polling::Way;

/// Configured memory of a server that runs out of memory, in MiB.
const MEMORY_MIB: u32 = 512;

const PLAIN: Experiment = Experiment {
    name: "",
    title: "",
    floods: &[],
    line: Line::NOTHING,
    needs: Needs::TALKATIVE,
    against: Defence::Flat,
    attack_s: 20,
    short_s: 5,
    after_s: 10,
    compared: true,
    rounds: 1,
};

/// All of them.
pub(crate) const ALL: [Experiment; 12] = [
    Experiment {
        name: "D-1",
        title: "Ten thousand unauthenticated clients hold sockets open",
        floods: &[Flood::Idle { sockets: 10_000 }],
        line: Line { goodput: Some(98.0), arrivals: Some(99.0), ..Line::NOTHING },
        ..PLAIN
    },
    Experiment {
        name: "D-2",
        title: "A flood of handshakes with bad tokens",
        floods: &[Flood::BadTokens { a_second: 3_000 }],
        line: Line {
            goodput: Some(95.0),
            p99_times: Some(2.0),
            state: Some((1, 1)),
            ..Line::NOTHING
        },
        ..PLAIN
    },
    Experiment {
        name: "D-3",
        title: "A flood of TLS handshakes",
        floods: &[Flood::Tls { a_second: 500 }],
        line: Line { goodput: Some(90.0), ..Line::NOTHING },
        ..PLAIN
    },
    Experiment {
        name: "D-4",
        title: "A flood of logins",
        floods: &[Flood::Logins { a_second: 200 }],
        line: Line { goodput: Some(95.0), passwords: Some(64), ..Line::NOTHING },
        compared: false,
        ..PLAIN
    },
    Experiment {
        name: "D-5",
        title: "Fifty signed-in users flood with messages",
        floods: &[Flood::Messages { users: 50, a_second: 200 }],
        // 120 at once and two a second more for each.
        line: Line { goodput: Some(95.0), admitted: Some(50 * 160), ..Line::NOTHING },
        ..PLAIN
    },
    Experiment {
        name: "D-6",
        title: "The database is locked",
        floods: &[Flood::Stall, Flood::Intruders { a_second: 2 }],
        line: Line {
            kept: Some(99.0),
            no_intruder: true,
            recovered: Some(99.0),
            back_s: Some(80),
            ..Line::NOTHING
        },
        attack_s: 30,
        after_s: 82,
        compared: false,
        ..PLAIN
    },
    Experiment {
        name: "D-7",
        title: "Five hundred slow consumers",
        floods: &[Flood::SlowReaders { users: 500 }, Flood::Speakers { users: 10, a_second: 2 }],
        line: Line {
            goodput: Some(98.0),
            resident_more_mib: Some(64.0),
            disconnected: Some(99.0),
            ..Line::NOTHING
        },
        // They fall behind, stall for ten seconds, and are given three to close.
        attack_s: 40,
        short_s: 24,
        ..PLAIN
    },
    Experiment {
        name: "D-8",
        title: "Memory runs out",
        floods: &[Flood::MemoryPressure { mib: 430 }, Flood::Idle { sockets: 2_000 }],
        line: Line {
            kept: Some(99.0),
            state: Some((3, 15)),
            resident_max_mib: Some(MEMORY_MIB as f64),
            back_s: Some(80),
            ..Line::NOTHING
        },
        needs: Needs { memory_limit_mib: Some(MEMORY_MIB), ..Needs::TALKATIVE },
        // The memory is filled after ten seconds.
        short_s: 14,
        after_s: 82,
        compared: false,
        ..PLAIN
    },
    Experiment {
        name: "D-9",
        title: "All at once",
        floods: &[
            Flood::BadTokens { a_second: 3_000 },
            Flood::Messages { users: 50, a_second: 200 },
            Flood::Drip { connections: 500 },
            Flood::Polls { a_second: 300 },
            Flood::PollingSessions { a_second: 100 },
        ],
        line: Line {
            goodput: Some(90.0),
            recovered: Some(99.0),
            back_s: Some(60),
            changes_a_minute: Some(4),
            ..Line::NOTHING
        },
        attack_s: 60,
        after_s: 65,
        rounds: 3,
        ..PLAIN
    },
    Experiment {
        name: "D-11a",
        title: "Two signed-in users flood with CONNECT packets",
        floods: &[
            connects(1, Packets::Pairs, Way::Socket),
            connects(1, Packets::Admin, Way::Polling),
        ],
        ..CONNECTS
    },
    Experiment {
        name: "D-11b",
        title: "Eight signed-in users flood with CONNECT packets",
        floods: &[
            connects(2, Packets::Admin, Way::Socket),
            connects(2, Packets::Pairs, Way::Socket),
            connects(2, Packets::Admin, Way::Polling),
            connects(2, Packets::Pairs, Way::Polling),
        ],
        ..CONNECTS
    },
    Experiment {
        name: "D-12",
        title: "An unauthenticated client tries to fill the disk",
        floods: &[Flood::Rejections { a_second: 2_000 }],
        line: Line {
            goodput: Some(95.0),
            records: Some(Records { day_mib: DAY_MIB }),
            ..Line::NOTHING
        },
        needs: Needs { day_mib: Some(DAY_MIB), ..Needs::TALKATIVE },
        against: Defence::Unguarded,
        attack_s: 60,
        compared: false,
        ..PLAIN
    },
];

/// The common fields of both parts of D-11.
const CONNECTS: Experiment = Experiment {
    line: Line { goodput: Some(95.0), packets_per_user: Some(PACKETS_PER_USER), ..Line::NOTHING },
    needs: Needs { without: NO_PACKET_LIMITS, ..Needs::TALKATIVE },
    against: Defence::Unguarded,
    ..PLAIN
};

/// `namespace_per_user`: 240 in a minute.
const PACKETS_PER_USER: RecordLimit = RecordLimit { at_once: 240, a_second: 4 };
/// The limits of CONNECT packets, too wide to matter.
const NO_PACKET_LIMITS: &str = "namespace_per_connection = \"1000000000/1s\"\n\
                                namespace_per_user = \"1000000000/1s\"\n\
                                signature_per_connection = \"1000000000/1s\"\n\
                                signature_per_user = \"1000000000/1s\"\n";

/// A flood with CONNECT packets, as fast as the limits of bytes and requests let it through.
const fn connects(users: u32, packets: Packets, way: Way) -> Flood {
    let a_second = match (way, packets) {
        (Way::Socket, Packets::Admin) => 240,
        (Way::Socket, Packets::Pairs) => 440,
        // As many at a time as a body may hold.
        (Way::Polling, Packets::Admin | Packets::Pairs) => 96,
    };
    Flood::Connects { users, a_second, packets, way }
}

/// Mebibytes a day that records of unauthenticated clients may take in D-12: the least that can be
/// configured, so that an attack of a minute uses the budget up.
const DAY_MIB: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siege::experiment::Size;
    use crate::siege::figures::timeline::FLOODS_MAX;

    #[test]
    fn experiments_have_names_of_their_own_and_lines_to_hold() {
        let names = ALL.map(|experiment| experiment.name);
        assert_eq!(names[..9], ["D-1", "D-2", "D-3", "D-4", "D-5", "D-6", "D-7", "D-8", "D-9"]);
        // D-10 compares the runs of the others.
        assert_eq!(names[9..], ["D-11a", "D-11b", "D-12"]);
        for experiment in &ALL {
            assert_ne!(experiment.line, Line::default());
            assert!((1..=FLOODS_MAX).contains(&experiment.floods.len()));
        }
    }

    #[test]
    fn full_siege_ends_within_an_hour() {
        // Starting a server and signing in all users takes some seconds more each time.
        const COLLECT_S: u64 = 10;
        let run_s = |experiment: &Experiment, defence| {
            Size::Full.span(experiment, defence).end_s + COLLECT_S
        };
        let all_s = ALL.iter().map(|experiment| {
            let ours =
                run_s(experiment, Defence::Priorities) + run_s(experiment, experiment.against);
            let theirs = u64::from(experiment.compared) * run_s(experiment, Defence::SocketIo);
            ours * experiment.rounds as u64 + theirs
        });
        let shared_s = crate::siege::shared::experiments::ALL.iter().map(|experiment| {
            (experiment.longest_s() + COLLECT_S) * (1 + u64::from(experiment.compared))
        });
        let all_s = all_s.sum::<u64>() + shared_s.sum::<u64>();
        assert!(all_s < 60 * 60, "{all_s}");
    }
}
