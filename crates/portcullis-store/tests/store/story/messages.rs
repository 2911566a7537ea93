//! Messages in the story: order, membership, repeats, concurrent senders.
//! Never: pages of more than one request.

use super::*;

pub(super) async fn messages_story(world: &World<'_>) {
    world.heard.take();
    assert_eq!(world.send("ann", "lobby", "1").await.unwrap(), stored("1", 1));
    let rich = NewMessage {
        html: Some(String::from("<b>2</b>")),
        reply_to: Some(MessageId::parse("m_1").unwrap()),
        ..message("bob", "lobby", "2")
    };
    assert_eq!(world.store.append(rich).await.unwrap(), stored("2", 2));
    assert_eq!(world.send("ann", "cellar", "c1").await.unwrap(), stored("c1", 1));

    // Membership is checked again here, whatever a guard saw.
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
    // A message that was not stored leaves no key behind.
    let mid = Some(Mid::parse("lost").unwrap());
    let again = NewMessage { mid, ..message("ann", "lobby", "3") };
    assert_eq!(world.store.append(again).await.unwrap(), stored("3", 3));

    // Leaving counts from the next change on, also for who wrote a moment ago.
    let asked = (
        world.store.append(message("eve", "lobby", "4")),
        world.store.leave_room(room("lobby"), user("eve")),
        world.store.append(message("eve", "lobby", "no")),
        world.store.append(message("bob", "lobby", "5")),
    );
    assert_eq!(asked.0.await.unwrap(), stored("4", 4));
    assert_eq!(asked.1.await.unwrap(), LeaveOutcome::Left);
    assert_eq!(asked.2.await.unwrap(), AppendOutcome::NotMember);
    assert_eq!(asked.3.await.unwrap(), stored("5", 5));
    assert_eq!(
        world.join("lobby", "eve").await,
        JoinOutcome::Joined { seq: 5, already: false, by_role: false }
    );

    // The feed says what was stored, in order; history says the same.
    let heard = world.heard.messages();
    let page = HistoryRequest { room: room("lobby"), before: None, after: None, limit: 100 };
    let (mut rows, more) = world.store.history(page).await.unwrap();
    assert!(!more);
    assert_eq!((&*rows[1].text, rows[1].html.as_deref()), ("2", Some("<b>2</b>")));
    assert_eq!(rows[1].reply_to.as_ref().map(|id| id.as_str()), Some("m_1"));
    for row in &mut rows {
        // History names people as they are called now, the feed as they were called.
        if &*row.username == "Ann" {
            row.username = Arc::from("ann");
        }
    }
    let lobby: Vec<_> = heard.into_iter().filter(|row| row.room == room("lobby")).collect();
    assert_eq!(lobby, rows);
}

// T-142: one effect and the same answer; another content is a conflict; another user is free.
pub(super) async fn repeats_story(world: &World<'_>) {
    world.heard.take();
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
    // Both in one batch, as a client does that sends again too early.
    let both =
        (send(keyed("ann", "k1", "key", 1, 5_000)), send(keyed("ann", "k2", "key", 1, 6_000)));
    assert_eq!(both.0.await.unwrap(), first);
    assert_eq!(both.1.await.unwrap(), repeated);
    assert_eq!(send(keyed("ann", "k3", "key", 1, DAY_MS)).await.unwrap(), repeated);
    assert_eq!(send(keyed("ann", "k4", "key", 2, 7_000)).await.unwrap(), AppendOutcome::Conflict);
    let elsewhere = NewMessage { room: room("cellar"), ..keyed("ann", "k5", "key", 1, 7_000) };
    assert_eq!(send(elsewhere).await.unwrap(), AppendOutcome::Conflict);
    let other = send(keyed("bob", "k6", "key", 2, 7_000)).await.unwrap();
    assert!(matches!(other, AppendOutcome::Stored { seq: 7, .. }), "{other:?}");
    assert_eq!(world.heard.messages().len(), 2);
}

pub(super) async fn neighbours_story(world: &World<'_>) {
    world.heard.take();
    let asked: Vec<_> = ["n1", "n2", "n1", "n3"]
        .map(|text| world.store.append(message("ann", "lobby", text)))
        .into_iter()
        .collect();
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await);
    }
    let seqs: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Ok(AppendOutcome::Stored { seq, .. }) => Some(*seq),
            _ => None,
        })
        .collect();
    // The third has the id of the first, which the database refuses.
    assert_eq!(seqs, [Some(8), Some(9), None, Some(10)]);
    assert!(matches!(answers[2], Err(StoreError::Database(_))));
    let told: Vec<_> = world.heard.messages().iter().map(|row| row.seq).collect();
    assert_eq!(told, [8, 9, 10]);
}

/// Many senders at once: no gap, no repeat, the feed in order and before every answer.
pub(super) fn crowd_story(world: &World<'_>, from: u64) {
    const SENDERS: u64 = 8;
    const EACH: u64 = 100;
    world.heard.take();
    let mut seqs: Vec<u64> = std::thread::scope(|scope| {
        let sender = |number: u64| {
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let name = if number.is_multiple_of(2) { "ann" } else { "bob" };
                let send = |count| {
                    let text = format!("crowd-{number}-{count}");
                    let seq = match runtime.block_on(world.send(name, "lobby", &text)).unwrap() {
                        AppendOutcome::Stored { seq, .. } => seq,
                        other => panic!("{other:?}"),
                    };
                    let heard = world.heard.messages();
                    assert!(heard.iter().any(|row| row.seq == seq), "told before the answer");
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
    let told: Vec<u64> = world.heard.messages().iter().map(|row| row.seq).collect();
    assert_eq!(told, expect);
}
