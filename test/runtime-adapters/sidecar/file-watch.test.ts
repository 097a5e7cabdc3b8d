/** Watching files: moved into place, written in place, written slowly, gone and back. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileWatch } from "../../../runtime-adapters/sidecar/file-watch.ts";

let directory: string;
let reports: string[][];
let watch: FileWatch;
let changed: () => void;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tulle-watch-"));
  reports = [];
  watch = new FileWatch((paths) => {
    reports.push(paths.map((path) => path.slice(directory.length + 1)));
    changed();
  });
});

afterEach(() => {
  watch.close();
  rmSync(directory, { recursive: true });
});

/** Resolves at the next report, rejects after a second: that is the promise of the proxy. */
function nextReport(): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("not noticed within 1 s")), 1000);
    changed = () => {
      clearTimeout(late);
      resolve();
    };
  });
}

const at = (name: string) => join(directory, name);

test("a file moved over another is reported once", async () => {
  writeFileSync(at("cds.yaml"), "one");
  watch.watch(new Set([at("cds.yaml")]));
  writeFileSync(at("next"), "two");
  const report = nextReport();
  renameSync(at("next"), at("cds.yaml"));
  await report;
  await Bun.sleep(200);
  expect(reports).toEqual([["cds.yaml"]]);
});

test("files that change together are reported together, others not at all", async () => {
  for (const name of ["a", "b", "c"]) writeFileSync(at(name), "one");
  watch.watch(new Set([at("a"), at("b"), at("c")]));
  const report = nextReport();
  writeFileSync(at("a"), "longer");
  writeFileSync(at("c"), "longer");
  await report;
  expect(reports).toEqual([["a", "c"]]);
});

test("a writer that is still at work is waited for", async () => {
  writeFileSync(at("a"), "");
  watch.watch(new Set([at("a")]));
  const report = nextReport();
  for (let i = 1; i <= 8; i++) {
    writeFileSync(at("a"), "x".repeat(i));
    await Bun.sleep(15);
  }
  expect(reports).toEqual([]);
  await report;
  expect(reports).toEqual([["a"]]);
});

test("a file that does not exist yet is reported when it comes, and its going away is not", async () => {
  watch.watch(new Set([at("late")]));
  const report = nextReport();
  writeFileSync(at("late"), "here");
  await report;
  unlinkSync(at("late"));
  await Bun.sleep(700);
  expect(reports).toEqual([["late"]]);
});

test("a turned symbolic link is a change of the file behind it (ConfigMap volumes)", async () => {
  writeFileSync(at("v1"), "one");
  writeFileSync(at("v2"), "two");
  symlinkSync("v1", at("..data"));
  symlinkSync("..data", at("lds.yaml"));
  watch.watch(new Set([at("lds.yaml")]));
  symlinkSync("v2", at("..data_tmp"));
  const report = nextReport();
  renameSync(at("..data_tmp"), at("..data"));
  await report;
  expect(reports).toEqual([["lds.yaml"]]);
});
