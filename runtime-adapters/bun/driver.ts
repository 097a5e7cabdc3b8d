/** Bun's driver: `Bun.listen` and `Bun.connect`, one `writev` per turn and socket. */
import type { Address, PlainSocket, SocketHandler } from "../../core/io/socket.ts";
import { ipAddress, nativePath } from "../address.ts";
import { HostDriver } from "../host-driver.ts";
import {
  type Accept,
  ListenError,
  type ListenOptions,
  type ListenSocket,
  type Services,
} from "../runtime.ts";
import { clearUnixPath, setUnixMode } from "../unix-path.ts";
import { BunSocket, listenReports, type NativeSocket } from "./socket.ts";
import { openVectoredWrite, type VectoredWrite } from "./vectored-write.ts";

/** The part of Bun's listener that is used here. */
interface NativeListener {
  readonly hostname: string;
  readonly port: number;
  stop(closeConnections?: boolean): void;
}

export class BunDriver extends HostDriver {
  /** Null where libc cannot be had. */
  readonly vectoredWrite: VectoredWrite | null;

  constructor(services: Services, vectoredWrite = openVectoredWrite()) {
    super(services);
    this.vectoredWrite = vectoredWrite;
  }

  listen(address: Address, options: ListenOptions, accept: Accept): Promise<ListenSocket> {
    try {
      return Promise.resolve(this.bind(address, options, accept));
    } catch (error) {
      const failure = error as NodeJS.ErrnoException;
      return Promise.reject(new ListenError(failure.code ?? "EINVAL", address, failure.message));
    }
  }

  protected dial(to: Address, handler: SocketHandler): PlainSocket {
    return new BunSocket(this, handler, to);
  }

  private bind(address: Address, options: ListenOptions, accept: Accept): ListenSocket {
    const { ip, port, path } = address;
    let bound = address;
    const opened = (native: NativeSocket) => {
      if (native.fd >= this.descriptors.acceptBelow) {
        this.refused();
        native.terminate();
        return;
      }
      BunSocket.accept(this, native, bound, accept);
    };
    let where: object;
    if (path !== "") {
      clearUnixPath(path);
      where = { unix: nativePath(path) };
    } else {
      // An IPv6 listener is IPv6 only, as Envoy's without `ipv4_compat`.
      where = { hostname: ip, port, reusePort: options.reusePort, ipv6Only: ip.includes(":") };
    }
    const native = Bun.listen({
      ...where,
      allowHalfOpen: true,
      backlog: options.backlog,
      socket: listenReports(opened),
    } as never) as unknown as NativeListener;
    if (path !== "") setUnixMode(path, options.mode);
    if (path === "") bound = ipAddress(ip, native.port);
    const listener: ListenSocket = {
      address: bound,
      stop: () => {
        if (!this.listeners.delete(listener)) return;
        native.stop(false);
      },
    };
    this.listeners.add(listener);
    return listener;
  }
}
