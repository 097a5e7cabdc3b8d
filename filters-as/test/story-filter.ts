/**
 * A filter that uses the SDK's classes in every way that a filter can, for the test of the contexts: what it does
 * with a request is said by the request's headers.
 */
import {
  Action,
  Counter,
  callBody,
  callHeaders,
  continueRequest,
  error,
  HttpCallHandler,
  HttpContext,
  httpCall,
  JsonDocument,
  liveContexts,
  PairsWriter,
  RootContext,
  register,
  requestBody,
  requestHeaders,
  responseHeaders,
  Slice,
  sendResponse,
  setTickPeriod,
} from "../sdk/sdk";

export {
  proxy_on_request_body,
  proxy_on_request_headers,
  proxy_on_response_headers,
} from "../sdk/exports/http";
export * from "../sdk/exports/plugin";
export {
  proxy_on_http_call_response,
  proxy_on_log,
  proxy_on_tick,
} from "../sdk/exports/root";

const PATH = Slice.of(":path");
const DO = Slice.of("do");
const SEEN = Slice.of("x-seen");

class StoryRoot extends RootContext {
  requests: Counter = Counter.define("story_requests");
  made: Counter = Counter.define("story_contexts_made");
  greeting: string = "";
  /** The cluster that "do: ask" asks. */
  oracle: string = "";

  onConfigure(configuration: Slice): bool {
    const document = JsonDocument.parse(configuration);
    const root = document.root;
    if (root !== null) {
      this.greeting = root.getString("greeting", "hello");
      this.oracle = root.getString("oracle", "oracle");
      setTickPeriod(<u32>root.getInteger("tick", 0, 0, 60_000));
    }
    if (document.finish()) return true;
    for (let i = 0; i < document.faults.length; i++) error(document.faults[i]);
    return false;
  }

  onTick(): void {
    error(`live ${liveContexts()}`);
  }

  createHttpContext(): HttpContext {
    this.made.increment();
    return new StoryHttp(this);
  }
}

class StoryHttp extends HttpContext {
  private steps: i32 = 0;

  constructor(private readonly root: StoryRoot) {
    super();
  }

  onRequestHeaders(count: u32, endOfStream: bool): Action {
    this.root.requests.increment();
    this.steps++;
    // Who changes a body takes its length away, before it comes.
    if (!endOfStream) requestHeaders.removeString("content-length");
    const what = requestHeaders.get(DO);
    if (what === null) return Action.Continue;
    const task = what.toString();
    if (task === "mark") {
      requestHeaders.add(SEEN, requestHeaders.get(PATH)!);
      requestHeaders.setString("x-count", `${count} ${endOfStream}`);
    } else if (task === "refuse") {
      const headers = PairsWriter.create().addString("x-why", "asked to").finish();
      sendResponse(403, Slice.from("no"), Slice.from("story_refuses"), headers);
      return Action.Pause;
    } else if (task === "ask") {
      const headers = PairsWriter.create()
        .addString(":method", "GET")
        .addString(":path", "/ask")
        .addString(":authority", "oracle");
      if (httpCall(Slice.from(this.root.oracle), headers.finish(), Slice.empty, 500, new StoryCall()))
        return Action.Pause;
    } else if (task === "fail") {
      assert(this.steps === 7, "the seventh step");
    } else if (task === "list") {
      const all = requestHeaders.pairs();
      let names = "";
      while (all.next()) names += `${all.name.toString()}=${all.value.toString()};`;
      requestHeaders.setString("x-list", names);
    }
    return Action.Continue;
  }

  onRequestBody(size: u32, endOfStream: bool): Action {
    if (!endOfStream) return Action.Pause;
    const body = requestBody.get();
    if (body !== null) requestBody.replace(Slice.from(`${size}:${body.toString().toUpperCase()}`));
    return Action.Continue;
  }

  onResponseHeaders(_count: u32, _endOfStream: bool): Action {
    responseHeaders.setString("x-greeting", this.root.greeting);
    this.steps++;
    return Action.Continue;
  }

  onLog(): void {
    const seen = requestHeaders.get(SEEN);
    if (seen !== null) error(`log ${seen.toString()} after ${this.steps}`);
  }

  recycle(): bool {
    this.steps = 0;
    return true;
  }
}

class StoryCall extends HttpCallHandler {
  onResponse(headerCount: u32, _bodySize: u32, _trailerCount: u32): void {
    const status = headerCount === 0 ? "none" : callHeaders.getString(":status");
    const body = callBody.get();
    requestHeaders.setString("x-answer", `${status} ${body === null ? "" : body.toString()}`);
    continueRequest();
  }
}

register(() => new StoryRoot());
