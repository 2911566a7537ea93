// The drawing of a chart: axes, lines, threshold, marks.
// Never: two series that differ by colour alone; their dashes differ as well.
import uPlot from "uplot";
import { groupMarks, markLabel, type Mark } from "../model/mark";
import { clock, count } from "../model/words";
import type { Line } from "./chart";

export const HEIGHT = 140;
/** One for each colour. */
export const DASHES = [
  [],
  [6, 4],
  [2, 3],
  [10, 3, 2, 3],
  [14, 4],
  [4, 2],
  [8, 3, 2, 3, 2, 3],
  [3, 6],
];
export const THRESHOLD_DASH = [3, 3];
/** Marks that are closer than this have one label, in pixels of the page. */
const LABEL_WIDTH = 90;

export const scheme = matchMedia("(prefers-color-scheme: dark)");

export function options(
  element: HTMLElement,
  lines: readonly Line[],
  threshold: number | undefined,
  marks: () => readonly Mark[],
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--soft"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  const series: uPlot.Series[] = lines.map((line) => ({
    label: line.label,
    stroke: colour(`--line-${line.colour}`),
    width: 2,
    dash: DASHES[line.colour] ?? [],
    points: { show: false },
  }));
  if (threshold !== undefined) {
    series.push({
      label: "threshold",
      stroke: colour("--ink"),
      width: 1,
      dash: THRESHOLD_DASH,
      points: { show: false },
    });
  }
  return {
    width: Math.max(120, element.clientWidth),
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 }, y: false },
    // Marks have their labels above the lines.
    scales: {
      y: { range: (_, _min, max) => [0, Math.max(1, max * (marks().length === 0 ? 1.1 : 1.3))] },
    },
    axes: [
      {
        ...axis,
        size: 26,
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
    hooks: { draw: [(chart) => drawMarks(chart, colour("--ink"), marks())] },
  };
}

/** Draws vertical lines with labels at the top: on the left if the right has no room. */
function drawMarks(chart: uPlot, colour: string, marks: readonly Mark[]): void {
  const { ctx } = chart;
  const { left, top, width, height } = chart.bbox;
  const times = chart.data[0];
  const place = (index: number) => Math.round(chart.valToPos(times[index] ?? 0, "x", true));
  const scale = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.fillStyle = colour;
  ctx.lineWidth = scale;
  ctx.setLineDash([]);
  ctx.font = `${11 * scale}px system-ui, sans-serif`;
  ctx.textBaseline = "top";
  for (const { index } of marks) {
    ctx.beginPath();
    ctx.moveTo(place(index), top);
    ctx.lineTo(place(index), top + height);
    ctx.stroke();
  }
  for (const group of groupMarks(marks, place, LABEL_WIDTH * scale)) {
    const label = markLabel(group.marks);
    const room = left + width - group.x;
    const isLeft = ctx.measureText(label).width + 4 * scale > room;
    ctx.textAlign = isLeft ? "right" : "left";
    ctx.fillText(label, group.x + (isLeft ? -4 : 4) * scale, top);
  }
  ctx.restore();
}
