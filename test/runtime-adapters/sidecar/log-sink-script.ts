/** Run by `log-sink.test.ts` on each runtime: 5000 lines into a file and into standard output, then out. */
import process from "node:process";
import { FilesystemStats, TulleStats } from "../../../core/telemetry/server-stats.ts";
import { LogFiles } from "../../../runtime-adapters/sidecar/log-sink.ts";

const filesystem = new FilesystemStats();
const files = new LogFiles({ filesystem, tulle: new TulleStats() }, (message) => console.error(message), {
  flushInterval: 5,
  flushSize: 4096,
  limit: 1024 * 1024,
});
const logs = [files.open(process.argv[2]), files.open("/dev/stdout")];
for (let i = 0; i < 5000; i++) {
  for (const log of logs) log.write(`line ${i}\n`);
  if (i % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
}
while (filesystem.writeTotalBuffered > 0) {
  files.flush();
  await new Promise((resolve) => setTimeout(resolve, 5));
}
files.close();
