// Requests of the dashboard.
// Never: a search that fails because another one runs; the server runs one at a time.
import { request } from "../../connection";
import { asRefusal } from "../../refusal";

/** Tries of a search; the server ends each search after two seconds. */
const TRIES_MAX = 6;
const AGAIN_MS = 500;

/** One operation and its answer; a refusal is thrown. */
export async function ask(
  name: string,
  payload: Readonly<Record<string, unknown>>,
  tries = 1,
): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await request(name, payload);
  } catch (thrown) {
    if (asRefusal(thrown).code !== "search_running" || tries >= TRIES_MAX) throw thrown;
  }
  await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  return ask(name, payload, tries + 1);
}
