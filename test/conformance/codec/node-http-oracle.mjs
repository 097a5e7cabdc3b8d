/**
 * node:http as an oracle: reads a JSON list of byte strings from standard input, lets Node's HTTP server read each
 * as one connection, and prints what it saw. Runs in a Node process of its own, because the tests run on Bun.
 */
import { createServer } from "node:http";
import { Duplex } from "node:stream";

/** One connection without a network. */
class Wire extends Duplex {
  constructor() {
    super({ allowHalfOpen: true });
    this.written = "";
  }
  _read() {}
  _write(chunk, _encoding, done) {
    this.written += chunk.toString("latin1");
    done();
  }
  setTimeout() {}
  setNoDelay() {}
  setKeepAlive() {}
}

function read(bytes) {
  return new Promise((resolve) => {
    const messages = [];
    let error = "";
    const server = createServer({ insecureHTTPParser: false }, (request, response) => {
      const message = { method: request.method, target: request.url, fields: [], body: "", complete: false };
      for (let i = 0; i < request.rawHeaders.length; i += 2) {
        message.fields.push([request.rawHeaders[i], request.rawHeaders[i + 1]]);
      }
      messages.push(message);
      request.on("data", (chunk) => {
        message.body += chunk.toString("latin1");
      });
      request.on("end", () => {
        message.complete = true;
        response.end("ok");
      });
    });
    server.on("checkContinue", (request, response) => server.emit("request", request, response));
    server.on("clientError", (fault, socket) => {
      error = fault.code ?? String(fault);
      socket.destroy();
    });
    const wire = new Wire();
    wire.on("error", () => {});
    server.emit("connection", wire);
    wire.push(Buffer.from(bytes, "latin1"));
    setTimeout(() => wire.push(null), 2);
    setTimeout(() => {
      wire.destroy();
      resolve({ messages, error });
    }, 15);
  });
}

let input = "";
process.stdin.setEncoding("utf8");
for await (const piece of process.stdin) input += piece;
const results = await Promise.all(JSON.parse(input).map(read));
process.stdout.write(JSON.stringify(results), () => process.exit(0));
