/** What an HTTP/1 parser reports, as lines, for one input split in any way. */
import { latin1, toBytes } from "../../core/bytes/ascii.ts";
import type { Fault } from "../../core/errors.ts";
import type { UnderscoreAction } from "../../core/http/underscores.ts";
import { DEFAULT_LIMITS, type Http1Limits } from "../../core/http1/limits.ts";
import type { MessageSink } from "../../core/http1/message-parser.ts";
import { RequestParser } from "../../core/http1/request-parser.ts";
import { ResponseParser } from "../../core/http1/response-parser.ts";
import { Random } from "../../runtime-adapters/memory/random.ts";

export interface CodecOptions {
  readonly limits?: Partial<Http1Limits>;
  readonly underscores?: UnderscoreAction;
  /** For responses: what was asked. */
  readonly method?: string;
  readonly upgrade?: boolean;
  /** The peer sends FIN behind the bytes. */
  readonly fin?: boolean;
}

const FRAMINGS = ["none", "length", "chunks", "close", "tunnel"];

/** One line per head ("GET /path a: b | length 3"), body ("body …"), "end", "trailers …" and fault ("fault code"). */
export function transcript(
  side: "request" | "response",
  pieces: readonly string[],
  options: CodecOptions = {},
): { readonly lines: string[]; readonly copied: number } {
  const lines: string[] = [];
  const copied = { copiedBytes: 0 };
  let body = "";
  const flush = () => {
    if (body !== "") lines.push(`body ${body}`);
    body = "";
  };
  const sink: MessageSink = {
    onHead() {
      const fields: string[] = [];
      parser.head.fields.forEach((name, value) => void fields.push(`${name}: ${value}`));
      const start =
        parser instanceof RequestParser
          ? `${parser.head.method} ${parser.head.path} ${parser.head.authority} ${parser.head.version}`
          : `${parser.head.status} ${parser.head.version}`;
      const length = parser.framing === 1 ? ` ${parser.contentLength}` : "";
      lines.push(`${start} [${fields.join(", ")}] ${FRAMINGS[parser.framing]}${length}`);
    },
    onBody(bytes, from, to) {
      if (from >= to) lines.push("EMPTY BODY PIECE");
      body += latin1(bytes, from, to);
    },
    onMessageEnd() {
      flush();
      parser.trailers.forEach((name, value) => void lines.push(`trailer ${name}: ${value}`));
      lines.push("end");
      parser.next();
    },
    onFault(fault: Fault) {
      flush();
      lines.push(`fault ${fault.code.replace("http1.", "")} ${fault.status}`);
    },
  };
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const parser: RequestParser | ResponseParser =
    side === "request"
      ? new RequestParser(sink, limits, options.underscores ?? "ALLOW", copied)
      : new ResponseParser(sink, limits, copied);
  if (parser instanceof ResponseParser) parser.expect(options.method ?? "GET", options.upgrade === true);
  for (const piece of pieces) if (piece !== "") parser.feed(toBytes(piece));
  if (options.fin === true) parser.finish();
  flush();
  return { lines, copied: copied.copiedBytes };
}

/** The lines for the whole input; throws if any other split says something else. */
export function always(side: "request" | "response", bytes: string, options: CodecOptions = {}): string[] {
  const whole = transcript(side, [bytes], options).lines;
  const compare = (how: string, pieces: readonly string[]) => {
    const { lines } = transcript(side, pieces, options);
    if (JSON.stringify(lines) !== JSON.stringify(whole))
      throw new Error(`${how}: ${JSON.stringify(lines)} instead of ${JSON.stringify(whole)}`);
  };
  compare("byte by byte", [...bytes]);
  for (let i = 1; i < Math.min(bytes.length, 400); i++)
    compare(`split at ${i}`, [bytes.slice(0, i), bytes.slice(i)]);
  const random = new Random(bytes.length);
  for (let round = 0; round < 20; round++) {
    const pieces: string[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = random.between(1, 30);
      pieces.push(bytes.slice(at, at + size));
      at += size;
    }
    compare(`random ${round}`, pieces);
  }
  return whole;
}
