// node keycloak/chat.mjs, with KEYCLOAK_REALM (its address), KEYCLOAK_CLIENT_ID,
// KEYCLOAK_CLIENT_SECRET. In a page, `keycloak.updateToken()` and `keycloak.token` of keycloak-js
// take the place of `getToken`.
import { hello } from "../hello.mjs";

const { KEYCLOAK_REALM, KEYCLOAK_CLIENT_ID, KEYCLOAK_CLIENT_SECRET } =
  process.env;

async function getToken() {
  const response = await fetch(
    `${KEYCLOAK_REALM}/protocol/openid-connect/token`,
    {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "client_credentials",
        client_id: KEYCLOAK_CLIENT_ID ?? "",
        client_secret: KEYCLOAK_CLIENT_SECRET ?? "",
      }),
    },
  );
  if (!response.ok) throw new Error(`Keycloak answers ${response.status}`);
  const { access_token: token } = await response.json();
  return token;
}

await hello(getToken);
