// Stands in for an identity provider: an address with a certificate of its own authority, a key set,
// and whatever routes a service has.
// Never: a key that two issuers share.
import { once } from "node:events";
import { createServer } from "node:https";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { generate } from "selfsigned";

/** @typedef {import("node:http").IncomingMessage} Incoming */
/** @typedef {(body: string, request: Incoming) => Promise<object>} Route */

/** Seconds since 1970. */
export const nowSeconds = () => Math.floor(Date.now() / 1000);

/** A certificate for 127.0.0.1, and the authority that vouches for it, all in PEM. */
async function certificate() {
  const day = 24 * 60 * 60 * 1000;
  const dates = {
    notBeforeDate: new Date(Date.now() - day),
    notAfterDate: new Date(Date.now() + day),
  };
  const ca = await generate([{ name: "commonName", value: "Stand-in authority" }], {
    ...dates,
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const own = await generate([{ name: "commonName", value: "127.0.0.1" }], {
    ...dates,
    keyType: "ec",
    algorithm: "sha256",
    ca: { key: ca.private, cert: ca.cert },
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] },
    ],
  });
  return { ca: ca.cert, cert: own.cert, key: own.private };
}

export class Issuer {
  /** @type {import("node:https").Server | undefined} */
  #server;
  /** @type {Map<string, { alg: string, key: CryptoKey, jwk: object }>} */
  #keys = new Map();
  /** @type {Map<string, Route>} */
  routes = new Map();
  /** Keys that are published first, whatever they are. @type {unknown[]} */
  others = [];
  /** How often the key set was asked for. */
  fetched = 0;
  /** The authority of its certificate, PEM. */
  ca = "";
  /** Where it is. */
  url = "";

  /** @param {string} keySet the path of the key set */
  static async start(keySet = "/.well-known/jwks.json") {
    const issuer = new Issuer();
    const { ca, cert, key } = await certificate();
    issuer.ca = ca;
    issuer.routes.set(keySet, async () => {
      issuer.fetched += 1;
      return { keys: [...issuer.others, ...[...issuer.#keys.values()].map(({ jwk }) => jwk)] };
    });
    issuer.#server = createServer({ cert, key }, (request, response) => {
      let body = "";
      request.setEncoding("utf8");
      request.on("data", (chunk) => (body += chunk));
      request.on("end", async () => {
        const route = issuer.routes.get(new URL(request.url ?? "/", issuer.url).pathname);
        const answer = await route?.(body, request).catch(() => undefined);
        response.writeHead(answer === undefined ? 404 : 200, {
          "content-type": "application/json",
        });
        response.end(JSON.stringify(answer ?? {}));
      });
    });
    issuer.#server.listen(0, "127.0.0.1");
    await once(issuer.#server, "listening");
    const address = issuer.#server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    issuer.url = `https://127.0.0.1:${address.port}`;
    return issuer;
  }

  /**
   * A new key, published from now on.
   * @param {string} kid
   * @param {"RS256" | "PS256" | "ES256" | "EdDSA"} alg
   */
  async addKey(kid, alg) {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: "sig" };
    this.#keys.set(kid, { alg, key: privateKey, jwk });
  }

  /** @param {string} kid */
  removeKey(kid) {
    this.#keys.delete(kid);
  }

  /**
   * A token with exactly these claims beside `iat` and `exp`.
   * @param {string} kid
   * @param {Record<string, unknown>} claims
   * @param {Record<string, unknown>} [header]
   */
  async token(kid, claims, header = {}) {
    const found = this.#keys.get(kid);
    if (found === undefined) throw new Error(`no key ${kid}`);
    return new SignJWT({ iat: nowSeconds(), exp: nowSeconds() + 300, ...claims })
      .setProtectedHeader({ alg: found.alg, typ: "JWT", kid, ...header })
      .sign(found.key);
  }

  async stop() {
    this.#server?.closeAllConnections();
    this.#server?.close();
    await (this.#server === undefined ? undefined : once(this.#server, "close"));
  }
}
