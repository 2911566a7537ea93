// The events that the dashboard receives, and the lists that it reads again.
// Never: a value that the page made up; a lost connection shows as stale.
import { effect } from "@preact/signals";
import { ask } from "./ask";
import { fieldsOf, readList, text } from "../../contract";
import type { Product } from "../../product";
import { asRefusal, readRefusal } from "../../refusal";
import { endedBecause, link, notice, online } from "../../session_state";
import { readAlert, readSilence, type Alert } from "../model/alert";
import { readBlockChange, withChanges } from "../model/block_change";
import { readEvent, type EventRow } from "../model/event";
import { withRecord } from "../model/event_group";
import { readOverview } from "../model/overview";
import { number, textMembers } from "../model/read";
import { readAffected, readOffender } from "../model/rows";
import { extend, readTimeline } from "../model/timeline";
import { levelMeaning, levelWord, visible } from "../model/words";
import { takeRecordTexts } from "./record_texts";
import {
  affected,
  alerts,
  announcement,
  blockChanges,
  changes,
  clearDashboard,
  deniedBecause,
  dropped,
  events,
  groups,
  minutes,
  nowMs,
  offenders,
  overview,
  paused,
  receivedMs,
  seconds,
  seriesTexts,
  silences,
} from "./state";
import { witness } from "./witness";

/** Events that the page keeps. */
const EVENTS_MAX = 200;
/** Keys of received records that the page keeps: a record can arrive twice. */
const KEYS_MAX = 5_000;
const receivedKeys = new Set<string>();
/** Lists that have no event of their own are read again after this time. */
const LISTS_MS = 5_000;
const TIMELINE_MS = 60_000;

let lists: ReturnType<typeof setInterval> | undefined;
let timelines: ReturnType<typeof setInterval> | undefined;

const listener: Product["listener"] = {
  up() {
    link.value = { state: "online" };
    deniedBecause.value = undefined;
    start();
  },
  down() {
    link.value = { state: "connecting" };
    stop();
  },
  waiting(refusal) {
    link.value = { state: "waiting", refusal };
    stop();
  },
  denied(refusal) {
    link.value = { state: "off" };
    deniedBecause.value = refusal;
    stop();
  },
  event(name, payload) {
    switch (name) {
      case "overview":
        receiveOverview(fieldsOf(payload)?.["overview"] ?? payload);
        break;
      case "event":
        receiveEvent(payload);
        break;
      case "alert":
        receiveAlert(payload);
        break;
      case "error": {
        const refusal = readRefusal(payload);
        if (refusal.code === "session_ended") endedBecause.value = refusal;
        else notice.value = refusal;
        break;
      }
    }
  },
};

/** The dashboard. */
export const dashboard: Product = {
  namespace: "/admin",
  events: ["overview", "event", "alert", "error"],
  listener,
  clear() {
    stop();
    receivedKeys.clear();
    clearDashboard();
  },
};

/** Counts the seconds that "stale" and "ago" need; reads lists and records when they changed. */
export function keepTime(): void {
  setInterval(() => (nowMs.value = Date.now()), 1000);
  effect(() => {
    if (changes.value > 0) void readLists();
  });
  // Records of a pause, or of the time without a connection, are read afterwards.
  effect(() => {
    if (online.value && !paused.value) void readRecords();
  });
}

/** A request whose failure another part of the page shows already. */
async function read(
  event: string,
  payload: Readonly<Record<string, unknown>>,
  take: (answer: Readonly<Record<string, unknown>>) => void,
): Promise<void> {
  try {
    take(await ask(event, payload));
  } catch (thrown) {
    const refusal = asRefusal(thrown);
    // The bar says that the values are stale.
    if (refusal.code === "offline" || refusal.code === "timeout") return;
    notice.value = refusal;
  }
}

function start(): void {
  stop();
  void read("admin:watch", { streams: ["overview", "event", "alert"] }, () => {});
  void read("admin:overview", {}, (answer) => receiveOverview(answer["overview"]));
  void readLists();
  void readTimelines();
  lists = setInterval(() => void readLists(), LISTS_MS);
  timelines = setInterval(() => void readTimelines(), TIMELINE_MS);
}

function stop(): void {
  clearInterval(lists);
  clearInterval(timelines);
}

async function readLists(): Promise<void> {
  if (document.visibilityState === "hidden") return;
  await read("admin:alerts", {}, (answer) => {
    const open = readList(answer["alerts"], readAlert);
    alerts.value = [...open, ...readList(answer["resolved"], readAlert)];
    silences.value = readList(answer["silences"], readSilence);
  });
  await read("admin:offenders", {}, (answer) => {
    offenders.value = readList(answer["offenders"], readOffender);
  });
  await read("admin:affected", {}, (answer) => {
    affected.value = readList(answer["users"], readAffected);
  });
}

async function readRecords(): Promise<void> {
  await read("admin:events", { limit: 50 }, (answer) => {
    takeRecordTexts(answer);
    const news = readList(answer["events"], readEvent);
    // Oldest first: the row of the newest record is the one on top.
    addRecords(news.reverse());
  });
}

/** Adds records once: a reading and the stream can have the same ones. */
function addRecords(rows: readonly EventRow[]): void {
  const news = rows.filter(({ key }) => !receivedKeys.has(key));
  for (const { key } of news) receivedKeys.add(key);
  for (const key of receivedKeys) {
    if (receivedKeys.size <= KEYS_MAX) break;
    receivedKeys.delete(key);
  }
  const all = [...news, ...events.value].sort((a, b) => (b.atMs ?? 0) - (a.atMs ?? 0));
  events.value = all.slice(0, EVENTS_MAX);
  groups.value = news.reduce(withRecord, groups.value);
}

async function readTimelines(): Promise<void> {
  await read("admin:timeline", {}, (answer) => {
    seconds.value = readTimeline(answer["seconds"]);
    minutes.value = readTimeline(answer["minutes"]);
    addTexts(textMembers(answer["texts"]));
    blockChanges.value = readList(answer["block_changes"], readBlockChange);
  });
}

function receiveOverview(payload: unknown): void {
  const news = readOverview(payload);
  if (news === undefined) return;
  const before = overview.value?.state;
  if (before !== undefined && before !== news.state) {
    announcement.value = `${levelWord(news.state)}. ${levelMeaning(news.state)}`;
  }
  overview.value = news;
  receivedMs.value = Date.now();
  nowMs.value = Date.now();
  if (seconds.value !== undefined) seconds.value = extend(seconds.value, news);
  addTexts(news.texts);
  blockChanges.value = withChanges(blockChanges.value, news.blockChanges);
  witness(news.log);
}

/** Adds words for series: new rules appear between two readings of the time line. */
function addTexts(news: ReadonlyMap<string, string>): void {
  const known = seriesTexts.value;
  if ([...news.keys()].every((name) => known.has(name))) return;
  seriesTexts.value = new Map([...known, ...news]);
}

function receiveEvent(payload: unknown): void {
  const fields = fieldsOf(payload);
  dropped.value += number(fields?.["dropped"]) ?? 0;
  takeRecordTexts(fields);
  const row = readEvent(fields?.["record"]);
  if (row !== undefined && !paused.value) addRecords([row]);
}

function receiveAlert(payload: unknown): void {
  const fields = fieldsOf(payload);
  const news = readAlert(fields?.["data"] ?? payload);
  if (news === undefined) return;
  const former = alerts.value.find((alert) => alert.id === news.id);
  // An alert that is reopened keeps its id.
  const known = former !== undefined && former.state !== "resolved";
  if (news.key !== undefined) news.key.name ??= former?.key?.name;
  alerts.value = [news, ...alerts.value.filter((alert) => alert.id !== news.id)];
  // The list has the name of the user.
  if (news.key?.kind === "user" && news.key.name === undefined) void readLists();
  const type = text(fields?.["type"]) ?? "";
  if (!known && isHigh(news) && !type.endsWith("resolved")) {
    announcement.value = `New alert, ${news.severity}: ${visible(news.title)}`;
  }
}

function isHigh(alert: Alert): boolean {
  return alert.severity === "high" || alert.severity === "critical";
}
