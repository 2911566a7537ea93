// A test double of the operators' interface: fixed answers behind the built dashboard, on plain
// HTTP, in the shapes of docs/operators-api.md.
// Never: a part of the server; the rules of operations are tested against the real one.
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Server as Io } from "socket.io";

const PAGES = fileURLToPath(new URL("../../web/dist", import.meta.url));
const TYPES = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
/** The policy of the server's pages, as `headers.rs` sends it. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
  "img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
  "object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/** Names that attack a page: markup, script, direction, length. */
export const HOSTILE = [
  "<img src=x onerror=alert(1)>",
  '"><svg/onload=alert(1)>',
  "javascript:alert(1)",
  "{{constructor.constructor('alert(1)')()}}",
  "\u202Egnp.exe\u2066\u200B\u0000",
  "x".repeat(10_240),
];

/** @param {number} ago seconds */
const before = (ago) => new Date(Date.now() - ago * 1000).toISOString();

/** What series show, as the server words it. */
const TEXTS = {
  "rejected.connect_per_prefix": "too many connection attempts from one network",
  "rejected.request_per_prefix": "too many HTTP requests from one network",
  "rejected.login_per_user": "too many logins to one user name",
  "load.queue": "wait for the processor",
  "load.memory": "memory in use",
  connections: "open connections",
  messages: "messages of clients",
};

/** The words for codes and rules of records. */
const RECORD_TEXTS = {
  codes: {
    authn_login_success: "A user logged in.",
    authz_admin: "An administrator, moderator or operator performed an operation.",
    excess_rate_limit_exceeded: "A rate limit was reached.",
  },
  rules: { connect_per_prefix: "too many connection attempts from one network" },
};

const RULES = { connect_per_prefix: 812, request_per_prefix: 34, login_per_user: 3 };

/**
 * A report of the regular audit, with or without findings.
 * @param {boolean} mended
 */
function reportOf(mended) {
  /** @param {string} id @param {string} title @param {object} more */
  const check = (id, title, more) => ({
    id,
    title,
    result: "ok",
    facts: ["in order"],
    findings: [],
    not_checked: [],
    ...more,
  });
  const modes = {
    key: "D4 tls.key_file",
    severity: "critical",
    found: "other users can read tls.key (mode 644), which is secret",
    remedy: "chmod 600 tls.key",
  };
  const age = {
    key: "D5 token",
    severity: "warning",
    found: "the token key in use is 100 days old, more than 90",
    remedy: "run portcullis keys rotate",
  };
  const backup = { result: "not_checked", facts: [], not_checked: ["no backup is noted"] };
  return {
    at: new Date().toISOString(),
    checks: [
      check("D1", "Configuration", {}),
      check("D2", "TLS as a client gets it", { not_checked: ["TLS 1.1: timed out"] }),
      check("D4", "File modes", mended ? {} : { result: "critical", findings: [modes] }),
      check("D5", "Ages of keys", mended ? {} : { result: "warning", findings: [age] }),
      check("D6", "Backup", backup),
    ],
  };
}

/** What happens after an attack: one of its blocks is in force. */
const ENDED = {
  text:
    "The attack ended at 03:12 UTC. The server rejected too many connection attempts from one " +
    "network (connect_per_prefix). One block of it remains: 203.0.113.0/24 until 04:05 UTC.",
  since: before(120),
  rule: "connect_per_prefix",
  offenders: [],
  operations: [
    {
      name: "address:unblock",
      payload: { prefix: "203.0.113.0/24", reason: "The attack ended at 03:12 UTC." },
      label: "Remove the block of 203.0.113.0/24",
      effect: "Its clients can connect again. The block ends by itself at 04:05 UTC.",
    },
  ],
};

/** @typedef {"normal" | "attack" | "ended"} Scene */

/** @param {Scene} scene @param {number} sequence */
export function overviewOf(scene, sequence) {
  const attack = scene === "attack";
  return {
    at: new Date().toISOString(),
    state: attack ? "shedding" : "normal",
    pinned: null,
    since: before(attack ? 160 : 86_400),
    why: attack ? "The admission queue waits 31 ms" : "All signals are below their thresholds",
    connections: {
      signed_in: 7412,
      unauthenticated: attack ? 88 : 12,
      waiting: attack ? 231 : 0,
      of: 10_000,
    },
    messages_per_s: attack ? 480 : 510,
    load_percent: { queue: attack ? 120 : 3 },
    users_rejected_5min: attack ? 4 : 0,
    rejected_per_s: attack ? RULES : {},
    answered_in_time_percent: attack ? 98 : 100,
    ack_p99_ms: attack ? 38 : 4,
    blocks: scene === "normal" ? 0 : 1,
    alerts: { critical: 0, high: attack ? 2 : 0, medium: attack ? 1 : 0, info: 0 },
    log: {
      state: "ok",
      sequence,
      note: `myapp.com/portcullis/7q2f/chain-v1\n${sequence}\nq1v8=\nepoch 412`,
      note_at: before(12),
      lost: 0,
    },
    channels: [{ name: "page", state: "ok", waiting: 0 }],
    happening: attack
      ? {
          text:
            "Since 03:02 UTC, the server rejects 812 requests a second: too many connection " +
            "attempts from one network (connect_per_prefix). They come from 12 networks, 41 % from " +
            "203.0.113.0/24. The server is overloaded (shedding).",
          since: before(160),
          rule: "connect_per_prefix",
          offenders: [],
          operations: [
            {
              name: "address:block",
              payload: {
                prefix: "203.0.113.0/24",
                duration_s: 3600,
                reason:
                  "41 % of all rejected requests came from 203.0.113.0/24: too many connection " +
                  "attempts from one network (connect_per_prefix).",
              },
              label: "Block 203.0.113.0/24 for 1 hour",
              effect: "Unauthenticated clients of the network are rejected; signed-in users stay.",
            },
          ],
        }
      : scene === "ended"
        ? ENDED
        : null,
  };
}

/**
 * @param {string} text @param {number} count @param {number} window_s @param {string} severity
 * @param {boolean} reached
 */
const threshold = (text, count, window_s, severity, reached) => ({
  text,
  count,
  window_s,
  severity,
  reached,
});

/** @param {Partial<Record<string, unknown>>} data */
const alert = (data) => ({
  severity: "high",
  state: "firing",
  count: 37,
  distinct: { prefixes: 12 },
  threshold: { count: 10, window_s: 600 },
  thresholds: [threshold("failed logins to one user name", 10, 600, "high", true)],
  first: before(300),
  last: before(2),
  reopened: 0,
  acknowledged: null,
  evidence: [{ sequence: 184_467, ref: "k3v9x0abcd" }],
  ...data,
});

const ALERTS = [
  alert({
    id: "al_1",
    rule: "A8",
    title: "Limits reject clients of many networks",
    key: null,
    count: 48_210,
    distinct: { prefixes: 812 },
    thresholds: [
      threshold("addresses whose clients a limit rejects", 100, 60, "high", true),
      threshold("rejections by limits of the whole server", 600, 60, "medium", false),
    ],
  }),
  alert({
    id: "al_2",
    rule: "A2",
    title: "Password guessing against one account",
    key: { kind: "name", value: "ada" },
  }),
  alert({
    id: "al_3",
    rule: "A7",
    title: "Violations of the protocol from one network",
    severity: "medium",
    key: { kind: "prefix", value: "198.51.100.7" },
    acknowledged: { by: "grace", note: "known scanner", time: before(60) },
  }),
];

/** @param {number} index */
const record = (index) => ({
  "@timestamp": before(index),
  log: { level: index % 5 === 1 ? "warning" : "info" },
  event: {
    code: index % 5 === 1 ? "excess_rate_limit_exceeded" : "authn_login_success",
    sequence: 184_467 - index,
  },
  ...(index % 5 === 1
    ? {
        rule: { name: "connect_per_prefix" },
        trace: { id: "k3v9x0abcd" },
        labels: { conn_id: `0-${index}` },
      }
    : { user: { id: "u_ada", name: "ada" } }),
  source: { ip: `203.0.113.${index}` },
});

/** The record of a block by an administrator. */
const blockRecord = () => ({
  "@timestamp": before(60),
  log: { level: "warning" },
  event: { code: "authz_admin", action: "address:block", sequence: 184_466 },
  user: { id: "u_1", name: "grace" },
  rule: { name: "block" },
  labels: { address: "203.0.113.0/24", until: before(-3540), stated_reason: "flood at night" },
});

/**
 * The record of a ban, or of its end.
 * @param {number} ago @param {object} labels
 */
const banRecord = (ago, labels) => ({
  "@timestamp": before(ago),
  log: { level: "warning" },
  event: { code: "authz_admin", action: "user:ban", sequence: 184_466 - ago },
  user: { id: "u_1", name: "grace", target: { id: "u_9", name: "eve" } },
  labels,
});

/** The records of operations, newest first. */
const operationRecords = () => [
  banRecord(30, { effect: "unbanned", stated_reason: "it was a mistake" }),
  banRecord(45, { effect: "banned", until: before(-3555), stated_reason: "spam" }),
  blockRecord(),
];

/** @param {number} length @param {(index: number) => number} value */
const values = (length, value) => Array.from({ length }, (_, index) => Math.round(value(index)));

/** @param {number} length @param {number} step */
const timeline = (length, step) => {
  /** @param {number} index */
  const attack = (index) => Math.max(0, 1 - Math.exp((length - 160 / step - index) / 20));
  const quiet = (/** @type {number} */ index) => (attack(index) > 0 ? 1 : 0);
  return {
    from: before(length * step),
    step_s: step,
    series: {
      connections: values(length, (i) => 7390 + 20 * Math.sin(i / 60) + 88 * attack(i)),
      messages: values(length, (i) => 1400 + 160 * Math.sin(i / 40) + 40 * Math.sin(i * 7)),
      rejected: values(length, (i) => 850 * attack(i)),
      "rejected.connect_per_prefix": values(
        length,
        (i) => 812 * attack(i) + 20 * Math.sin(i * 3) * quiet(i),
      ),
      "rejected.request_per_prefix": values(length, (i) => 34 * attack(i)),
      "load.queue": values(length, (i) => 20 + 105 * attack(i) + 4 * Math.sin(i)),
      "load.memory": values(length, (i) => 46 + 5 * Math.sin(i / 90)),
    },
  };
};

/**
 * A block that began or ended.
 * @param {number} ago @param {"blocked" | "rescoped" | "removed" | "ended"} change @param {string} prefix
 */
export const blockChange = (ago, change, prefix) => ({
  at: before(ago),
  change,
  prefix,
  scope: "unauthenticated",
});

/** @param {string} reference */
const explanation = (reference) =>
  reference.length === 12
    ? {
        rule: "connect_per_prefix",
        rule_text: RECORD_TEXTS.rules.connect_per_prefix,
        reason: "connect_per_prefix",
        at: before(120),
        within_s: 4,
        event_code: "excess_rate_limit_exceeded",
        meaning: "A rate limit was reached.",
        code: "rate_limited",
        message: "Too many requests",
        status: 429,
        retry: "later",
        retry_after_ms: null,
        violation: false,
      }
    : null;

/** @param {readonly string[]} names @param {string} [reference] of the records of a search */
function answers(names, reference) {
  const [first = "ada"] = names;
  return {
    "admin:watch": {},
    "admin:unwatch": {},
    "admin:timeline": {
      seconds: timeline(900, 1),
      minutes: timeline(1440, 60),
      texts: TEXTS,
      block_changes: [blockChange(600, "blocked", "192.0.2.0/24")],
    },
    "admin:events": {
      events: Array.from({ length: 24 }, (_, index) => record(index)).filter(
        (one) => reference === undefined || ("trace" in one && one.trace.id === reference),
      ),
      texts: RECORD_TEXTS,
      more: false,
      cursor: null,
      ...(reference === undefined ? {} : { explained: explanation(reference) }),
    },
    "admin:users": {
      users: names.map((name, index) => ({
        id: `u_${index}`,
        name,
        roles: index === 0 ? ["admin"] : [],
        roles_withheld: [],
        connections: 2,
        banned_until: null,
        muted_until: index === 1 ? before(-3600) : null,
        disabled: false,
        external: index === 2,
      })),
      more: false,
      cursor: null,
    },
    "admin:user": {
      user: {
        id: "u_0",
        name: first,
        second_factor: true,
        created: before(90 * 86_400),
        last_login: before(7200),
      },
      sessions: names.map((name, index) => ({
        id: `s_${index}`,
        since: before(7200 * (index + 1)),
        last_used: before(60 * index),
        authenticated: before(7200),
        second_factor: index === 0,
        ends: before(-86_400),
        device: `Firefox ${name}`,
        address: `203.0.113.${index}`,
      })),
      limits: [],
    },
    "admin:connections": {
      connections: [...names, undefined].map((name, index) => ({
        id: `${index}-4711`,
        user: name === undefined ? null : `u_${index}`,
        name: name ?? null,
        address: `203.0.113.${index}`,
        form: index === 1 ? "websocket" : "socketio",
        transport: index === 2 ? "polling" : "websocket",
        since: before(3600 + index),
        rooms: 4,
        outbox_bytes: 0,
        in_per_min: 12,
        rejected: index,
      })),
      more: false,
      cursor: null,
    },
    "admin:offenders": {
      offenders: [
        {
          kind: "prefix",
          value: "203.0.113.0/24",
          rejected_5min: 52_100,
          per_s: 333,
          rule: "connect_per_prefix",
          rule_text: "too many connection attempts from one network",
        },
        {
          kind: "prefix",
          value: "198.51.100.7",
          rejected_5min: 9_400,
          per_s: 41,
          rule: "request_per_prefix",
          rule_text: "too many HTTP requests from one network",
        },
        ...names.map((name, index) => ({
          kind: "user",
          value: `u_${index}`,
          name,
          rejected_5min: 30 - index,
          per_s: 0.2,
          rule: "message_per_user",
          rule_text: "too many messages of one user",
        })),
      ],
    },
    "admin:affected": {
      users: names.map((name, index) => ({
        user: `u_${index}`,
        name,
        rule: "connect_per_prefix",
        rule_text: "too many connection attempts from one network",
        rejected_5min: 4,
        wait_ms: 12_000,
      })),
    },
    "admin:limits": {
      user: "u_ada",
      connections: 2,
      limits: [
        {
          limit: "message_per_user",
          text: "messages of one user",
          key: "rate.message_per_user",
          used: 3,
          of: 60,
          period_ms: 60_000,
          wait_ms: 0,
          observed: false,
        },
      ],
    },
    "admin:alerts": {
      alerts: [
        ...ALERTS,
        ...(names === HOSTILE ? HOSTILE : []).map((name, index) =>
          alert({
            id: `al_x${index}`,
            rule: "A2",
            title: name,
            severity: "info",
            key: { kind: "name", value: name },
          }),
        ),
      ],
      silences: [],
    },
    "admin:blocks": {
      blocks: [
        {
          prefix: "192.0.2.0/24",
          scope: "unauthenticated",
          reason: `flood ${first}`,
          by: "grace",
          created: before(600),
          until: before(-3000),
          rejected: 12_903,
        },
      ],
      more: false,
      cursor: null,
    },
  };
}

export class Dashboard {
  /** The roles of the user who signs in. @type {string[]} */
  roles = ["admin"];
  /** Whether operations need a recent login. */
  needsLogin = false;
  /** How long ago the user proved the password, in seconds. */
  loginAgeS = 0;
  /** @type {Scene} */
  scene = "normal";
  /** Whether the findings of the regular audit are mended. */
  mended = false;
  sequence = 184_467;
  /** Names of users. @type {readonly string[]} */
  names = ["ada", "grace", "linus"];
  /** Operations that were received. @type {{ name: string, payload: any }[]} */
  operations = [];
  url = "";
  #http = createServer((request, response) => void this.#serve(request, response));
  #isCut = false;
  #io = new Io(this.#http, {
    serveClient: false,
    allowRequest: (_, decide) => decide(null, !this.#isCut),
  });

  static async start() {
    const mock = new Dashboard();
    mock.#http.listen(0, "127.0.0.1");
    await once(mock.#http, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (mock.#http.address());
    mock.url = `http://127.0.0.1:${port}`;
    mock.#io.of("/admin").use((_, next) => {
      const known = mock.roles.some((role) => role === "admin" || role === "auditor");
      const error = Object.assign(new Error("Forbidden"), {
        data: { code: "forbidden", ref: "k3v9x0abcd" },
      });
      if (known) next();
      else next(error);
    });
    mock.#io.of("/admin").on("connection", (socket) => mock.#connected(socket));
    return mock;
  }

  /** Sends the overview of now, as the server does each second. */
  tick() {
    this.#io.of("/admin").emit("overview", { overview: overviewOf(this.scene, this.sequence) });
  }

  /** @param {string} name @param {unknown} payload */
  send(name, payload) {
    this.#io.of("/admin").emit(name, payload);
  }

  /** Ends all connections, and takes none until `open`. */
  cut() {
    this.#isCut = true;
    for (const socket of this.#io.of("/admin").sockets.values()) socket.conn.close();
  }

  /** Takes connections again. */
  open() {
    this.#isCut = false;
  }

  async stop() {
    await this.#io.close();
  }

  /** @param {import("socket.io").Socket} socket */
  #connected(socket) {
    socket.onAny((name, payload, acknowledge) => {
      if (typeof acknowledge === "function") acknowledge(this.#answer(name, payload));
    });
  }

  /** @param {string} name @param {any} payload */
  #answer(name, payload) {
    if (name === "auth:refresh") return { ok: true };
    if (name === "admin:overview")
      return { ok: true, overview: overviewOf(this.scene, this.sequence) };
    if (name === "admin:doctor") {
      // A run takes a while: the first answer says so.
      const isFirst = payload?.run === true;
      return { ok: true, report: reportOf(this.mended && !isFirst), running: isFirst };
    }
    if (payload?.filter?.code?.includes("authz_admin"))
      return { ok: true, events: operationRecords(), more: false, cursor: null };
    const all = answers(this.names, payload?.filter?.ref);
    const read = /** @type {Record<string, object>} */ (all)[name];
    if (read !== undefined) return { ok: true, ...read };
    if (name.startsWith("admin:"))
      return { ok: false, error: { code: "UNKNOWN_EVENT", message: "Unknown event" } };
    if (payload?.dry_run === true) {
      const effect = { connections: 214, signed_in: 3, unauthenticated: 211, users: 3 };
      return { ok: true, dry_run: true, effect };
    }
    if (this.needsLogin)
      return { ok: false, error: { code: "reauth_required", message: "Log in again" } };
    this.operations.push({ name, payload });
    return { ok: true };
  }

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #serve(request, response) {
    const path = request.url ?? "/";
    if (path.startsWith("/auth/")) {
      if (path === "/auth/reauthenticate") {
        this.needsLogin = false;
        this.loginAgeS = 0;
      }
      const signedOut = path === "/auth/refresh" || path === "/auth/logout";
      const user = { id: "u_0", username: "ada", roles: this.roles };
      const authenticated_at = Date.now() - this.loginAgeS * 1000;
      const token = { access_token: "token", expires_in: 600, authenticated_at, user };
      response.writeHead(signedOut ? 401 : 200, { "content-type": "application/json" });
      response.end(JSON.stringify(signedOut ? { code: "unauthorized", message: "" } : token));
      return;
    }
    const file = join(PAGES, path.endsWith("/") ? `${path}index.html` : path);
    if (!existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    const type =
      /** @type {Record<string, string>} */ (TYPES)[file.split(".").at(-1) ?? ""] ?? "text/plain";
    response.writeHead(200, {
      "content-type": `${type}; charset=utf-8`,
      "content-security-policy": POLICY,
    });
    response.end(readFileSync(file));
  }
}
