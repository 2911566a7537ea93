// Readers of single members of JSON.
// Never: a cast of what the network sent; a member that does not fit is undefined.
import { fieldsOf, text } from "../../contract";

export type Json = Readonly<Record<string, unknown>>;

export { fieldsOf, readList, text } from "../../contract";

export function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** A time as milliseconds since 1970. */
export function time(value: unknown): number | undefined {
  const ms = typeof value === "string" ? Date.parse(value) : value;
  return typeof ms === "number" && Number.isFinite(ms) ? ms : undefined;
}

export function object(value: unknown): Json {
  return fieldsOf(value) ?? {};
}

/** An object whose members are numbers; others are left out. */
export function numbers(value: unknown): ReadonlyMap<string, number> {
  const pairs = Object.entries(object(value));
  return new Map(pairs.filter((pair): pair is [string, number] => number(pair[1]) !== undefined));
}

/** An object whose members are texts; others are left out. */
export function textMembers(value: unknown): ReadonlyMap<string, string> {
  const pairs = Object.entries(object(value));
  return new Map(pairs.filter((pair): pair is [string, string] => text(pair[1]) !== undefined));
}

export function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** Only the members that are there: the compiler tells missing from undefined. */
export function defined<T extends object>(members: { [K in keyof T]: T[K] | undefined }): T {
  const pairs = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(pairs) as T;
}

/** The value at a path such as `event.code`. */
export function at(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((here, name) => object(here)[name], value);
}

export function textAt(value: unknown, path: string): string | undefined {
  return text(at(value, path));
}
