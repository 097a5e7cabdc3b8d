/** A Node.js without the method that gives a handle memory to read into; see compliance.test.ts. */
import { once } from "node:events";
import { createServer } from "node:net";

const server = createServer().listen(0, "127.0.0.1");
await once(server, "listening");
let prototype = server._handle;
while (prototype !== null && !Object.hasOwn(prototype, "useUserBuffer")) {
  prototype = Object.getPrototypeOf(prototype);
}
if (prototype === null) throw new Error("there is no useUserBuffer to take away");
delete prototype.useUserBuffer;
server.close();
