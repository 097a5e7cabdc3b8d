/** Node's driver, on `node:net`. */
import { createServer, type ListenOptions as NetListenOptions } from "node:net";
import type { Address, PlainSocket, SocketHandler } from "../../core/io/socket.ts";
import { ipAddress, nativePath } from "../address.ts";
import { HostDriver } from "../host-driver.ts";
import { type Accept, ListenError, type ListenOptions, type ListenSocket } from "../runtime.ts";
import { clearUnixPath, setUnixMode } from "../unix-path.ts";
import { descriptor, NodeSocket } from "./socket.ts";

export class NodeDriver extends HostDriver {
  /** OpenSSL keeps no more in a ticket. */
  protected override get forgetful(): boolean {
    return true;
  }

  listen(address: Address, options: ListenOptions, accept: Accept): Promise<ListenSocket> {
    const { ip, port, path } = address;
    return new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true, noDelay: true });
      const refuse = (error: NodeJS.ErrnoException) => {
        reject(new ListenError(error.code ?? "EINVAL", address, error.message));
      };
      let bound = address;
      server.on("connection", (native) => {
        if (descriptor(native) >= this.descriptors.acceptBelow) {
          this.refused();
          native.on("error", () => {});
          native.destroy();
          return;
        }
        NodeSocket.accept(this, native, bound, accept);
      });
      server.once("error", refuse);
      const where: NetListenOptions =
        path !== ""
          ? { path: nativePath(path) }
          : { host: ip, port, reusePort: options.reusePort, ipv6Only: ip.includes(":") };
      if (path !== "") clearUnixPath(path);
      try {
        server.listen({ ...where, backlog: options.backlog, exclusive: true }, () => {
          server.off("error", refuse);
          // Accepting failed for a moment; libuv has already made room and goes on.
          server.on("error", () => {
            this.refused();
          });
          try {
            if (path !== "") setUnixMode(path, options.mode);
          } catch (error) {
            server.close();
            refuse(error as NodeJS.ErrnoException);
            return;
          }
          const where = server.address();
          if (where !== null && typeof where !== "string") bound = ipAddress(ip, where.port);
          const listener: ListenSocket = {
            address: bound,
            stop: () => {
              if (this.listeners.delete(listener)) server.close();
            },
          };
          this.listeners.add(listener);
          resolve(listener);
        });
      } catch (error) {
        refuse(error as NodeJS.ErrnoException);
      }
    });
  }

  protected dial(to: Address, handler: SocketHandler): PlainSocket {
    return new NodeSocket(this, handler, to);
  }
}
