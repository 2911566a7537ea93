// Which of the three pages is shown: set-up, sign-in, or the chat.
// Never: both a form for strangers and something private.
import { session, setupToken } from "../state";
import { Chat } from "./chat";
import { SetUp } from "./set_up";
import { SignIn } from "./sign_in";

export function App() {
  if (session.value !== undefined) return <Chat />;
  const token = setupToken.value;
  if (token === undefined) return <SignIn />;
  return <SetUp token={token} done={() => (setupToken.value = undefined)} />;
}
