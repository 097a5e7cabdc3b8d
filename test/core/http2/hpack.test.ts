/** HPACK against the examples of RFC 7541, appendix C, against itself with any fields, and against bad blocks. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Slab } from "../../../core/bytes/slab.ts";
import { idOf } from "../../../core/http/names.ts";
import { HpackDecoder } from "../../../core/http2/hpack/decoder.ts";
import { DynamicTable } from "../../../core/http2/hpack/dynamic-table.ts";
import { HpackEncoder } from "../../../core/http2/hpack/encoder.ts";
import {
  huffmanLength,
  mostDecoded,
  prepareHuffman,
  readHuffman,
  writeHuffman,
} from "../../../core/http2/hpack/huffman.ts";

import { PeerSettings } from "../../../core/http2/peer-settings.ts";

prepareHuffman();

type Field = readonly [name: string, value: string, secret?: boolean];

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/[0-9a-f]{2}/g) ?? [], (byte) => Number.parseInt(byte, 16));
}

/** The fields of a block, null if it was refused. */
function read(decoder: HpackDecoder, block: Uint8Array): Field[] | null {
  const fields: Field[] = [];
  const sound = decoder.decode(block, 0, block.length, {
    onField(id, name, value, secret) {
      expect(id).toBe(idOf(name));
      fields.push(secret ? [name, value, true] : [name, value]);
      return true;
    },
  });
  return sound ? fields : null;
}

class Writer {
  private readonly slab = new Slab();
  readonly encoder = new HpackEncoder(this.slab);

  write(fields: readonly Field[]): Uint8Array {
    this.slab.begin();
    this.encoder.beginBlock();
    for (const [name, value, secret] of fields) this.encoder.field(idOf(name), name, value, secret === true);
    return this.slab.bytes.slice(this.slab.start, this.slab.end);
  }
}

const REQUEST: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];
const SECURE: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
  ["custom-key", "custom-value"],
];
const COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const ANSWER = (status: string, date: string): Field[] => [
  [":status", status],
  ["cache-control", "private"],
  ["date", date],
  ["location", "https://www.example.com"],
];

describe("what RFC 7541 shows in appendix C", () => {
  test.each<[title: string, block: string, fields: readonly Field[]]>([
    ["C.2.1", "400a637573746f6d2d6b65790d637573746f6d2d686561646572", [["custom-key", "custom-header"]]],
    ["C.2.2", "040c2f73616d706c652f70617468", [[":path", "/sample/path"]]],
    ["C.2.3", "100870617373776f726406736563726574", [["password", "secret", true]]],
    ["C.2.4", "82", [[":method", "GET"]]],
  ])("%s", (_title, block, fields) => {
    expect(read(new HpackDecoder(4096), hex(block))).toEqual([...fields]);
  });

  test.each<[title: string, tableSize: number, blocks: readonly (readonly [string, readonly Field[]])[]]>([
    [
      "C.3, requests",
      4096,
      [
        ["828684410f7777772e6578616d706c652e636f6d", REQUEST],
        ["828684be58086e6f2d6361636865", [...REQUEST, ["cache-control", "no-cache"]]],
        ["828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", SECURE],
      ],
    ],
    [
      "C.4, the same by Huffman",
      4096,
      [
        ["828684418cf1e3c2e5f23a6ba0ab90f4ff", REQUEST],
        ["828684be5886a8eb10649cbf", [...REQUEST, ["cache-control", "no-cache"]]],
        ["828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", SECURE],
      ],
    ],
    [
      "C.6, answers by Huffman and evictions",
      256,
      [
        [
          "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
          ANSWER("302", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ],
        ["4883640effc1c0bf", ANSWER("307", "Mon, 21 Oct 2013 20:13:21 GMT")],
        [
          "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
          [
            ...ANSWER("200", "Mon, 21 Oct 2013 20:13:22 GMT"),
            ["content-encoding", "gzip"],
            ["set-cookie", COOKIE],
          ],
        ],
      ],
    ],
  ])("%s", (_title, size, blocks) => {
    const decoder = new HpackDecoder(size);
    for (const [block, fields] of blocks) expect(read(decoder, hex(block))).toEqual([...fields]);
  });
});

const byteString = (minLength: number, maxLength: number) =>
  fc
    .array(fc.oneof(fc.integer({ min: 0x20, max: 0x7e }), fc.integer({ min: 0, max: 255 })), {
      minLength,
      maxLength,
    })
    .map((codes) => String.fromCharCode(...codes));

test("text comes back from Huffman as it was, in the length foretold, and only from whole and well padded code", () => {
  fc.assert(
    fc.property(byteString(0, 80), (text) => {
      const coded = new Uint8Array(huffmanLength(text));
      expect(writeHuffman(text, coded, 0)).toBe(coded.length);
      const into = new Uint8Array(mostDecoded(coded.length));
      const end = readHuffman(coded, 0, coded.length, into, 0);
      expect(String.fromCharCode(...into.subarray(0, end))).toBe(text);
    }),
  );
  const read = (text: string) => readHuffman(hex(text), 0, text.length / 2, new Uint8Array(64), 0);
  expect(read("1f")).toBe(1); // "a", 000 11, and three bits of padding
  expect(read("1e")).toBe(-1); // padding that is not all ones
  expect(read("1fff")).toBe(-1); // more than seven bits of it
  expect(read("ff")).toBe(-1);
  expect(read("ffffffff")).toBe(-1); // EOS
  expect(read("fffffffc")).toBe(-1);
});

const field: fc.Arbitrary<Field> = fc.tuple(
  fc.oneof(
    fc.constantFrom(
      ":path",
      ":method",
      ":status",
      "cookie",
      "authorization",
      "content-type",
      "x-a",
      "x-b",
      "te",
    ),
    byteString(1, 20),
  ),
  fc.oneof(fc.constantFrom("", "GET", "/", "200", "a", "b"), byteString(0, 60), byteString(3000, 3000)),
  fc.boolean(),
);

test("what is written is read as it was, whatever the limits of the table do meanwhile", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.array(field, { maxLength: 12 }),
          fc.array(fc.integer({ min: 0, max: 6000 }), { maxLength: 3 }),
        ),
        {
          maxLength: 12,
        },
      ),
      (blocks) => {
        const writer = new Writer();
        const decoder = new HpackDecoder(4096);
        for (const [fields, limits] of blocks) {
          const block = writer.write(fields);
          const plain = (list: readonly Field[] | null) => list?.map(([name, value]) => [name, value]);
          const got = read(decoder, block);
          expect(plain(got)).toEqual(plain(fields));
          for (const [i, [, , secret]] of fields.entries()) if (secret) expect(got?.[i][2]).toBe(true);
          for (const limit of limits) {
            writer.encoder.limit(limit);
            decoder.allow(limit);
          }
        }
      },
    ),
    { numRuns: 300 },
  );
}, 30_000);

describe("the encoder", () => {
  test("says again by index what it has said", () => {
    const writer = new Writer();
    const fields: Field[] = [
      [":method", "GET"],
      ["user-agent", "curl/8.0"],
      ["x-team", "blue"],
    ];
    expect(writer.write(fields).length).toBeGreaterThan(15);
    expect(writer.write(fields).length).toBe(3);
  });

  test.each<[name: string, value: string, secret: boolean]>([
    ["authorization", "Bearer abc", false],
    ["proxy-authorization", "Basic abc", false],
    ["cookie", "id=short", false],
    ["x-mine", "marked by its sender", true],
  ])("keeps %s out of every table", (name, value, secret) => {
    const writer = new Writer();
    const first = writer.write([[name, value, secret]]);
    expect(first[0] & 0xf0).toBe(0x10);
    expect(writer.write([[name, value, secret]])).toEqual(first);
  });

  test("takes a cookie for a secret that can be guessed, until it has 20 bytes", () => {
    const writer = new Writer();
    expect(writer.write([["cookie", "c".repeat(19)]])[0] & 0xf0).toBe(0x10);
    expect(writer.write([["cookie", "c".repeat(20)]])[0] & 0xc0).toBe(0x40);
  });

  test.each(
    `:path age content-length content-range etag if-match if-modified-since if-none-match last-modified location range
     set-cookie traceparent x-b3-spanid x-b3-traceid x-request-id`.split(/\s+/),
  )("does not fill the table with %s, which changes each time", (name) => {
    const writer = new Writer();
    const first = writer.write([[name, "12345"]]);
    expect(first[0] & 0xf0).toBe(0);
    expect(writer.write([[name, "12345"]])).toEqual(first);
  });

  test("does not fill the table with one huge field", () => {
    const writer = new Writer();
    expect(writer.write([["x-large", "v".repeat(2100)]])[0] & 0xf0).toBe(0);
  });

  test("obeys a lowered limit and says so first, the lowest one too", () => {
    const writer = new Writer();
    writer.write([["x-team", "blue"]]);
    writer.encoder.limit(0);
    writer.encoder.limit(100);
    const block = writer.write([[":method", "GET"]]);
    expect([...block]).toEqual([0x20, 0x3f, 100 - 31, 0x82]);
    expect([...writer.write([[":method", "GET"]])]).toEqual([0x82]);
  });

  test("hears the lowest limit of one frame of settings as well as the last", () => {
    const writer = new Writer();
    const peer = new PeerSettings(false);
    for (const size of [4096, 0, 4096]) expect(peer.set(1, size)).toBe(0);
    peer.limit(writer.encoder);
    expect([...writer.write([[":method", "GET"]])]).toEqual([0x20, 0x3f, 0xe1, 0x1f, 0x82]);
    peer.limit(writer.encoder);
    expect([...writer.write([[":method", "GET"]])]).toEqual([0x82]);
  });

  test("never uses more than 4096 bytes, whatever is allowed", () => {
    const writer = new Writer();
    writer.encoder.limit(1 << 20);
    const decoder = new HpackDecoder(4096);
    for (let i = 0; i < 300; i++) {
      const fields: Field[] = [[`x-${i % 150}`, "v".repeat(100)]];
      expect(read(decoder, writer.write(fields))).toEqual(fields);
    }
  });
});

describe("a block is refused", () => {
  test.each<[title: string, block: string]>([
    ["index 0", "80"],
    ["an index beyond the tables", "be"],
    ["a name beyond the tables", "7e0161"],
    ["an index that is cut off", "ff"],
    ["an index of more than five bytes", "ff8080808000"],
    ["an index that overflows", "ffffffffff7f"],
    ["an index that would be 2 if 32 bits were all that counts", "ff83ffffff0f"],
    ["a name that is cut off", "400361"],
    ["a value that is missing", "400161"],
    ["a value that is cut off", "4001610561"],
    ["a length that is cut off", "4001617f"],
    ["bad padding", "4001618100"],
    ["a size above what was allowed", "3fe21f"],
    ["a change of size behind a field", "8220"],
  ])("%s", (_title, block) => {
    expect(read(new HpackDecoder(4096), hex(block))).toBeNull();
  });

  test("as is any that refers to what was evicted", () => {
    const decoder = new HpackDecoder(4096);
    expect(read(decoder, hex("4001610162"))).toEqual([["a", "b"]]);
    expect(read(decoder, hex("be"))).toEqual([["a", "b"]]);
    expect(read(decoder, hex("203fe11fbe"))).toBeNull();
  });
});

test("a limit that was lowered has to be obeyed at the beginning of the next block", () => {
  for (const [block, sound] of [
    ["be", false],
    ["82", false],
    ["3fe11f82", false],
    ["2082", true],
    ["3f0982", true],
  ] as const) {
    const decoder = new HpackDecoder(4096);
    read(decoder, hex("4001610162"));
    decoder.allow(40);
    expect([block, read(decoder, hex(block)) !== null]).toEqual([block, sound]);
  }
});

test("a sink that has enough hears of no more fields, and the table goes on", () => {
  const writer = new Writer();
  const decoder = new HpackDecoder(4096);
  const block = writer.write([
    ["x-a", "1"],
    ["x-b", "2"],
    ["x-c", "3"],
  ]);
  const seen: string[] = [];
  const sound = decoder.decode(block, 0, block.length, { onField: (_id, name) => seen.push(name) < 2 });
  expect([sound, ...seen]).toEqual([true, "x-a", "x-b"]);
  expect(read(decoder, writer.write([["x-c", "3"]]))).toEqual([["x-c", "3"]]);
});

test("one byte on the wire is one field: a bomb of indices makes no text", () => {
  const decoder = new HpackDecoder(4096);
  const text = "v".repeat(4000);
  const writer = new Writer();
  read(decoder, Uint8Array.from([0x40, 1, 0x61, 0x7f, ...[0xa1, 0x1e], ...Array.from(text, () => 0x76)]));
  writer.write([]);
  const bomb = new Uint8Array(60_000).fill(0xbe);
  const values = new Set<string>();
  let fields = 0;
  decoder.decode(bomb, 0, bomb.length, {
    onField(_id, _name, value) {
      values.add(value);
      return ++fields < 100;
    },
  });
  expect([fields, values.size]).toEqual([100, 1]);
});

test("what is evicted is not kept alive", () => {
  const table = new DynamicTable(4096);
  for (let i = 0; i < 20; i++) table.add(0, `name-${i}`, `value-${i}`);
  table.resize(0);
  const { names, values } = table as unknown as { names: string[]; values: string[] };
  expect([table.count, table.size, names.join(""), values.join("")]).toEqual([0, 0, "", ""]);
});

test("room for a long text is let go with its block", () => {
  const decoder = new HpackDecoder(4096);
  const length = 16_000; // of "a", five bits each
  const coded = new Uint8Array((length * 5) / 8);
  writeHuffman("a".repeat(length), coded, 0);
  const size = [0xff, ...[((coded.length - 127) & 127) | 128, (coded.length - 127) >> 7]];
  expect(read(decoder, Uint8Array.from([0, 1, 0x61, ...size, ...coded]))?.[0][1].length).toBe(length);
  expect((decoder as unknown as { room: Uint8Array }).room.length).toBeLessThanOrEqual(4096);
});

test("any bytes at all are read or refused, and leave a table within its limit", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HpackDecoder(200);
      for (const block of blocks) {
        const sound = decoder.decode(block, 0, block.length, { onField: () => true });
        const { table } = decoder as unknown as { table: { size: number; count: number; limit: number } };
        expect(table.size).toBeLessThanOrEqual(table.limit);
        expect(table.limit).toBeLessThanOrEqual(200);
        expect(table.count * 32).toBeLessThanOrEqual(table.size);
        if (!sound) return;
      }
    }),
    { numRuns: 2000 },
  );
});
