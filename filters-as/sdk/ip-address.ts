/**
 * IP addresses as text: to 16 bytes in network order, IPv4 as ::ffff:a.b.c.d, so that one address has one form however
 * it was written. Knows nothing of ports, blocks and where the text comes from.
 *
 * Laws: hostile text is answered with false, never with a guess; no octet with a leading zero.
 */

/**
 * Reads the address in `text`, which is all of it, into the 16 bytes at `into`; false if it is none. Zones (`%eth0`)
 * are no part of an address.
 */
export function readAddress(text: usize, length: i32, into: usize): bool {
  for (let i = 0; i < length; i++) if (load<u8>(text + i) === 0x3a) return readV6(text, text + length, into);
  store<u64>(into, 0);
  store<u32>(into, 0xffff0000, 8);
  return readV4(text, text + length, into + 12);
}

function readV4(from: usize, end: usize, into: usize): bool {
  let at = from;
  for (let part = 0; part < 4; part++) {
    if (part > 0) {
      if (at === end || load<u8>(at) !== 0x2e) return false;
      at++;
    }
    const start = at;
    let value: u32 = 0;
    while (at < end && at - start < 3) {
      const digit: u32 = <u32>load<u8>(at) - 0x30;
      if (digit > 9) break;
      value = value * 10 + digit;
      at++;
    }
    // 010 is eight to some and ten to others.
    if (at === start || value > 255 || (at - start > 1 && load<u8>(start) === 0x30)) return false;
    store<u8>(into + part, <u8>value);
  }
  return at === end;
}

function readV6(from: usize, end: usize, into: usize): bool {
  memory.fill(into, 0, 16);
  let at = from;
  let groups = 0;
  let gap = -1;
  if (end - at >= 2 && load<u16>(at) === 0x3a3a) {
    gap = 0;
    at += 2;
  }
  while (at < end) {
    if (groups === 8) return false;
    const start = at;
    let value: u32 = 0;
    while (at < end && at - start < 4) {
      const digit = hexDigit(load<u8>(at));
      if (digit > 15) break;
      value = (value << 4) | digit;
      at++;
    }
    if (at === start) return false;
    if (at < end && load<u8>(at) === 0x2e) {
      if (groups > 6 || !readV4(start, end, into + (groups << 1))) return false;
      groups += 2;
      break;
    }
    store<u16>(into + (groups << 1), bswap(<u16>value));
    groups++;
    if (at === end) break;
    if (load<u8>(at) !== 0x3a) return false;
    at++;
    if (at === end) return false;
    if (load<u8>(at) === 0x3a) {
      if (gap >= 0) return false;
      gap = groups;
      at++;
    }
  }
  if (gap < 0) return groups === 8;
  if (groups === 8) return false;
  const behind = (groups - gap) << 1;
  memory.copy(into + 16 - behind, into + (gap << 1), behind);
  memory.fill(into + (gap << 1), 0, 16 - (gap << 1) - behind);
  return true;
}

function hexDigit(byte: u8): u32 {
  const digit: u32 = <u32>byte - 0x30;
  if (digit <= 9) return digit;
  const letter: u32 = (<u32>byte | 0x20) - 0x61;
  return letter <= 5 ? letter + 10 : 16;
}
