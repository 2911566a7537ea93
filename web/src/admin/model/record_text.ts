// The words of the server for codes and rules of records, and for keys of alerts.
// Never: words without the name, by which an operator searches and configures.
import { object, textMembers } from "./read";
import { visible } from "./words";

/** Words by the names of codes and rules. */
export interface RecordTexts {
  codes: ReadonlyMap<string, string>;
  rules: ReadonlyMap<string, string>;
}

export const NO_TEXTS: RecordTexts = { codes: new Map(), rules: new Map() };

export function readRecordTexts(value: unknown): RecordTexts {
  const fields = object(value);
  return { codes: textMembers(fields["codes"]), rules: textMembers(fields["rules"]) };
}

/** The texts with newer ones; the same object where nothing is new. */
export function withTexts(known: RecordTexts, news: RecordTexts): RecordTexts {
  const codes = merged(known.codes, news.codes);
  const rules = merged(known.rules, news.rules);
  return codes === known.codes && rules === known.rules ? known : { codes, rules };
}

function merged(
  known: ReadonlyMap<string, string>,
  news: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  return [...news.keys()].every((name) => known.has(name)) ? known : new Map([...known, ...news]);
}

/** Words, and the name that they explain; without words, the name is the words. */
export interface Named {
  words: string;
  name?: string;
}

/** The meaning of a code, without its full stop. */
export function codeWords(code: string, { codes }: RecordTexts): Named {
  const name = visible(code, 60);
  const words = codes.get(code)?.replace(/\.$/, "");
  return words === undefined ? { words: name } : { words: visible(words, 120), name };
}

/** What a rule rejects. */
export function ruleName(rule: string, { rules }: RecordTexts): Named {
  const name = visible(rule, 40);
  const words = rules.get(rule);
  return words === undefined ? { words: name } : { words: visible(words, 120), name };
}

/** Words with their name in parentheses. */
export function inWords({ words, name }: Named): string {
  return name === undefined ? words : `${words} (${name})`;
}

const KEYS: Readonly<Record<string, string>> = {
  actor: "operator",
  code: "records",
  connection: "connection",
  finding: "finding",
  handler: "event",
  key: "key",
  name: "user name",
  origin: "pages of",
  prefix: "address",
  room: "room",
  sink: "output",
  user: "user",
};

/** What an alert counts by, in words. */
export function keyWords(kind: string): string {
  return KEYS[kind] ?? visible(kind, 20);
}

const DISTINCT: Readonly<Record<string, string>> = {
  keys: "Open alerts of the rule",
  names: "Different user names",
  prefixes: "Different addresses",
  rules: "Rules that fire",
};

/** What an alert counts different ones of, in words. */
export function distinctWords(name: string): string {
  return DISTINCT[name] ?? visible(name, 30);
}
