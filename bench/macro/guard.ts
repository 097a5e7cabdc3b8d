/**
 * The correctness guard: before a proxy is timed it must answer the very requests that it will be timed with, whole and
 * right, and do the work that the others do (request id, X-Forwarded-For, keep-alive to the upstream). A fast wrong answer
 * is not a result.
 */
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import type { ThroughputScenario } from "./scenario.ts";
import { grpcMessage } from "./upstream.ts";

interface Answer {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}

/** What is wrong with the proxy on `port`, or "" if it forwards and adds what it should; `client`: of a pair, its SPIFFE ID. */
export async function checkFeatures(port: number, client = ""): Promise<string> {
  const first = await ask(port, "GET", "/echo", 0, false);
  if (first.status !== 200) return `GET /echo: status ${first.status}`;
  const [requestId, forwardedFor, , forwardedCertificate] = first.body.split("|");
  if (requestId.length < 16) return "adds no x-request-id";
  if (forwardedFor === "") return "adds no x-forwarded-for";
  if (client !== "" && !forwardedCertificate.includes(`URI=${client}`))
    return "does not say who the client is";
  // The upstream counts the requests of a connection: in a few more, one must not be the first.
  for (let i = 0; i < 5; i++) {
    const [, , turn] = (await ask(port, "GET", "/echo", 0, false)).body.split("|");
    if (Number(turn) > 1) return "";
  }
  return "opens a new upstream connection for every request";
}

/** What is wrong with the proxy's answer to one request of the scenario, or "". */
export async function checkScenario(port: number, scenario: ThroughputScenario): Promise<string> {
  const { method, path, requestBytes, responseBytes, newConnections } = scenario;
  const answer = await ask(port, method, path, requestBytes, newConnections);
  if (answer.status !== 200) return `${method} ${path}: status ${answer.status}`;
  if (answer.body.length !== responseBytes) {
    return `${method} ${path}: a body of ${answer.body.length} bytes instead of ${responseBytes}`;
  }
  if (requestBytes > 0) {
    const read = Number(/^x-bytes-read: *(\d+)/im.exec(answer.headers)?.[1] ?? 0);
    if (read < requestBytes) return `the upstream read ${read} of ${requestBytes} bytes`;
  }
  if (newConnections && !/^connection: *close/im.test(answer.headers))
    return "does not say Connection: close";
  return "";
}

/** What is wrong with the answer to a unary call of gRPC, or "". */
export function checkUnary(port: number, path: string): Promise<string> {
  return new Promise((done) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const end = (fault: string) => {
      session.destroy();
      done(fault);
    };
    session.on("error", (error) => end(error.message));
    const call = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    let length = 0;
    let status = "";
    call.setTimeout(5000, () => end(`${path}: no whole answer in 5 s`));
    call.on("data", (chunk: Buffer) => {
      length += chunk.length;
    });
    call.on("trailers", (trailers) => {
      status = String(trailers["grpc-status"]);
    });
    call.on("error", (error) => end(error.message));
    call.on("end", () => {
      if (status === "0" && length === grpcMessage().length) end("");
      else end(`${path}: ${length} bytes, grpc-status "${status}"`);
    });
    call.end(grpcMessage());
  });
}

/** One request on a connection of its own. Rejects if there is no whole answer within 5 s. */
export function ask(
  port: number,
  method: string,
  path: string,
  bodyBytes: number,
  close: boolean,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      const length = method === "POST" ? `Content-Length: ${bodyBytes}\r\n` : "";
      const last = close ? "Connection: close\r\n" : "";
      socket.write(`${method} ${path} HTTP/1.1\r\nHost: bench.test\r\n${length}${last}\r\n`);
      if (bodyBytes > 0) socket.write(Buffer.alloc(bodyBytes, "x"));
    });
    const chunks: Buffer[] = [];
    let held = 0;
    let wanted = -1;
    socket.setTimeout(5000, () => socket.destroy(new Error(`${method} ${path}: no whole answer in 5 s`)));
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      held += chunk.length;
      if (wanted < 0) wanted = wholeLength(Buffer.concat(chunks).toString("latin1"));
      if (wanted < 0 || held < wanted) return;
      socket.destroy();
      resolve(parse(Buffer.concat(chunks).toString("latin1")));
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`${method} ${path}: closed after ${held} bytes`)));
  });
}

/** Head plus Content-Length, or -1 while the head is not there. */
function wholeLength(text: string): number {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return -1;
  return end + 4 + Number(/^content-length: *(\d+)/im.exec(text.slice(0, end))?.[1] ?? 0);
}

function parse(text: string): Answer {
  const end = text.indexOf("\r\n\r\n");
  return { status: Number(text.slice(9, 12)), headers: text.slice(0, end + 2), body: text.slice(end + 4) };
}
