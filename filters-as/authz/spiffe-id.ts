/**
 * The parts of `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`, found without copying. As in Istio the
 * namespace is what follows the first `ns` segment wherever it stands, and something follows it.
 */

const SLASH: u8 = 0x2f;
/** Bytes of `spiffe://`. */
export const SCHEME_LENGTH: u32 = 9;

@unmanaged
export class SpiffeId {
  trustDomainLength: u32;
  /** Places are offsets into the id; a length of 0 says that there is none. */
  namespaceAt: u32;
  namespaceLength: u32;
  /** Bytes of `<namespace>/sa/<service account>`, which begins where the namespace does. */
  accountLength: u32;
}

/** True if the text begins with `spiffe://`. */
export function hasScheme(data: usize, length: u32): bool {
  // "spiffe:/" as eight bytes in little-endian order, then the last slash.
  return length >= SCHEME_LENGTH && load<u64>(data) === 0x2f3a656666697073 && load<u8>(data + 8) === SLASH;
}

/** Finds the parts; all lengths are 0 if the text is no SPIFFE id. */
export function splitSpiffeId(data: usize, length: u32, into: SpiffeId): void {
  into.trustDomainLength = 0;
  into.namespaceLength = 0;
  into.accountLength = 0;
  into.namespaceAt = 0;
  if (!hasScheme(data, length)) return;
  let at = SCHEME_LENGTH;
  while (at < length && load<u8>(data + at) !== SLASH) at++;
  into.trustDomainLength = at - SCHEME_LENGTH;
  while (at < length) {
    const from = ++at;
    while (at < length && load<u8>(data + at) !== SLASH) at++;
    // "ns" as two bytes in little-endian order; a name is followed by more.
    if (at - from !== 2 || load<u16>(data + from) !== 0x736e || at === length) continue;
    const name = at + 1;
    let end = name;
    while (end < length && load<u8>(data + end) !== SLASH) end++;
    if (end === name || end === length) continue;
    into.namespaceAt = name;
    into.namespaceLength = end - name;
    // "/sa/" as four bytes in little-endian order.
    if (length - end > 4 && load<u32>(data + end) === 0x2f61732f) {
      let last = end + 4;
      while (last < length && load<u8>(data + last) !== SLASH) last++;
      if (last > end + 4) into.accountLength = last - name;
    }
    return;
  }
}
