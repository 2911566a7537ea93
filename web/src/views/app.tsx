// Which page is shown: the chat, its end, the second factor it needs, set-up, resuming, or sign-in.
// Never: shows a sign-in form and private data together.
import { enrolling, hidden, resuming, session, setupToken } from "../state";
import { Chat } from "./chat";
import { Ended } from "./ended";
import { FirstFactor } from "./first_factor";
import { Resume } from "./resume";
import { SetUp } from "./set_up";
import { SignIn } from "./sign_in";

export function App() {
  if (session.value !== undefined) {
    if (hidden.value) return <Ended />;
    return enrolling.value ? <FirstFactor /> : <Chat />;
  }
  const token = setupToken.value;
  if (token !== undefined)
    return <SetUp token={token} done={() => (setupToken.value = undefined)} />;
  if (resuming.value !== undefined) return <Resume refusal={resuming.value.refusal} />;
  return <SignIn />;
}
