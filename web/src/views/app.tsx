// Which page is shown: the chat, set-up, finding out who is signed in, or sign-in.
// Never: both a form for strangers and something private.
import { resuming, session, setupToken } from "../state";
import { Chat } from "./chat";
import { Resume } from "./resume";
import { SetUp } from "./set_up";
import { SignIn } from "./sign_in";

export function App() {
  if (session.value !== undefined) return <Chat />;
  const token = setupToken.value;
  if (token !== undefined)
    return <SetUp token={token} done={() => (setupToken.value = undefined)} />;
  if (resuming.value !== undefined) return <Resume refusal={resuming.value.refusal} />;
  return <SignIn />;
}
