/** An origin on Node's own HTTP/2: echoes, streams, trailers, tunnels. Runs on Node; the first argument is its port. */
import { createServer, type ServerHttp2Stream } from "node:http2";

let cancelled = 0;

const server = createServer({ settings: { enableConnectProtocol: true } });
server.on("stream", (stream: ServerHttp2Stream, headers) => {
  stream.on("error", () => undefined);
  const path = String(headers[":path"]);
  if (headers[":method"] === "CONNECT") {
    stream.respond({ ":status": 200 });
    stream.pipe(stream);
  } else if (path === "/echo") {
    stream.respond({ ":status": 200, "x-method": headers[":method"] }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-done": "yes" }));
    stream.pipe(stream);
  } else if (path === "/never") {
    stream.on("aborted", () => cancelled++);
    stream.respond({ ":status": 200 });
    stream.write("begun");
  } else if (path === "/cancelled") {
    stream.respond({ ":status": 200 });
    stream.end(String(cancelled));
  } else if (path === "/hints") {
    stream.additionalHeaders({ ":status": 103, link: "</a>" });
    stream.respond({ ":status": 200 });
    stream.end("hinted");
  } else {
    stream.respond({ ":status": 200, "content-type": "text/plain", "content-length": 18 });
    stream.end("hello from node h2");
  }
});
server.listen(Number(process.argv[2]), "127.0.0.1");
