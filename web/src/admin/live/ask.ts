// Requests of the dashboard.
// Never: an operation again that this server does not have; it counts unknown events as violations.
import { request } from "../../connection";
import { asRefusal, Refusal } from "../../refusal";

const missing = new Set<string>();

/** One operation and its answer; a refusal is thrown. */
export async function ask(
  name: string,
  payload: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> {
  if (missing.has(name)) throw new Refusal("UNKNOWN_EVENT", "");
  try {
    return await request(name, payload);
  } catch (thrown) {
    if (asRefusal(thrown).code === "UNKNOWN_EVENT") missing.add(name);
    throw thrown;
  }
}
