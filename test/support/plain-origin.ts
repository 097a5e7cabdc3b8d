/**
 * An upstream without cleverness of its own, in a process of its own: it writes as long as it is read from, and answers
 * `/big`, `/some` and `/small` with bodies of so many bytes. Prints its port.
 */
import { type AddressInfo, createServer } from "node:net";

const MIB = 1024 * 1024;
/** More than the kernel's buffers hold on the way to a client, more than a stream of HTTP/2 may hold, and next to nothing. */
const BODIES: { readonly [path: string]: Buffer } = {
  "/big": Buffer.alloc(16 * MIB, "x"),
  "/some": Buffer.alloc(MIB / 2, "x"),
  "/small": Buffer.from("small"),
};

const server = createServer((socket) => {
  socket.on("error", () => {});
  socket.on("data", (data) => {
    for (const request of data.toString("latin1").split("\r\n\r\n").slice(0, -1)) {
      const body = BODIES[request.split(" ")[1]];
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`);
      socket.write(body);
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
