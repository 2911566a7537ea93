// A browser and its system in plain words, from the text that it sends about itself.
// Never: more certainty than that text deserves; what is not known is shown as it came.

const BROWSERS: readonly [RegExp, string][] = [
  [/\bEdg(?:e|A|iOS)?\/\d/, "Edge"],
  [/\b(?:OPR|Opera)\/\d/, "Opera"],
  [/\bSamsungBrowser\/\d/, "Samsung Internet"],
  [/\bVivaldi\/\d/, "Vivaldi"],
  [/\b(?:Firefox|FxiOS)\/\d/, "Firefox"],
  [/\b(?:HeadlessChrome|Chrome|CriOS|Chromium)\/\d/, "Chrome"],
  [/\bVersion\/\d.*\bSafari\/\d/, "Safari"],
];

const SYSTEMS: readonly [RegExp, string][] = [
  [/\biPhone\b/, "iPhone"],
  [/\biPad\b/, "iPad"],
  [/\bAndroid\b/, "Android"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b|\bMacintosh\b/, "Mac"],
  [/\bLinux\b/, "Linux"],
];

/** Longest text of an unknown client that is shown. */
const LENGTH_MAX = 60;

/** Such as `Firefox on Windows`. */
export function deviceWords(userAgent: string): string {
  const browser = nameOf(BROWSERS, userAgent);
  const system = nameOf(SYSTEMS, userAgent);
  if (browser !== undefined && system !== undefined) return `${browser} on ${system}`;
  if (browser !== undefined || system !== undefined) return browser ?? `A browser on ${system}`;
  const text = userAgent.trim();
  if (text === "") return "Unknown device";
  return text.length > LENGTH_MAX ? `${text.slice(0, LENGTH_MAX)}…` : text;
}

function nameOf(names: readonly [RegExp, string][], text: string): string | undefined {
  return names.find(([pattern]) => pattern.test(text))?.[1];
}
