/**
 * The page docs/differences-from-envoy.md, made from the list of deliberate differences and from the conformance
 * vectors that Envoy does not pass. `bun test/oracle/differences-page.ts --write` writes it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { catalogue } from "../conformance/catalogue.ts";
import { differences, statDifferences, tlsDifferences } from "./differences.ts";
import { healthBetween, healthDifferences } from "./health-differences.ts";
import { http2Differences } from "./http2-differences.ts";

const PAGE = new URL("../../docs/differences-from-envoy.md", import.meta.url);
const SCORES = new URL("../conformance/rival-scores.golden.json", import.meta.url);

const ROW_TITLES: { readonly [letter: string]: string } = {
  L: "Start lines and header lines",
  F: "Message framing",
  C: "Chunked coding and trailers",
  H: "Hop-by-hop fields",
  R: "Target, Host, path",
  E: "Interim responses, Expect, tunnels",
  K: "Persistence",
  T: "Local replies",
  M: "Limits",
};

/** What the oracle, whose clients and upstreams speak HTTP/1.1, does not see; each has tests of its own. */
const BETWEEN: readonly (readonly [title: string, reason: string])[] = [
  [
    "What an upstream has not looked at is sent again once, without a policy",
    "RFC 9113 8.7 calls it safe after GOAWAY and REFUSED_STREAM. Envoy answers 503 unless `retry_on` has `refused-stream`.",
  ],
  [
    "A connection of `auto_config` is one connection",
    "Envoy counts it twice in `upstream_cx_total`: when it is made, and again when ALPN has said what it speaks.",
  ],
  [
    "WebSocket keys are made and checked where versions meet",
    "From HTTP/2 to HTTP/1.1 the request gets a `sec-websocket-key` unless it has one, and the upstream's accept must fit; from HTTP/1.1 to HTTP/2 the client gets the accept that its key asks for. Envoy passes both fields on as they are: a server that wants a key has none, and neither has a client its answer.",
  ],
  [
    "`grpc_stats` has numbers of their own for 1000 methods at most",
    "Names come from clients; Envoy's table grows with them. Messages are counted when the call ends, and a `grpc-status` that is none of gRPC's 17 is a failure without a number of its own.",
  ],
  [
    "`istio.stats` has 500 series per worker at most, of 100 hosts",
    "Hosts and identities come from clients. It knows peers by their certificates alone, and takes no expressions (`dimensions`, `match`).",
  ],
  [
    "`grpc_web` leaves answers alone that are no gRPC",
    "Envoy turns an error page into a `grpc-message`; here the client sees status and body as they are.",
  ],
  [
    "A `grpc-timeout` has at most eight digits",
    "So gRPC says; Envoy reads longer ones. What is none is passed on and means nothing.",
  ],
];

/** The page as it should be. */
export function differencesPage(): string {
  const lines = [
    "# Differences from Envoy",
    "",
    "The same bootstrap file gives the same answers here and in Envoy 1.40; `test/oracle` proves it, request by",
    "request. This page lists what is different on purpose. It is written by `test/oracle/differences-page.ts`;",
    "do not edit it by hand.",
    "",
    "## Behaviour",
    "",
  ];
  for (const one of differences) {
    if (one.kind === "deliberate" && !healthDifferences.includes(one))
      lines.push(`- **${one.title}.** ${one.reason}`);
  }
  lines.push("", "## HTTP/2 and gRPC", "");
  for (const [title, reason] of [...http2Differences, ...BETWEEN]) lines.push(`- **${title}.** ${reason}`);
  lines.push("", "## Health checks", "");
  for (const { title, reason } of healthDifferences) lines.push(`- **${title}.** ${reason}`);
  for (const [title, reason] of healthBetween) lines.push(`- **${title}.** ${reason}`);
  lines.push("", "## Statistics", "");
  for (const one of statDifferences) {
    if (one.kind === "deliberate") lines.push(`- **${one.title}.** ${one.reason}`);
  }
  lines.push("", "## TLS", "");
  for (const one of tlsDifferences) lines.push(`- **${one.title}.** ${one.reason}`);
  const scores = JSON.parse(readFileSync(SCORES, "utf8")) as { envoy: { failed: string[] } };
  const failed = new Set(scores.envoy.failed);
  const stricter = catalogue.filter((vector) => failed.has(vector.id));
  lines.push(
    "",
    "## Stricter than Envoy",
    "",
    `Of the ${catalogue.length} conformance vectors in \`test/conformance\` Envoy 1.40 passes ${catalogue.length - stricter.length};`,
    "these are the others. In each, Envoy takes what we refuse, or forwards what we take away.",
  );
  for (const [letter, title] of Object.entries(ROW_TITLES)) {
    const rows = stricter.filter((vector) => vector.row.startsWith(letter));
    if (rows.length === 0) continue;
    lines.push("", `### ${title}`, "");
    for (const vector of rows) lines.push(`- \`${vector.id}\`: ${vector.title.replaceAll("|", "\\|")}`);
  }
  return `${lines.join("\n")}\n`;
}

/** The page as it is committed, or "". */
export function committedPage(): string {
  try {
    return readFileSync(PAGE, "utf8");
  } catch {
    return "";
  }
}

if (process.argv.includes("--write")) writeFileSync(PAGE, differencesPage());
