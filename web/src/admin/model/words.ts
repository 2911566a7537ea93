// Numbers, moments, states and texts of clients in plain words.
// Never: an invisible or bidirectional character of a client that changes how a line reads.
import type { Level } from "./overview";

/** The longest text of a client in a line. */
const TEXT_MAX = 80;

/** A text that a client chose: shortened, and with invisible characters written out. */
export function visible(text: string, most: number = TEXT_MAX): string {
  const characters = [...text.slice(0, 2 * most)];
  const short = characters.slice(0, most).join("");
  const cut = text.length > short.length ? `${short}…` : short;
  return cut.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/gu, (character) => {
    const point = character.codePointAt(0) ?? 0;
    return `[U+${point.toString(16).toUpperCase().padStart(4, "0")}]`;
  });
}

const LEVEL_WORDS: Readonly<Record<Level, string>> = {
  normal: "Healthy",
  elevated: "Elevated",
  shedding: "Overloaded",
  critical: "Critical",
};

/** The load level in one word. */
export function levelWord(level: Level): string {
  return LEVEL_WORDS[level];
}

const LEVEL_MEANINGS: Readonly<Record<Level, string>> = {
  normal: "The server serves all clients.",
  elevated: "Load is higher than usual. Limits can reject new clients; signed-in users are served.",
  shedding: "The server rejects or delays unauthenticated clients first, so that users go on.",
  critical: "The server ends connections to stay available.",
};

export function levelMeaning(level: Level): string {
  return LEVEL_MEANINGS[level];
}

const COUNT = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const FINE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export function count(value: number): string {
  return Math.abs(value) < 10 && !Number.isInteger(value)
    ? FINE.format(value)
    : COUNT.format(value);
}

export function plural(value: number, one: string, many: string = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const SHORT_CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** A time of day with seconds. */
export function clock(ms: number): string {
  return CLOCK.format(ms);
}

/** The time of day, with the date when it is not today. */
export function moment(ms: number | undefined, nowMs: number): string {
  if (ms === undefined) return "unknown";
  const isToday = new Date(ms).toDateString() === new Date(nowMs).toDateString();
  return isToday ? SHORT_CLOCK.format(ms) : `${DAY.format(ms)}, ${SHORT_CLOCK.format(ms)}`;
}

/** A duration in one unit: `40 s`, `12 min`, `3 h`, `5 d`. */
export function span(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 129_600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

/** With a capital letter at the beginning. */
export function sentenceCase(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** A series in words, and its name in metrics and configuration. */
export interface SeriesWords {
  words: string;
  /** Missing where the words are the name. */
  name?: string;
}

/** `texts` are the words of the server; a series without words has its name. */
export function seriesWords(series: string, texts: ReadonlyMap<string, string>): SeriesWords {
  const short = series.replace(/^(rejected|load)\./, "");
  const words = texts.get(series);
  if (words === undefined) return { words: visible(short === "other" ? "all others" : short, 40) };
  // Only rules and signals have a name that is of use elsewhere.
  const isNamed = short !== series && short !== "other";
  return isNamed ? { words: visible(words), name: visible(short, 40) } : { words: visible(words) };
}
