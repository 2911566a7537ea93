// A chart with a sentence, a moment that arrow keys move, and a table.
// Never: two series that differ by colour alone; their dashes differ as well.
import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import uPlot from "uplot";
import { changesBetween, marksSentence, type Mark } from "../model/mark";
import { lengthOf, type Timeline } from "../model/timeline";
import { clock, count } from "../model/words";
import { summary } from "./charts";
import { DASHES, HEIGHT, options, scheme, THRESHOLD_DASH } from "./plot";

export interface Line {
  /** The series, which keeps its colour. */
  key: string;
  /** A number of the palette. */
  colour: number;
  label: string;
  /** The name in metrics and configuration, where it is another one. */
  name?: string;
  values: readonly (number | null)[];
}

interface Props {
  title: string;
  unit: string;
  timeline: Timeline;
  lines: readonly Line[];
  /** A threshold that is drawn. */
  threshold?: number;
  /** Moments that are drawn as vertical lines. */
  marks?: readonly Mark[];
}

const NO_MARKS: readonly Mark[] = [];

const TABLE_ROWS_MAX = 15;

export function Chart({ title, unit, timeline, lines, threshold, marks = NO_MARKS }: Props) {
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const drawnMarks = useRef(marks);
  drawnMarks.current = marks;
  const cursor = useSignal<number | undefined>(undefined);
  const length = lengthOf(timeline);
  const atMs = (index: number) => timeline.fromMs + index * timeline.stepS * 1000;
  const drawn = lines.map(({ key, label, colour }) => `${key} ${label} ${colour}`);
  const shape = `${drawn.join("|")} ${scheme.matches}`;
  const data = (): uPlot.AlignedData => {
    const times = Array.from({ length }, (_, index) => atMs(index) / 1000);
    const bounds = threshold === undefined ? [] : [times.map(() => threshold)];
    const padded = lines.map(({ values }) => times.map((_, index) => values[index] ?? null));
    return [times, ...padded, ...bounds];
  };
  useEffect(() => {
    const element = box.current;
    if (element === null || length === 0) return;
    const shown = options(element, lines, threshold, () => drawnMarks.current);
    const made = new uPlot(shown, data(), element);
    plot.current = made;
    const observer = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape, length === 0]);
  useEffect(() => {
    if (plot.current !== undefined) plot.current.setData(data());
  }, [timeline, marks]);
  const chosen = Math.min(cursor.value ?? length - 1, length - 1);
  const words = (index: number) => {
    const each = lines.map(({ label, values }) => `${label} ${value(values[index], unit)}`);
    const changes = changesBetween(marks, index, index + 1);
    const marked = changes === "" ? "" : `; ${changes}`;
    return `${clock(atMs(index))}: ${each.join(", ")}${marked}`;
  };
  const keys = (event: KeyboardEvent) => {
    const step = {
      ArrowLeft: -1,
      ArrowRight: 1,
      PageUp: -60,
      PageDown: 60,
      Home: -length,
      End: length,
    }[event.key];
    if (step === undefined || length === 0) return;
    event.preventDefault();
    cursor.value = Math.max(0, Math.min(length - 1, chosen + step));
    const left = plot.current?.valToPos(atMs(cursor.value) / 1000, "x") ?? 0;
    plot.current?.setCursor({ left, top: 10 });
  };
  return (
    <figure aria-labelledby={id}>
      <figcaption>
        <span class="chart-title" id={id}>
          {title}
        </span>
        <span class="hint">{summary(lines, unit, timeline.stepS)}</span>
        {marks.length > 0 && <span class="hint">{marksSentence(marks)}</span>}
      </figcaption>
      {length > 0 && (
        <>
          <div
            class="plot"
            ref={box}
            role="slider"
            tabIndex={0}
            aria-label={`${title}, moment`}
            aria-valuemin={0}
            aria-valuemax={length - 1}
            aria-valuenow={chosen}
            aria-valuetext={words(chosen)}
            onKeyDown={keys}
          />
          <p class="hint reading">{cursor.value === undefined ? "" : words(chosen)}</p>
          <ul class="legend" aria-hidden="true">
            {lines.map(({ key, colour, label, name }) => (
              <li key={key}>
                <Sample kind={`line-${colour}`} dash={DASHES[colour] ?? []} />
                {label}
                {name !== undefined && <span class="hint"> {name}</span>}
              </li>
            ))}
            {threshold !== undefined && (
              <li>
                <Sample kind="line-threshold" dash={THRESHOLD_DASH} />
                threshold
              </li>
            )}
          </ul>
          <Table title={title} unit={unit} timeline={timeline} lines={lines} marks={marks} />
        </>
      )}
    </figure>
  );
}

/** How a line is drawn, for the legend. */
function Sample({ kind, dash }: { kind: string; dash: readonly number[] }) {
  return (
    <svg viewBox="0 0 24 6" class={kind}>
      <path d="M0 3h24" stroke-width="3" stroke-dasharray={dash.join(" ")} />
    </svg>
  );
}

function value(found: number | null | undefined, unit: string): string {
  return found === null || found === undefined ? "not measured" : `${count(found)}${unit}`;
}

/** The highest value of each part of the period. */
function Table({ title, unit, timeline, lines, marks = NO_MARKS }: Props) {
  const isOpen = useSignal(false);
  const length = lengthOf(timeline);
  const part = Math.max(1, Math.ceil(length / TABLE_ROWS_MAX));
  const starts = Array.from({ length: Math.ceil(length / part) }, (_, index) => index * part);
  const highest = (values: readonly (number | null)[], from: number) => {
    const known = values.slice(from, from + part).filter((one): one is number => one !== null);
    return known.length === 0 ? null : Math.max(...known);
  };
  return (
    <details open={isOpen.value} onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
      <summary class="button">Table</summary>
      {isOpen.value && (
        <div class="scroll" tabIndex={0} role="region" aria-label={`${title}, table`}>
          {/* Its roles stay where a narrow chart shows each row as a block. */}
          <table role="table">
            <thead role="rowgroup">
              <tr role="row">
                <th scope="col" role="columnheader">
                  From
                </th>
                {lines.map(({ key, label, name }) => (
                  <th key={key} scope="col" role="columnheader">
                    {label}
                    {name !== undefined && <span class="hint"> {name}</span>}
                  </th>
                ))}
                {marks.length > 0 && (
                  <th scope="col" role="columnheader">
                    Blocks
                  </th>
                )}
              </tr>
            </thead>
            <tbody role="rowgroup">
              {starts.map((from) => (
                <tr key={from} role="row">
                  <th scope="row" role="rowheader">
                    {clock(timeline.fromMs + from * timeline.stepS * 1000)}
                  </th>
                  {lines.map(({ key, label, values }) => (
                    <td key={key} role="cell" data-label={label}>
                      {value(highest(values, from), unit)}
                    </td>
                  ))}
                  {marks.length > 0 && (
                    <td role="cell" data-label="Blocks">
                      {changesBetween(marks, from, from + part)}
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}
