/** Whoever sends faster than is read does not keep the others waiting: reading goes round. */
import { expect, test } from "bun:test";
import { BunDriver } from "../../runtime-adapters/bun/driver.ts";
import { at } from "../../runtime-adapters/memory/network.ts";
import { NO_OPTIONS, Probe } from "./lab.ts";

const MIB = 1024 * 1024;
/** Sends for ever. Somebody else's process: it must go on while the reader is at work. */
const POUR = `
  const piece = Buffer.alloc(${MIB});
  const socket = require("node:net").connect(Number(process.argv[1]), "127.0.0.1", function pour() {
    while (socket.write(piece));
    socket.once("drain", pour);
  });
  socket.on("error", () => process.exit());
`;

test("one that never stops is read a little at a time, and nothing is lost by it", async () => {
  const driver = new BunDriver({ log() {}, openLog: () => ({ write() {} }) });
  /** Bytes since others had their turn, and most of those. */
  let since = 0;
  let most = 0;
  const server = new Probe();
  const hear = server.onData.bind(server);
  server.onData = (chunk) => {
    if (since === 0) setImmediate(() => (since = 0));
    since += chunk.length;
    most = Math.max(most, since);
    hear(chunk);
    server.chunks.length = 0;
    const end = performance.now() + 3;
    while (performance.now() < end); // slower than the other one
  };
  const listener = await driver.listen(at("127.0.0.1:0"), NO_OPTIONS, (socket) => {
    server.socket = socket;
    return server;
  });
  const pouring = Bun.spawn([process.execPath, "-e", POUR, String(listener.address.port)]);
  while (server.bytes < 40 * MIB) await Bun.sleep(1);
  expect(most).toBeLessThan(4 * MIB);
  // What the core has paused stays so behind that turn.
  driver.run(() => server.socket.pause());
  await Bun.sleep(5);
  const { bytes } = server;
  await Bun.sleep(20);
  expect(server.bytes).toBe(bytes);
  driver.run(() => server.socket.resume());
  while (server.bytes < bytes + 2 * MIB) await Bun.sleep(1);
  pouring.kill();
  driver.close();
}, 20_000);
