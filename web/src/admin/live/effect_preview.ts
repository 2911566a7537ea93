// The effect of an operation as it is chosen now, before it is done.
// Never: the effect of an earlier choice, whose answer comes late.
import { signal } from "@preact/signals";
import { asRefusal, type Refusal } from "../../refusal";

export class EffectPreview {
  /** In words; `undefined` while it is computed, and empty without one. */
  readonly effect = signal<string | undefined>(undefined);
  readonly refusal = signal<Refusal | undefined>(undefined);
  #newest = 0;

  /** Asks for the effect of a new choice. */
  async show(read: () => Promise<string>): Promise<void> {
    this.#newest += 1;
    const number = this.#newest;
    this.effect.value = undefined;
    this.refusal.value = undefined;
    try {
      const words = await read();
      if (number === this.#newest) this.effect.value = words;
    } catch (thrown) {
      if (number !== this.#newest) return;
      this.effect.value = "";
      this.refusal.value = asRefusal(thrown);
    }
  }
}
