//! T-198: answers to requests of the server: by the right client and namespace, once, in time.
//! Never: an acknowledgement that answers another request.

use portcullis_test::{ExampleServer, timed};
use serde_json::{Value, json};

use crate::boards::{Client, start_board};

fn question(board: &str) -> Value {
    json!({ "board": board, "question": "which?" })
}

/// Asker and two others on one board.
fn three(server: &ExampleServer) -> (Client, Client, Client) {
    let mut clients = ["ann", "bob", "cat"].map(|name| Client::board(server, name));
    clients.iter_mut().for_each(|client| client.enter("b1"));
    clients.into()
}

fn answer(client: &mut Client, id: u64, text: &str) {
    client.send(&format!("43/board,{id}[{{\"answer\":\"{text}\"}}]"));
}

#[test]
fn t_198_each_requested_socket_answers_once() {
    let server = start_board();
    let (mut ann, mut bob, mut cat) = three(&server);
    let request = ann.start("board:ask", &question("b1"));
    let (id, response) = bob.next_request("board:question");
    assert_eq!(response["question"], "which?");
    let (other, _) = cat.next_request("board:question");
    // Bob answers twice: the second answer has no effect, also not for Cat.
    answer(&mut bob, id, "bob");
    answer(&mut bob, id, "bob again");
    let ((), took) = timed(|| answer(&mut cat, other, "cat"));
    let reply = ann.answer(request);
    assert_eq!((&reply["ok"], &reply["missing"]), (&json!(true), &json!(0)), "{reply}");
    let mut answers: Vec<String> = reply["answers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| answer["answer"].as_str().unwrap().to_owned())
        .collect();
    answers.sort();
    assert_eq!(answers, ["bob", "cat"], "{took:?}");
    // The asker is not asked, and everyone goes on.
    assert!(ann.unread().iter().all(|text| !text.contains("board:question")));
    for client in [&mut ann, &mut bob, &mut cat] {
        client.enter("b1");
    }
}

#[test]
fn t_198_second_answer_of_a_client_has_no_effect() {
    let server = start_board();
    let (mut ann, mut bob, mut cat) = three(&server);
    let request = ann.start("board:ask", &question("b1"));
    let (id, _) = bob.next_request("board:question");
    let _silent = cat.next_request("board:question");
    for text in ["one", "two", "three"] {
        answer(&mut bob, id, text);
    }
    let (reply, took) = timed(|| ann.answer(request));
    assert!((1..=3).contains(&took.as_secs()), "it waits for Cat: {took:?}");
    assert_eq!(reply["answers"], json!([{ "answer": "one" }]), "{reply}");
    assert_eq!(reply["missing"], 1, "{reply}");
    // Too late is ignored, and costs nothing but a count.
    answer(&mut cat, id, "late");
    cat.enter("b1");
    ann.enter("b1");
}

#[test]
fn t_198_answer_of_another_client_or_namespace_has_no_effect() {
    let server = start_board();
    let (mut ann, mut bob, mut cat) = three(&server);
    let mut eve = Client::board(&server, "eve");
    eve.enter("b2");
    let request = ann.start("board:ask", &question("b1"));
    let (id, _) = bob.next_request("board:question");
    let _also_requested = cat.next_request("board:question");
    // Eve is on the same server and knows the id; it was never asked of her.
    answer(&mut eve, id, "eve");
    answer(&mut ann, id, "ann herself");
    // Right socket, other namespace, other ids.
    cat.send(&format!("43{id}[{{\"answer\":\"main\"}}]"));
    cat.send(&format!("43/other,{id}[{{\"answer\":\"other\"}}]"));
    cat.send(&format!("43/board,{}[{{\"answer\":\"next\"}}]", id + 1));
    cat.send("43/board,0[{\"answer\":\"zero\"}]");
    answer(&mut bob, id, "bob");
    let reply = ann.answer(request);
    assert_eq!(reply["answers"], json!([{ "answer": "bob" }]), "{reply}");
    assert_eq!(reply["missing"], 1, "{reply}");
    for client in [&mut bob, &mut cat, &mut eve] {
        client.enter("b1");
    }
}

#[test]
fn t_198_two_questions_at_once_keep_their_answers_apart() {
    let server = start_board();
    let (mut ann, mut bob, mut cat) = three(&server);
    let first = ann.start("board:ask", &question("b1"));
    let second = cat.start("board:ask", &json!({ "board": "b1", "question": "what?" }));
    let (one, response) = bob.next_request("board:question");
    let (two, _) = bob.next_request("board:question");
    assert_ne!(one, two);
    let (of_ann, of_cat) = if response["question"] == "which?" { (one, two) } else { (two, one) };
    // In the other order; each asker leaves the other's question open.
    answer(&mut bob, of_cat, "for cat");
    answer(&mut bob, of_ann, "for ann");
    let reply = ann.answer(first);
    assert_eq!(reply["answers"], json!([{ "answer": "for ann" }]), "{reply}");
    let reply = cat.answer(second);
    assert_eq!(reply["answers"], json!([{ "answer": "for cat" }]), "{reply}");
}

#[test]
fn t_198_invalid_acknowledgement_counts_as_missing() {
    let server = start_board();
    let mut ann = Client::board(&server, "ann");
    ann.enter("b1");
    let bad = [
        "[]",
        "[null]",
        "[\"text\"]",
        "[[]]",
        "[{\"answer\":1}]",
        "[{\"answer\":null}]",
        "[{\"answer\":\"a\",\"more\":1}]",
        "[{}]",
        "[{\"__proto__\":{\"answer\":\"a\"}}]",
        "[{\"answer\":{\"_placeholder\":true,\"num\":0}}]",
    ];
    for (index, arguments) in bad.iter().enumerate() {
        let mut bob = Client::board(&server, &format!("bob-{index}"));
        bob.enter("b1");
        let request = ann.start("board:ask", &question("b1"));
        let (id, _) = bob.next_request("board:question");
        bob.send(&format!("43/board,{id}{arguments}"));
        let reply = ann.answer(request);
        assert_eq!((&reply["ok"], &reply["missing"]), (&json!(true), &json!(1)), "{arguments}");
        assert_eq!(reply["answers"], json!([]), "{arguments}");
        bob.ask("board:leave", &json!({ "board": "b1" }));
    }
    // An invalid packet disconnects its sender, and the requester gets the other answers.
    for packet in ["{}", "[", "[1]x", "", "null"] {
        let mut bob = Client::board(&server, "bob");
        bob.enter("b1");
        let request = ann.start("board:ask", &question("b1"));
        let (id, _) = bob.next_request("board:question");
        bob.send(&format!("43/board,{id}{packet}"));
        assert_eq!(bob.close_code(), Some(1002), "{packet}");
        assert_eq!(ann.answer(request)["missing"], 1, "{packet}");
    }
    ann.enter("b1");
}

#[test]
fn t_198_client_that_leaves_does_not_delay_the_requester() {
    let server = start_board();
    for how in ["41/board,", "1", ""] {
        let (mut ann, mut bob, cat) = three(&server);
        drop(cat);
        let request = ann.start("board:ask", &question("b1"));
        let _question = bob.next_request("board:question");
        if how.is_empty() {
            bob.socket.connection.reset();
        } else {
            bob.send(how);
        }
        let (reply, took) = timed(|| ann.answer(request));
        assert_eq!(reply["answers"], json!([]), "{how}: {reply}");
        assert!(took.as_millis() < 1_700, "{how}: it is known at once, {took:?}");
    }
}

#[test]
fn t_198_binary_answer_is_collected_like_a_binary_event() {
    let server = start_board();
    let (mut ann, mut bob, cat) = three(&server);
    drop(cat);
    let request = ann.start("board:ask", &question("b1"));
    let (id, _) = bob.next_request("board:question");
    // Announced, and then something else: the connection ends, the asker goes on.
    bob.send(&format!("461-/board,{id}[{{\"_placeholder\":true,\"num\":0}}]"));
    bob.send("42/board,[\"board:leave\",{\"board\":\"b1\"}]");
    assert_eq!(bob.close_code(), Some(1002));
    assert_eq!(ann.answer(request)["answers"], json!([]));
    // With a placeholder too many, too.
    let mut bob = Client::board(&server, "bob");
    bob.enter("b1");
    let request = ann.start("board:ask", &question("b1"));
    let (id, _) = bob.next_request("board:question");
    bob.send(&format!("461-/board,{id}[{{\"_placeholder\":true,\"num\":1}}]"));
    bob.send_binary(b"x");
    assert_eq!(bob.close_code(), Some(1002));
    assert_eq!(ann.answer(request)["missing"], 1);
    // For an id that was never asked nothing is kept.
    let mut bob = Client::board(&server, "bob");
    bob.send("461-/board,9007199254740991[{\"_placeholder\":true,\"num\":0}]");
    assert_eq!(bob.close_code(), Some(1003));
    ann.enter("b1");
}
