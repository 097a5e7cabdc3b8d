/**
 * Connects so many times to a port of this host, and resets each connection at once or when it has said "hello":
 * `node hasty-clients.ts 1234 6`.
 */
import { connect } from "node:net";

const [port, count] = process.argv.slice(2).map(Number);
for (let i = 0; i < count; i++) {
  const socket = connect(port, "127.0.0.1", () => {
    if (i % 2 === 0) socket.resetAndDestroy();
    else socket.write("hello", () => socket.resetAndDestroy());
  });
  socket.on("error", () => {});
}
