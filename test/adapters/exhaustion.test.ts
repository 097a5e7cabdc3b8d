/**
 * File descriptors run out: 120 clients come to a server that may have 64 descriptors. It must go on serving
 * those it has, count the others, not spin, and take new connections when old ones have gone.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { COMMANDS } from "./runtimes.ts";

interface Report {
  readonly port: number;
  readonly open: number;
  readonly dialled: number;
  readonly dialFailures: { readonly [reason: string]: number };
  readonly acceptFailures: number;
  readonly faults: number;
  /** CPU ms since the start. */
  readonly cpu: number;
  readonly at: number;
}

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function start(name: keyof typeof COMMANDS): Promise<{ last: () => Report; errors: () => string }> {
  const script = [...COMMANDS[name], join(import.meta.dir, "exhaustion-server.ts"), name];
  const child = Bun.spawn(["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", ...script], {
    stdout: "pipe",
    stderr: "pipe",
  });
  cleanups.push(() => child.kill());
  let last: Report | null = null;
  let errors = "";
  (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) errors += text;
  })();
  (async () => {
    let rest = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() as string;
      for (const line of lines) last = JSON.parse(line);
    }
  })();
  await until(
    () => last !== null,
    () => `a report; stderr: ${errors}`,
  );
  return { last: () => last as unknown as Report, errors: () => errors };
}

async function until(condition: () => boolean, what: () => string, limit = 15_000): Promise<void> {
  const stop = performance.now() + limit;
  while (!condition()) {
    if (performance.now() > stop) throw new Error(`waited in vain: ${what()}`);
    await Bun.sleep(10);
  }
}

/** A client that says "hi" and notes the answer. */
function client(port: number): { socket: Socket; answered: boolean; gone: boolean } {
  const state = { socket: connect({ host: "127.0.0.1", port }), answered: false, gone: false };
  state.socket.on("data", () => {
    state.answered = true;
  });
  state.socket.on("connect", () => state.socket.write("hi"));
  state.socket.on("error", () => {});
  state.socket.on("close", () => {
    state.gone = true;
  });
  cleanups.push(() => state.socket.destroy());
  return state;
}

describe("file descriptors run out", () => {
  for (const name of ["bun", "node", "deno"] as const) {
    test(`${name}: serves what it has, refuses the rest, rests, recovers`, async () => {
      const { last, errors } = await start(name);
      const { port } = last();
      const crowd = Array.from({ length: 120 }, () => client(port));
      await until(
        () => last().acceptFailures > 0,
        () => `accept failures ${errors()}`,
      );
      await Bun.sleep(300);
      const served = crowd.filter((one) => one.answered).length;
      expect(served).toBeGreaterThan(8);
      expect(served).toBeLessThan(64);

      // It rests: what it does meanwhile costs next to nothing.
      const before = last();
      await Bun.sleep(600);
      const after = last();
      expect((after.cpu - before.cpu) / (after.at - before.at)).toBeLessThan(0.5);

      // Those whom it serves are still served.
      const lucky = crowd.find((one) => one.answered && !one.gone);
      if (lucky === undefined) throw new Error("nobody is served");
      lucky.answered = false;
      lucky.socket.write("still there?");
      await until(
        () => lucky.answered,
        () => "an answer",
      );

      // The reserve let accepted connections dial.
      expect(last().dialled).toBeGreaterThan(0);

      // The crowd goes; a newcomer is served.
      for (const one of crowd) one.socket.destroy();
      await until(
        () => last().open === 0,
        () => `all closed, ${last().open} open ${errors()}`,
      );
      const newcomer = client(port);
      await until(
        () => newcomer.answered,
        () => "the newcomer's answer",
      );
      expect(last().faults).toBe(0);
      // It says so, once a second at most.
      const lines = errors().trim().split("\n");
      expect(lines.every((line) => line.startsWith("warning main out of file descriptors"))).toBe(true);
      expect(lines.length).toBeLessThan(6);
    }, 60_000);
  }
});
