// node nextjs/chat.mjs, with APP_URL and SESSION_COOKIE. In a page, the browser sends the cookie of
// its session by itself: fetch("/api/chat-token", { method: "POST" }).
import { hello } from "../hello.mjs";

async function getToken() {
  const response = await fetch(
    new URL("/api/chat-token", process.env["APP_URL"]),
    {
      method: "POST",
      headers: { cookie: process.env["SESSION_COOKIE"] ?? "" },
    },
  );
  if (!response.ok)
    throw new Error(`the application answers ${response.status}`);
  const { token } = await response.json();
  return token;
}

await hello(getToken);
