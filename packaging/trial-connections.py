"""Holds Socket.IO connections during a trial of the package: trial-connections.py COUNT CA TOKEN

Prints "connected" when all are signed in. After a line on standard input, it sends an event on each
connection, and prints how many have a response.
Never: more than one unanswered handshake at a time.
"""

import asyncio
import base64
import json
import os
import resource
import ssl
import sys

HOST = "chat.example"
PATH = "/socket.io/?EIO=4&transport=websocket"


async def read_text(reader):
    """The next text message; pings of Engine.IO are returned too."""
    while True:
        first, length = await reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await reader.readexactly(8), "big")
        payload = await reader.readexactly(length)
        if first & 0x0F == 8:
            raise ConnectionError(f"closed: {payload!r}")
        if first & 0x0F == 1:
            return payload.decode()


async def send_text(writer, text):
    """Sends a text message in a masked frame (RFC 6455 section 5.2)."""
    payload, mask = text.encode(), os.urandom(4)
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    writer.write(head + mask + masked)
    await writer.drain()


async def connect(context, token):
    """Opens a connection and signs in."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", 443, ssl=context, server_hostname=HOST
    )
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {PATH} HTTP/1.1", f"Host: {HOST}", f"Origin: https://{HOST}"]
    lines += ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}"]
    lines += ["Sec-WebSocket-Version: 13", "", ""]
    writer.write("\r\n".join(lines).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101 "):
        raise ConnectionError(head.decode())
    await read_text(reader)
    await send_text(writer, "40" + json.dumps({"token": token}))
    answer = await read_text(reader)
    if not answer.startswith("40{"):
        raise ConnectionError(answer)
    return reader, writer


async def follow(reader, writer, answered):
    """Answers pings, and waits for the response to the event: also that of a rate shows that the
    connection is open."""
    while True:
        text = await read_text(reader)
        if text == "2":
            await send_text(writer, "3")
        elif text.startswith("437"):
            answered.set_result(True)
            return


async def main():
    """Runs the steps."""
    count, ca_file, token = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context = ssl.create_default_context(cafile=ca_file)
    connections = []
    for _ in range(count):
        reader, writer = await connect(context, token)
        answered = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(follow(reader, writer, answered))
        connections.append((writer, answered, task))
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    open_now = 0
    for writer, answered, task in connections:
        try:
            await send_text(writer, '427["room:list",{}]')
            await asyncio.wait([answered, task], timeout=30, return_when=asyncio.FIRST_COMPLETED)
            open_now += answered.done()
        except ConnectionError as error:
            print(f"lost: {error}", file=sys.stderr)
    print(open_now, flush=True)


asyncio.run(main())
