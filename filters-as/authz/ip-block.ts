/**
 * Addresses and blocks of addresses. An IPv4 address that is written as IPv6 (`::ffff:10.0.0.1`), as sockets of both
 * families report it, is the IPv4 address: a block of one family never holds an address of the other.
 *
 * Laws: hostile text is answered with false, never with a guess; no octet with a leading zero, no zone in a block.
 */

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

const DOT: u8 = 0x2e;
const COLON: u8 = 0x3a;
const SLASH: u8 = 0x2f;
const MAPPED: u64 = 0xffff;

function digit(byte: u8): u32 {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : 16;
}

/** A decimal number of 1 to 5 digits without leading zeros, at most `most`; u32.MAX_VALUE if it is none. */
export function parseDecimal(data: usize, length: u32, most: u32): u32 {
  if (length === 0 || length > 5) return u32.MAX_VALUE;
  if (length > 1 && load<u8>(data) === 0x30) return u32.MAX_VALUE;
  let value: u32 = 0;
  for (let i: u32 = 0; i < length; i++) {
    const one = digit(load<u8>(data + i));
    if (one > 9) return u32.MAX_VALUE;
    value = value * 10 + one;
  }
  return value <= most ? value : u32.MAX_VALUE;
}

function parseV4(data: usize, length: u32): u64 {
  let value: u64 = 0;
  let from: u32 = 0;
  let octets: u32 = 0;
  for (let i: u32 = 0; i <= length; i++) {
    if (i < length && load<u8>(data + i) !== DOT) continue;
    const octet = parseDecimal(data + from, i - from, 255);
    if (octet > 255 || ++octets > 4) return u64.MAX_VALUE;
    value = (value << 8) | <u64>octet;
    from = i + 1;
  }
  return octets === 4 ? value : u64.MAX_VALUE;
}

/** The groups of an IPv6 address while it is read. */
const GROUPS: usize = memory.data(16);

/** Eight groups of 16 bits; `::` once for a run of zeros; the last two may be an IPv4 address. */
function parseV6(data: usize, length: u32, into: Address): bool {
  let count: u32 = 0;
  /** Groups before the `::`, -1 while there was none. */
  let gap: i32 = -1;
  let i: u32 = 0;
  if (load<u8>(data) === COLON) {
    if (length < 2 || load<u8>(data + 1) !== COLON) return false;
    gap = 0;
    i = 2;
  }
  while (i < length) {
    const from = i;
    let value: u32 = 0;
    let dotted = false;
    while (i < length && load<u8>(data + i) !== COLON) {
      const byte = load<u8>(data + i++);
      if (byte === DOT) dotted = true;
      else if (digit(byte) > 15) return false;
      else value = (value << 4) | digit(byte);
    }
    if (dotted) {
      const four = parseV4(data + from, i - from);
      if (four === u64.MAX_VALUE || i !== length || count > 6) return false;
      putGroup(count++, <u32>(four >> 16));
      putGroup(count++, <u32>four & 0xffff);
      break;
    }
    if (i === from || i - from > 4 || count === 8) return false;
    putGroup(count++, value);
    if (i === length) break;
    if (++i === length) return false;
    if (load<u8>(data + i) === COLON) {
      if (gap >= 0) return false;
      gap = <i32>count;
      i++;
    }
  }
  if (gap < 0 ? count !== 8 : count > 7) return false;
  if (gap >= 0) {
    const after = count - <u32>gap;
    memory.copy(GROUPS + 16 - 2 * after, GROUPS + 2 * gap, 2 * after);
    memory.fill(GROUPS + 2 * gap, 0, 16 - 2 * count);
  }
  into.family = 6;
  for (let k: u32 = 0; k < 4; k++) {
    into.high = (into.high << 16) | <u64>load<u16>(GROUPS + 2 * k);
    into.low = (into.low << 16) | <u64>load<u16>(GROUPS + 8 + 2 * k);
  }
  if (into.high === 0 && into.low >> 32 === MAPPED) {
    into.family = 4;
    into.low &= 0xffffffff;
  }
  return true;
}

function putGroup(index: u32, value: u32): void {
  store<u16>(GROUPS + 2 * index, <u16>value);
}

/** Reads a bare address; false if it is none. */
export function parseAddress(data: usize, length: u32, into: Address): bool {
  into.family = 0;
  into.port = 0;
  into.high = 0;
  into.low = 0;
  if (length === 0 || length > 45) return false;
  for (let i: u32 = 0; i < length; i++) {
    if (load<u8>(data + i) === COLON) return parseV6(data, length, into);
  }
  const value = parseV4(data, length);
  if (value === u64.MAX_VALUE) return false;
  into.family = 4;
  into.low = value;
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
