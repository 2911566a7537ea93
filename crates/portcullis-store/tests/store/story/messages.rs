//! Messages in the story: order, membership, repeats, concurrent senders.
//! Never: pages of more than one request.

use super::*;

pub(super) async fn check_messages(world: &World<'_>) {
    world.feed.take();
    assert_eq!(world.send("ann", "lobby", "1").await.unwrap(), stored("1", 1));
    let rich = NewMessage {
        html: Some(String::from("<b>2</b>")),
        reply_to: Some(MessageId::parse("m_1").unwrap()),
        ..message("bob", "lobby", "2")
    };
    assert_eq!(world.store.append(rich).await.unwrap(), stored("2", 2));
    assert_eq!(world.send("ann", "cellar", "c1").await.unwrap(), stored("c1", 1));

    // The store checks the membership again, independent of the guard.
    for (name, id) in [("root", "lobby"), ("ghost", "lobby"), ("ann", "attic"), ("ann", "roof")] {
        let answer = world.send(name, id, "no").await.unwrap();
        assert_eq!(answer, AppendOutcome::NotMember, "{name} in {id}");
    }
    for missing in ["m_none", "m_c1"] {
        let mid = Some(Mid::parse("lost").unwrap());
        let reply_to = Some(MessageId::parse(missing).unwrap());
        let reply = NewMessage { mid, reply_to, ..message("ann", "lobby", "no") };
        assert_eq!(world.store.append(reply).await.unwrap(), AppendOutcome::ReplyMissing);
    }
    // A rejected message stores no key.
    let mid = Some(Mid::parse("lost").unwrap());
    let again = NewMessage { mid, ..message("ann", "lobby", "3") };
    assert_eq!(world.store.append(again).await.unwrap(), stored("3", 3));

    // Leaving takes effect with the next change, also for a cached membership.
    let requests = (
        world.store.append(message("eve", "lobby", "4")),
        world.store.leave_room(room_id("lobby"), user_id("eve")),
        world.store.append(message("eve", "lobby", "no")),
        world.store.append(message("bob", "lobby", "5")),
    );
    assert_eq!(requests.0.await.unwrap(), stored("4", 4));
    assert_eq!(requests.1.await.unwrap(), LeaveOutcome::Left);
    assert_eq!(requests.2.await.unwrap(), AppendOutcome::NotMember);
    assert_eq!(requests.3.await.unwrap(), stored("5", 5));
    assert_eq!(
        world.join("lobby", "eve").await,
        JoinOutcome::Joined { seq: 5, already: false, by_role: false }
    );

    // The feed reports the stored messages in order; the history has the same ones.
    let changes = world.feed.messages();
    let page = HistoryRequest { room: room_id("lobby"), before: None, after: None, limit: 100 };
    let (mut rows, more) = world.store.history(page).await.unwrap();
    assert!(!more);
    assert_eq!((&*rows[1].text, rows[1].html.as_deref()), ("2", Some("<b>2</b>")));
    assert_eq!(rows[1].reply_to.as_ref().map(|id| id.as_str()), Some("m_1"));
    for row in &mut rows {
        // The history has the present usernames, the feed those at the time of sending.
        if &*row.username == "Ann" {
            row.username = Arc::from("ann");
        }
    }
    let lobby: Vec<_> = changes.into_iter().filter(|row| row.room == room_id("lobby")).collect();
    assert_eq!(lobby, rows);
}

// T-142: a repeat has one effect and the same answer. Other content is a conflict. A key belongs
// to its user.
pub(super) async fn check_repeats(world: &World<'_>) {
    world.feed.take();
    let keyed = |name, text, mid, content: u8, sent_unix_ms| NewMessage {
        mid: Some(Mid::parse(mid).unwrap()),
        digest: Some([content; 32]),
        sent_unix_ms,
        ..message(name, "lobby", text)
    };
    let send = |message| world.store.append(message);
    let first = AppendOutcome::Stored {
        id: MessageId::parse("m_k1").unwrap(),
        seq: 6,
        sent_unix_ms: 5_000,
    };
    let repeated = AppendOutcome::Repeated {
        id: MessageId::parse("m_k1").unwrap(),
        seq: 6,
        sent_unix_ms: 5_000,
    };
    // Both in one batch, as from a client that repeats too early.
    let both =
        (send(keyed("ann", "k1", "key", 1, 5_000)), send(keyed("ann", "k2", "key", 1, 6_000)));
    assert_eq!(both.0.await.unwrap(), first);
    assert_eq!(both.1.await.unwrap(), repeated);
    assert_eq!(send(keyed("ann", "k3", "key", 1, DAY_MS)).await.unwrap(), repeated);
    assert_eq!(send(keyed("ann", "k4", "key", 2, 7_000)).await.unwrap(), AppendOutcome::Conflict);
    let elsewhere = NewMessage { room: room_id("cellar"), ..keyed("ann", "k5", "key", 1, 7_000) };
    assert_eq!(send(elsewhere).await.unwrap(), AppendOutcome::Conflict);
    let other = send(keyed("bob", "k6", "key", 2, 7_000)).await.unwrap();
    assert!(matches!(other, AppendOutcome::Stored { seq: 7, .. }), "{other:?}");
    assert_eq!(world.feed.messages().len(), 2);
}

pub(super) async fn check_batch_neighbours(world: &World<'_>) {
    world.feed.take();
    let requests: Vec<_> = ["n1", "n2", "n1", "n3"]
        .map(|text| world.store.append(message("ann", "lobby", text)))
        .into_iter()
        .collect();
    let mut answers = Vec::new();
    for answer in requests {
        answers.push(answer.await);
    }
    let seqs: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Ok(AppendOutcome::Stored { seq, .. }) => Some(*seq),
            _ => None,
        })
        .collect();
    // The third has the id of the first, so the database rejects it.
    assert_eq!(seqs, [Some(8), Some(9), None, Some(10)]);
    assert!(matches!(answers[2], Err(StoreError::Database(_))));
    let reported: Vec<_> = world.feed.messages().iter().map(|row| row.seq).collect();
    assert_eq!(reported, [8, 9, 10]);
}

/// Concurrent senders: no gap, no repeat, and the feed in order and before each answer.
pub(super) fn check_concurrent_senders(world: &World<'_>, from: u64) {
    const SENDERS: u64 = 8;
    const EACH: u64 = 100;
    world.feed.take();
    let mut seqs: Vec<u64> = std::thread::scope(|scope| {
        let sender = |number: u64| {
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let name = if number.is_multiple_of(2) { "ann" } else { "bob" };
                let send = |count| {
                    let text = format!("sender-{number}-{count}");
                    let seq = match runtime.block_on(world.send(name, "lobby", &text)).unwrap() {
                        AppendOutcome::Stored { seq, .. } => seq,
                        other => panic!("{other:?}"),
                    };
                    let changes = world.feed.messages();
                    assert!(changes.iter().any(|row| row.seq == seq), "reported before the answer");
                    seq
                };
                (0..EACH).map(send).collect::<Vec<_>>()
            }
        };
        let senders: Vec<_> = (0..SENDERS).map(|number| scope.spawn(sender(number))).collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    seqs.sort_unstable();
    let expect: Vec<u64> = (from + 1..=from + SENDERS * EACH).collect();
    assert_eq!(seqs, expect);
    let reported: Vec<u64> = world.feed.messages().iter().map(|row| row.seq).collect();
    assert_eq!(reported, expect);
}
