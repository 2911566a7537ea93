// The codes of an authenticator app: TOTP with SHA-1, six digits, thirty seconds (RFC 6238).
// Never: the product's own code, which it would agree with even in a mistake.
import { createHmac } from "node:crypto";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const STEP_MS = 30_000;

/**
 * The code of now.
 * @param {string} secret in base 32
 */
export function authenticatorCode(secret) {
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / STEP_MS)));
  const mac = createHmac("sha1", bytesOf(secret)).update(step).digest();
  const at = mac.readUInt8(mac.length - 1) & 0xf;
  const code = (mac.readUInt32BE(at) & 0x7fff_ffff) % 1_000_000;
  return String(code).padStart(6, "0");
}

/** @param {string} secret */
function bytesOf(secret) {
  const bits = [...secret.replace(/[\s=]/g, "").toUpperCase()]
    .map((letter) => LETTERS.indexOf(letter).toString(2).padStart(5, "0"))
    .join("");
  const bytes = bits.match(/.{8}/g) ?? [];
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)));
}
