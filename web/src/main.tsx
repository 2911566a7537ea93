// Starts the page.
// Never: anything but putting the parts together.
import { effect } from "@preact/signals";
import { render } from "preact";
import { keepReadMarks } from "./read_marks";
import { onForgotten } from "./remembered";
import { showLinked } from "./rooms";
import { followRoutes } from "./route";
import { chat } from "./live";
import { leave, resume, useProduct } from "./session";
import { readDoor, readInvitation, readSetupToken } from "./setup_link";
import { door, hidden, invitation, session, setupToken } from "./session_state";
import { unread } from "./state";
import { App } from "./views/app";

function takeSetupToken(): void {
  const token = readSetupToken(location.hash);
  const link = readDoor(location.hash);
  const invited = readInvitation(location.hash);
  if (token === undefined && link === undefined && invited === undefined) return;
  setupToken.value = token ?? setupToken.value;
  door.value = link ?? door.value;
  invitation.value = invited ?? invitation.value;
  // The link works once for every holder, so it does not stay in the address bar or the history.
  history.replaceState(null, "", location.pathname);
}

useProduct(chat);
takeSetupToken();
// A link that is pasted into an open page does not load it again.
addEventListener("hashchange", takeSetupToken);

effect(() => {
  document.title =
    unread.value === 0 || hidden.value ? "Portcullis" : `(${unread.value}) Portcullis`;
});

followRoutes(showLinked);
keepReadMarks();
if (setupToken.value === undefined) void resume();
onForgotten(() => {
  if (session.value !== undefined) leave();
});

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
