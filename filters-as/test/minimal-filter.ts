/**
 * The least that a filter with a purpose does: two headers read, one added on the request and one on the response.
 * `npm run bench` measures what the host costs with it.
 */
import {
  Action,
  HttpContext,
  RootContext,
  register,
  requestHeaders,
  responseHeaders,
  Slice,
} from "../sdk/sdk";

export { proxy_on_request_headers, proxy_on_response_headers } from "../sdk/exports/http";
export * from "../sdk/exports/plugin";

const PATH = Slice.of(":path");
const AGENT = Slice.of("user-agent");
const FILTER = Slice.of("x-filter");
const NAME = Slice.of("minimal");
const UNKNOWN = Slice.of("unknown");

class MinimalPlugin extends RootContext {
  createHttpContext(): HttpContext {
    return new MinimalStream();
  }
}

class MinimalStream extends HttpContext {
  onRequestHeaders(_count: u32, _endOfStream: bool): Action {
    const path = requestHeaders.get(PATH);
    const agent = requestHeaders.get(AGENT);
    requestHeaders.add(FILTER, path !== null && agent !== null ? NAME : UNKNOWN);
    return Action.Continue;
  }

  onResponseHeaders(_count: u32, _endOfStream: bool): Action {
    responseHeaders.add(FILTER, NAME);
    return Action.Continue;
  }

  recycle(): bool {
    return true;
  }
}

register(() => new MinimalPlugin());
