/**
 * The headers filter: adds, sets, appends, removes, renames and copies headers of requests and responses, with
 * Envoy's formatters and with conditions. Its configuration is described in headers.schema.json beside this file;
 * one that is not sound is refused, with a line for each fault.
 */
import {
  Action,
  Bytes,
  error,
  HeaderMap,
  HttpContext,
  JsonDocument,
  JsonNode,
  RootContext,
  register,
  requestHeaders,
  responseHeaders,
  Slice,
} from "../sdk/sdk";
import { NotedConditions } from "./condition";
import { forgetLines } from "./lines";
import { Operation } from "./operation";
import { Plan } from "./plan";
import { RequestNotes } from "./request-notes";

export { proxy_on_request_headers, proxy_on_response_headers } from "../sdk/exports/http";
export * from "../sdk/exports/plugin";

class HeadersPlugin extends RootContext {
  onRequest: StaticArray<Operation> = new StaticArray<Operation>(0);
  onResponse: StaticArray<Operation> = new StaticArray<Operation>(0);
  /** What the response's operations want to know of the request. */
  notedNames: StaticArray<Bytes> = new StaticArray<Bytes>(0);
  noted: NotedConditions = new NotedConditions();

  onConfigure(configuration: Slice): bool {
    const document = JsonDocument.parse(configuration);
    const root = document.root;
    if (root !== null) {
      const plan = new Plan();
      this.onRequest = this.read(root, "request", plan);
      plan.turnToResponse();
      this.onResponse = this.read(root, "response", plan);
      this.notedNames = StaticArray.fromArray(plan.names);
    }
    if (document.finish()) return true;
    for (let i = 0; i < document.faults.length; i++) error(`headers: ${document.faults[i]}`);
    return false;
  }

  private read(root: JsonNode, field: string, plan: Plan): StaticArray<Operation> {
    const nodes = root.getArray(field);
    const operations: Operation[] = [];
    for (let i = 0; i < nodes.length; i++) {
      const operation = Operation.read(nodes[i], plan, this.noted);
      if (operation !== null) operations.push(operation);
    }
    return StaticArray.fromArray(operations);
  }

  createHttpContext(): HttpContext {
    return new HeadersStream(this);
  }
}

class HeadersStream extends HttpContext {
  private readonly notes: RequestNotes = new RequestNotes();

  constructor(private readonly plugin: HeadersPlugin) {
    super();
  }

  onRequestHeaders(_count: u32, _endOfStream: bool): Action {
    forgetLines();
    const plugin = this.plugin;
    if (plugin.notedNames.length > 0) this.notes.take(plugin.notedNames);
    if (plugin.noted.list.length > 0) this.notes.answers = plugin.noted.answer();
    this.apply(plugin.onRequest, requestHeaders);
    return Action.Continue;
  }

  onResponseHeaders(_count: u32, _endOfStream: bool): Action {
    forgetLines();
    this.apply(this.plugin.onResponse, responseHeaders);
    return Action.Continue;
  }

  private apply(operations: StaticArray<Operation>, headers: HeaderMap): void {
    for (let i = 0; i < operations.length; i++) unchecked(operations[i]).apply(headers, this.notes);
  }

  recycle(): bool {
    this.notes.forget();
    return true;
  }
}

register(() => new HeadersPlugin());
