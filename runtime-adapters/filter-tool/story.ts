/**
 * A story about a filter, as plain data: what happens to it, step by step, and what is expected of it. A file
 * `*.story.ts` exports an array of them as its default (`*.story.json` is one); `tulle filter test` runs them.
 *
 * What a step does not expect is not looked at, with three exceptions: a trap, and a reply or a closed stream that
 * is not mentioned, are failures always.
 */

/** Headers by name, or, where order and repetition matter, as a list of pairs. */
export type StoryHeaders =
  | { readonly [name: string]: string }
  | readonly (readonly [name: string, value: string])[];

/** A filter that is configured, and a stream that comes to it. */
export interface Story {
  readonly name: string;
  /** What the plugin is configured with: text as it is, anything else as JSON; nothing = no configuration. */
  readonly configuration?: unknown;
  readonly rootId?: string;
  /** What the host knows, by paths with dots: `{ "source.address": "10.0.0.9:1234" }`. */
  readonly properties?: { readonly [path: string]: string | number | boolean };
  /** The configuration is refused, with these lines in the log. */
  readonly refused?: readonly string[];
  readonly steps?: readonly StoryStep[];
}

/** Something happens, and the filter does something. */
export interface StoryStep {
  /**
   * A callback of the stream, in the order in which a host calls them; or of the plugin: `tick` (`ms` later, by
   * default one period), `answer` (to the oldest call that waits). `end` is the end of the stream: log, done, delete.
   */
  readonly on:
    | "requestHeaders"
    | "requestBody"
    | "requestTrailers"
    | "responseHeaders"
    | "responseBody"
    | "responseTrailers"
    | "newConnection"
    | "downstreamData"
    | "upstreamData"
    | "tick"
    | "answer"
    | "end";
  /** Headers or trailers that come; of an answer, none means that there is no answer. */
  readonly headers?: StoryHeaders;
  /** Bytes that are there; when the filter holds some, all of them. */
  readonly body?: string;
  /** Of an answer. */
  readonly trailers?: StoryHeaders;
  /** Nothing follows; for headers, true unless it is said. */
  readonly endOfStream?: boolean;
  /** Of a tick: how much later it is. */
  readonly ms?: number;
  /** Which of several streams; the first step of a name opens it. */
  readonly stream?: string;
  readonly expect?: StoryExpectation;
}

/** What comes of a step. */
export interface StoryExpectation {
  /** All that the filter asked of the host, in order, in the words of `tulle filter test --calls`. */
  readonly calls?: readonly string[];
  readonly action?: "continue" | "pause";
  /** The headers or trailers of this step as they are afterwards: these values (null: absent), or the whole list. */
  readonly headers?: { readonly [name: string]: string | null } | readonly (readonly [string, string])[];
  /** The same of the request's headers, after any step. */
  readonly requestHeaders?: StoryExpectation["headers"];
  /** The body of this step as it is afterwards. */
  readonly body?: string;
  /** What the filter answered instead of the upstream: the fields that are given. */
  readonly reply?: {
    readonly status: number;
    readonly body?: string;
    readonly details?: string;
    readonly headers?: StoryHeaders;
    readonly grpcStatus?: number;
  };
  /** Calls to other services that were sent: the fields that are given. */
  readonly sent?: readonly {
    readonly cluster: string;
    readonly headers?: { readonly [name: string]: string };
    readonly body?: string;
    readonly timeout?: number;
  }[];
  /** Streams that were resumed or closed: "continue request", "close downstream", in order. */
  readonly resumed?: readonly string[];
  /** Lines that were logged: "error: …", in order. */
  readonly logs?: readonly string[];
  /** Values of metrics. */
  readonly metrics?: { readonly [name: string]: number };
}
