/** The head of an answer in HTTP/2, interim ones included (RFC 9113 8.3.2), and trailers, which have no pseudo header. */
import { Fields } from "../http/fields.ts";
import { ResponseHead } from "../http/head.ts";
import { FieldSection, type SectionFault } from "./field-section.ts";
import type { Http2Limits } from "./limits.ts";

export class ResponseSection extends FieldSection {
  /** The head that is being read. */
  private head: ResponseHead = new ResponseHead();

  constructor(limits: Http2Limits) {
    super(limits);
  }

  protected get fields(): Fields {
    return this.head.fields;
  }

  /** Begins a head, and fills `head` with it. */
  begin(head: ResponseHead): void {
    this.reset();
    head.clear();
    head.version = 20;
    this.head = head;
  }

  protected pseudo(name: string, value: string): SectionFault {
    if (name !== ":status" || this.head.status !== 0) return "pseudo_header";
    this.head.status = /^[1-9][0-9][0-9]$/.test(value) ? Number(value) : 0;
    // There is nothing to switch to (8.6).
    return this.head.status === 0 || this.head.status === 101 ? "status" : "";
  }

  /** The section is complete: what is wrong with it as a whole, or "". */
  end(): SectionFault {
    if (this.fault === "" && this.head.status === 0) this.fault = "missing_pseudo_header";
    return this.fault;
  }
}

/** Before the first section, which most connections never see. */
const NO_FIELDS = new Fields();

/** Trailers, of requests and answers (8.1). Each section has fields of its own. */
export class TrailerSection extends FieldSection {
  protected fields: Fields = NO_FIELDS;

  constructor({ maxTrailerFields, maxTrailerBytes, maxNameBytes, maxValueBytes }: Http2Limits) {
    super({ maxFields: maxTrailerFields, maxBytes: maxTrailerBytes, maxNameBytes, maxValueBytes });
  }

  /** Begins a section; what was read before belongs to its stream. */
  begin(): void {
    this.reset();
    this.fields = new Fields();
  }

  /** What was read. */
  get trailers(): Fields {
    return this.fields;
  }

  protected pseudo(): SectionFault {
    return "pseudo_header";
  }
}
