// Announcements of administrators, newest first.
// Never: removed before it is dismissed, except the oldest of many.
import { dismiss } from "../live";
import { announcements } from "../state";

export function Announcements() {
  return (
    <section class="announcements" aria-label="Announcements" role="status">
      {[...announcements.value].reverse().map(({ key, announcement }) => (
        <div class="banner" key={key}>
          <p dir="auto">
            <strong>Announcement</strong> {announcement.message}
          </p>
          <button
            class="quiet"
            type="button"
            aria-label="Dismiss announcement"
            onClick={() => dismiss(key)}
          >
            ✕
          </button>
        </div>
      ))}
    </section>
  );
}
