// The gate and the name.
// Never: a picture from anywhere else.
export function Brand() {
  return (
    <span class="brand">
      <img src="/favicon.svg" alt="" width="28" height="28" />
      Portcullis
    </span>
  );
}
