/** Limits of the HTTP/2 codec, per message. Every one has a row in docs/limits.md. */
export interface Http2Limits {
  /** Fields of a section, crumbs of a cookie and a Host that is dropped included → 431 / reset. */
  readonly maxFields: number;
  /** Names and values of a section, decoded, bytes → 431 / reset. */
  readonly maxBytes: number;
  /** One field name, bytes → 431 / reset. */
  readonly maxNameBytes: number;
  /** One field value, bytes → 431 / reset. */
  readonly maxValueBytes: number;
  /** `:path`, bytes → 414. */
  readonly maxPathBytes: number;
  readonly maxTrailerFields: number;
  readonly maxTrailerBytes: number;
  /** A header block as it is sent, bytes → the connection ends. */
  readonly maxBlockBytes: number;
}

/** As for HTTP/1, so that a request's version makes no difference to whether it is served. */
export const DEFAULT_HTTP2_LIMITS: Http2Limits = Object.freeze({
  maxFields: 100,
  maxBytes: 60 * 1024,
  maxNameBytes: 256,
  maxValueBytes: 16 * 1024,
  maxPathBytes: 8192,
  maxTrailerFields: 32,
  maxTrailerBytes: 8192,
  maxBlockBytes: 64 * 1024,
});

/** The defaults, but for what a configuration names; a block that is not compressed is not larger than its fields. */
export function http2Limits(maxBytes: number, maxFields: number): Http2Limits {
  const maxBlockBytes = Math.max(DEFAULT_HTTP2_LIMITS.maxBlockBytes, maxBytes + 8 * maxFields);
  return { ...DEFAULT_HTTP2_LIMITS, maxBytes, maxFields, maxBlockBytes };
}
