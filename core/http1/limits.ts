/** Limits of the HTTP/1 codec, per message. Every one has a row in docs/limits.md. */
export interface Http1Limits {
  /** Request line or status line, bytes without CRLF → 414 / 502. */
  readonly maxStartLineBytes: number;
  /** Whole head, bytes → 431 / 502. */
  readonly maxHeadBytes: number;
  /** Fields of a head → 431 / 502. */
  readonly maxFields: number;
  /** One field name, bytes → 431 / 502. */
  readonly maxNameBytes: number;
  /** One field value, bytes → 431 / 502. */
  readonly maxValueBytes: number;
  /** Trailer section, bytes → 400 / 502. */
  readonly maxTrailerBytes: number;
  /** Trailer fields → 400 / 502. */
  readonly maxTrailerFields: number;
  /** Empty lines before a request line. */
  readonly maxLeadingBlankLines: number;
  /** Interim (1xx) responses before the final one → 502. */
  readonly maxInformational: number;
}

/** Envoy's head limits; the rest as `docs/limits.md` argues. */
export const DEFAULT_LIMITS: Http1Limits = Object.freeze({
  maxStartLineBytes: 8192,
  maxHeadBytes: 60 * 1024,
  maxFields: 100,
  maxNameBytes: 256,
  maxValueBytes: 16 * 1024,
  maxTrailerBytes: 8192,
  maxTrailerFields: 32,
  maxLeadingBlankLines: 4,
  maxInformational: 16,
});
