// Starts the dashboard.
// Never: anything but putting the parts together.
import { render } from "preact";
import { onForgotten } from "../remembered";
import { leave, resume, useProduct } from "../session";
import { readDoor } from "../setup_link";
import { door, session } from "../session_state";
import { Admin } from "./admin";
import { dashboard, keepTime } from "./live/dashboard";
import { listenToKeys } from "./live/keys";

useProduct(dashboard);
const link = readDoor(location.hash);
if (link !== undefined) {
  door.value = link;
  // The link works once for every holder, so it does not stay in the address bar or the history.
  history.replaceState(null, "", location.pathname);
}
keepTime();
listenToKeys();
void resume();
onForgotten(() => {
  if (session.value !== undefined) leave();
});

const root = document.getElementById("app");
if (root !== null) render(<Admin />, root);
