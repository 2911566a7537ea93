// Keeps the newest signed note of the security log in this browser: a log that was cut or replaced
// is then shorter than a note that this browser has.
// Never: a proof; `portcullis audit verify --note` is one.
import { signal } from "@preact/signals";
import type { LogState } from "../model/overview";
import { logWarning } from "./state";

const KEY = "newest-note";

interface Kept {
  log: string;
  sequence: number;
  note: string;
}

export const keptNote = signal<string | undefined>(read()?.note);

/** The name and the number in the first two lines of a note. */
export function readNote(note: string): { log: string; sequence: number } | undefined {
  const [log = "", number = ""] = note.split("\n");
  if (log === "" || !/^\d{1,16}$/.test(number)) return undefined;
  return { log, sequence: Number(number) };
}

export function witness(state: LogState): void {
  if (state.note === undefined) return;
  const now = readNote(state.note);
  if (now === undefined) return;
  const kept = read();
  const reached = Math.max(now.sequence, state.sequence ?? 0);
  if (kept !== undefined && kept.log === now.log && reached < kept.sequence) {
    logWarning.value =
      `The security log has ${reached} records, and this browser holds a signed note of ` +
      `record ${kept.sequence}: records were removed.`;
    return;
  }
  if (kept !== undefined && kept.log !== now.log) {
    logWarning.value =
      "The security log has another name than in the newest note of this browser: it was " +
      "replaced, or this is another server.";
    return;
  }
  write({ ...now, note: state.note });
}

/** The administrator has read the warning: the log of now is the one to compare with. */
export function acceptLog(state: LogState): void {
  const now = state.note === undefined ? undefined : readNote(state.note);
  if (now !== undefined && state.note !== undefined) write({ ...now, note: state.note });
  logWarning.value = undefined;
}

function read(): Kept | undefined {
  try {
    const note = localStorage.getItem(KEY) ?? "";
    const first = readNote(note);
    return first === undefined ? undefined : { ...first, note };
  } catch {
    return undefined;
  }
}

function write(kept: Kept): void {
  if (kept.note === keptNote.value) return;
  keptNote.value = kept.note;
  try {
    localStorage.setItem(KEY, kept.note);
  } catch {
    // A browser that keeps nothing compares nothing.
  }
}
