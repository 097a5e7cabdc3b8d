/** Connects so many times to a port of this host and resets each connection at once: `node hasty-clients.ts 1234 5`. */
import { connect } from "node:net";

const [port, count] = process.argv.slice(2).map(Number);
for (let i = 0; i < count; i++) {
  const socket = connect(port, "127.0.0.1", () => socket.resetAndDestroy());
  socket.on("error", () => {});
}
