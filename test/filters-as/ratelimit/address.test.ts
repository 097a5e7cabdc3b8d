import { beforeAll, describe, expect, test } from "bun:test";
import { type Pure, put, SCRATCH, startPure } from "./pure.ts";

let pure: Pure;
beforeAll(() => {
  pure = startPure();
}, 60_000);

const into = SCRATCH + 1024;
const other = SCRATCH + 2048;
const hex = (at: number) => Buffer.from(pure.memory.buffer, at, 16).toString("hex");

function read(text: string, at = into): string | null {
  return pure.readAddress(SCRATCH, put(pure, SCRATCH, Buffer.from(text)), at) ? hex(at) : null;
}

function readSocket(text: string): string | null {
  return pure.readSocketAddress(SCRATCH, put(pure, SCRATCH, Buffer.from(text)), into) ? hex(into) : null;
}

describe("addresses", () => {
  const good: [string, string][] = [
    ["10.1.2.3", "00000000000000000000ffff0a010203"],
    ["255.255.255.255", "00000000000000000000ffffffffffff"],
    ["::ffff:10.1.2.3", "00000000000000000000ffff0a010203"],
    ["::", "00000000000000000000000000000000"],
    ["::1", "00000000000000000000000000000001"],
    ["1::", "00010000000000000000000000000000"],
    ["2001:db8::ff00:42:8329", "20010db8000000000000ff0000428329"],
    ["2001:DB8:1:2:3:4:5:6", "20010db8000100020003000400050006"],
    ["1:2:3:4:5:6:1.2.3.4", "00010002000300040005000601020304"],
    ["1::6:7", "00010000000000000000000000060007"],
    ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
    ["::2:3:4:5:6:7:8", "00000002000300040005000600070008"],
  ];
  for (const [text, bytes] of good) test(`${text} is read`, () => expect(read(text)).toBe(bytes));

  const bad = [
    "",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.",
    ".1.2.3",
    "1.2.3.4 ",
    "1..2.3",
  ];
  bad.push(
    ":",
    ":::",
    "1:",
    ":1",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "g::",
    "fe80::1%eth0",
  );
  bad.push("1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "1:2:3:4:5:6:7:8::", "1.2.3.4::", "::1.2.3.4:5");
  for (const text of bad) test(`"${text}" is none`, () => expect(read(text)).toBeNull());

  test("a port is no part of an address", () => {
    expect(readSocket("10.1.2.3:80")).toBe("00000000000000000000ffff0a010203");
    expect(readSocket("10.1.2.3")).toBe("00000000000000000000ffff0a010203");
    expect(readSocket("[::1]:80")).toBe("00000000000000000000000000000001");
    expect(readSocket("::1")).toBe("00000000000000000000000000000001");
    expect(readSocket("[::1")).toBeNull();
    expect(readSocket("[::1%")).toBeNull();
    expect(readSocket("@/tmp/socket")).toBeNull();
    expect(readSocket("")).toBeNull();
  });

  test("a zone is no part of an address either: who sends over a link is counted", () => {
    expect(readSocket("[fe80::1%eth0]:80")).toBe("fe800000000000000000000000000001");
    expect(readSocket("[fe80::1%2]:80")).toBe("fe800000000000000000000000000001");
    expect(readSocket("[%eth0]:80")).toBeNull();
  });

  test("blocks", () => {
    const table: [string, string, number, boolean][] = [
      ["10.1.2.3", "10.0.0.0", 96 + 8, true],
      ["11.1.2.3", "10.0.0.0", 96 + 8, false],
      ["10.1.2.3", "10.1.2.3", 128, true],
      ["10.1.2.2", "10.1.2.3", 128, false],
      ["10.1.2.2", "10.1.2.3", 127, true],
      ["::ffff:10.1.2.2", "10.0.0.0", 104, true],
      ["2001:db8:0:1::5", "2001:db8::", 64, false],
      ["2001:db8:0:0:9::5", "2001:db8::", 64, true],
      ["2001:db8:0:0:9::5", "2001:db8::", 80, false],
      ["2001:db8::", "fe80::", 0, true],
    ];
    for (const [address, block, bits, inside] of table) {
      read(address, into);
      read(block, other);
      expect([address, block, bits, pure.inBlock(into, other, bits) !== 0]).toEqual([
        address,
        block,
        bits,
        inside,
      ]);
    }
  });

  test("a mask clears what does not tell senders apart", () => {
    const masked = (text: string, bits: number) => {
      read(text);
      pure.mask(into, bits);
      return hex(into);
    };
    expect(masked("10.1.2.3", 96 + 24)).toBe("00000000000000000000ffff0a010200");
    expect(masked("2001:db8:1:2:3:4:5:6", 64)).toBe("20010db8000100020000000000000000");
    expect(masked("2001:db8:1:2:3:4:5:6", 128)).toBe("20010db8000100020003000400050006");
    expect(masked("2001:db8:1:2:3:4:5:6", 0)).toBe("00000000000000000000000000000000");
    expect(masked("2001:db8:1:2:3:4:5:6", 20)).toBe("20010000000000000000000000000000");
  });
});
