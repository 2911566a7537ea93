// node auth0/chat.mjs, with AUTH0_ISSUER, AUTH0_AUDIENCE, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET.
// In a page, `getAccessTokenSilently` of the Auth0 SDK takes the place of `getToken`.
import { hello } from "../hello.mjs";

const { AUTH0_ISSUER, AUTH0_AUDIENCE, AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET } =
  process.env;

async function getToken() {
  const response = await fetch(new URL("/oauth/token", AUTH0_ISSUER), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      grant_type: "client_credentials",
      client_id: AUTH0_CLIENT_ID,
      client_secret: AUTH0_CLIENT_SECRET,
      audience: AUTH0_AUDIENCE,
    }),
  });
  if (!response.ok) throw new Error(`Auth0 answers ${response.status}`);
  const { access_token: token } = await response.json();
  return token;
}

await hello(getToken);
