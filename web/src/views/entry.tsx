// The views before a page: its end, the second factor it needs, resuming, or sign-in.
// Never: shows a sign-in form and private data together.
import type { ComponentChildren } from "preact";
import { enrolling, hidden, resuming, session } from "../session_state";
import { Ended } from "./ended";
import { FirstFactor } from "./first_factor";
import { Resume } from "./resume";
import { SignIn, type Accounts } from "./sign_in";

interface Props {
  accounts: Accounts;
  /** The page of a signed-in user. */
  children: ComponentChildren;
}

export function Entry({ accounts, children }: Props) {
  if (session.value !== undefined) {
    if (hidden.value) return <Ended />;
    return enrolling.value ? <FirstFactor /> : <>{children}</>;
  }
  if (resuming.value !== undefined) return <Resume refusal={resuming.value.refusal} />;
  return <SignIn accounts={accounts} />;
}
