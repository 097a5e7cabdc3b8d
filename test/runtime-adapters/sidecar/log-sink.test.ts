import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FilesystemStats, TulleStats } from "../../../core/telemetry/server-stats.ts";
import { encodeLine, type LogBuffering, LogFiles } from "../../../runtime-adapters/sidecar/log-sink.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tulle-log-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Log files with what they counted and complained about. */
function lab(buffering: Partial<LogBuffering> = {}) {
  const counters = { filesystem: new FilesystemStats(), tulle: new TulleStats() };
  const complaints: string[] = [];
  const files = new LogFiles(counters, (message) => complaints.push(message), {
    flushInterval: 1000,
    flushSize: 64 * 1024,
    limit: 4 * 1024 * 1024,
    ...buffering,
  });
  return { files, complaints, ...counters };
}

/** Waits until `done`, on a busy machine for long. */
async function until(done: () => boolean): Promise<void> {
  for (let i = 0; i < 5000 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 2));
  expect(done()).toBe(true);
}

const read = (name: string) => readFileSync(join(folder, name), "latin1");

describe("buffering", () => {
  test("lines wait for the timer, and are appended to what is there", async () => {
    const { files, filesystem } = lab({ flushInterval: 20 });
    const log = files.open(join(folder, "a.log"));
    log.write("one\n");
    log.write("two\n");
    expect(read("a.log")).toBe("");
    expect(filesystem.writeTotalBuffered).toBe(8);
    await until(() => filesystem.writeCompleted === 1);
    expect(read("a.log")).toBe("one\ntwo\n");
    log.write("three\n");
    await until(() => filesystem.writeCompleted === 2);
    expect(read("a.log")).toBe("one\ntwo\nthree\n");
    expect(filesystem).toMatchObject({
      writeBuffered: 3,
      writeTotalBuffered: 0,
      flushedByTimer: 2,
      writeFailed: 0,
    });
    files.close();
  });

  test("a log of an earlier run is added to", () => {
    writeFileSync(join(folder, "a.log"), "before\n");
    const { files } = lab();
    files.open(join(folder, "a.log")).write("after\n");
    files.close();
    expect(read("a.log")).toBe("before\nafter\n");
  });

  test("a full buffer is appended at once", async () => {
    const { files, filesystem } = lab({ flushSize: 10 });
    files.open(join(folder, "a.log")).write("0123456789\n");
    await until(() => filesystem.writeCompleted === 1);
    expect(filesystem.flushedByTimer).toBe(0);
    expect(read("a.log")).toBe("0123456789\n");
    files.close();
  });

  test("over the limit lines are dropped whole and counted; later there is room again", async () => {
    const { files, filesystem, tulle } = lab({ limit: 10 });
    const log = files.open(join(folder, "a.log"));
    for (const line of ["aaaa\n", "bbbb\n", "cccc\n"]) log.write(line);
    expect(tulle.accessLogDropped).toBe(1);
    files.flush();
    await until(() => filesystem.writeCompleted === 1);
    log.write("dddd\n");
    files.close();
    expect(read("a.log")).toBe("aaaa\nbbbb\ndddd\n");
  });

  test("a million bytes in many lines keep their order", async () => {
    const { files, filesystem } = lab();
    const log = files.open(join(folder, "a.log"));
    let expected = "";
    for (let i = 0; i < 20_000; i++) {
      const line = `${i} ${"x".repeat(i % 90)}\n`;
      expected += line;
      log.write(line);
      if (i % 1000 === 0) await Promise.resolve();
    }
    files.flush();
    await until(() => {
      files.flush();
      return filesystem.writeTotalBuffered === 0;
    });
    expect(read("a.log")).toBe(expected);
    files.close();
  });

  test("one path is one sink, and closing writes the rest", () => {
    const { files } = lab();
    const path = join(folder, "a.log");
    expect(files.open(path)).toBe(files.open(path));
    files.open(path).write("last\n");
    files.close();
    expect(read("a.log")).toBe("last\n");
  });
});

test("bytes of a byte string come out as they are; an operator's wider text as UTF-8", () => {
  expect([...encodeLine("\xc3\xa9\n")]).toEqual([0xc3, 0xa9, 10]);
  expect([...encodeLine("€")]).toEqual([0xe2, 0x82, 0xac]);
});

describe("reopening", () => {
  test("after the file was moved away new lines go to a new one", async () => {
    const { files, filesystem } = lab();
    const log = files.open(join(folder, "a.log"));
    log.write("old\n");
    files.flush();
    await until(() => filesystem.writeCompleted === 1);
    renameSync(join(folder, "a.log"), join(folder, "a.1"));
    files.reopen();
    log.write("new\n");
    files.close();
    expect(read("a.1")).toBe("old\n");
    expect(read("a.log")).toBe("new\n");
  });

  test("while an append is in flight it waits for it, so no line is lost", async () => {
    const { files, filesystem } = lab();
    const log = files.open(join(folder, "a.log"));
    log.write("old\n");
    files.flush();
    renameSync(join(folder, "a.log"), join(folder, "a.1"));
    files.reopen();
    await until(() => filesystem.writeCompleted === 1);
    log.write("new\n");
    files.close();
    expect(read("a.1") + read("a.log")).toBe("old\nnew\n");
  });

  test("if the new file cannot be opened the old one stays in use", () => {
    const { files, filesystem, complaints } = lab();
    mkdirSync(join(folder, "d"));
    const log = files.open(join(folder, "d/a.log"));
    renameSync(join(folder, "d"), join(folder, "e"));
    files.reopen();
    log.write("still\n");
    files.close();
    expect(filesystem.reopenFailed).toBe(1);
    expect(complaints).toHaveLength(1);
    expect(read("e/a.log")).toBe("still\n");
  });
});

describe("a file that cannot be opened", () => {
  test("costs nobody anything: one complaint, lines wait, and are written once it can", async () => {
    const { files, filesystem, complaints } = lab({ flushInterval: 10 });
    const log = files.open(join(folder, "missing/a.log"));
    log.write("early\n");
    await until(() => filesystem.flushedByTimer >= 2);
    expect(complaints).toHaveLength(1);
    expect(complaints[0]).toStartWith(`cannot open ${join(folder, "missing/a.log")}: ENOENT`);
    mkdirSync(join(folder, "missing"));
    await until(() => filesystem.writeCompleted === 1);
    expect(read("missing/a.log")).toBe("early\n");
    files.close();
  });

  test("closing then loses the lines and counts that", () => {
    const { files, filesystem } = lab();
    files.open(join(folder, "missing/a.log")).write("lost\n");
    files.close();
    expect(filesystem.writeFailed).toBe(1);
  });
});

// The same on the other runtimes, with standard output a pipe.
const SCRIPT = new URL("./log-sink-script.ts", import.meta.url).pathname;
const RUNS: readonly (readonly [string, readonly string[]])[] = [
  ["Bun", ["bun"]],
  ["Node", ["node"]],
  ["Deno", ["deno", "run", "--allow-all", "--quiet"]],
];
test.each(RUNS)(
  "%s writes files and standard output",
  async (_, command) => {
    const [name, ...options] = command;
    const binary = new URL(`../../../node_modules/.bin/${name}`, import.meta.url).pathname;
    const path = join(folder, "a.log");
    const child = Bun.spawn([binary, ...options, SCRIPT, path], { stdout: "pipe", stderr: "pipe" });
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    expect({ code: await child.exited, err }).toEqual({ code: 0, err: "" });
    const lines = Array.from({ length: 5000 }, (_, i) => `line ${i}\n`).join("");
    expect(out).toBe(lines);
    expect(read("a.log")).toBe(lines);
  },
  60_000,
);
