// The Socket.IO connection: requests with acknowledgements, live events, and coming back.
// Never: long-polling, a token in the URL, or a request queued behind a lost connection.
import { io, type Socket } from "socket.io-client";
import { fieldsOf } from "./contract";
import { readRefusal, Refusal } from "./refusal";

export interface Listener {
  /** Connected, or connected again: in its rooms as before where the connection was recovered. */
  up(recovered: boolean): void;
  /** The way to the server is lost; it is being tried again. */
  down(): void;
  /** The token ends within a minute. */
  expiring(): void;
  /** The server refused or ended the session; nothing is tried until `renew`. */
  ended(refusal: Refusal): void;
  /** The server refused for now; the next try is in so many seconds. */
  waiting(refusal: Refusal, seconds: number): void;
  /** The user may not connect: a retry would be rejected again, and recorded. */
  denied(refusal: Refusal): void;
  event(name: string, payload: unknown): void;
}

const ANSWER_TIMEOUT_MS = 10_000;

/** Where a page connects, and the events that it receives. */
export interface Target {
  namespace: string;
  events: readonly string[];
}

export class Realtime {
  readonly #socket: Socket;
  readonly #listener: Listener;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(target: Target, token: () => Promise<string>, listener: Listener) {
    this.#listener = listener;
    this.#socket = io(target.namespace, {
      transports: ["websocket", "polling"],
      // All pages behind an address come back after a restart: not all at once.
      reconnectionDelay: 1500,
      reconnectionDelayMax: 15_000,
      auth: (give) => void token().then((token) => give({ token })),
    });
    this.#socket.on("connect", () => listener.up(this.#socket.recovered));
    this.#socket.on("disconnect", (reason) => this.#lost(reason));
    this.#socket.on("connect_error", (error) => this.#refused(error));
    this.#socket.on("auth:expiring", () => listener.expiring());
    for (const name of target.events) {
      this.#socket.on(name, (payload: unknown) => listener.event(name, payload));
    }
  }

  get connected(): boolean {
    return this.#socket.connected;
  }

  /** One event and its acknowledgement; a refusal is thrown. */
  async request(
    event: string,
    payload: Readonly<Record<string, unknown>>,
    envelope?: { mid: string },
  ): Promise<Readonly<Record<string, unknown>>> {
    // Socket.IO would keep the event for later; what is due after a reconnect is decided above.
    if (!this.#socket.connected) throw new Refusal("offline", "");
    const answer = fieldsOf(await this.#emit(event, payload, envelope));
    if (answer === undefined) throw new Refusal("unreadable", "");
    if (answer["ok"] === true) return answer;
    throw readRefusal(answer["error"]);
  }

  /** Ends the old connection and opens one with the token of now. */
  renew(): void {
    this.#socket.disconnect();
    this.#socket.connect();
  }

  close(): void {
    clearTimeout(this.#retry);
    this.#socket.off();
    this.#socket.disconnect();
  }

  async #emit(event: string, payload: object, envelope?: object): Promise<unknown> {
    const timed = this.#socket.timeout(ANSWER_TIMEOUT_MS);
    const parts = envelope === undefined ? [payload] : [payload, envelope];
    try {
      return await timed.emitWithAck(event, ...parts);
    } catch {
      throw new Refusal(this.#socket.connected ? "timeout" : "offline", "");
    }
  }

  #lost(reason: string): void {
    if (reason === "io server disconnect") {
      this.#listener.ended(new Refusal("session_ended", ""));
    } else {
      this.#listener.down();
    }
  }

  #refused(error: Error & { data?: unknown }): void {
    // Without data the way was lost, not the right to it; Socket.IO tries again by itself.
    if (error.data === undefined) {
      this.#listener.down();
      return;
    }
    const { message } = error;
    const refusal = readRefusal({ message, ...(fieldsOf(error.data) ?? {}) });
    if (refusal.code === "unauthorized" || refusal.code === "session_ended") {
      this.#listener.ended(new Refusal("session_ended", "", refusal.details));
      return;
    }
    if (refusal.code === "forbidden" || refusal.code === "second_factor_required") {
      this.#listener.denied(refusal);
      return;
    }
    const seconds = refusal.details.retryAfterS ?? 30;
    this.#listener.waiting(refusal, seconds);
    this.#retry = setTimeout(() => this.#socket.connect(), seconds * 1000);
  }
}
