/**
 * A process with few file descriptors, for exhaustion.test.ts: an echo server that reports on stdout, one JSON
 * object per line, every 50 ms. It also dials itself once per connection, as a proxy would.
 */
import { load } from "./run.ts";

const name = process.argv[2];
const runtime = await load(name);
const driver = runtime.createDriver({
  log: (level, component, message) => console.error(level, component, message),
  openLog: () => ({ write() {} }),
});
driver.attach({ nextDeadline: () => Number.POSITIVE_INFINITY, expire() {} });

let open = 0;
let dialled = 0;
const dialFailures: { [reason: string]: number } = {};

const silent = { onData() {}, onEnd() {}, onBlocked() {}, onDrain() {} };
const sink = await driver.listen(
  { ip: "127.0.0.1", port: 0, path: "" },
  { reusePort: false, backlog: 512, mode: 0 },
  (socket) => ({ ...silent, onConnect() {}, onEnd: () => socket.close(), onClose() {} }),
);
const listener = await driver.listen(
  { ip: "127.0.0.1", port: 0, path: "" },
  { reusePort: false, backlog: 512, mode: 0 },
  (socket) => {
    open++;
    if (dialled < 1000) {
      const upstream = driver.platform.connect(sink.address, {
        ...silent,
        onConnect() {
          dialled++;
          upstream.close();
        },
        onClose(reason) {
          if (reason !== "") dialFailures[reason] = (dialFailures[reason] ?? 0) + 1;
        },
      });
    }
    return {
      ...silent,
      onConnect() {},
      onData: (chunk) => socket.write(chunk, 0, chunk.length),
      onEnd: () => socket.close(),
      onClose() {
        open--;
      },
    };
  },
);

setInterval(() => {
  const { user, system } = process.cpuUsage();
  console.log(
    JSON.stringify({
      port: listener.address.port,
      open,
      dialled,
      dialFailures,
      acceptFailures: driver.acceptFailures,
      faults: driver.faults,
      cpu: (user + system) / 1000,
      at: performance.now(),
    }),
  );
}, 50);
