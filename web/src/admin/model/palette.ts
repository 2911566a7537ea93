// Colours of the series of a chart: a series keeps its colour while the page is open.
// Never: one colour for two visible series while another colour is free.

/** Colours of a palette; a chart shows fewer lines. */
export const COLOURS = 8;
/** Series whose colours are remembered, also while they are not visible. */
const KNOWN_MAX = 64;

/** The colours of one chart, by the keys of its series. */
export class Palette {
  /** The colour of each series; the one that was visible last is last. */
  readonly #known = new Map<string, number>();
  #visible: ReadonlyMap<string, number> = new Map();

  /** The colours of the series that are visible now, each a number from 0 on. */
  assign(keys: readonly string[]): ReadonlyMap<string, number> {
    const visible = new Map<string, number>();
    for (const key of keys) {
      const colour = this.#visible.get(key);
      if (colour !== undefined) visible.set(key, colour);
    }
    for (const key of keys) {
      if (!visible.has(key)) visible.set(key, this.#choose(key, new Set(visible.values())));
    }
    for (const [key, colour] of visible) {
      this.#known.delete(key);
      this.#known.set(key, colour);
    }
    for (const key of this.#known.keys()) {
      if (this.#known.size <= KNOWN_MAX) break;
      this.#known.delete(key);
    }
    this.#visible = visible;
    return visible;
  }

  /** The former colour of a series, else the free one that no series had for the longest time. */
  #choose(key: string, taken: ReadonlySet<number>): number {
    const former = this.#known.get(key);
    if (former !== undefined && !taken.has(former)) return former;
    const used = [...this.#known.values()];
    const lastUse = (colour: number) => used.lastIndexOf(colour);
    const all = Array.from({ length: COLOURS }, (_, colour) => colour);
    const free = all.filter((colour) => !taken.has(colour));
    // A palette without a free colour repeats the one that is oldest.
    const choice = free.length === 0 ? all : free;
    return choice.reduce((a, b) => (lastUse(b) < lastUse(a) ? b : a));
  }
}
