// A chart with a sentence, a moment that arrow keys move, and a table.
// Never: a series told from another by colour alone; dashes differ as well.
import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import uPlot from "uplot";
import { lengthOf, type Timeline } from "../model/timeline";
import { clock, count } from "../model/words";
import { summary } from "./charts";

export interface Line {
  label: string;
  values: readonly (number | null)[];
}

interface Props {
  title: string;
  unit: string;
  timeline: Timeline;
  lines: readonly Line[];
  /** A threshold that is drawn. */
  mark?: number;
}

const HEIGHT = 140;
const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
const TABLE_ROWS_MAX = 15;

export function Chart({ title, unit, timeline, lines, mark }: Props) {
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const cursor = useSignal<number | undefined>(undefined);
  const length = lengthOf(timeline);
  const atMs = (index: number) => timeline.fromMs + index * timeline.stepS * 1000;
  const shape = `${lines.map(({ label }) => label).join("|")} ${scheme.matches}`;
  const data = (): uPlot.AlignedData => {
    const times = Array.from({ length }, (_, index) => atMs(index) / 1000);
    const marks = mark === undefined ? [] : [times.map(() => mark)];
    const padded = lines.map(({ values }) => times.map((_, index) => values[index] ?? null));
    return [times, ...padded, ...marks];
  };
  useEffect(() => {
    const element = box.current;
    if (element === null || length === 0) return;
    const drawn = new uPlot(options(element, lines, mark), data(), element);
    plot.current = drawn;
    const observer = new ResizeObserver(() =>
      drawn.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      drawn.destroy();
      plot.current = undefined;
    };
  }, [shape, length === 0]);
  useEffect(() => {
    if (plot.current !== undefined) plot.current.setData(data());
  }, [timeline]);
  const chosen = Math.min(cursor.value ?? length - 1, length - 1);
  const words = (index: number) =>
    `${clock(atMs(index))}: ${lines.map(({ label, values }) => `${label} ${value(values[index], unit)}`).join(", ")}`;
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
            {lines.map(({ label }, index) => (
              <li key={label}>
                <svg viewBox="0 0 24 6" class={`line-${index}`}>
                  <path
                    d="M0 3h24"
                    stroke-width="3"
                    stroke-dasharray={(DASHES[index] ?? []).join(" ")}
                  />
                </svg>
                {label}
              </li>
            ))}
          </ul>
          <Table title={title} unit={unit} timeline={timeline} lines={lines} />
        </>
      )}
    </figure>
  );
}

function value(found: number | null | undefined, unit: string): string {
  return found === null || found === undefined ? "not measured" : `${count(found)}${unit}`;
}

/** The highest value of each part of the period. */
function Table({ title, unit, timeline, lines }: Props) {
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
      <summary>Table</summary>
      {isOpen.value && (
        <div class="scroll" tabIndex={0} role="region" aria-label={`${title}, table`}>
          <table>
            <thead>
              <tr>
                <th scope="col">From</th>
                {lines.map(({ label }) => (
                  <th key={label} scope="col">
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {starts.map((from) => (
                <tr key={from}>
                  <th scope="row">{clock(timeline.fromMs + from * timeline.stepS * 1000)}</th>
                  {lines.map(({ label, values }) => (
                    <td key={label}>{value(highest(values, from), unit)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

const scheme = matchMedia("(prefers-color-scheme: dark)");

function options(
  element: HTMLElement,
  lines: readonly Line[],
  mark: number | undefined,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--soft"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  const series: uPlot.Series[] = lines.map((line, index) => ({
    label: line.label,
    stroke: colour(`--line-${index}`),
    width: 2,
    dash: DASHES[index] ?? [],
    points: { show: false },
  }));
  if (mark !== undefined) {
    series.push({
      label: "threshold",
      stroke: colour("--danger"),
      width: 1,
      dash: [3, 3],
      points: { show: false },
    });
  }
  return {
    width: Math.max(120, element.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 }, y: false },
    scales: { y: { range: (_, _min, max) => [0, Math.max(1, max * 1.1)] } },
    axes: [
      {
        ...axis,
        space: 70,
        values: (_, ticks) => {
          // Within two minutes, times without seconds would all look the same.
          const spanS = (ticks.at(-1) ?? 0) - (ticks[0] ?? 0);
          const letters = spanS < 120 ? "00:00:00".length : "00:00".length;
          return ticks.map((tick) => clock(tick * 1000).slice(0, letters));
        },
      },
      { ...axis, size: 44, space: 30, values: (_, ticks) => ticks.map((tick) => count(tick)) },
    ],
    series: [{}, ...series],
  };
}
