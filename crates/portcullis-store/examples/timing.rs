//! Timing check.
//! Never: committed.
#![allow(clippy::all, clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods, clippy::allow_attributes)]
use portcullis_model::*;
use portcullis_store::*;
use std::sync::Arc;
struct Feed(usize, usize);
impl CommitFeed for Feed { fn committed(&mut self, c: &[Change]) { self.0 += 1; self.1 += c.len(); if self.0 % 2000 == 0 { eprintln!("  avg batch {}", self.1 / self.0); } } }
fn cpu(path: &str) -> f64 {
    let s = std::fs::read_to_string(path).unwrap();
    // schedstat: ns on cpu
    s.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e3
}
fn split(path: &str) -> (f64, f64) {
    let s = std::fs::read_to_string(path.replace("schedstat", "stat")).unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() * 1e4, f[12].parse::<f64>().unwrap() * 1e4)
}
fn writer_path() -> String {
    for e in std::fs::read_dir("/proc/self/task").unwrap() {
        let p = e.unwrap().path();
        if std::fs::read_to_string(p.join("comm")).unwrap().trim() == "store-writer" { return p.join("schedstat").display().to_string(); }
    }
    panic!()
}
fn main() {
    let only: Option<usize> = std::env::args().nth(2).map(|a| a.parse().unwrap()); let args: Vec<String> = std::env::args().collect();
    let dir = &args[1];
    for (number, (rooms, tasks, mids, reply)) in [(1usize, 256usize, true, false), (1, 256, false, false), (100, 256, true, false), (1000, 1024, true, false), (1000, 1024, false, false), (1000,1024,true,true), (10, 64, true, false), (10, 16, true, false), (10, 4, true, false), (10, 1, true, false)].into_iter().enumerate() { if only.is_some_and(|only| only != number) { continue; }
        let n: usize = if tasks < 64 { 5_000 } else { 100_000 };
        let path = std::path::Path::new(dir).join(format!("t{rooms}-{tasks}-{mids}-{reply}.db"));
        for s in ["", "-wal", "-shm"] { let _ = std::fs::remove_file(format!("{}{s}", path.display())); }
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path, SqliteOptions::default(), Box::new(Feed(0,0))).unwrap());
        rt.block_on(async {
            for u in 0..rooms.max(10) {
                let id = UserId::parse(&format!("u_{u:020}")).unwrap();
                store.create_user(NewUser { id, username: Arc::from(format!("user{u}")), password_phc: None, issuer: None, subject: None, roles: Roles::user(), created_unix_ms: 0, setup: false }).await.unwrap();
            }
            for r in 0..rooms {
                store.create_room(NewRoom { id: RoomId::parse(&format!("r_{r:020}")).unwrap(), name: Arc::from("room"), visibility: Visibility::Public, owner: UserId::parse(&format!("u_{:020}", r)).unwrap(), created_unix_ms: 0, origin: 0, rooms_per_user_max: 10 }).await.unwrap();
            }
        });
        let wp = writer_path();
        let (u0, s0) = split(&wp); let (w0, t0, c0) = (cpu(&wp), std::time::Instant::now(), cpu("/proc/thread-self/schedstat"));
        let local = tokio::task::LocalSet::new();
        local.block_on(&rt, async {
            let mut hs = Vec::new();
            for t in 0..tasks {
                let store = store.clone();
                hs.push(tokio::task::spawn_local(async move {
                    let r = t % rooms;
                    let room = RoomId::parse(&format!("r_{r:020}")).unwrap();
                    let user = UserId::parse(&format!("u_{r:020}")).unwrap();
                    let name: Arc<str> = Arc::from("user");
                    let mut last: Option<MessageId> = None;
                    let mut h: u64 = (t as u64 + 1).wrapping_mul(0x9E3779B97F4A7C15);
                    for i in 0..n / tasks {
                        h ^= h << 13; h ^= h >> 7; h ^= h << 17;
                        let id = MessageId::parse(&format!("{:012x}{:010x}", i, h & 0xffffffffff)).unwrap();
                        let a = store.append(NewMessage { id, room: room.clone(), user: user.clone(), username: name.clone(), text: "x".repeat(100), html: None, reply_to: if reply { last.clone() } else { None },
                            mid: if mids { Some(Mid::parse(&format!("{h:016x}{t:06}")).unwrap()) } else { None }, digest: if mids { Some([7; 32]) } else { None }, sent_unix_ms: i as i64, origin: 0 }).await.unwrap();
                        match a { Append::Stored { id, .. } => last = Some(id), o => panic!("{o:?}") }
                    }
                }));
            }
            for h in hs { h.await.unwrap(); }
        });
        let n = (n / tasks * tasks) as f64;
        let (u1, s1) = split(&wp); println!("rooms {rooms} senders {tasks} mids {mids} reply {reply}: writer {:.2} (user {:.2} sys {:.2}) us/msg, caller {:.2} us/msg, wall {:.2} us/msg", (cpu(&wp) - w0) / n, (u1-u0)/n, (s1-s0)/n, (cpu("/proc/thread-self/schedstat") - c0) / n, t0.elapsed().as_secs_f64() * 1e6 / n);
        rt.block_on(store.close()).unwrap();
    }
}
