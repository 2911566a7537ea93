// Everything the dashboard shows, as signals.
// Never: stored outside of memory, except the newest note of the log and the choice of keys.
import { computed, signal } from "@preact/signals";
import { session } from "../../session_state";
import type { Refusal } from "../../refusal";
import type { Alert, Silence } from "../model/alert";
import type { BlockChange } from "../model/block_change";
import type { EventRow } from "../model/event";
import type { EventGroup } from "../model/event_group";
import { NO_TEXTS, type RecordTexts } from "../model/record_text";
import type { Overview } from "../model/overview";
import type { Affected, Offender } from "../model/rows";
import type { Timeline } from "../model/timeline";

export const overview = signal<Overview | undefined>(undefined);
/** When the newest overview arrived, by the clock of this device. */
export const receivedMs = signal(0);
export const nowMs = signal(Date.now());
export const alerts = signal<readonly Alert[]>([]);
export const silences = signal<readonly Silence[]>([]);
export const offenders = signal<readonly Offender[]>([]);
export const affected = signal<readonly Affected[]>([]);
export const seconds = signal<Timeline | undefined>(undefined);
export const minutes = signal<Timeline | undefined>(undefined);
/** What series show, in words of the server; by their names. */
export const seriesTexts = signal<ReadonlyMap<string, string>>(new Map());
/** Blocks that began or ended, oldest first. */
export const blockChanges = signal<readonly BlockChange[]>([]);
export const events = signal<readonly EventRow[]>([]);
/** The words of the server for codes and rules of the records. */
export const recordTexts = signal<RecordTexts>(NO_TEXTS);
/** The records as groups: those of one kind are one row. */
export const groups = signal<readonly EventGroup[]>([]);
/** Events that the server dropped, because the stream was too fast. */
export const dropped = signal(0);
export const paused = signal(false);
/** The user has no role that may open the dashboard. */
export const deniedBecause = signal<Refusal | undefined>(undefined);
/** The dialog of the second factor is open: it shows recovery codes, also once the role has effect. */
export const addingFactor = signal(false);
/** The text that a screen reader announces. */
export const announcement = signal("");
/** The result of the last operation. */
export const done = signal<string | undefined>(undefined);
/** The finding of the witness: the log is shorter than it was. */
export const logWarning = signal<string | undefined>(undefined);
/** Grows when an operation changed something, so that lists are read again. */
export const changes = signal(0);

/** An overview that is older than this many milliseconds is stale. */
const STALE_MS = 5_000;

export const stale = computed(
  () => overview.value !== undefined && nowMs.value - receivedMs.value > STALE_MS,
);

/** The time by the clock of the server, as far as the page knows it. */
export const serverMs = computed(() =>
  overview.value === undefined
    ? nowMs.value
    : overview.value.atMs + Math.max(0, nowMs.value - receivedMs.value),
);

export const mayChange = computed(() => session.value?.user.roles.includes("admin") === true);

export function clearDashboard(): void {
  overview.value = undefined;
  receivedMs.value = 0;
  alerts.value = [];
  silences.value = [];
  offenders.value = [];
  affected.value = [];
  seconds.value = undefined;
  minutes.value = undefined;
  seriesTexts.value = new Map();
  blockChanges.value = [];
  events.value = [];
  recordTexts.value = NO_TEXTS;
  groups.value = [];
  dropped.value = 0;
  paused.value = false;
  deniedBecause.value = undefined;
  addingFactor.value = false;
  announcement.value = "";
  done.value = undefined;
}
