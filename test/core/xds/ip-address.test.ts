/** IP texts in their one spelling (RFC 5952), and what is no IP at all. */
import { expect, test } from "bun:test";
import { isIP } from "node:net";
import fc from "fast-check";
import { canonicalIp } from "../../../core/xds/ip-address.ts";

const table: readonly [string, string][] = [
  ["127.0.0.1", "127.0.0.1"],
  ["0.0.0.0", "0.0.0.0"],
  ["255.255.255.255", "255.255.255.255"],
  ["256.0.0.1", ""],
  ["1.2.3", ""],
  ["1.2.3.4.5", ""],
  ["01.2.3.4", ""],
  ["1.2.3.4 ", ""],
  ["::", "::"],
  ["::1", "::1"],
  ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ["::ffff:1.2.3.4", "::ffff:102:304"],
  ["1::2::3", ""],
  ["1:2:3:4:5:6:7:8:9", ""],
  ["::1.2.3.4:5", ""],
  ["12345::", ""],
  ["[::1]", ""],
  ["fe80::1%eth0", ""],
  [":::", ""],
  ["", ""],
  ["localhost", ""],
];
test.each(table)("%p is %p", (text, canonical) => {
  expect(canonicalIp(text)).toBe(canonical);
});

test("agrees with the runtime on what is an IP, and is a fixed point", () => {
  const word = fc.oneof(
    fc.constantFrom("", "0", "::", "1.2.3.4"),
    fc.nat(0xffff).map((n) => n.toString(16)),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.ipV4(),
        fc.ipV6(),
        fc.array(word, { maxLength: 9 }).map((words) => words.join(":")),
      ),
      (text) => {
        const canonical = canonicalIp(text);
        expect(canonical !== "").toBe(isIP(text) !== 0);
        expect(canonicalIp(canonical)).toBe(canonical);
        // The runtime's own URL parser spells it the same, where it takes the text at all.
        const url = `http://[${text}]/`;
        if (canonical.includes(":") && URL.canParse(url)) {
          expect(new URL(url).hostname).toBe(`[${canonical}]`);
        }
      },
    ),
  );
});
