/**
 * The page docs/differences-from-envoy.md, made from the list of deliberate differences and from the conformance
 * vectors that Envoy does not pass. `bun test/oracle/differences-page.ts --write` writes it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { catalogue } from "../conformance/catalogue.ts";
import { differences, statDifferences } from "./differences.ts";
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
    if (one.kind === "deliberate") lines.push(`- **${one.title}.** ${one.reason}`);
  }
  lines.push("", "## HTTP/2", "");
  for (const [title, reason] of http2Differences) lines.push(`- **${title}.** ${reason}`);
  lines.push("", "## Statistics", "");
  for (const one of statDifferences) {
    if (one.kind === "deliberate") lines.push(`- **${one.title}.** ${one.reason}`);
  }
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
