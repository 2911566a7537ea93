// The view that is shown: the chat, set-up, or a view before the chat.
// Never: shows a sign-in form and private data together.
import { session, setupToken } from "../session_state";
import { Chat } from "./chat";
import { Entry } from "./entry";
import { SetUp } from "./set_up";

export function App() {
  const token = setupToken.value;
  if (session.value === undefined && token !== undefined)
    return <SetUp token={token} done={() => (setupToken.value = undefined)} />;
  return (
    <Entry accounts="open">
      <Chat />
    </Entry>
  );
}
