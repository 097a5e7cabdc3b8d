/** Tells a story to a filter on the scripted host: starts it, lets things happen, notes what came of each step. */
import type { FakeStream, HeaderList } from "./scripted-host/fake-stream.ts";
import { longBytes } from "./scripted-host/guest-bytes.ts";
import { byteString, type PendingCall, ScriptedHost } from "./scripted-host/scripted-host.ts";
import type { Story, StoryHeaders, StoryStep } from "./story.ts";

/** What came of a step. Texts are byte strings. */
export interface Outcome {
  readonly calls: readonly string[];
  readonly action: number;
  /** The map of the step, null if it has none. */
  readonly headers: HeaderList | null;
  readonly requestHeaders: HeaderList;
  readonly body: string | null;
  readonly reply: FakeStream["reply"];
  readonly sent: readonly PendingCall[];
  readonly resumed: readonly string[];
  readonly logs: readonly string[];
  readonly metrics: ReadonlyMap<string, number>;
}

/** The map that a step is about, by the ABI's number; and the buffer. */
const MAPS: { readonly [on: string]: number } = {
  requestHeaders: 0,
  requestTrailers: 1,
  responseHeaders: 2,
  responseTrailers: 3,
};
const BUFFERS: { readonly [on: string]: number } = {
  requestBody: 0,
  responseBody: 1,
  downstreamData: 2,
  upstreamData: 3,
};

export class StoryHost {
  private readonly host: ScriptedHost;
  private readonly streams = new Map<string, FakeStream>();

  private constructor(host: ScriptedHost) {
    this.host = host;
  }

  /** Starts the filter for a story. Throws if it traps or refuses its configuration. */
  static start(module: WebAssembly.Module, story: Story): StoryHost {
    return new StoryHost(ScriptedHost.start(module, optionsOf(story)));
  }

  /** The log of a filter that refuses the story's configuration; throws if it takes it. */
  static refusal(module: WebAssembly.Module, story: Story): readonly string[] {
    return ScriptedHost.refusal(module, optionsOf(story));
  }

  /** Lets a step happen. Throws if the filter traps, or cannot be told that. */
  tell(step: StoryStep): Outcome {
    const { host } = this;
    const logged = host.logs.length;
    const waiting = new Set(host.pendingCalls);
    const stream = this.streamOf(step);
    const resumed = stream?.resumed.length ?? 0;
    const before = stream?.reply ?? null;
    const action = this.happen(step, stream);
    const map = MAPS[step.on];
    const buffer = BUFFERS[step.on];
    return {
      calls: host.calls,
      action,
      headers: map === undefined ? null : (stream?.maps[map] ?? null),
      requestHeaders: stream?.requestHeaders ?? [],
      body: buffer === undefined ? null : (stream?.buffers[buffer] ?? null),
      reply: before === null ? (stream?.reply ?? null) : null,
      sent: host.pendingCalls.filter((call) => !waiting.has(call)),
      resumed: stream?.resumed.slice(resumed) ?? [],
      logs: host.logs.slice(logged),
      metrics: new Map(host.metrics.map(({ name, value }) => [name, Number(value)])),
    };
  }

  /** Ends the streams that are left. */
  end(): void {
    for (const stream of this.streams.values()) stream.end();
    this.streams.clear();
  }

  /** What happens to the plugin opens no stream. */
  private streamOf({ on, stream: name = "" }: StoryStep): FakeStream | null {
    const open = this.streams.get(name);
    if (open !== undefined || on === "tick" || on === "answer") return open ?? null;
    const stream = this.host.open();
    this.streams.set(name, stream);
    return stream;
  }

  private happen(step: StoryStep, stream: FakeStream | null): number {
    switch (step.on) {
      case "tick":
        this.host.tick(step.ms);
        return 0;
      case "answer": {
        const [call] = this.host.pendingCalls;
        if (call === undefined) throw new Error("the filter waits for no answer: it has sent no call");
        this.host.answerCall(call, pairs(step.headers), byteString(step.body ?? ""), pairs(step.trailers));
        return 0;
      }
      default:
        return stream === null ? 0 : this.call(step, stream);
    }
  }

  private call(step: StoryStep, stream: FakeStream): number {
    const headers = pairs(step.headers);
    const body = byteString(step.body ?? "");
    const ends = step.endOfStream ?? true;
    switch (step.on) {
      case "requestHeaders":
        return stream.onRequestHeaders(headers, ends);
      case "requestBody":
        return stream.onRequestBody(body, ends);
      case "requestTrailers":
        return stream.onRequestTrailers(headers);
      case "responseHeaders":
        return stream.onResponseHeaders(headers, ends);
      case "responseBody":
        return stream.onResponseBody(body, ends);
      case "responseTrailers":
        return stream.onResponseTrailers(headers);
      case "newConnection":
        return stream.onNewConnection();
      case "downstreamData":
        return stream.onDownstreamData(body, step.endOfStream ?? false);
      case "upstreamData":
        return stream.onUpstreamData(body, step.endOfStream ?? false);
      case "end":
        stream.end();
        this.streams.delete(step.stream ?? "");
        return 0;
      default:
        return 0;
    }
  }
}

function optionsOf({ configuration, rootId, properties = {} }: Story) {
  return {
    configuration: configuration ?? "",
    rootId: rootId ?? "",
    properties: Object.fromEntries(Object.entries(properties).map(([path, value]) => [path, encode(value)])),
  };
}

/** A property in Envoy's binary form. */
function encode(value: string | number | boolean): string {
  if (typeof value === "string") return byteString(value);
  return typeof value === "boolean" ? String.fromCharCode(value ? 1 : 0) : longBytes(BigInt(value));
}

/** Headers of a story as byte strings. */
export function pairs(headers: StoryHeaders | undefined): HeaderList {
  const list = headers === undefined ? [] : isList(headers) ? headers : Object.entries(headers);
  return list.map(([name, value]) => [byteString(name), byteString(value)]);
}

function isList(headers: StoryHeaders): headers is readonly (readonly [string, string])[] {
  return Array.isArray(headers);
}
