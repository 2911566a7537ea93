// Single keys: search, move between rows, acknowledge, silence, block, pause, help.
// Never: a key with Ctrl, Alt or Meta, one typed into a field, or one while a dialog is open.
import { effect, signal } from "@preact/signals";
import { paused } from "./state";

const STORED = "single-keys-off";

export const KEYS: readonly [string, string][] = [
  ["/", "Search by reference"],
  ["j", "Next row"],
  ["k", "Previous row"],
  ["a", "Acknowledge the alert of the row"],
  ["s", "Silence the alert of the row"],
  ["b", "Block the offender of the row"],
  ["p", "Pause or continue the stream"],
  ["?", "Show these keys"],
];

export const helpOpen = signal(false);
export const keysOn = signal(readChoice());

function readChoice(): boolean {
  try {
    return localStorage.getItem(STORED) === null;
  } catch {
    return true;
  }
}

export function listenToKeys(): void {
  effect(() => {
    try {
      if (keysOn.value) localStorage.removeItem(STORED);
      else localStorage.setItem(STORED, "yes");
    } catch {
      // The choice holds until the page is closed.
    }
  });
  addEventListener("keydown", (event) => {
    if (!keysOn.value || event.ctrlKey || event.altKey || event.metaKey) return;
    const target = event.target instanceof HTMLElement ? event.target : undefined;
    if (target?.closest("input, textarea, select, dialog") !== null && target !== undefined) return;
    if (press(event.key)) event.preventDefault();
  });
}

function press(key: string): boolean {
  switch (key) {
    case "/":
      return focus(document.querySelector<HTMLElement>("#ref"));
    case "j":
      return move(1);
    case "k":
      return move(-1);
    case "a":
    case "s":
    case "b":
      return click(
        document.activeElement?.closest("[data-row]")?.querySelector(`[data-key=${key}]`),
      );
    case "p":
      paused.value = !paused.value;
      return true;
    case "?":
      helpOpen.value = true;
      return true;
    default:
      return false;
  }
}

function move(step: 1 | -1): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const now = document.activeElement?.closest<HTMLElement>("[data-row]");
  const index = now === null || now === undefined ? -1 : rows.indexOf(now);
  const next = index === -1 ? rows.at(step === 1 ? 0 : -1) : rows[index + step];
  return focus(next ?? null);
}

function focus(element: HTMLElement | null): boolean {
  element?.focus();
  return element !== null;
}

function click(element: Element | null | undefined): boolean {
  if (element instanceof HTMLElement) element.click();
  return element instanceof HTMLElement;
}
