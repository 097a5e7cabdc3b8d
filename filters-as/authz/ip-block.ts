/**
 * Addresses and blocks of addresses. An IPv4 address that is written as IPv6 (`::ffff:10.0.0.1`), as sockets of both
 * families report it, is the IPv4 address: a block of one family never holds an address of the other.
 *
 * Laws: hostile text is answered with false, never with a guess; no zone in a block.
 */
import { readAddress } from "../sdk/ip-address";

@unmanaged
export class Address {
  /** 4, 6, or 0 for none. */
  family: u32;
  port: u32;
  high: u64;
  /** All of an IPv4 address is in its low half. */
  low: u64;
}

@unmanaged
export class Block {
  family: u32;
  bits: u32;
  high: u64;
  low: u64;
}

const COLON: u8 = 0x3a;
const SLASH: u8 = 0x2f;
const MAPPED: u64 = 0xffff;

/** A decimal number of 1 to 5 digits without leading zeros, at most `most`; u32.MAX_VALUE if it is none. */
export function parseDecimal(data: usize, length: u32, most: u32): u32 {
  if (length === 0 || length > 5) return u32.MAX_VALUE;
  if (length > 1 && load<u8>(data) === 0x30) return u32.MAX_VALUE;
  let value: u32 = 0;
  for (let i: u32 = 0; i < length; i++) {
    const one = <u32>load<u8>(data + i) - 0x30;
    if (one > 9) return u32.MAX_VALUE;
    value = value * 10 + one;
  }
  return value <= most ? value : u32.MAX_VALUE;
}

/** An address while it is read. */
const BYTES: usize = memory.data(16, 8);

/** Reads a bare address; false if it is none. */
export function parseAddress(data: usize, length: u32, into: Address): bool {
  into.family = 0;
  into.port = 0;
  into.high = 0;
  into.low = 0;
  if (!readAddress(data, length, BYTES)) return false;
  into.high = bswap(load<u64>(BYTES));
  into.low = bswap(load<u64>(BYTES + 8));
  into.family = into.high === 0 && into.low >> 32 === MAPPED ? 4 : 6;
  if (into.family === 4) into.low &= 0xffffffff;
  return true;
}

/** Reads `1.2.3.4:80` or `[::1]:80`, as hosts report peers; a zone is left out. False for pipes and the like. */
export function parsePeer(data: usize, length: u32, into: Address): bool {
  into.family = 0;
  let colon = length;
  while (colon > 0 && load<u8>(data + colon - 1) !== COLON) colon--;
  if (colon < 2) return false;
  const port = parseDecimal(data + colon, length - colon, 65535);
  if (port > 65535) return false;
  let from = data;
  let size = colon - 1;
  if (load<u8>(data) === 0x5b) {
    if (load<u8>(data + size - 1) !== 0x5d) return false;
    from++;
    size -= 2;
    for (let i: u32 = 0; i < size; i++) if (load<u8>(from + i) === 0x25) size = i;
  }
  if (!parseAddress(from, size, into)) return false;
  into.port = port;
  return true;
}

const ADDRESS: usize = memory.data(32, 8);

/** Reads `10.0.0.0/8`, `10.1.2.3`, `2001:db8::/32`; bits beyond the prefix are cleared. False if it is none. */
export function parseBlock(data: usize, length: u32, into: Block): bool {
  let slash: u32 = 0;
  while (slash < length && load<u8>(data + slash) !== SLASH) slash++;
  const address = changetype<Address>(ADDRESS);
  if (!parseAddress(data, slash, address)) return false;
  let colons = false;
  for (let i: u32 = 0; i < slash; i++) if (load<u8>(data + i) === COLON) colons = true;
  const most: u32 = colons ? 128 : 32;
  let bits = most;
  if (slash < length) bits = parseDecimal(data + slash + 1, length - slash - 1, most);
  if (bits > most) return false;
  into.family = address.family;
  into.high = address.high;
  into.low = address.low;
  if (colons && address.family === 4) {
    // ::ffff:10.0.0.0/104 is 10.0.0.0/8; a shorter prefix reaches beyond the mapped addresses.
    if (bits < 96) {
      into.family = 6;
      into.low |= MAPPED << 32;
    } else bits -= 96;
  }
  into.bits = bits;
  if (into.family === 4) into.low &= <u64>mask32(bits);
  else {
    into.high &= mask64(bits);
    into.low &= bits > 64 ? mask64(bits - 64) : 0;
  }
  return true;
}

function mask32(bits: u32): u32 {
  return bits === 0 ? 0 : bits >= 32 ? u32.MAX_VALUE : ~(((<u32>1) << (32 - bits)) - 1);
}

function mask64(bits: u32): u64 {
  return bits === 0 ? 0 : bits >= 64 ? u64.MAX_VALUE : ~(((<u64>1) << (64 - <u64>bits)) - 1);
}

/** True if the block holds the address. */
export function blockHolds(block: Block, address: Address): bool {
  if (block.family !== address.family) return false;
  if (block.family === 4) return (address.low & <u64>mask32(block.bits)) === block.low;
  const bits = block.bits;
  if ((address.high & mask64(bits)) !== block.high) return false;
  return bits <= 64 || (address.low & mask64(bits - 64)) === block.low;
}
