// app/api/chat-token/route.js of a Next.js application: a token of five minutes for the user who is
// signed in to the application, by its own session cookie.
// Never: a role; Portcullis grants the roles of the chat.
import { SignJWT } from "jose";

/**
 * With Auth.js, `getSession` is its `auth`, and `secret` the content of chat.secret.
 * @param {{ getSession: (request: Request) => Promise<Session | null>, secret: string }} parts
 * @typedef {{ user: { id: string, name: string } }} Session
 */
export function createRoute({ getSession, secret }) {
  const key = new TextEncoder().encode(secret);
  return async function POST(/** @type {Request} */ request) {
    const session = await getSession(request);
    if (session === null) return new Response(null, { status: 401 });
    const token = await new SignJWT({ name: session.user.name })
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .setIssuer("https://app.example")
      .setAudience("portcullis")
      .setSubject(session.user.id)
      .setIssuedAt()
      .setExpirationTime("5m")
      .sign(key);
    return Response.json(
      { token },
      { headers: { "cache-control": "no-store" } },
    );
  };
}
