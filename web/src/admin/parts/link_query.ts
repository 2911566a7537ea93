// The members of a link to a tab, such as `#/limits?user=u_1`.
// Never: sent to a server; no browser sends a fragment.

export function linkQuery(): URLSearchParams {
  return new URLSearchParams(location.hash.split("?")[1] ?? "");
}
