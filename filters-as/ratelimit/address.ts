/**
 * Which senders are one: addresses of hosts' making, blocks of addresses and masks over them, all as the 16 bytes of
 * ip-address.ts.
 */
import { readAddress } from "../sdk/ip-address";

/** Bits before an IPv4 address in its 16 bytes. */
export const V4_OFFSET: i32 = 96;

/**
 * As `readAddress`, of an address with a port as Envoy shows it: `10.0.0.1:80`, `[::1]:80`. A text without a port is
 * read too; the zone of `[fe80::1%eth0]:80` is left out.
 */
export function readSocketAddress(text: usize, length: i32, into: usize): bool {
  if (length > 0 && load<u8>(text) === 0x5b) {
    let end = 0;
    for (let i = 1; i < length; i++) {
      const byte = load<u8>(text + i);
      if (end === 0 && (byte === 0x25 || byte === 0x5d)) end = i;
      if (byte === 0x5d) return readAddress(text + 1, end - 1, into);
    }
    return false;
  }
  let colons = 0;
  let last = length;
  for (let i = 0; i < length; i++) {
    if (load<u8>(text + i) !== 0x3a) continue;
    colons++;
    last = i;
  }
  return readAddress(text, colons === 1 ? last : length, into);
}

/** True for an IPv4 address. */
export function isV4(address: usize): bool {
  return load<u64>(address) === 0 && load<u32>(address, 8) === 0xffff0000;
}

/** Clears all but the first `bits` of the 128. */
export function mask(address: usize, bits: i32): void {
  store<u64>(address, bswap(bswap(load<u64>(address)) & leading(bits)));
  store<u64>(address, bswap(bswap(load<u64>(address, 8)) & leading(bits - 64)), 8);
}

/** True if the first `bits` of both are the same. */
export function inBlock(address: usize, block: usize, bits: i32): bool {
  const high = load<u64>(address) ^ load<u64>(block);
  const low = load<u64>(address, 8) ^ load<u64>(block, 8);
  return (bswap(high) & leading(bits)) === 0 && (bswap(low) & leading(bits - 64)) === 0;
}

/** A word whose highest `bits` are set. */
function leading(bits: i32): u64 {
  if (bits <= 0) return 0;
  return bits >= 64 ? u64.MAX_VALUE : ~(u64.MAX_VALUE >> bits);
}
