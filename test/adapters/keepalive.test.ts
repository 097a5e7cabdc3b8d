/**
 * TCP keepalive on real sockets: the peer's host "loses power" (its kernel drops all that comes in), and the only
 * one who can notice is the kernel on our side, which asks after the time, as often and at the interval that it was
 * told. A wrong or forgotten number shows as a connection that outlives the case.
 */

import { dlopen, FFIType, ptr } from "bun:ffi";
import { expect, test } from "bun:test";
import { join } from "node:path";
import { COMMANDS } from "./runtimes.ts";

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;

/** The socket's kernel side takes nothing in any more: a packet filter that says "drop" to everything. */
function cutOff(fd: number): void {
  const { symbols } = dlopen("libc.so.6", {
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: FFIType.i32 },
  });
  const dropAll = new Uint8Array([6, 0, 0, 0, 0, 0, 0, 0]); // struct sock_filter: BPF_RET | BPF_K, 0 bytes
  const program = new BigUint64Array([1n, BigInt(ptr(dropAll))]); // struct sock_fprog: length, filter
  expect(symbols.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, ptr(program), 16)).toBe(0);
}

interface Run {
  /** What the client said, without times. */
  readonly said: string;
  /** From the power failure to the end of its connection, ms, or Infinity. */
  readonly after: number;
}

async function powerFailure(runtime: keyof typeof COMMANDS, options: object, patience: number): Promise<Run> {
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: (socket) => cutOff((socket as unknown as { fd: number }).fd), data() {} },
  });
  const script = join(import.meta.dir, "keepalive-client.ts");
  const child = Bun.spawn(
    [...COMMANDS[runtime], script, runtime, `127.0.0.1:${listener.port}`, JSON.stringify(options)],
    { stdout: "pipe", stderr: "inherit" },
  );
  let said = "";
  let connected = 0;
  const reader = child.stdout.getReader();
  const read = async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      said += new TextDecoder().decode(value);
      if (connected === 0 && said.includes("connected")) {
        connected = performance.now();
        setTimeout(() => child.kill(), patience);
      }
    }
  };
  await read();
  const closed = /closed (\w*) (\d+)/.exec(said);
  listener.stop(true);
  return {
    said: said.replace(/ \d+\n$/, "").replaceAll("\n", ", "),
    after: closed === null ? Number.POSITIVE_INFINITY : Number(closed[2]),
  };
}

const RUNTIMES = ["bun", "node", "deno"] as const;
const linux = process.platform === "linux";

test.if(linux)(
  "a peer that vanished is found out after time + probes × interval, on every runtime",
  async () => {
    const short = { time: 1, interval: 1, probes: 2 };
    const runs = await Promise.all(RUNTIMES.map((runtime) => powerFailure(runtime, short, 8000)));
    runs.forEach(({ said, after }, i) => {
      expect([RUNTIMES[i], said]).toEqual([RUNTIMES[i], "connected, closed ETIMEDOUT"]);
      expect(after).toBeGreaterThan(2500);
      expect(after).toBeLessThan(6000);
    });
  },
  30_000,
);
