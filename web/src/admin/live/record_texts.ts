// Keeps the words of the server for codes and rules, from each answer that has some.
// Never: words of a client.
import { readRecordTexts, withTexts } from "../model/record_text";
import type { Json } from "../model/read";
import { recordTexts } from "./state";

/** Takes the member `texts` of an answer with records; others change nothing. */
export function takeRecordTexts(answer: Json | undefined): void {
  recordTexts.value = withTexts(recordTexts.value, readRecordTexts(answer?.["texts"]));
}
