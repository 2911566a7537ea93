// Every way in which this server deliberately differs from Node's, with the reason.
// Never: an entry that nothing shows any more; the story fails for it.

/** @typedef {import("./rawsession.mjs").Packet} Packet */
/** @typedef {import("./rawsession.mjs").Seen} Seen */

/**
 * @typedef {object} Difference
 * @property {Packet[]} sent
 * @property {Seen} reference
 * @property {Seen} ours
 */

/**
 * What each of our additions looks like without it; what is left has to be the same.
 * @typedef {object} Addition
 * @property {string} name
 * @property {string} reference what Node's server does
 * @property {string} here what this one does
 * @property {string} why
 * @property {(difference: Difference) => Difference} without
 */

/**
 * Where the two part: nothing behind it is compared.
 * @typedef {object} Parting
 * @property {string} name
 * @property {string} reference
 * @property {string} here
 * @property {string} why
 * @property {(difference: Difference) => boolean} matches
 */

const ERROR_EVENT = /^42(?:\/[^,]*,)?\["error",\{.*"ref":"\w+"/s;
const REFUSED_CONNECT = /^44(?:\/[^,]*,)?\{"data":\{"code":"\w+","ref":"\w+"\}/;
const EMITTED = /^(4[25](\d+-)?(?:\/[^,]*,)?\["(message-back|auth)"|binary )/s;
const ERROR_ACK = /^43(?:\/[^,]*,)?\d+\[\{(?=.*"ok":false)(?=.*"error":\{).*"ref":"\w+".*\}\]$/s;

/**
 * @param {Difference} difference
 * @param {(packet: string) => boolean} isLeft
 */
function withLess(difference, isLeft) {
  const { ours } = difference;
  return { ...difference, ours: { ...ours, received: ours.received.filter(isLeft) } };
}

/** @param {string} code @returns {Addition["without"]} */
function withoutError(code) {
  return (difference) => {
    const isError = (/** @type {string} */ packet) =>
      (ERROR_EVENT.test(packet) || ERROR_ACK.test(packet)) && packet.includes(`"code":"${code}"`);
    return withLess(difference, (packet) => !isError(packet));
  };
}

const KINDS = ["entered", "refused", "event"];

/** @type {Addition[]} */
export const ADDITIONS = [
  {
    name: "the reason is sent before the end",
    reference: "closes without a word",
    here: 'sends ["error",{code,message,ref}] to every joined namespace, or refuses the CONNECT',
    why: "the reference leads an operator to the security record; the code says nothing new",
    without(difference) {
      if (difference.ours.open) return difference;
      const reply = withoutError("protocol_error")(difference);
      return withLess(reply, (packet) => !REFUSED_CONNECT.test(packet));
    },
  },
  {
    name: "what was emitted a moment before a violation",
    reference: "arrives before the end",
    here: "may not arrive",
    why: "an end waits for nothing, and what handlers emit takes the way of all deliveries",
    without(difference) {
      const { reference, ours } = difference;
      if (ours.open || reference.open) return difference;
      const arrived = reference.received.filter(
        (packet) => !EMITTED.test(packet) || ours.received.includes(packet),
      );
      return { ...difference, reference: { ...reference, received: arrived } };
    },
  },
  {
    name: "an undeclared event is rejected by name",
    reference: "ignores it, acknowledgement and all",
    here: "answers UNKNOWN_EVENT, as acknowledgement or as event; ten of them end the connection",
    why: "what is not declared does not exist, and a client that waits for an answer gets one",
    without: withoutError("UNKNOWN_EVENT"),
  },
  {
    name: "a post that ends the session is refused",
    reference: "answers 200 and then drops the session",
    here: "answers 400",
    why: "the client learns at once that nothing behind it will be heard",
    without(difference) {
      const { reference, ours } = difference;
      const both = reference.status === 200 && ours.status === 400;
      if (!both || ours.open) return difference;
      return { ...difference, ours: { ...ours, status: 200 } };
    },
  },
  {
    name: "a body is looked over before any of its packets counts",
    reference: "handles what stands before a broken packet",
    here: "handles nothing of the body",
    why: "a body that is refused has had no effect, whatever stood in it",
    without(difference) {
      const { sent, reference, ours } = difference;
      const isWhole = !sent.some((packet) => typeof packet === "string" && !/^[134b]/.test(packet));
      if (isWhole || ours.open || reference.open || ours.received.length > 0) return difference;
      return { ...difference, ours: { ...ours, received: reference.received } };
    },
  },
  {
    name: "packets of one body are handled one after the other",
    reference: "answers CONNECT packets and events of one body in orders of their own",
    here: "answers in the order of the packets",
    why: "a packet waits until the handler of the earlier one has ended",
    without(difference) {
      const { sent, reference, ours } = difference;
      const isSame = KINDS.every(
        (wanted) => ofKind(reference, wanted).join() === ofKind(ours, wanted).join(),
      );
      return sent.length > 1 && isSame ? withReceived(difference) : difference;
    },
  },
  {
    name: "answers that are on their way when a packet ends the session",
    reference: "drops those of the same body, and of the same moment",
    here: "sends those it has, and drops the rest",
    why: "a client that breaks the protocol gets the reason at once",
    without(difference) {
      const { sent, reference, ours } = difference;
      const isFewer = KINDS.every((wanted) => {
        const [theirs, own] = [ofKind(reference, wanted), ofKind(ours, wanted)];
        return isWithin(theirs, own) || isWithin(own, theirs);
      });
      const isEnded = !reference.open && !ours.open;
      return sent.length > 1 && isEnded && isFewer ? withReceived(difference) : difference;
    },
  },
  {
    name: "what was said before leaving is answered",
    reference: "drops the answers to a body that also leaves",
    here: "answers what came before",
    why: "a packet waits until the handler of the earlier one has ended",
    without(difference) {
      const { sent, reference, ours } = difference;
      const isLeft = sent.some((each) => /^41/.test(String(each)));
      const isMore = KINDS.every((wanted) =>
        isWithin(ofKind(reference, wanted), ofKind(ours, wanted)),
      );
      return sent.length > 1 && isLeft && isMore ? withReceived(difference) : difference;
    },
  },
];

/**
 * Answers to CONNECT packets stand apart, refusals and the others; `auth` is what the open
 * example sends to every new client.
 * @param {string} packet
 */
function kind(packet) {
  if (packet.startsWith("44")) return "refused";
  return /^40/.test(packet) || /^42(\/[^,]*,)?\["auth",/.test(packet) ? "entered" : "event";
}

/**
 * @param {Seen} seen
 * @param {string} wanted
 */
function ofKind({ received }, wanted) {
  return received.filter((packet) => kind(packet) === wanted);
}

/**
 * Whether a list is another one with something left out.
 * @param {string[]} less
 * @param {string[]} more
 */
function isWithin(less, more) {
  let found = 0;
  for (const packet of more) if (packet === less[found]) found += 1;
  return found === less.length;
}

/** @param {Difference} difference */
function withReceived(difference) {
  const { reference, ours } = difference;
  return { ...difference, ours: { ...ours, received: reference.received } };
}

/** @typedef {"closes" | "stays" | "refuses"} Way */

/**
 * Whether they part this way, at a packet of this form: we close and the reference does not, or
 * not yet; or the other way round; or neither closes and we refuse.
 * @param {Way} way
 * @param {string} form a regular expression; `N` is a namespace
 * @returns {Parting["matches"]}
 */
function at(way, form) {
  const pattern = new RegExp(`^${form.replaceAll("N", String.raw`(?:/[^,]*,)?`)}`, "s");
  return ({ sent, reference, ours }) => {
    const isWay = {
      closes: !ours.open && (reference.open || sent.length > 1),
      stays: ours.open && !reference.open,
      refuses: ours.open === reference.open && ours.received.some((each) => REFUSED.test(each)),
    }[way];
    return isWay && sent.some((packet) => typeof packet === "string" && pattern.test(packet));
  };
}

const REFUSED = /"code":"INVALID_MESSAGE"/;
const HOLDER = String.raw`\{"_placeholder":true,"num":0\}`;

/** @param {Difference} difference */
function joinsTwice({ sent }) {
  const joined = sent.map((packet) => /^40(?:(?=[{]|$)|\/[^,]*)/.exec(String(packet))?.[0]);
  return joined.some((name, index) => name !== undefined && joined.indexOf(name) < index);
}

/** @type {Parting[]} */
export const PARTINGS = [
  {
    name: "engine packets that only a server sends",
    reference: "ignores open, upgrade and noop packets of a client",
    here: "closes",
    why: "no client sends them, and a flood of them would cost and say nothing",
    matches: at("closes", "[056]"),
  },
  {
    name: "a goodbye is one by every transport",
    reference: "takes a close packet by polling, and ignores it by WebSocket",
    here: "closes",
    why: "a client that says so is gone",
    matches: at("closes", "1"),
  },
  {
    name: "a pong carries nothing",
    reference: "takes a pong with a text for a pong",
    here: "closes",
    why: "only the answer to a probe has a text, and only a server sends that",
    matches: at("closes", "3."),
  },
  {
    name: "behind a leave of the same body there is nothing",
    reference: "still routes packets of the body to the namespace that was left",
    here: "closes, as at every packet for a namespace that was not joined",
    why: "a packet waits until the handler of the earlier one has ended",
    matches: at("closes", "41"),
  },
  {
    name: "event names have one spelling",
    reference: "takes numbers, spaces, escapes and an empty name",
    here: "closes unless the name is 1 to 128 plain characters without an escape",
    why: "what a rule is looked up by must not have two spellings",
    matches: at("closes", String.raw`42N\d*\[(?!"[\w:.-]{1,128}")`),
  },
  {
    name: "acknowledgement ids have one spelling",
    reference: "takes leading zeroes and spaces, and rounds what is too large",
    here: "closes unless the id is an exact whole number in plain digits",
    why: "an id that is rounded answers another question than the one that was asked",
    matches: at("closes", String.raw`42N( |0\d|\d{17}|9007199254740992)`),
  },
  {
    name: "namespaces are plain names",
    reference: "refuses a name it does not know, whatever stands in it",
    here: "closes at a name with other than plain characters, or of more than 128",
    why: "a name is echoed and logged, so names that need escapes are rejected",
    matches: at("closes", String.raw`40/([^,]*[^\w/.,-]|[^,]{128})`),
  },
  {
    name: "a CONNECT has an object or nothing",
    reference: "takes a number for the id of an acknowledgement, which it never sends",
    here: "closes",
    why: "no client sends one",
    matches: at("closes", String.raw`40N\d`),
  },
  {
    name: "a CONNECT with a payload that is not JSON is rejected like any other",
    reference: "closes",
    here: "refuses it; the connection goes on while it is in another namespace, or may try again",
    why: "its start shows its end, so its sender gets an answer",
    matches: at("stays", String.raw`40N\{`),
  },
  {
    name: "a client that joins may send in the same body",
    reference: "closes, since joining takes it a moment",
    here: "answers both",
    why: "a packet waits until the handler of the earlier one has ended",
    matches: (difference) => difference.sent.length > 1 && at("stays", "40")(difference),
  },
  {
    name: "a namespace is joined once, also in one body",
    reference: "lets the client in twice, since joining takes it a moment",
    here: "closes, as at every second CONNECT",
    why: "a packet waits until the handler of the earlier one has ended",
    matches: (difference) => joinsTwice(difference) && at("closes", "40")(difference),
  },
  {
    name: "events without an array",
    reference: "ignores an event packet with nothing in it",
    here: "closes",
    why: "no client sends one",
    matches: at("closes", String.raw`42N\d*$`),
  },
  {
    name: "binary data only where it is declared",
    reference: "keeps attachments of any event in memory until they are complete",
    here: "closes at the header of an event that takes none",
    why: "memory is not given for what will be refused",
    matches: at("closes", String.raw`45\d+-N\d*\["unknown"`),
  },
  {
    name: "the number of attachments has one spelling",
    reference: "takes 01, 1e0 and spaces",
    here: "closes unless it is 1 to 10 in plain digits",
    why: "what two readers read differently is refused",
    matches: at("closes", "45(?!([1-9]|10)-)"),
  },
  {
    name: "every attachment has exactly one place",
    reference: "takes missing, doubled and misspelt placeholders, and puts null where it is lost",
    here: "closes",
    why: "what a handler gets is what was sent, or nothing",
    matches: at("closes", String.raw`451-N\["message"(?!,${HOLDER}\])`),
  },
  {
    name: "no placeholders in text",
    reference: "takes a placeholder in an event without attachments for data",
    here: "closes",
    why: "told to others it would become a reference to their attachments",
    matches: at("closes", String.raw`42N\d*\["message",${HOLDER}`),
  },
  {
    name: "malformed acknowledgements",
    reference: "ignores an acknowledgement without an array, without an id or with a leading zero",
    here: "closes",
    why: "no client sends one",
    matches: at("closes", String.raw`43N(?!(0|[1-9]\d*)\[)|43N\d+$`),
  },
  {
    name: "binary acknowledgements only where an answer is awaited",
    reference: "keeps attachments of an answer to nothing",
    here: "closes at its header",
    why: "memory is not given for what will be ignored",
    matches: at("closes", "46"),
  },
  {
    name: "malformed JSON is refused, and the connection goes on",
    reference: "closes",
    here: "answers INVALID_MESSAGE; ten of them end the connection",
    why: "the packet is whole and its event is known, so its sender gets an answer",
    matches: at("stays", String.raw`42N\d*\["message"`),
  },
  {
    name: "names of the protocol's own life cycle",
    reference: "closes",
    here: "answers UNKNOWN_EVENT",
    why: "they are undeclared like any other; no handler can have such a name",
    matches: at(
      "stays",
      String.raw`42N\d*\["(connect|connect_error|disconnect|disconnecting|newListener|removeListener)"`,
    ),
  },
  {
    name: "JSON that readers disagree about",
    reference: "takes the last of two equal keys, lone surrogates, and keys of objects' own making",
    here: "answers INVALID_MESSAGE",
    why: "what the guard saw must be what every reader behind it sees",
    matches: at("refuses", String.raw`42N\d*\["message"`),
  },
  {
    name: "leaving a namespace that was not joined",
    reference: "closes",
    here: "ignores it",
    why: "the server may have ended that place while the packet was on its way",
    matches: at("stays", "41"),
  },
  {
    name: "an answer in a namespace that was not joined",
    reference: "closes",
    here: "ignores it, and counts it",
    why: "the server may have ended that place while the answer was on its way",
    matches: at("stays", "43"),
  },
];
