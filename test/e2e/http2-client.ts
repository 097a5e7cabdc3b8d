/**
 * A client on Node's own HTTP/2, for `http2-origin.ts` behind a proxy. Runs on Node; the first argument is the proxy's
 * port. Prints what it found as one JSON object.
 */
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from "node:http2";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
  readonly hints: readonly number[];
}

function ask(session: ClientHttp2Session, headers: object, body: Buffer | null = null): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ...headers }, { endStream: body === null });
    const pieces: Buffer[] = [];
    const hints: number[] = [];
    let head: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    stream.on("headers", (interim) => hints.push(Number(interim[":status"])));
    stream.on("response", (received) => {
      head = received;
    });
    stream.on("trailers", (received) => {
      trailers = received;
    });
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    stream.on("end", () =>
      resolve({
        status: Number(head[":status"]),
        headers: head,
        body: Buffer.concat(pieces),
        trailers,
        hints,
      }),
    );
    stream.on("error", reject);
    if (body !== null) stream.end(body);
  });
}

/** Reads until so much text has come. */
function tunnel(session: ClientHttp2Session): Promise<string> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":path": "/chat",
      ":scheme": "http",
    });
    let text = "";
    stream.on("error", reject);
    stream.on("response", (head) => {
      if (head[":status"] !== 200) reject(new Error(`tunnel: ${head[":status"]}`));
      stream.write("ping");
    });
    stream.on("data", (piece: Buffer) => {
      text += piece;
      if (text === "ping") stream.end("pong");
    });
    stream.on("end", () => resolve(text));
  });
}

const session = connect(`http://127.0.0.1:${process.argv[2]}`);
await new Promise((resolve) => session.once("remoteSettings", resolve));
const large = Buffer.alloc(5 << 20, "0123456789abcdef");

const plain = await ask(session, { ":path": "/" });
const head = await ask(session, { ":path": "/", ":method": "HEAD" });
const echo = await ask(session, { ":path": "/echo", ":method": "POST", te: "trailers" }, large);
const many = await Promise.all(
  Array.from({ length: 100 }, (_, i) =>
    ask(session, { ":path": "/echo", ":method": "POST" }, Buffer.from(`number ${i}`)),
  ),
);
const hints = await ask(session, { ":path": "/hints" });
await new Promise<void>((resolve) => {
  const stream = session.request({ ":path": "/never" });
  stream.on("data", () => stream.close(8));
  stream.on("error", () => undefined);
  stream.on("close", () => resolve());
});
let cancelled = "";
for (let i = 0; i < 100 && cancelled !== "1"; i++) {
  await new Promise((resolve) => setTimeout(resolve, 20));
  cancelled = String((await ask(session, { ":path": "/cancelled" })).body);
}
const tunnelled = await tunnel(session);
session.close();

console.log(
  JSON.stringify({
    plain: [plain.status, String(plain.body), plain.headers["content-length"]],
    head: [head.status, head.body.length, head.headers["content-length"]],
    echo: [echo.status, echo.body.equals(large), echo.trailers["x-done"]],
    many: many.every(({ body }, i) => String(body) === `number ${i}`),
    hints: hints.hints,
    cancelled,
    tunnelled,
  }),
);
