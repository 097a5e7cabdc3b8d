/**
 * Dials with the runtime that executes this file, says "connected", turns TCP keepalive on when a line comes in, and
 * says when and why the connection closed: `node keepalive-client.ts node 127.0.0.1:1234 '{"time":1,…}'`.
 */
import { at } from "../../runtime-adapters/memory/network.ts";
import { Probe } from "./lab.ts";
import { load } from "./run.ts";

const [name, address, options] = process.argv.slice(2);
const driver = (await load(name)).createDriver({
  log: (level, component, message) => console.log(level, component, message),
  openLog: () => ({ write() {} }),
});
driver.attach({ nextDeadline: () => Number.POSITIVE_INFINITY, expire() {} });
const probe = new Probe();
let since = 0;
probe.whenConnected = () => {
  if (options !== undefined) probe.socket.keepAlive(JSON.parse(options));
  since = performance.now();
  console.log("connected");
};
probe.whenClosed = () => {
  console.log(`closed ${probe.reason} ${Math.round(performance.now() - since)}`);
  process.exit(0);
};
driver.run(() => {
  probe.socket = driver.platform.connect(at(address), probe);
});
setInterval(() => {}, 1000);
