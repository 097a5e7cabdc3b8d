/**
 * @NAME@: greets whoever sends `x-user`, and keeps some paths closed. Its configuration is JSON:
 *
 *   { "greeting": "hello", "closed": ["/admin"] }
 *
 * What the SDK offers is in docs/writing-a-filter.md of Tulle.
 */
import {
  Action,
  Bytes,
  error,
  HttpContext,
  JsonDocument,
  RootContext,
  register,
  requestHeaders,
  responseHeaders,
  Slice,
  sendResponse,
  Writer,
} from "tulle/sdk";

// The host calls what a filter exports: one name for each `on…` below, and the callbacks that every filter has.
export { proxy_on_request_headers, proxy_on_response_headers } from "tulle/exports/http";
export * from "tulle/exports/plugin";

// Bytes that are needed again and again are made once.
const PATH = Slice.of(":path");
const USER = Slice.of("x-user");
const GREETING = Slice.of("x-greeting");
const CLOSED = Slice.of("closed\n");
const DETAILS = Slice.of("closed_path");

/** One configuration of the filter. */
class Plugin extends RootContext {
  greeting: Bytes = Bytes.of("hello");
  closed: Bytes[] = [];

  onConfigure(configuration: Slice): bool {
    if (configuration.length === 0) return true;
    const document = JsonDocument.parse(configuration);
    const root = document.root;
    if (root !== null) {
      this.greeting = Bytes.of(root.getString("greeting", "hello"));
      this.closed = root.getStrings("closed");
    }
    // False refuses the configuration: what was in force before stays in force, and the log says why.
    if (document.finish()) return true;
    for (let i = 0; i < document.faults.length; i++) error(document.faults[i]);
    return false;
  }

  createHttpContext(): HttpContext {
    return new Exchange(this);
  }
}

/** One request and its response. */
class Exchange extends HttpContext {
  private user: Bytes | null = null;

  constructor(private readonly plugin: Plugin) {
    super();
  }

  onRequestHeaders(_count: u32, _endOfStream: bool): Action {
    const path = requestHeaders.get(PATH);
    if (path !== null && this.isClosed(path)) {
      sendResponse(403, CLOSED, DETAILS);
      return Action.Pause;
    }
    // What a callback reads is gone when the next one begins, unless it is kept.
    const user = requestHeaders.get(USER);
    if (user !== null) this.user = user.keep();
    return Action.Continue;
  }

  onResponseHeaders(_count: u32, _endOfStream: bool): Action {
    const user = this.user;
    if (user !== null) {
      const text = Writer.create().write(this.plugin.greeting.view).writeString(", ").write(user.view);
      responseHeaders.set(GREETING, text.bytes);
    }
    return Action.Continue;
  }

  private isClosed(path: Slice): bool {
    const closed = this.plugin.closed;
    for (let i = 0; i < closed.length; i++) if (path.startsWith(closed[i].view)) return true;
    return false;
  }

  /** This object serves a later request, so nothing of this one may be left. */
  recycle(): bool {
    this.user = null;
    return true;
  }
}

register(() => new Plugin());
