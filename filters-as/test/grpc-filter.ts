/**
 * A filter whose requests lead to gRPC calls, of the service that gRPC's interoperability tests have. The path says
 * which; the client is answered with what came of it.
 *
 *   /empty      EmptyCall                    /unary     UnaryCall, for an answer of 100 000 bytes
 *   /missing    a method that is not there   /nobody    a cluster that is not there
 *   /stream     FullDuplexCall: three messages, each when the one before was answered
 *   /cancel     the same, given up after the first answer
 *   /three      three streams; the client is answered when one of them is over
 */
import {
  Action,
  GrpcCallHandler,
  GrpcStatus,
  GrpcStreamHandler,
  grpcCall,
  grpcInitialMetadata,
  grpcMessage,
  grpcStatusMessage,
  grpcStream,
  grpcTrailingMetadata,
  HttpContext,
  PairsWriter,
  RootContext,
  register,
  requestHeaders,
  Slice,
  sendResponse,
} from "../sdk/sdk";

export * from "../sdk/exports/grpc";
export { proxy_on_request_headers } from "../sdk/exports/http";
export * from "../sdk/exports/plugin";

const CLUSTER = Slice.of("interop");
const SERVICE = Slice.of("grpc.testing.TestService");
const TIMEOUT: u32 = 5000;
const ROUNDS: i32 = 3;
/** SimpleRequest: response_size 100 000. */
const LARGE: usize = memory.data<u8>([0x10, 0xa0, 0x8d, 0x06]);
/** StreamingOutputCallRequest: response_parameters { size: 5 }. */
const FIVE = Slice.of("\x12\x02\x08\x05");

class Plugin extends RootContext {
  createHttpContext(): HttpContext {
    return new Exchange();
  }
}

class Exchange extends HttpContext {
  onRequestHeaders(_count: u32, _endOfStream: bool): Action {
    const path = requestHeaders.getString(":path");
    let isSent = false;
    if (path === "/empty") isSent = this.ask(CLUSTER, "EmptyCall", Slice.empty);
    else if (path === "/unary") isSent = this.ask(CLUSTER, "UnaryCall", Slice.at(LARGE, 4));
    else if (path === "/missing") isSent = this.ask(CLUSTER, "Nothing", Slice.empty);
    else if (path === "/nobody") isSent = this.ask(Slice.from("nobody"), "EmptyCall", Slice.empty);
    else if (path === "/three") isSent = this.talk(false) && this.talk(false) && this.talk(false);
    else isSent = this.talk(path === "/cancel");
    if (!isSent) sendResponse(503, Slice.from("not sent"));
    return Action.Pause;
  }

  private ask(cluster: Slice, method: string, message: Slice): bool {
    return grpcCall(cluster, SERVICE, Slice.from(method), Slice.empty, message, TIMEOUT, new Answer());
  }

  private talk(cancels: bool): bool {
    const metadata = PairsWriter.create()
      .addString("x-grpc-test-echo-initial", "here")
      .addString("x-grpc-test-echo-trailing-bin", "there")
      .finish();
    const stream = new Conversation(cancels);
    if (!grpcStream(CLUSTER, SERVICE, Slice.from("FullDuplexCall"), metadata, stream)) return false;
    return stream.send(FIVE);
  }
}

function said(): string {
  const message = grpcStatusMessage();
  return message === null ? "" : message.toString();
}

class Answer extends GrpcCallHandler {
  onMessage(size: u32): void {
    const message = grpcMessage.get();
    const length = message === null ? 0 : message.length;
    sendResponse(200, Slice.from(`message ${size} ${length}`));
  }

  onFailure(status: GrpcStatus): void {
    sendResponse(200, Slice.from(`failed ${status} ${said()}`));
  }
}

class Conversation extends GrpcStreamHandler {
  private told: string = "";
  private rounds: i32 = 0;
  private readonly cancels: bool;

  constructor(cancels: bool) {
    super();
    this.cancels = cancels;
  }

  onInitialMetadata(_count: u32): void {
    this.told += `initial ${grpcInitialMetadata.getString("x-grpc-test-echo-initial")}; `;
  }

  onMessage(size: u32): void {
    this.told += `message ${size}; `;
    if (this.cancels) {
      this.told += `cancelled ${this.cancel()} ${this.send(FIVE)}`;
      sendResponse(200, Slice.from(this.told));
    } else if (++this.rounds < ROUNDS) this.send(FIVE);
    else this.close();
  }

  onTrailingMetadata(_count: u32): void {
    this.told += `trailing ${grpcTrailingMetadata.getString("x-grpc-test-echo-trailing-bin")}; `;
  }

  onClose(status: GrpcStatus): void {
    sendResponse(200, Slice.from(`${this.told}closed ${status}`));
  }
}

register(() => new Plugin());
