/**
 * A field section of HTTP/2 on its way from the decoder into a head of ours (RFC 9113 8.1 to 8.3): each field is
 * checked, and counted, as it comes. What is said in a request, an answer or trailers alone is in the subclasses.
 *
 * Laws: nothing that HTTP/1 could read in another way gets through: names are tokens in lower case, values are what
 * they are in HTTP/1, and fields of one hop are malformed. What is dropped is counted all the same. After the first
 * fault no more fields are taken.
 */
import { IS_TCHAR } from "../bytes/ascii.ts";
import type { Fields } from "../http/fields.ts";
import { isFieldValue } from "../http/fields.ts";
import { known } from "../http/names.ts";
import type { FieldSink } from "./hpack/decoder.ts";

const CONTENT_LENGTH = known("content-length");
const COOKIE = known("cookie");
const TE = known("te");

/** Fields of one hop, which HTTP/2 has no use for (8.2.2). */
const OF_ONE_HOP: ReadonlySet<number> = new Set(
  (["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"] as const).map(known),
);

/** What is wrong with a section; "" while nothing is. The first three are too much, the others malformed. */
export type SectionFault =
  | ""
  | "too_many_fields"
  | "section_too_large"
  | "path_too_long"
  | "field_name"
  | "field_value"
  | "field_of_one_hop"
  | "te"
  | "content_length"
  | "pseudo_header"
  | "late_pseudo_header"
  | "missing_pseudo_header"
  | "method"
  | "scheme"
  | "path"
  | "authority"
  | "host"
  | "underscore"
  | "protocol"
  | "status";

/** Faults of sections that are sound as far as they were read, but too large. */
const TOO_MUCH: ReadonlySet<SectionFault> = new Set([
  "too_many_fields",
  "section_too_large",
  "path_too_long",
]);

/** Takes the fields of a section that nobody wants. */
export const IGNORED_FIELDS: FieldSink = { onField: () => false };

/** How much of it there may be. */
export interface SectionLimits {
  readonly maxFields: number;
  readonly maxBytes: number;
  readonly maxNameBytes: number;
  readonly maxValueBytes: number;
}

export abstract class FieldSection implements FieldSink {
  fault: SectionFault = "";
  /** Declared length of the body, -1 if none is declared. */
  contentLength = -1;
  /** Names and values so far, bytes. */
  bytes = 0;
  private count = 0;
  private regular = false;
  private cookie = "";
  private readonly limits: SectionLimits;

  constructor(limits: SectionLimits) {
    this.limits = limits;
  }

  /** Where the fields go. */
  protected abstract readonly fields: Fields;
  /** A pseudo header; what is wrong with it, or "". */
  protected abstract pseudo(name: string, value: string): SectionFault;

  /** It is larger than it may be; nothing else is known to be wrong with it. */
  get tooMuch(): boolean {
    return TOO_MUCH.has(this.fault);
  }

  /** Begins a section. */
  protected reset(): void {
    this.fault = "";
    this.contentLength = -1;
    this.bytes = 0;
    this.count = 0;
    this.regular = false;
    this.cookie = "";
  }

  onField(id: number, name: string, value: string, secret: boolean): boolean {
    this.fault = this.take(id, name, value);
    if (secret) {
      this.fields.secrets ??= new Set();
      this.fields.secrets.add(name);
    }
    return this.fault === "";
  }

  private take(id: number, name: string, value: string): SectionFault {
    const { limits } = this;
    if (++this.count > limits.maxFields) return "too_many_fields";
    this.bytes += name.length + value.length;
    if (this.bytes > limits.maxBytes) return "section_too_large";
    if (name.charCodeAt(0) === 0x3a) {
      if (this.regular) return "late_pseudo_header";
      return isPlainValue(value) ? this.pseudo(name, value) : "field_value";
    }
    if (name.length > limits.maxNameBytes || value.length > limits.maxValueBytes) return "section_too_large";
    this.regular = true;
    if (id === 0 && !isLowerToken(name)) return "field_name";
    if (!isPlainValue(value)) return "field_value";
    return this.regularField(id, name, value);
  }

  /** A field that is no pseudo header; what is wrong with it, or "". */
  protected regularField(id: number, name: string, value: string): SectionFault {
    if (OF_ONE_HOP.has(id)) return "field_of_one_hop";
    if (id === TE && value !== "trailers") return "te";
    if (id === CONTENT_LENGTH) {
      if (this.contentLength >= 0) return "content_length";
      this.contentLength = lengthOf(value);
      if (this.contentLength < 0) return "content_length";
    }
    if (id === COOKIE) {
      // Crumbs are one field in every other version (8.2.3).
      this.cookie = this.cookie === "" ? value : `${this.cookie}; ${value}`;
      this.fields.setId(COOKIE, this.cookie);
    } else this.fields.addNamed(id, name, value);
    return "";
  }
}

/** A token without upper-case letters: what a name is in HTTP/2 (8.2.1), and still one in HTTP/1. */
function isLowerToken(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code > 0xff || IS_TCHAR[code] === 0 || (code >= 0x41 && code <= 0x5a)) return false;
  }
  return name.length > 0;
}

/** A value that no reader trims (8.2.1). */
function isPlainValue(value: string): boolean {
  return isFieldValue(value) && !isSpace(value.charCodeAt(0)) && !isSpace(value.charCodeAt(value.length - 1));
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 9;
}

/** `1*DIGIT` up to 2^53 - 1, or -1. */
function lengthOf(text: string): number {
  return /^[0-9]{1,16}$/.test(text) && Number(text) <= Number.MAX_SAFE_INTEGER ? Number(text) : -1;
}
