/** The chunked coding (C1–C7): everything that two readers could read differently is refused, at every split. */
import { describe, expect, test } from "bun:test";
import { always } from "../../support/codec-transcript.ts";

const HEAD = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
const rest = (body: string) => always("request", HEAD + body).slice(1);

describe("read", () => {
  test.each([
    ["0\r\n\r\n", ["end"]],
    ["5\r\nhello\r\n0\r\n\r\n", ["body hello", "end"]],
    ["a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", ["body 01234567890123456789", "end"]],
    ["0000000000000003\r\nabc\r\n000\r\n\r\n", ["body abc", "end"]],
    ["3;x\r\nabc\r\n0;y=z\r\n\r\n", ["body abc", "end"]],
    ['3;x="a\\"b;c";y\r\nabc\r\n0\r\n\r\n', ["body abc", "end"]],
    ["3\r\n\r\n0\r\n0\r\n\r\n", ["body \r\n0", "end"]],
    ["1\r\nx\r\n0\r\na: b\r\nc:\r\n\r\n", ["body x", "trailer a: b", "trailer c: ", "end"]],
  ])("%j", (body, lines) => {
    expect(rest(body)).toEqual(lines);
  });
});

describe("refused", () => {
  test.each([
    ["\r\n", "chunk_size"],
    ["0x5\r\n", "chunk_size"],
    ["+5\r\n", "chunk_size"],
    ["-1\r\n", "chunk_size"],
    ["5_0\r\n", "chunk_size"],
    [" 5\r\n", "chunk_size"],
    ["5 \r\n", "chunk_size"],
    ["5\t;x\r\n", "chunk_size"],
    ["g\r\n", "chunk_size"],
    ["100000000\r\n", "chunk_size"], // 2^32: a wrap would make it 0
    ["100000004\r\n", "chunk_size"],
    ["ffffffffffffffff\r\n", "chunk_size"],
    ["00000000000000003\r\n", "chunk_size"],
    ["5\n", "chunk_line_end"],
    ["5\rx", "chunk_line_end"],
    ["0\r\r\n", "chunk_line_end"],
    [";x\r\n", "chunk_size"],
    ["5;\r\n", "chunk_extension"],
    ["5;x=\r\n", "chunk_extension"],
    ["5;x\ny\r\n", "chunk_extension"],
    ['5;x="a\nb"\r\n', "chunk_extension"],
    ['5;x="a"b\r\n', "chunk_extension"],
  ])("%j: %s", (body, code) => {
    expect(rest(body)).toEqual([`fault ${code} 400`]);
  });

  test.each([
    ["3\r\nabc\n", "chunk_data_end"],
    ["3\r\nabcd\r\n", "chunk_data_end"],
    ["3\r\nabc0\r\n\r\n", "chunk_data_end"],
  ])("after data, %j: %s", (body, code) => {
    expect(rest(body)).toEqual(["body abc", `fault ${code} 400`]);
  });

  test("extensions of a line and of a whole message are bounded", () => {
    expect(rest(`5;${"x".repeat(300)}\r\n`)).toEqual(["fault chunk_extension 400"]);
    const line = `1;${"x".repeat(250)}\r\ny\r\n`;
    expect(rest(line.repeat(20)).at(-1)).toBe("fault chunk_extension 400");
  });

  test.each([
    ["0\r\n x: y\r\n\r\n"],
    ["0\r\na: b\nc: d\r\n\r\n"],
    ["0\r\na: b\0\r\n\r\n"],
    ["0\r\na : b\r\n\r\n"],
    [`0\r\n${"a: b\r\n".repeat(33)}\r\n`],
    [`0\r\na: ${"b".repeat(9000)}\r\n\r\n`],
  ])("a bad trailer section, case %#", (body) => {
    const lines = rest(body);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toStartWith("fault ");
  });
});
