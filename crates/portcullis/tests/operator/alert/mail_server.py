"""A mail server for tests: prints its port, and then each mail it is offered as a line of JSON.

Usage: mail_server.py tls|starttls|plain CERTIFICATE KEY TEMPORARY_REJECTIONS
"""

import asyncio
import email
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

MODE, CERTIFICATE, KEY, REJECTIONS = sys.argv[1:]


def unfolded(value):
    """A header as one line (RFC 5322 section 2.2.3)."""
    return value.replace("\r\n ", " ")


class Handler:
    def __init__(self):
        self.rejections = int(REJECTIONS)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content)
        accepted = self.rejections == 0
        print(
            json.dumps(
                {
                    "accepted": accepted,
                    "encrypted": session.ssl is not None or MODE == "tls",
                    "to": envelope.rcpt_tos,
                    "headers": {name.lower(): unfolded(value) for name, value in mail.items()},
                    "body": mail.get_payload(decode=True).decode(),
                }
            ),
            flush=True,
        )
        if accepted:
            return "250 OK"
        self.rejections -= 1
        return "451 4.7.1 try again later"


def authenticate(server, session, envelope, mechanism, data):
    known = isinstance(data, LoginPassword) and data.password == b"correct horse"
    return AuthResult(success=known, handled=False)


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE, KEY)
    handler = Handler()

    def session():
        return SMTP(
            handler,
            hostname="localhost",
            tls_context=context if MODE == "starttls" else None,
            require_starttls=MODE == "starttls",
            authenticator=authenticate,
            auth_required=MODE != "plain",
            auth_require_tls=MODE == "starttls",
        )

    encryption = context if MODE == "tls" else None
    server = await asyncio.get_running_loop().create_server(
        session, "127.0.0.1", 0, ssl=encryption
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
