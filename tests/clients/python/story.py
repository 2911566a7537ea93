"""What three people with python-socketio live through on one board, by one transport setting.

Never: an assertion about what the client keeps to itself; only what it says and hears.

    BOARD_SECRET=... python story.py http://127.0.0.1:4711 polling,websocket
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import sys
import time

import aiohttp
import socketio

TIMEOUT_S = 15
NAMESPACE = "/board"
NAMES = ["ann", "bob", "carl"]
SETTINGS = {
    "default": (None, "websocket"),
    "websocket": (["websocket"], "websocket"),
    "polling": (["polling"], "polling"),
}


def token(secret, name, **changes):
    """An HS256 token the board believes, unless a change spoils it."""
    now = int(time.time())
    claims = {"iss": "https://board.example", "aud": "portcullis", "sub": name, "name": name}
    claims |= {"iat": now, "exp": now + 600} | changes

    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    signed = head + b"." + part(json.dumps(claims).encode())
    signature = hmac.new(secret, signed, hashlib.sha256).digest()
    return (signed + b"." + part(signature)).decode()


class Wire:
    """A cable between a client and the server that can be cut."""

    def __init__(self, host, port):
        self.server = (host, port)
        self.open = set()

    async def start(self):
        self.listener = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        return self.listener.sockets[0].getsockname()[1]

    async def accept(self, reader, writer):
        there_reader, there_writer = await asyncio.open_connection(*self.server)
        both = {writer, there_writer}
        self.open |= both
        await asyncio.gather(
            self.copy(reader, there_writer), self.copy(there_reader, writer), return_exceptions=True
        )
        for end in both:
            end.close()
        self.open -= both

    @staticmethod
    async def copy(reader, writer):
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    def cut(self):
        for writer in list(self.open):
            writer.transport.abort()

    def stop(self):
        self.listener.close()
        self.cut()


class Person:
    """A stock client that keeps what it hears."""

    def __init__(self, url, name, transports, board):
        self.url, self.name, self.transports, self.board = url, name, transports, board
        # Headers given to `connect` are sent once; those of the session with every request.
        headers = {"Origin": url, "Host": url.removeprefix("http://")}
        self.http = aiohttp.ClientSession(headers=headers)
        self.client = socketio.AsyncClient(
            reconnection=True,
            reconnection_delay=0.05,
            reconnection_delay_max=0.2,
            http_session=self.http,
        )
        self.heard = asyncio.Queue()
        for event in ["connect", "disconnect", "connect_error"]:
            self.client.on(event, self.hear(event), namespace=NAMESPACE)
        for event in ["board:joined", "board:note", "board:drawn", "cursor:moved"]:
            self.client.on(event, self.hear(event), namespace=NAMESPACE)

    def hear(self, event):
        async def handler(*parts):
            await self.heard.put((event, parts))

        return handler

    async def enter(self, auth, through=None):
        await self.client.connect(
            self.url if through is None else f"http://127.0.0.1:{through}",
            auth=auth,
            transports=self.transports,
            namespaces=[NAMESPACE],
            wait_timeout=TIMEOUT_S,
        )

    async def next(self, event):
        """The arguments of the next event of a name; others before it are passed over."""
        while True:
            async with asyncio.timeout(TIMEOUT_S):
                seen, parts = await self.heard.get()
            if seen == event:
                return parts

    async def ask(self, event, **payload):
        payload = {"board": self.board} | payload
        return await self.client.call(event, payload, namespace=NAMESPACE, timeout=TIMEOUT_S)

    async def must(self, event, **payload):
        answer = await self.ask(event, **payload)
        assert answer.get("ok") is True, f"{event} of {self.name}: {answer}"
        return answer

    async def leave(self):
        await self.client.disconnect()
        await self.http.close()


async def refusals(make, secret):
    now = int(time.time())
    bad = {
        "missing": {},
        "nonsense": {"token": "nonsense"},
        "expired": {"token": token(secret, "late", iat=now - 120, exp=now - 60)},
        "forged": {"token": token(bytes(32), "forger")},
    }
    for why, auth in bad.items():
        person = make("nobody")
        try:
            await person.enter(auth)
        except socketio.exceptions.ConnectionError:
            pass
        else:
            raise AssertionError(f"{why}: it was let in")
        (refused,) = await person.next("connect_error")
        assert refused["data"]["code"] == "unauthorized", f"{why}: {refused}"
        await person.leave()


async def rooms(ann, bob, carl):
    answer = await ann.must("board:join")
    assert answer["cursors"] == [{"user": "ann", "x": 0, "y": 0}], answer
    for person in [bob, carl]:
        await person.must("board:join")
        assert await ann.next("board:joined") == ({"user": person.name},)
    await ann.must("cursor:move", x=3, y=4)
    moved = {"board": ann.board, "user": "ann", "x": 3, "y": 4}
    for person in [bob, carl]:
        assert await person.next("cursor:moved") == (moved,)
    await bob.must("cursor:move", x=5, y=6)
    # The first cursor ann hears of is bob's: her own is not told to her.
    (heard,) = await ann.next("cursor:moved")
    assert heard["user"] == "bob", heard
    refused = await ann.ask("cursor:move", x=-1, y=0)
    assert refused["ok"] is False and refused["error"]["code"] == "INVALID_MESSAGE", refused


async def questions(ann, bob, carl):
    bob.client.on("board:question", lambda _: {"answer": "bob"}, namespace=NAMESPACE)
    carl.client.on("board:question", lambda _: {"answer": "carl"}, namespace=NAMESPACE)
    answer = await ann.must("board:ask", question="tea?")
    answers = sorted(each["answer"] for each in answer["answers"])
    assert (answers, answer["missing"]) == (["bob", "carl"], 0), answer
    # A number is no answer: it counts as missing.
    carl.client.on("board:question", lambda _: 7, namespace=NAMESPACE)
    answer = await ann.must("board:ask", question="tea?")
    assert (answer["answers"], answer["missing"]) == ([{"answer": "bob"}], 1), answer


async def drawings(ann, bob):
    for size in [1, 256, 8 * 1024]:
        image = bytes((index * 7 + size) % 256 for index in range(size))
        answer = await ann.must("board:draw", image=image)
        assert (answer["bytes"], answer["image"]) == (size, image)
        (drawn,) = await bob.next("board:drawn")
        assert (drawn["user"], drawn["image"]) == ("ann", image)


async def orders(ann, people):
    # By polling, this client takes 16 packets at a time: 5 notes and 5 acknowledgements.
    texts = [f"number {number}" for number in range(5)]
    await asyncio.gather(*[ann.must("board:note", text=text) for text in texts])
    for person in people:
        heard = [(await person.next("board:note"))[0]["text"] for _ in texts]
        # The client starts each call as it likes; what everyone hears is one order.
        assert sorted(heard) == sorted(texts), heard
        people[0].order = getattr(people[0], "order", heard)
        assert heard == people[0].order, heard


async def reconnection(ann, bob, wire):
    await bob.must("board:note", text="before the cut")
    before = bob.client.get_sid(NAMESPACE)
    wire.cut()
    await bob.next("disconnect")
    await bob.next("connect")
    assert bob.client.get_sid(NAMESPACE) != before
    # This client does not ask for its place again, so it is on no board until it joins.
    await bob.must("board:join")
    await ann.must("board:note", text="welcome back")
    assert (await bob.next("board:note"))[0]["text"] == "welcome back"


async def quitting(bob):
    await bob.client.emit("board:quit", {}, namespace=NAMESPACE)
    (reason,) = await bob.next("disconnect")
    assert reason == socketio.AsyncClient.reason.SERVER_DISCONNECT, reason
    assert not bob.client.connected


async def main(url, setting):
    secret = os.environ["BOARD_SECRET"].encode()
    transports, wanted = SETTINGS[setting]
    host, port = url.removeprefix("http://").split(":")

    def make(name):
        return Person(url, name, transports, f"python_{setting}")

    await refusals(make, secret)
    ann, bob, carl = people = [make(name) for name in NAMES]
    wire = Wire(host, int(port))
    # Limits are the user's: those of another setting are other users.
    tokens = [{"token": token(secret, name, sub=f"{name} {setting}")} for name in NAMES]
    await ann.enter(tokens[0])
    await bob.enter(tokens[1], through=await wire.start())
    await carl.enter(tokens[2])
    for person in people:
        assert person.client.transport() == wanted, person.client.transport()
    await rooms(ann, bob, carl)
    await questions(ann, bob, carl)
    await drawings(ann, bob)
    await orders(ann, people)
    await reconnection(ann, bob, wire)
    assert bob.client.transport() == wanted, bob.client.transport()
    await quitting(bob)
    for person in people:
        await person.leave()
    wire.stop()
    print(f"told by {wanted}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
