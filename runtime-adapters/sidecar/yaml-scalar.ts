/**
 * Scalars of YAML: what a plain one means, and the text of quoted and block ones. Plain scalars mean what they
 * mean to Envoy's reader: `y`, `yes`, `on` are true, `0x10` and `010` are numbers.
 */
import type { Json } from "../../core/config/model.ts";

/** Why a text is not YAML, and where (offset into the text). */
export class YamlError extends Error {
  readonly offset: number;
  constructor(offset: number, message: string) {
    super(message);
    this.name = "YamlError";
    this.offset = offset;
  }
}

/** Only these may begin a plain scalar that is anything but text. */
const SPECIAL = /^[-+.~0-9nNyYtTfFoO]/;
const NULL = /^(~|null|Null|NULL)$/;
const TRUE = /^(y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const INTEGER = /^[+-]?(0|[1-9]\d*)$/;
const HEXADECIMAL = /^[+-]?0[xX][0-9a-fA-F]+$/;
const OCTAL = /^[+-]?0[0-7]+$/;
const FLOAT = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** The value of a plain (unquoted) scalar. */
export function plainValue(text: string): Json {
  if (text === "") return null;
  if (!SPECIAL.test(text)) return text;
  if (INTEGER.test(text)) return integer(text, "");
  if (TRUE.test(text)) return true;
  if (FALSE.test(text)) return false;
  if (NULL.test(text)) return null;
  if (HEXADECIMAL.test(text)) return integer(text.replace(/0[xX]/, ""), "0x");
  if (OCTAL.test(text)) return integer(text.replace(/0/, ""), "0o");
  if (FLOAT.test(text)) return Number(text);
  return text;
}

/** Beyond 2^53 the digits are kept as text, which protobuf's JSON mapping takes for a 64-bit number. */
function integer(text: string, prefix: "" | "0x" | "0o"): Json {
  const negative = text.startsWith("-");
  const digits = text.replace(/^[+-]/, "");
  const number = Number(prefix + digits);
  if (Number.isSafeInteger(number)) return negative && number !== 0 ? -number : number;
  return `${negative ? "-" : ""}${BigInt(prefix + digits)}`;
}

/** Text of a plain or quoted scalar over several lines: line ends fold to spaces, empty lines stay. */
export function foldLines(raw: string): string {
  if (!raw.includes("\n")) return raw;
  return raw.replace(/[ \t]*\n[ \t\n]*/g, fold);
}

function fold(gap: string): string {
  const breaks = gap.split("\n").length - 1;
  return breaks === 1 ? " " : "\n".repeat(breaks - 1);
}

const ESCAPES: { readonly [letter: string]: string } = {
  "0": "\0",
  a: "\x07",
  b: "\b",
  t: "\t",
  "\t": "\t",
  n: "\n",
  v: "\v",
  f: "\f",
  r: "\r",
  e: "\x1b",
  " ": " ",
  '"': '"',
  "/": "/",
  "\\": "\\",
  N: "\x85",
  _: "\xa0",
  L: "\u2028",
  P: "\u2029",
};

/** The text between double quotes; `offset` is where it begins. */
export function unescapeText(raw: string, offset: number): string {
  if (!raw.includes("\\")) return foldLines(raw);
  // An escaped line end joins the lines without a space; an escape must not be taken for a foldable space.
  const parts: string[] = [];
  let from = 0;
  for (let at = raw.indexOf("\\"); at >= 0; at = raw.indexOf("\\", from)) {
    parts.push(foldLines(raw.slice(from, at)));
    const letter = raw[at + 1];
    if (letter === "\n") {
      from = at + 2;
      while (raw[from] === " " || raw[from] === "\t" || raw[from] === "\n") {
        if (raw[from] === "\n") parts.push("\n");
        from++;
      }
      continue;
    }
    const width = letter === "x" ? 2 : letter === "u" ? 4 : letter === "U" ? 8 : 0;
    if (width === 0) {
      const text = ESCAPES[letter];
      if (text === undefined) throw new YamlError(offset + at, `unknown escape: \\${letter ?? ""}`);
      parts.push(text);
    } else {
      const digits = raw.slice(at + 2, at + 2 + width);
      const code =
        /^[0-9a-fA-F]+$/.test(digits) && digits.length === width ? Number.parseInt(digits, 16) : -1;
      if (code < 0 || code > 0x10ffff) throw new YamlError(offset + at, `bad escape: \\${letter}${digits}`);
      parts.push(String.fromCodePoint(code));
    }
    from = at + 2 + width;
  }
  parts.push(foldLines(raw.slice(from)));
  return parts.join("");
}

/** Text of a block scalar: its lines without their indentation. `keep` is the chomping: "-", "" or "+". */
export function blockText(lines: readonly string[], folded: boolean, keep: string): string {
  let last = lines.length;
  while (last > 0 && lines[last - 1] === "") last--;
  const body = folded ? foldBlock(lines.slice(0, last)) : lines.slice(0, last).join("\n");
  if (keep === "-") return body;
  if (keep === "+")
    return last === 0 ? "\n".repeat(lines.length) : body + "\n".repeat(lines.length - last + 1);
  return last === 0 ? "" : `${body}\n`;
}

/** Joins lines with spaces; lines that are indented further, and empty ones, keep their breaks. */
function foldBlock(lines: readonly string[]): string {
  let text = "";
  let empty = 0;
  let previous: string | null = null;
  for (const line of lines) {
    if (line === "") {
      empty++;
      continue;
    }
    const literal = /^[ \t]/.test(line) || (previous !== null && /^[ \t]/.test(previous));
    const breaks = previous !== null && literal ? empty + 1 : empty;
    text += (breaks > 0 || previous === null ? "\n".repeat(breaks) : " ") + line;
    previous = line;
    empty = 0;
  }
  return text;
}
