/**
 * Responses (RFC 9112 4 and 6.3): status line, interim responses, and where the body ends. The upstream is as
 * little trusted as a client: whatever two readers could frame differently is a fault, and the connection goes.
 */
import { IS_FIELD_VALUE } from "../bytes/ascii.ts";
import type { Fault } from "../errors.ts";
import { Fields } from "../http/fields.ts";
import { AsTunnel, ByChunks, ByClose, ByLength, NoBody } from "../http/framing.ts";
import { ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";
import { RESPONSE_FAULTS as FAULTS } from "./faults.ts";
import type { Http1Limits } from "./limits.ts";
import { type CopyCounter, MessageParser, type MessageSink } from "./message-parser.ts";
import { CHUNKED, codingOf, lengthOf } from "./request-parser.ts";

const CONTENT_LENGTH = known("content-length");
const TRANSFER_ENCODING = known("transfer-encoding");

export class ResponseParser extends MessageParser {
  readonly head: ResponseHead;
  readonly trailers: Fields = new Fields();
  /** Interim responses seen for the current request. */
  informational = 0;
  /** The head announced a body although its status has none (204, 205, 1xx). */
  announcedBody = false;
  /** What the request was, which decides how its response ends (row F11). */
  private toHead = false;
  private toConnect = false;
  private upgradeAsked = false;

  constructor(sink: MessageSink, limits: Http1Limits, copied: CopyCounter) {
    const head = new ResponseHead();
    super(sink, limits, FAULTS, head.fields, copied);
    this.head = head;
  }

  /** Says which request the next final response answers. */
  expect(method: string, upgradeAsked: boolean): void {
    this.toHead = method === "HEAD";
    this.toConnect = method === "CONNECT";
    this.upgradeAsked = upgradeAsked;
    this.informational = 0;
  }

  protected override headFields(): Fields {
    this.head.clear();
    return this.head.fields;
  }

  protected override anotherHead(): boolean {
    const status = this.head.status;
    return status < 200 && status !== 101;
  }

  override startLine(bytes: Uint8Array, start: number, end: number): Fault | null {
    // "HTTP/1." DIGIT SP 3DIGIT [SP reason]; the space before an empty reason is often missing.
    if (
      end - start < 12 ||
      bytes[start] !== 0x48 ||
      bytes[start + 1] !== 0x54 ||
      bytes[start + 2] !== 0x54 ||
      bytes[start + 3] !== 0x50 ||
      bytes[start + 4] !== 0x2f ||
      bytes[start + 5] !== 0x31 ||
      bytes[start + 6] !== 0x2e ||
      bytes[start + 8] !== 0x20
    ) {
      return FAULTS.start_line;
    }
    const minor = bytes[start + 7] - 0x30;
    if (minor !== 0 && minor !== 1) return FAULTS.version;
    const a = bytes[start + 9] - 0x30;
    const b = bytes[start + 10] - 0x30;
    const c = bytes[start + 11] - 0x30;
    if (a < 1 || a > 9 || b < 0 || b > 9 || c < 0 || c > 9) return FAULTS.start_line;
    if (end > start + 12 && bytes[start + 12] !== 0x20) return FAULTS.start_line;
    for (let i = start + 13; i < end; i++) if (IS_FIELD_VALUE[bytes[i]] === 0) return FAULTS.start_line;
    this.head.version = minor === 0 ? 10 : 11;
    this.head.status = a * 100 + b * 10 + c;
    return null;
  }

  protected override endOfHead(): Fault | null {
    const { status, fields, version } = this.head;
    const hasLength = fields.hasId(CONTENT_LENGTH);
    const hasCoding = fields.hasId(TRANSFER_ENCODING);
    this.contentLength = 0;
    this.announcedBody = false;
    // Checked also where the fields do not decide: an ambiguous head is never forwarded.
    if (hasCoding) {
      if (version === 10) return FAULTS.transfer_encoding_in_1_0;
      if (hasLength) return FAULTS.content_length_and_transfer_encoding;
      if (codingOf(fields) !== CHUNKED) return FAULTS.transfer_encoding;
    }
    let length = 0;
    if (hasLength) {
      length = lengthOf(fields);
      if (length < 0) return length === -2 ? FAULTS.duplicate_content_length : FAULTS.content_length;
    }
    if (status < 200) {
      if (status === 101) {
        if (!this.upgradeAsked) return FAULTS.unasked_upgrade;
        if (hasLength || hasCoding) return FAULTS.unasked_upgrade;
        this.framing = AsTunnel;
        return null;
      }
      if (++this.informational > this.limits.maxInformational) return FAULTS.too_many_informational;
      this.framing = NoBody;
      return null;
    }
    if (this.toConnect && status < 300) {
      this.framing = AsTunnel;
    } else if (this.toHead || status === 204 || status === 304 || status === 205) {
      this.framing = NoBody;
      this.announcedBody = !this.toHead && status !== 304 && (hasCoding || length > 0);
      // Declared for a body that is not sent; a 205 may not even declare one, and answers GET as any status does.
      this.contentLength = status === 205 && !this.toHead ? 0 : hasLength ? length : -1;
    } else if (hasCoding) {
      this.framing = ByChunks;
    } else if (hasLength) {
      this.framing = ByLength;
      this.contentLength = length;
    } else {
      this.framing = ByClose;
    }
    return null;
  }
}
