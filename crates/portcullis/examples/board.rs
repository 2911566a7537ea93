//! A collaborative cursor board: positions of users, drawings, questions, notes.
//! Never: a cursor of a user who is not on the board, or a note delivered twice.
//!
//! ```sh
//! BOARD_SECRET=$(openssl rand -hex 32) cargo run --example board -- --port 3000
//! ```
//!
//! Namespace `/board`; a client needs an HS256 token of issuer `https://board.example` for
//! audience `portcullis`. A client that returns within two minutes gets the notes it missed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis::prelude::*;
use portcullis::{Delta, Departure, Error, Frame, LoadState, RecoveryOutcome, RecoveryRequest};

/// Most notes that are kept for one board.
const NOTES_MAX: usize = 100;
/// Most boards.
const BOARDS_MAX: usize = 1_000;
/// The time that a question waits for answers.
const QUESTION: Duration = Duration::from_secs(2);
const BOARD: &str = "/board";

/// One board.
#[derive(Default)]
struct Board {
    /// The positions of the cursors, by user.
    cursors: BTreeMap<String, (u16, u16)>,
    /// The newest notes, each with its number among the notes of all boards.
    notes: VecDeque<(u64, Arc<Frame>)>,
    /// The number of the newest note that was evicted.
    evicted: u64,
}

/// All boards, under one lock: notes are published in the order in which they are kept.
#[derive(Default)]
struct Boards {
    boards: HashMap<RoomId, Board>,
    noted: u64,
}

type Shared = Arc<Mutex<Boards>>;

/// Declares an event with a board and optional further fields.
macro_rules! board_event {
    ($type:ident, $name:literal, { $($field:ident : $kind:ty),* }, $rule:expr) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $type {
            #[serde(deserialize_with = "field::room_id")]
            board: RoomId,
            $($field: $kind,)*
        }

        impl Event for $type {
            const NAME: &'static str = $name;
            const RULE: Rule = Rule { fields: &["board", $(stringify!($field)),*], ..$rule };
        }
    };
}

const SMALL: Rule =
    Rule { size_max_bytes: 512, rate: Some(Rate::per(60, 10_000)), ..Rule::DEFAULT };
const MOVES: Rule = Rule { rate: Some(Rate::per(300, 10_000)), ..SMALL };
const IMAGE: Rule = Rule { size_max_bytes: 9 * 1024, attachments_max: 1, ..SMALL };

board_event!(Join, "board:join", {}, SMALL);
board_event!(Leave, "board:leave", {}, Rule { release: true, ..SMALL });
board_event!(Move, "cursor:move", { x: u16, y: u16 }, MOVES);
board_event!(Draw, "board:draw", { image: Attachment }, IMAGE);
board_event!(Ask, "board:ask", { question: String }, SMALL);
board_event!(Note, "board:note", { text: String }, SMALL);

/// `board:quit {}`: the server disconnects the socket from the namespace.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quit {}

impl Event for Quit {
    const NAME: &'static str = "board:quit";
    const RULE: Rule = SMALL;
}

/// The answer of a socket to `board:question`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct QuestionAnswer {
    answer: String,
}

fn main() -> Result<(), Error> {
    let shared = Shared::default();
    let plenty = Rate::per(1_000, 60_000);
    let mut server = Server::builder()
        .listen(([127, 0, 0, 1], port()).into())
        .own_origin()
        .issuer_hs256("https://board.example", "portcullis", &secret())
        .guards(|guards| {
            guards.connect_per_prefix = plenty;
            guards.message_per_user = plenty;
            guards.message_per_connection = plenty;
        })
        .guards(|guards| guards.load = pinned())
        .build()?;
    let mut board = server.namespace(BOARD)?;
    let state = Arc::clone(&shared);
    board.on(move |permit: Permit<Join>, context| ready(join(&state, &permit, &context)))?;
    let state = Arc::clone(&shared);
    board.on(move |permit: Permit<Leave>, context| ready(leave(&state, &permit, &context)))?;
    let state = Arc::clone(&shared);
    board.on(move |permit: Permit<Move>, context| ready(cursor(&state, &permit, &context)))?;
    let state = Arc::clone(&shared);
    board.on(move |permit: Permit<Draw>, context| ready(draw(&state, &permit, &context)))?;
    let state = Arc::clone(&shared);
    board.on(move |permit: Permit<Ask>, context| ask(Arc::clone(&state), permit, context))?;
    let state = Arc::clone(&shared);
    board.on(move |permit: Permit<Note>, context| ready(note(&state, &permit, &context)))?;
    board.on(|_permit: Permit<Quit>, context: Context| async move {
        context.disconnect()?;
        Ok(Reply::ok())
    })?;
    let state = Arc::clone(&shared);
    board.on_disconnecting(move |departure| remove_cursor(&state, departure));
    let hub = server.hub();
    server.namespace(BOARD)?.on_recover(move |recovering| {
        let recovered = recover(&shared, &hub, &recovering);
        async move { Ok(recovered) }
    });
    server.run()
}

/// Wraps the result of a handler that does not wait.
async fn ready(outcome: Result<Reply, Denial>) -> Result<Reply, Denial> {
    outcome
}

fn join(shared: &Shared, permit: &Permit<Join>, context: &Context) -> Result<Reply, Denial> {
    let room = &permit.payload().board;
    let mut boards = shared.lock();
    if boards.boards.len() >= BOARDS_MAX && !boards.boards.contains_key(room) {
        return Err(Denial::RoomLimit("boards"));
    }
    let user = permit.user().name().to_string();
    let board = boards.boards.entry(room.clone()).or_default();
    board.cursors.insert(user.clone(), (0, 0));
    let cursors: Vec<_> =
        board.cursors.iter().map(|(user, (x, y))| json!({"user": user, "x": x, "y": y})).collect();
    context.join(room)?;
    context.others_in(room).emit("board:joined", &Payload::of(&json!({"user": user})))?;
    Ok(Reply::fields(&json!({"cursors": cursors})))
}

fn leave(shared: &Shared, permit: &Permit<Leave>, context: &Context) -> Result<Reply, Denial> {
    let room = &permit.payload().board;
    let user = permit.user().name();
    if let Some(board) = shared.lock().boards.get_mut(room) {
        board.cursors.remove(user.as_ref());
    }
    context.leave(room)?;
    Ok(Reply::ok())
}

/// Rejects users who are not on the board, also if the board does not exist.
fn on_board(boards: &Boards, room: &RoomId, user: &str) -> Result<(), Denial> {
    let is_on_board = boards.boards.get(room).is_some_and(|board| board.cursors.contains_key(user));
    if is_on_board { Ok(()) } else { Err(Denial::Forbidden("not_on_board")) }
}

fn cursor(shared: &Shared, permit: &Permit<Move>, context: &Context) -> Result<Reply, Denial> {
    let Move { board: room, x, y } = permit.payload();
    if *x > 10_000 || *y > 10_000 {
        return Err(Denial::Schema { field: Some("x"), rule: "range" });
    }
    let user = permit.user().name();
    let mut boards = shared.lock();
    on_board(&boards, room, &user)?;
    if let Some(board) = boards.boards.get_mut(room) {
        board.cursors.insert(user.to_string(), (*x, *y));
    }
    let moved = json!({"board": room.as_str(), "user": user, "x": x, "y": y});
    // The next move makes this one old: a slow consumer can miss it.
    context.others_in(room).volatile().emit("cursor:moved", &Payload::of(&moved))?;
    Ok(Reply::ok())
}

fn draw(shared: &Shared, permit: &Permit<Draw>, context: &Context) -> Result<Reply, Denial> {
    let Draw { board: room, image } = permit.payload();
    let user = permit.user().name();
    on_board(&shared.lock(), room, &user)?;
    let image = permit.attachment(image);
    let drawn = json!({"board": room.as_str(), "user": user});
    let payload = Payload::of(&drawn).attach("image", image.clone());
    context.others_in(room).emit("board:drawn", &payload)?;
    Ok(Reply::fields(&json!({"bytes": image.len()})).attach("image", image))
}

async fn ask(shared: Shared, permit: Permit<Ask>, context: Context) -> Result<Reply, Denial> {
    let Ask { board: room, question } = permit.payload();
    let user = permit.user().name();
    on_board(&shared.lock(), room, &user)?;
    let request = json!({"board": room.as_str(), "user": user, "question": question});
    let others = context.others_in(room);
    // Less than the handler's timeout, so that the answers received so far are returned.
    let limit = QUESTION.mul_f32(0.9);
    let responses = others.emit_with_ack("board:question", &Payload::of(&request), limit).await?;
    let answers: Vec<_> = responses
        .answers
        .iter()
        .filter_map(|answered| answered.answer.read::<QuestionAnswer>().ok())
        .collect();
    let missing = responses.missing + responses.answers.len() - answers.len();
    Ok(Reply::fields(&json!({"answers": answers, "missing": missing})))
}

fn note(shared: &Shared, permit: &Permit<Note>, context: &Context) -> Result<Reply, Denial> {
    let Note { board: room, text } = permit.payload();
    let user = permit.user().name();
    let mut boards = shared.lock();
    on_board(&boards, room, &user)?;
    boards.noted += 1;
    let number = boards.noted;
    let note = json!({"board": room.as_str(), "user": user, "text": text, "number": number});
    let namespace = context.namespace.clone();
    let frame = Frame::recoverable(namespace, "board:note", &Payload::of(&note), number);
    if let Some(board) = boards.boards.get_mut(room) {
        if board.notes.len() >= NOTES_MAX
            && let Some((oldest, _)) = board.notes.pop_front()
        {
            board.evicted = oldest;
        }
        board.notes.push_back((number, Arc::clone(&frame)));
    }
    // Under the lock, so that notes are sent in the order of their numbers.
    context.everyone_in(room).emit_frame(frame)?;
    Ok(Reply::fields(&json!({"number": number})))
}

/// Removes the cursors of a disconnected socket.
fn remove_cursor(shared: &Shared, departure: &Departure) {
    let mut boards = shared.lock();
    for room in &departure.rooms {
        if let Some(board) = boards.boards.get_mut(room) {
            board.cursors.remove(departure.user.name().as_ref());
        }
    }
}

/// Sends a recovered socket the notes it missed, under the lock that orders the notes.
fn recover(shared: &Shared, hub: &Hub, recovering: &RecoveryRequest) -> RecoveryOutcome {
    let mut boards = shared.lock();
    let mut missed = Vec::new();
    let user = recovering.user.name().to_string();
    for room in &recovering.rooms {
        let Some(board) = boards.boards.get_mut(room) else { continue };
        if board.evicted > recovering.offset {
            return RecoveryOutcome::Fresh;
        }
        board.cursors.entry(user.clone()).or_insert((0, 0));
        let after = board.notes.iter().filter(|(number, _)| *number > recovering.offset);
        missed.extend(after.cloned());
    }
    missed.sort_unstable_by_key(|(number, _)| *number);
    let resume = Delta::Resume {
        connection: recovering.connection,
        rooms: recovering.rooms.clone(),
        missed: missed.into_iter().map(|(_, frame)| frame).collect(),
    };
    match hub.try_deliver(resume) {
        Ok(()) => RecoveryOutcome::Resumed,
        Err(_busy) => RecoveryOutcome::Fresh,
    }
}

#[expect(clippy::disallowed_methods, reason = "an example has no configuration file")]
fn secret() -> Vec<u8> {
    std::env::var("BOARD_SECRET").unwrap_or_default().into_bytes()
}

/// The load level that `LOAD_STATE` pins, such as `normal`; `None` if it is measured.
#[expect(clippy::disallowed_methods, reason = "an example has no configuration file")]
fn pinned() -> Option<LoadState> {
    LoadState::named(&std::env::var("LOAD_STATE").ok()?)
}

/// `--port N`, or 3000.
fn port() -> u16 {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--port");
    arguments.nth(1).and_then(|port| port.parse().ok()).unwrap_or(3000)
}
