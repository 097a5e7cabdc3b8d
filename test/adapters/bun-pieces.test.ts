/** Many small pieces in one turn leave in few system calls: a peer that sends one-byte chunks must not buy our time. */
import { expect, test } from "bun:test";
import { BunDriver } from "../../runtime-adapters/bun/driver.ts";
import { openVectoredWrite } from "../../runtime-adapters/bun/vectored-write.ts";
import { at } from "../../runtime-adapters/memory/network.ts";
import { NO_OPTIONS, Probe } from "./lab.ts";

const PIECES = 5000;

test("5000 pieces of two bytes: under 100 calls of writev, none of write, all of it in order", async () => {
  const services = { log() {}, openLog: () => ({ write() {} }) };
  const real = openVectoredWrite();
  if (real === null) return;
  let calls = 0;
  const driver = new BunDriver(services, (fd, queue) => {
    calls++;
    return real(fd, queue);
  });
  const server = new Probe();
  const listener = await driver.listen(at("127.0.0.1:0"), NO_OPTIONS, (socket) => {
    server.socket = socket;
    return server;
  });
  const client = new Probe();
  driver.run(() => {
    client.socket = driver.platform.connect(listener.address, client);
  });
  while (!client.connected || server.socket === undefined) await Bun.sleep(1);
  driver.run(() => {
    for (let i = 0; i < PIECES; i++) client.write(Uint8Array.of(i >> 8, i & 255));
    expect(client.socket.pendingBytes).toBe(2 * PIECES);
  });
  expect(client.socket.pendingBytes).toBe(0);
  expect(calls).toBeGreaterThan(10);
  expect(calls).toBeLessThan(100);
  while (server.bytes < 2 * PIECES) await Bun.sleep(1);
  const all = server.chunks.flatMap((chunk) => [...chunk]);
  expect(all.every((byte, i) => byte === (i % 2 === 0 ? i >> 9 : (i >> 1) & 255))).toBe(true);
  driver.close();
});
