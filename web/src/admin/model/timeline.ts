// Time lines of the server: a value for each second or minute.
// Never: a value that was not measured; a gap stays a gap.
import { number, object, time } from "./read";
import type { Overview } from "./overview";

export interface Timeline {
  fromMs: number;
  stepS: number;
  series: ReadonlyMap<string, readonly (number | null)[]>;
}

/** Seconds that the page keeps: 15 minutes, as the server does. */
const SECONDS_MAX = 900;

export function readTimeline(value: unknown): Timeline | undefined {
  const fields = object(value);
  const fromMs = time(fields["from"]);
  const stepS = number(fields["step_s"]);
  if (fromMs === undefined || stepS === undefined || stepS <= 0) return undefined;
  const series = new Map<string, (number | null)[]>();
  for (const [name, values] of Object.entries(object(fields["series"]))) {
    if (Array.isArray(values))
      series.set(
        name,
        values.map((item) => number(item) ?? null),
      );
  }
  return { fromMs, stepS, series };
}

export function lengthOf(timeline: Timeline): number {
  return Math.max(0, ...[...timeline.series.values()].map((values) => values.length));
}

/** The time line with the values of a newer overview; other series get a gap. */
export function extend(timeline: Timeline, overview: Overview): Timeline {
  const length = lengthOf(timeline);
  // A server that has just started has measured nothing: the time line begins now.
  const fromMs = length === 0 ? overview.atMs : timeline.fromMs;
  const index = Math.floor((overview.atMs - fromMs) / (timeline.stepS * 1000));
  if (index < length || index > length + SECONDS_MAX) return timeline;
  const news = newest(overview);
  const names = new Set([...timeline.series.keys(), ...news.keys()]);
  const drop = Math.max(0, index + 1 - SECONDS_MAX);
  const series = new Map<string, readonly (number | null)[]>();
  for (const name of names) {
    const values = [...(timeline.series.get(name) ?? [])];
    const missing = name.startsWith("rejected.") ? 0 : null;
    while (values.length < index) values.push(missing);
    values.push(news.get(name) ?? missing);
    series.set(name, values.slice(drop));
  }
  return { fromMs: fromMs + drop * timeline.stepS * 1000, stepS: timeline.stepS, series };
}

function newest(overview: Overview): Map<string, number> {
  const values = new Map<string, number>();
  let rejected = 0;
  for (const [rule, perS] of overview.rejectedPerS) {
    values.set(`rejected.${rule}`, perS);
    rejected += perS;
  }
  values.set("rejected", rejected);
  if (overview.messagesPerS !== undefined) values.set("messages", overview.messagesPerS);
  for (const [signal, percent] of overview.load) values.set(`load.${signal}`, percent);
  values.set("connections", overview.signedIn + overview.unauthenticated);
  return values;
}

/** The largest series whose name starts so, at most `most`, the largest first. */
export function strongest(timeline: Timeline, prefix: string, most: number): [string, number][] {
  const found = [...timeline.series].filter(([name]) => name.startsWith(prefix));
  const sums = found.map(([name, values]): [string, number] => [
    name,
    values.reduce<number>((sum, value) => sum + (value ?? 0), 0),
  ]);
  return sums
    .filter(([, sum]) => sum > 0)
    .sort((a, b) => b[1] - a[1])
    .slice(0, most);
}
