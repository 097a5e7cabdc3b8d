/**
 * A driver all of whose connections become TLS before anybody hears of them: what is true of plain sockets must be
 * true of these. Clients greet first, so servers hand their first bytes on, as an inspector of first bytes would.
 */
import type { Platform } from "../../core/io/platform.ts";
import type { Address, CloseReason, PlainSocket, SocketHandler } from "../../core/io/socket.ts";
import type { TlsContext } from "../../core/io/tls.ts";
import type { Accept, Core, Driver, ListenOptions, ListenSocket } from "../../runtime-adapters/runtime.ts";
import { CLIENT_OPTIONS, SERVER_OPTIONS } from "../support/tls-fixture.ts";

const NOTHING = new Uint8Array(0);

/** Hears of a connection until it is TLS; then `handler` does, who learns of an accepted one only now. */
class Shaking implements SocketHandler {
  private readonly context: TlsContext;
  /** Whose it will be; null = to be found. */
  private handler: SocketHandler | null;
  private readonly accept: Accept | null;
  socket!: PlainSocket;

  constructor(context: TlsContext, handler: SocketHandler | null, accept: Accept | null) {
    this.context = context;
    this.handler = handler;
    this.accept = accept;
  }

  onConnect(): void {}

  onSecured(): void {
    if (this.accept === null) {
      this.socket.handler = this.handler;
      this.handler?.onConnect();
      return;
    }
    this.handler = this.accept(this.socket);
    if (this.handler === null) this.socket.close();
    else this.socket.handler = this.handler;
  }

  onData(chunk: Uint8Array): void {
    this.socket.secure(this.context, chunk, "");
  }

  onEnd(): void {
    this.socket.close();
  }

  onBlocked(): void {}
  onDrain(): void {}

  onClose(reason: CloseReason): void {
    this.handler?.onClose(reason);
  }
}

export class SecureDriver implements Driver {
  readonly platform: Platform;
  private readonly driver: Driver;
  private readonly server: TlsContext;

  constructor(driver: Driver) {
    this.driver = driver;
    const { platform } = driver;
    const client = platform.tlsContext(CLIENT_OPTIONS);
    this.server = platform.tlsContext(SERVER_OPTIONS);
    this.platform = Object.create(platform, {
      connect: {
        value: (to: Address, handler: SocketHandler) => {
          const shaking = new Shaking(client, handler, null);
          shaking.socket = platform.connect(to, shaking);
          shaking.socket.secure(client, NOTHING, "server.example");
          return shaking.socket;
        },
      },
    });
  }

  get clock() {
    return this.driver.clock;
  }
  get acceptFailures(): number {
    return this.driver.acceptFailures;
  }
  get faults(): number {
    return this.driver.faults;
  }
  get copiedBytes(): number {
    return this.driver.copiedBytes;
  }
  attach(core: Core): void {
    this.driver.attach(core);
  }
  run<T>(enter: () => T): T {
    return this.driver.run(enter);
  }
  close(): void {
    this.driver.close();
  }
  listen(address: Address, options: ListenOptions, accept: Accept): Promise<ListenSocket> {
    return this.driver.listen(address, options, (socket) => {
      const shaking = new Shaking(this.server, null, accept);
      shaking.socket = socket;
      return shaking;
    });
  }
}
