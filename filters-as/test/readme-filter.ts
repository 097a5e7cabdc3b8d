/** The filter of README.md, for the test that it does what the page says. */
import { Action, HttpContext, RootContext, register, requestHeaders, Slice } from "../sdk/sdk";

export { proxy_on_request_headers } from "../sdk/exports/http";
export * from "../sdk/exports/plugin";

const PATH = Slice.of(":path");
const SEEN = Slice.of("x-seen");

class SeenPlugin extends RootContext {
  createHttpContext(): HttpContext {
    return new SeenStream();
  }
}

class SeenStream extends HttpContext {
  onRequestHeaders(_count: u32, _endOfStream: bool): Action {
    const path = requestHeaders.get(PATH);
    if (path !== null) requestHeaders.set(SEEN, path);
    return Action.Continue;
  }

  recycle(): bool {
    return true;
  }
}

register(() => new SeenPlugin());
