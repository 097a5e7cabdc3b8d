/**
 * Everything that can be wrong with HTTP/1 bytes, by name. Requests get a 4xx/5xx and a close ("400c"),
 * responses become 502 and the upstream connection is destroyed ("502c"). The rows in brackets are those of
 * docs/limits.md and of the conformance vectors.
 */
import { type Fault, fault } from "../errors.ts";

/** Envoy's details for codec errors carry this prefix. */
function bad(code: string, status = 400): Fault {
  return fault(`http1.${code}`, "downstream", status, `http1.${code}`, "DPE");
}

function badUpstream(code: string): Fault {
  return fault(
    `http1.${code}`,
    "upstream",
    502,
    `upstream_reset_before_response_started{protocol_error|http1.${code}}`,
    "UPE",
  );
}

const MALFORMED = [
  "start_line", // L1, L2
  "version",
  "leading_whitespace", // L6
  "bare_lf", // L7
  "bare_cr", // L8
  "field_name", // L9
  "missing_colon",
  "space_before_colon", // L10
  "field_value", // L11, L12
  "obs_fold", // L14
  "underscore", // L15
  "content_length", // F1, F3
  "duplicate_content_length", // F4
  "content_length_and_transfer_encoding", // F5
  "transfer_encoding", // F6
  "transfer_encoding_in_1_0", // F7
  "chunk_size", // C1, C2
  "chunk_line_end", // C3
  "chunk_data_end", // C4
  "chunk_extension", // C5
  "trailers_too_large",
  "incomplete", // F13
] as const;
type Malformed = (typeof MALFORMED)[number];

/** Faults of one side, by name. */
export type FaultTable = { readonly [name in Malformed | keyof typeof LIMIT_STATUS]: Fault };

const LIMIT_STATUS = {
  method_too_long: 501,
  unknown_coding: 501,
  version_not_supported: 505,
  uri_too_long: 414,
  head_too_large: 431,
  too_many_fields: 431,
  // Only requests:
  missing_host: 400,
  duplicate_host: 400,
  bad_host: 400,
  target: 400,
  target_fragment: 400,
  connect_body: 400,
  protected_nomination: 400,
  // Only responses:
  unasked_upgrade: 502,
  too_many_informational: 502,
} as const;

function table(make: (code: string, status?: number) => Fault): FaultTable {
  const out: Record<string, Fault> = {};
  for (const name of MALFORMED) out[name] = make(name);
  for (const [name, status] of Object.entries(LIMIT_STATUS)) out[name] = make(name, status);
  return Object.freeze(out) as FaultTable;
}

/** What is wrong with a request. Envoy answers the last two without a body and without a flag. */
export const REQUEST_FAULTS: FaultTable = Object.freeze({
  ...table(bad),
  missing_host: fault("http1.missing_host", "downstream", 400, "missing_host_header", ""),
  target_fragment: fault("http1.target_fragment", "downstream", 400, "path_normalization_failed", ""),
});
/** What is wrong with a response: always 502 and never a reusable connection. */
export const RESPONSE_FAULTS: FaultTable = table((code) => badUpstream(code));
