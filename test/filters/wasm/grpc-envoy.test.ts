/**
 * gRPC calls of one guest in Envoy 1.40 and in ours: the same callbacks with the same contents, and the same requests,
 * but for what is named below. What Envoy did is recorded for where it is not installed (ENVOY_BIN); TULLE_RECORD=1
 * writes it anew.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FILTER_PROXIES } from "../../support/filter-proxies.ts";
import { type Acts, call, cancelled, closed, grpcGuest, open, sent } from "../../support/grpc-guest.ts";
import { type GrpcCase, grpcLab, type Outcome } from "../../support/grpc-lab.ts";
import { HAS_ASSEMBLER } from "../../support/guest.ts";

/** Methods of the lab's server that both kinds of calls are tried with. */
const METHODS = `ok two none empty failed odd garbled statusless trailerless only only_statusless http503 http503_only
  http404 compressed compressed_empty flagged partial reset_later`;

/** A field of protobuf: a text, bytes or a message. */
const field = (number: number, content: string): string =>
  String.fromCharCode((number << 3) | 2, content.length) + content;
const service = (envoyGrpc: string, more = ""): string => field(1, envoyGrpc) + more;
const NAMED = field(1, "grpc");

const ACTS: { readonly [name: string]: Acts } = {
  ...Object.fromEntries(
    METHODS.split(/\s+/).flatMap((method) => [
      [`call ${method}`, { act: call({ method }) }],
      [`stream ${method}`, { act: open({ method }) + sent("ask", true) }],
    ]),
  ),
  "call out of time": { act: call({ method: "silent", timeout: 100 }) },
  "call nobody listens": { act: call({ service: "dead", method: "ok" }) },
  "stream nobody listens": { act: open({ service: "dead", method: "ok" }) + sent("ask", true) },
  "call no such cluster": { act: call({ service: "nowhere", method: "ok" }) },
  "stream no such cluster": { act: open({ service: "nowhere", method: "ok" }) },
  "call over HTTP/1": { act: call({ service: "plain", method: "ok" }) },
  "stream over HTTP/1": { act: open({ service: "plain", method: "ok" }) + sent("ask", true) },
  "service described": { act: call({ service: service(NAMED), method: "ok" }) },
  "service with authority": {
    act: call({ service: service(NAMED + field(2, "auth.example")), method: "ok" }),
  },
  "service with metadata": {
    act: call({ service: service(NAMED, field(5, field(1, "x-svc") + field(2, "v"))), method: "ok" }),
  },
  "service with unknown field": { act: call({ service: service(NAMED, field(15, "x")), method: "ok" }) },
  "service with shortest messages": {
    act: call({ service: service(NAMED + field(4, "\x08\x02")), method: "ok" }),
  },
  metadata: {
    act: call({
      method: "ok",
      metadata: [
        ["x-a", "1"],
        ["x-a", "2"],
        ["x-b-bin", "\x00\x01\xff"],
        ["X-Upper", "3"],
        ["user-agent", "me"],
        ["x-envoy-internal", "false"],
        ["x-envoy-expected-rq-timeout-ms", "7"],
      ],
    }),
  },
  "metadata of a stream": {
    act:
      open({
        method: "ok",
        metadata: [
          ["x-envoy-internal", "false"],
          ["x-envoy-expected-rq-timeout-ms", "7"],
        ],
      }) + sent("ask", true),
  },
  "metadata that is none": { act: call({ method: "ok", metadata: "garbage!" }) },
  "longest time-out": { act: call({ method: "ok", timeout: -1 }) },
  "no method": { act: call({ method: "", timeout: 50 }) },
  "tokens of calls": {
    act: `${call({ method: "ok" })} ${call({ method: "ok", token: 68 })}
      (call $tried (i32.load #64)) (call $tried (i32.load #68))`,
  },
  "tokens of streams": {
    act: `${open({ method: "silent" })} ${open({ method: "silent", token: 68 })}
      (call $tried (i32.load #64)) (call $tried (i32.load #68))`,
  },
  "echo, closed": { act: open({ method: "echo" }) + sent("a") + sent("") + sent("bc") + closed() },
  "echo, ended with the message": { act: open({ method: "echo" }) + sent("a", true) },
  "cancelled, and what is left": {
    act: open({ method: "echo" }) + sent("a") + cancelled() + sent("b") + closed() + cancelled(),
  },
  "cancelled from inside": {
    act: open({ method: "echo" }) + sent("a"),
    onMessage: cancelled() + sent("x"),
  },
  "closed from inside": { act: open({ method: "echo" }) + sent("a"), onMessage: closed() },
  "sent, closed, cancelled at the end": {
    act: open({ method: "ok" }),
    onClose: sent("x") + closed() + cancelled() + sent("y"),
  },
  "call cancelled": { act: call({ method: "silent" }) + cancelled() + cancelled() + closed() },
  "call closed": { act: call({ method: "silent" }) + closed() + closed() },
  "call sent on": { act: call({ method: "ok" }) + sent("x") },
  "tokens of nothing": {
    act: [0, 1, 2]
      .map((token) => `(i32.store #72 #${token})${sent("x", false, 72)}${closed(72)}${cancelled(72)}`)
      .join(""),
  },
  "call from an answer": {
    act: call({ method: "ok" }),
    onMessage: `(if (i32.eq (global.get $heard) #1) (then ${call({ method: "ok" })}))`,
  },
  "metadata and status within a message": {
    act: open({ method: "ok" }),
    onMessage: `(drop (call $get_header_map_pairs #4 #out)) (call $tried (i32.load #20))
      (drop (call $get_status #32 #out)) (call $tried (i32.load #32))`,
  },
};

/** Fields that Envoy shows and we do not: how long its upstream took, and what is about one connection. */
const ENVOYS = [/x-envoy-upstream-service-time\.\d+\./, /connection\.keep-alive\./];

/** Without those, times, and the lengths before the pairs. */
function plain({ said, heard }: Outcome): Outcome {
  const line = (text: string): string => {
    const [, what, count, inner] = /^(initial|trailing) (\d+) \[\.*(.*)\]$/.exec(text) ?? [];
    if (what === undefined) return text;
    let left = inner.replace(/date\..{29}\./, "date.").replace(/^W\.+/, "");
    let number = Number(count);
    for (const own of ENVOYS) {
      if (own.test(left)) number--;
      left = left.replace(own, "");
    }
    return `${what} ${number} ${left}`;
  };
  return { said: said.map(line), heard };
}

/** Where all of the request has reached the server when the guest hears the end. */
const HEARD =
  /^(call (?!c(ancelled|losed))\w+|stream (?!reset)\w+|service .*|metadata|metadata of a stream|longest time-out|echo, .*)$/;

const RECORD = join(import.meta.dir, "grpc-envoy.json");

describe.skipIf(!HAS_ASSEMBLER)("gRPC calls, as in Envoy", () => {
  const recorded = JSON.parse(readFileSync(RECORD, "utf8")) as { [name: string]: Outcome };
  const recording = process.env.TULLE_RECORD !== undefined;

  test.each([...FILTER_PROXIES])(
    "%s",
    async (name, start) => {
      const cases: { [name: string]: GrpcCase } = {};
      for (const [what, acts] of Object.entries(ACTS))
        cases[what] = { guest: grpcGuest(acts), lines: recorded[what]?.said.length ?? 12 };
      const outcomes = await grpcLab(start, cases);
      if (outcomes === null) throw new Error(`${name} did not start`);
      for (const [what, outcome] of outcomes) {
        const { said, heard } = plain(outcome);
        const is = { said, heard: HEARD.test(what) ? heard : [] };
        if (name === "Envoy" && recording) recorded[what] = is;
        expect([what, is]).toEqual([what, recorded[what]]);
      }
    },
    180_000,
  );

  afterAll(() => {
    if (recording) writeFileSync(RECORD, `${JSON.stringify(recorded, null, 2)}\n`);
  });
});
