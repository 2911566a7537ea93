// The first tab: what happens, alerts, charts, offenders, affected users, and the stream.
// Never: another order on a phone than on a desk.
import { Affected, Offenders } from "./offenders";
import { Alerts } from "./alerts";
import { Charts } from "./charts";
import { Happening } from "./happening";
import { Stream } from "./stream";

export function Overview() {
  return (
    <div class="grid">
      <Happening />
      <Alerts />
      <Charts />
      <Offenders />
      <Affected />
      <Stream />
    </div>
  );
}
