// The link to a room, for copying.
// Never: grants access; a user who opens it is asked, and needs permission.
import { linkTo } from "../route";
import { CopyLink } from "./copy_link";

interface Props {
  roomId: string;
  shown: "always" | "when-needed";
}

export function RoomLink({ roomId, shown }: Props) {
  return <CopyLink link={linkTo(roomId)} shown={shown} />;
}
