// What a record is about, in words, beside the meaning of its code.
// Never: the name of a rule alone where the record or the server says more.
import type { EventRow } from "./event";
import { doneWords } from "./operation_record";
import { ruleName, type Named, type RecordTexts } from "./record_text";
import { visible } from "./words";

/** The longest message in a row. */
const MESSAGE_MAX = 160;

/** What an operation did, what a rule rejects, or the message of the record. */
export function eventWords(row: EventRow, texts: RecordTexts): Named | undefined {
  const { rule, message } = row;
  const done = doneWords(row, (text) => visible(text));
  if (done !== undefined) return { words: done };
  if (rule !== undefined && texts.rules.has(rule)) return ruleName(rule, texts);
  // Rules of records of the server have no words of their own, but their records a message.
  if (message !== undefined && message !== "") return { words: visible(message, MESSAGE_MAX) };
  return rule === undefined ? undefined : ruleName(rule, texts);
}
