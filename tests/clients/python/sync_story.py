"""What two people with the synchronous python-socketio client live through, by one transport.

Never: an assertion about what the client keeps to itself; only what it says and hears.

    BOARD_SECRET=... python sync_story.py http://127.0.0.1:4711 polling
"""

import os
import queue
import sys

import requests
import socketio

from story import NAMESPACE, SETTINGS, TIMEOUT_S, token


class Person:
    """A stock client that keeps what it hears."""

    def __init__(self, url, name, transports, board):
        self.url, self.name, self.transports, self.board = url, name, transports, board
        # Every request of long-polling has the headers of the session. A WebSocket has an Origin
        # already: its library sends the server's own, and a second one is rejected.
        http = requests.Session()
        http.headers["Origin"] = url
        self.client = socketio.Client(
            reconnection=True,
            reconnection_delay=0.05,
            reconnection_delay_max=0.2,
            http_session=http,
        )
        self.heard = queue.Queue()
        events = ["connect", "disconnect", "connect_error"]
        for event in [*events, "board:joined", "board:note", "board:drawn"]:
            self.client.on(event, self.hear(event), namespace=NAMESPACE)

    def hear(self, event):
        return lambda *parts: self.heard.put((event, parts))

    def enter(self, credential):
        # What applications send beside the token, and in the URL.
        extra = {"deviceId": "d-1", "app": {"version": "2.3.1", "name": "Ада"}}
        self.client.connect(
            f"{self.url}/?deviceId=d-1&appVersion=2.3.1",
            auth=credential | extra,
            transports=self.transports,
            namespaces=[NAMESPACE],
            wait_timeout=TIMEOUT_S,
        )

    def next(self, event):
        """The arguments of the next event of a name; others before it are passed over."""
        while True:
            seen, parts = self.heard.get(timeout=TIMEOUT_S)
            if seen == event:
                return parts

    def must(self, event, **payload):
        payload = {"board": self.board} | payload
        answer = self.client.call(event, payload, namespace=NAMESPACE, timeout=TIMEOUT_S)
        assert answer.get("ok") is True, f"{event} of {self.name}: {answer}"
        return answer


def reject(make):
    for credential in [{}, {"token": "nonsense"}]:
        person = make("nobody")
        try:
            person.enter(credential)
        except socketio.exceptions.ConnectionError:
            pass
        else:
            raise AssertionError("it was admitted")
        (refused,) = person.next("connect_error")
        assert refused["message"] == "unauthorized", refused
        person.client.disconnect()


def note(people, text):
    number = people[0].must("board:note", text=text)["number"]
    for person in people:
        heard = person.next("board:note")[0]
        assert (heard["text"], heard["number"]) == (text, number), heard


def main(url, setting):
    secret = os.environ["BOARD_SECRET"].encode()
    transports, wanted = SETTINGS[setting]

    def make(name):
        return Person(url, name, transports, f"sync_{setting}")

    reject(make)
    ann, bob = people = [make("ann"), make("bob")]
    for person in people:
        person.enter({"token": token(secret, person.name, sub=f"{person.name} sync {setting}")})
        person.next("connect")
        assert person.client.transport() == wanted, person.client.transport()
        person.must("board:join")
    assert ann.next("board:joined") == ({"user": "bob"},)
    note(people, "for all on the board")
    bob.client.on("board:question", lambda _: {"answer": "bob"}, namespace=NAMESPACE)
    answer = ann.must("board:ask", question="tea?")
    assert (answer["answers"], answer["missing"]) == ([{"answer": "bob"}], 0), answer
    for size in [1, 4 * 1024]:
        image = bytes((index * 7 + size) % 256 for index in range(size))
        answer = ann.must("board:draw", image=image)
        assert (answer["bytes"], answer["image"]) == (size, image)
        assert bob.next("board:drawn")[0]["image"] == image
    # The event takes no binary data, so the server closes the transport.
    reading = bob.client.eio.read_loop_task
    bob.client.emit("board:note", b"binary", namespace=NAMESPACE)
    bob.next("disconnect")
    if wanted == "polling":
        # The last poll is answered with an end, after which this client waits to be told. Its
        # thread resets the client at its end, so a connection before that would be reset as well.
        reading.join()
        bob.enter({"token": token(secret, "bob", sub=f"bob sync {setting}")})
    bob.next("connect")
    bob.must("board:join")
    note(people, "welcome back")
    for person in people:
        person.client.disconnect()
    print(f"told by {wanted}", flush=True)
    # A thread of a client that was ended waits for its timeout; there is nothing left to tell.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
