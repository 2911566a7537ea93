// Applications with a login of their own: tokens by shared secret and by published keys, and the
// examples of the documentation as they stand there.
// Never: a service asked on the internet; stand-ins answer in the same shapes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { SignJWT } from "jose";
import { Issuer, nowSeconds } from "./issuer.mjs";
import { client, connect, nextEvent, must } from "./people.mjs";
import { Server, WIDE_LIMITS } from "./server.mjs";

const EXAMPLES = fileURLToPath(new URL("../../examples/own-login/", import.meta.url));
const SECRET = "kR8v2WqLz5nTfYp1XcJm9BdHs4GuEa7o";
const ID = "https://id.example";

/** @type {(() => Promise<void> | void)[]} */
const endings = [];
after(async () => {
  for (const end of endings.reverse()) await end();
});

/** A directory of the story's own, for files the configuration names. */
function folder() {
  const path = mkdtempSync(join(tmpdir(), "portcullis-login-"));
  endings.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/**
 * @param {string} text
 * @param {Record<string, string>} [environment]
 */
async function serve(text, environment = {}) {
  const server = await Server.start({ limits: `${WIDE_LIMITS}\n${text}`, environment });
  endings.push(() => server.remove());
  return server;
}

/**
 * @param {Server} server
 * @param {string} token
 */
async function refusal(server, token) {
  const socket = client(server, { token });
  const refused = nextEvent(socket, "connect_error");
  socket.connect();
  const [error] = await refused;
  socket.disconnect();
  return error.data.code;
}

/**
 * Connects, again where the issuer's keys are still on their way.
 * @param {Server} server
 * @param {{ token: string }} person
 */
async function comeIn(server, person) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await connect(server, person);
    } catch (thrown) {
      if (attempt === 10 || !/"server_busy"/.test(String(thrown))) throw thrown;
    }
  }
}

/**
 * @param {string} subject
 * @param {Record<string, unknown>} [more]
 */
const claims = (subject, more = {}) => ({
  iss: ID,
  aud: "portcullis",
  sub: subject,
  name: subject,
  ...more,
});

test("a token by shared secret connects, and goes on in place past its end", async () => {
  const secretFile = join(folder(), "hs256.key");
  writeFileSync(secretFile, SECRET, { mode: 0o600 });
  const server = await serve(
    `[[token.issuer]]\nissuer = "${ID}"\naudience = "portcullis"\nalgorithm = "HS256"\n` +
      `secret_file = ${JSON.stringify(secretFile)}\n`,
  );
  const sign = (/** @type {number} */ life, secret = SECRET) =>
    new SignJWT({ ...claims("ann"), iat: nowSeconds(), exp: nowSeconds() + life })
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .sign(new TextEncoder().encode(secret));
  assert.equal(await refusal(server, await sign(-60)), "unauthorized");
  assert.equal(await refusal(server, await sign(60, `${SECRET}x`)), "unauthorized");

  const socket = client(server, { token: await sign(3) });
  const expiring = nextEvent(socket, "auth:expiring");
  socket.connect();
  await nextEvent(socket, "connect");
  const { id } = socket;
  const [{ expires_at: end }] = await expiring;
  assert.ok(end <= Date.now() + 3_000);
  await must(socket, "auth:refresh", { token: await sign(300) });
  // A client with the same short token that does not refresh shows that the token has expired.
  const other = await connect(server, { token: await sign(3) });
  await nextEvent(other, "disconnect");
  assert.equal(socket.connected, true);
  assert.equal(socket.id, id, "the same connection all along");
  await must(socket, "room:list", {});
  socket.disconnect();
});

describe("tokens by published keys", () => {
  for (const alg of /** @type {const} */ (["RS256", "PS256", "ES256", "EdDSA"])) {
    test(`${alg}: believed by the key set, and rotated while connected`, async () => {
      const issuer = await Issuer.start();
      endings.push(() => issuer.stop());
      // Keys that this server cannot use, as providers publish them beside the others.
      issuer.others = [
        { kty: "RSA", kid: "small", alg, n: "q".repeat(171), e: "AQAB" },
        { kty: "RSA", kid: "enc", use: "enc", alg: "RSA-OAEP", n: "q".repeat(342), e: "AQAB" },
        { kty: "OKP", crv: "Ed25519", alg, x: "AAAA" },
        { kty: "EC", crv: "secp256k1", kid: 7 },
        { kty: "oct", kid: "shared", k: "c2VjcmV0" },
        { kty: "AKP", kid: "post-quantum", alg: "ML-DSA-65", pub: "AAAA", x5c: [1] },
        null,
      ];
      const authority = join(folder(), "issuer-ca.pem");
      writeFileSync(authority, issuer.ca);
      await issuer.addKey("first", alg);
      const server = await serve(
        `[[token.issuer]]\nissuer = "${ID}"\naudience = "portcullis"\nalgorithm = "${alg}"\n` +
          `jwks_url = "${issuer.url}/.well-known/jwks.json"\n` +
          `jwks_ca_file = ${JSON.stringify(authority)}\n` +
          `[danger]\njwks_private_addresses = true\n`,
      );
      const first = await comeIn(server, { token: await issuer.token("first", claims("ann")) });
      await must(first, "room:list", {});
      assert.equal(issuer.fetched, 1, "fetched once, at the start");

      // Of an unknown key; of a published key for another purpose; of another server.
      const outsider = await Issuer.start();
      endings.push(() => outsider.stop());
      await outsider.addKey("first", alg);
      const forged = await outsider.token("first", claims("ann"));
      assert.equal(await refusal(server, forged), "unauthorized");
      const elsewhere = await issuer.token("first", claims("ann", { aud: "another" }));
      assert.equal(await refusal(server, elsewhere), "unauthorized");
      const old = await issuer.token("first", claims("ann", { iat: 5, exp: nowSeconds() - 60 }));
      assert.equal(await refusal(server, old), "unauthorized");

      // Rotation: the key set gets a second key. A token of it causes one fetch and is accepted.
      // Connected clients stay, and can renew with a token of the second key.
      await issuer.addKey("second", alg);
      const header = { cat: "cl_B7d4PD111AAA", typ: "application/at+jwt" };
      const next = await issuer.token("second", claims("ann", { sid: null }), header);
      const second = await comeIn(server, { token: next });
      await must(second, "room:list", {});
      assert.equal(issuer.fetched, 2, "fetched once more");
      await must(first, "auth:refresh", { token: next });
      await must(first, "room:list", {});
      second.disconnect();
      // A flood of names of keys leads to no flood of requests.
      for (let number = 0; number < 20; number += 1) {
        await outsider.addKey(`unknown-${number}`, alg);
        const unknown = await outsider.token(`unknown-${number}`, claims("eve"));
        assert.equal(await refusal(server, unknown), "unauthorized");
      }
      assert.equal(issuer.fetched, 2, "and no more for a minute");
      first.disconnect();

      // Another server, started now, believes both.
      const again = await serve(
        `[[token.issuer]]\nissuer = "${ID}"\naudience = "portcullis"\nalgorithm = "${alg}"\n` +
          `jwks_url = "${issuer.url}/.well-known/jwks.json"\n` +
          `jwks_ca_file = ${JSON.stringify(authority)}\n` +
          `[danger]\njwks_private_addresses = true\n`,
      );
      for (const kid of ["first", "second"]) {
        const socket = await comeIn(again, { token: await issuer.token(kid, claims(kid)) });
        await must(socket, "room:list", {});
        socket.disconnect();
      }
    });
  }

  test("an address without a valid certificate, or a private one, is not requested", async () => {
    const issuer = await Issuer.start();
    endings.push(() => issuer.stop());
    await issuer.addKey("first", "ES256");
    const section =
      `[[token.issuer]]\nissuer = "${ID}"\naudience = "portcullis"\nalgorithm = "ES256"\n` +
      `jwks_url = "${issuer.url}/.well-known/jwks.json"\n`;
    // Its authority is not configured: keys are not fetched. Clients are asked to try again.
    const server = await serve(`${section}[danger]\njwks_private_addresses = true\n`);
    const token = await issuer.token("first", claims("ann"));
    assert.equal(await refusal(server, token), "server_busy");
    assert.equal(issuer.fetched, 0);
    await assert.rejects(Server.start({ limits: section }), /jwks_url/);
  });
});

/**
 * Runs an example; gives its lines and exit code.
 * @param {string} program
 * @param {Server} server
 * @param {string} trusted
 * @param {Record<string, string>} environment
 */
async function run(program, server, trusted, environment) {
  const child = spawn(process.execPath, [join(EXAMPLES, program)], {
    env: {
      ...process.env,
      PORTCULLIS_URL: server.url,
      ORIGIN: server.url,
      NODE_EXTRA_CA_CERTS: trusted,
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  const [code] = await once(child, "exit", { signal: AbortSignal.timeout(30_000) });
  return { code, output };
}

/** @param {string} name */
const configuration = (name) => {
  const text = readFileSync(join(EXAMPLES, name, "portcullis.toml"), "utf8");
  const issuer = text.indexOf("[[token.issuer]]");
  assert.ok(text.startsWith("#") && issuer > 0, text);
  // What stands before is the deployment's certificate and names; the story has its own. That the
  // whole file is accepted is tested with `portcullis check`.
  return text.slice(issuer);
};

describe("the examples", () => {
  /** The file as it stands, with only the address of the stand-in in place of the service's. */
  const against = async (/** @type {string} */ name, /** @type {Issuer} */ issuer, path = "") => {
    const place = folder();
    const authority = join(place, "issuer-ca.pem");
    writeFileSync(authority, issuer.ca);
    const server = await serve(configuration(name), {
      PORTCULLIS__TOKEN__ISSUER__0__JWKS_URL: `${issuer.url}${path}`,
      PORTCULLIS__TOKEN__ISSUER__0__JWKS_CA_FILE: authority,
      PORTCULLIS__DANGER__JWKS_PRIVATE_ADDRESSES: "true",
    });
    const trusted = join(place, "trusted.pem");
    writeFileSync(trusted, `${server.ca}\n${issuer.ca}`);
    return { server, trusted };
  };

  test("Auth0: an API's access token, with the address of its user information beside", async () => {
    const issuer = await Issuer.start();
    endings.push(() => issuer.stop());
    await issuer.addKey("NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg", "RS256");
    /** @param {Record<string, unknown>} more */
    const shaped = (more) => ({
      iss: "https://tenant.eu.auth0.com/",
      sub: "auth0|507f1f77bcf86cd799439011",
      aud: ["https://chat.example", "https://tenant.eu.auth0.com/userinfo"],
      exp: nowSeconds() + 86_400,
      azp: "my-client",
      scope: "openid profile",
      permissions: ["read:messages"],
      ...more,
    });
    const kid = "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg";
    const roles = { "https://chat.example/roles": ["admin"] };
    issuer.routes.set("/oauth/token", async (body) => {
      const requested = JSON.parse(body);
      assert.equal(requested.audience, "https://chat.example");
      return {
        access_token: await issuer.token(kid, shaped(requested.client_id === "admin" ? roles : {})),
        token_type: "Bearer",
      };
    });
    const { server, trusted } = await against("auth0", issuer, "/.well-known/jwks.json");
    for (const [client, expect] of [
      ["admin", "an administrator"],
      ["user", "no administrator"],
    ]) {
      const { code, output } = await run("auth0/chat.mjs", server, trusted, {
        AUTH0_ISSUER: issuer.url,
        AUTH0_AUDIENCE: "https://chat.example",
        AUTH0_CLIENT_ID: String(client),
        AUTH0_CLIENT_SECRET: "s",
      });
      assert.equal(code, 0, output);
      assert.match(output, /auth0\|507f1f77bcf86cd799439011 says hello/);
      assert.match(output, new RegExp(`^${expect}$`, "m"));
    }
    const foreign = await issuer.token(kid, shaped({ aud: ["https://chat.example", "else"] }));
    assert.equal(await refusal(server, foreign), "unauthorized");
  });

  test("Keycloak: a realm's access token, with its realm roles", async () => {
    const certs = "/realms/main/protocol/openid-connect/certs";
    const issuer = await Issuer.start(certs);
    endings.push(() => issuer.stop());
    await issuer.addKey("FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE", "RS256");
    issuer.routes.set("/realms/main/protocol/openid-connect/token", async (body) => {
      const requested = new URLSearchParams(body);
      const admin = requested.get("client_id") === "admin";
      const token = await issuer.token("FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE", {
        jti: "a2f6ac1e-3c1b-4d5b-9c2e-0f0c9d0f4d3a",
        iss: "https://id.example/realms/main",
        aud: ["portcullis", "account"],
        sub: "f2b2f6f4-5d0e-4b25-8a7c-0d0a5fbb9f3d",
        typ: "Bearer",
        azp: requested.get("client_id"),
        sid: "6a1b0a6c-6f4d-4d0d-9d68-3b7d0d8b7a10",
        acr: "1",
        "allowed-origins": ["https://app.example"],
        realm_access: { roles: ["offline_access", "uma_authorization", admin ? "admin" : "staff"] },
        resource_access: { account: { roles: ["manage-account"] } },
        scope: "profile email",
        email_verified: true,
        name: "Ann Lee",
        preferred_username: "ann",
      });
      return { access_token: token, expires_in: 300, token_type: "Bearer" };
    });
    const { server, trusted } = await against("keycloak", issuer, certs);
    for (const [client, expect] of [
      ["admin", "an administrator"],
      ["user", "no administrator"],
    ]) {
      const { code, output } = await run("keycloak/chat.mjs", server, trusted, {
        KEYCLOAK_REALM: `${issuer.url}/realms/main`,
        KEYCLOAK_CLIENT_ID: String(client),
        KEYCLOAK_CLIENT_SECRET: "s",
      });
      assert.equal(code, 0, output);
      assert.match(output, /Ann Lee says hello/);
      assert.match(output, new RegExp(`^${expect}$`, "m"));
    }
  });

  test("Next.js: a token of the application's own route, for its own session", async () => {
    const { createRoute } = await import(join(EXAMPLES, "nextjs/route.mjs"));
    const route = createRoute({
      secret: SECRET,
      getSession: async (/** @type {Request} */ request) =>
        request.headers.get("cookie") === "session=ann"
          ? { user: { id: "user-1", name: "Ann" } }
          : null,
    });
    const app = createServer(async (request, response) => {
      const cookie = request.headers.cookie ?? "";
      const requested = new Request(`http://app${request.url}`, {
        method: "POST",
        headers: { cookie },
      });
      const answer = await route(requested);
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      response.end(await answer.text());
    });
    app.listen(0, "127.0.0.1");
    await once(app, "listening");
    endings.push(() => {
      app.closeAllConnections();
      app.close();
    });
    const address = app.address();
    assert.ok(address !== null && typeof address === "object");
    const place = folder();
    const secretFile = join(place, "chat.secret");
    writeFileSync(secretFile, `${SECRET}\n`, { mode: 0o600 });
    const server = await serve(configuration("nextjs"), {
      PORTCULLIS__TOKEN__ISSUER__0__SECRET_FILE: secretFile,
    });
    const trusted = join(place, "trusted.pem");
    writeFileSync(trusted, server.ca);
    const environment = { APP_URL: `http://127.0.0.1:${address.port}` };
    const ann = { ...environment, SESSION_COOKIE: "session=ann" };
    const { code, output } = await run("nextjs/chat.mjs", server, trusted, ann);
    assert.equal(code, 0, output);
    assert.match(output, /Ann says hello/);
    const no_user = { ...environment, SESSION_COOKIE: "session=eve" };
    const refused = await run("nextjs/chat.mjs", server, trusted, no_user);
    assert.equal(refused.code, 1, refused.output);
    assert.match(refused.output, /refused: unauthorized/);
  });
});
