// The charts: rejected requests by rule, connections, messages, load signals.
// Never: a chart without a sentence and a table that say the same.
import { signal } from "@preact/signals";
import { blockChanges, minutes, seconds, seriesTexts } from "../live/state";
import { marksOf } from "../model/mark";
import { Palette } from "../model/palette";
import { strongest, type Timeline } from "../model/timeline";
import { count, seriesWords } from "../model/words";
import { Chart, type Line } from "./chart";
import { Panel } from "./list";

const day = signal(false);
const LINES_MAX = 4;
/** Both periods of a chart have the same colours. */
const palettes = {
  rejected: new Palette(),
  connections: new Palette(),
  messages: new Palette(),
  load: new Palette(),
};

export function Charts() {
  const timeline = day.value ? minutes.value : seconds.value;
  const marks = timeline === undefined ? [] : marksOf(timeline, blockChanges.value);
  return (
    <Panel title="Charts">
      <div class="chips" role="group" aria-label="Period of the charts">
        <button
          type="button"
          class="chip"
          aria-pressed={!day.value}
          onClick={() => (day.value = false)}
        >
          15 minutes
        </button>
        <button
          type="button"
          class="chip"
          aria-pressed={day.value}
          onClick={() => (day.value = true)}
        >
          24 hours
        </button>
      </div>
      {timeline === undefined ? (
        <p class="hint">The server has no time line yet.</p>
      ) : (
        <div class="charts">
          <Chart
            title="Rejected requests"
            unit="/s"
            timeline={timeline}
            lines={rejected(timeline)}
            marks={marks}
          />
          <Chart
            title="Connections"
            unit=""
            timeline={timeline}
            lines={named(timeline, ["connections"], palettes.connections)}
          />
          <Chart
            title="Messages"
            unit="/s"
            timeline={timeline}
            lines={named(timeline, ["messages"], palettes.messages)}
          />
          <Chart
            title="Load, of the threshold for shedding"
            unit=" %"
            timeline={timeline}
            lines={load(timeline)}
            threshold={100}
            marks={marks}
          />
        </div>
      )}
    </Panel>
  );
}

function rejected(timeline: Timeline): Line[] {
  const rules = strongest(timeline, "rejected.", LINES_MAX);
  const names = rules.length === 0 ? ["rejected"] : rules.map(([name]) => name);
  return named(timeline, names, palettes.rejected);
}

function load(timeline: Timeline): Line[] {
  const names = strongest(timeline, "load.", LINES_MAX).map(([name]) => name);
  return named(timeline, names, palettes.load);
}

/** The lines of series, in the order of their colours: it stays when their ranks change. */
function named(timeline: Timeline, names: readonly string[], palette: Palette): Line[] {
  const known = names.filter((series) => timeline.series.has(series));
  const colours = palette.assign(known);
  const lines = known.map((series): Line => {
    const { words, name } = seriesWords(series, seriesTexts.value);
    const values = timeline.series.get(series) ?? [];
    const line = { key: series, colour: colours.get(series) ?? 0, label: words, values };
    return name === undefined ? line : { ...line, name };
  });
  return lines.sort((a, b) => a.colour - b.colour);
}

/** The values of a chart in a sentence. */
export function summary(lines: readonly Line[], unit: string, stepS: number): string {
  if (lines.length === 0) return "Nothing was measured.";
  const words = lines.map(({ label, values }) => {
    const known = values.filter((value): value is number => value !== null);
    const now = known.at(-1) ?? 0;
    const most = known.reduce((a, b) => Math.max(a, b), 0);
    const highest = stepS === 1 ? "at most" : "in the highest minute";
    return `${label} ${count(now)}${unit} now, ${count(most)}${unit} ${highest}`;
  });
  return `${words.join("; ")}.`;
}
