/** What a peer can do wrong with one message of HTTP/2, as it is told to the other side and to the operator. */
import { fault } from "../errors.ts";

export const RESPONSE_FAULTS = {
  malformed: fault(
    "http2.malformed",
    "upstream",
    502,
    "upstream_reset_before_response_started{protocol_error}",
    "UPE",
  ),
} as const;

export const REQUEST_FAULTS = {
  head_too_large: fault("http2.head_too_large", "downstream", 431, "request_headers_too_large", "DPE"),
  path_too_long: fault("http2.path_too_long", "downstream", 414, "request_uri_too_long", "DPE"),
} as const;
