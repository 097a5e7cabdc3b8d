/** Starts the admin server: where it listens, what it warns about, what of it is loaded when. */
import { writeFileSync } from "node:fs";
import type { AccessLog } from "../../../core/config/model.ts";
import { type Address, formatAddress } from "../../../core/io/socket.ts";
import { Clock } from "../../../core/time/clock.ts";
import type { FetchHandler, FetchServer } from "../../fetch-server.ts";
import { ListenError } from "../../runtime.ts";
import type { Entry } from "../entry.ts";
import { reason, StartFailure } from "../start-failure.ts";
import type { ThreadServices } from "../thread-services.ts";
import type { AdminSource } from "./admin-source.ts";

/** Serves the admin app where the bootstrap says; null if it does not. Rejects with `StartFailure`. */
export async function startAdminServer(
  source: AdminSource,
  entry: Entry,
  services: ThreadServices,
): Promise<FetchServer | null> {
  const { admin } = source.bootstrap;
  if (admin === null) return null;
  const { ip, path } = admin.address;
  // No web page reaches a Unix socket, so any Host will do there.
  const isLoopback = path === "" && (ip === "::1" || ip.startsWith("127."));
  if (!isLoopback && path === "") {
    const warning = `the admin server listens on ${ip}: whoever can reach it can stop this proxy`;
    services.log("warning", "admin", warning);
  }
  // Loaded with the first question that is asked: an idle proxy does not pay for it.
  let handler: Promise<FetchHandler> | null = null;
  let server: FetchServer;
  try {
    const serveFetch = await entry.loadServeFetch();
    server = await serveFetch(admin.address, async (request) => {
      handler ??= load(source, isLoopback, admin.accessLog, admin.address, services);
      return (await handler)(request);
    });
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    const complaint = `admin: cannot listen on ${formatAddress(error.address)}: ${reason(error.code)}`;
    throw new StartFailure([complaint]);
  }
  const address = formatAddress(server.address);
  services.log("info", "admin", `admin address: ${address}`);
  announce(source.options.adminAddressPath, address);
  return server;
}

function announce(file: string, address: string): void {
  if (file === "") return;
  try {
    writeFileSync(file, address);
  } catch (error) {
    throw new StartFailure([`--admin-address-path: ${(error as Error).message}`]);
  }
}

async function load(
  source: AdminSource,
  isLoopback: boolean,
  logs: readonly AccessLog[],
  address: Address,
  services: ThreadServices,
): Promise<FetchHandler> {
  const { adminApp } = await import("./admin-app.ts");
  const app = adminApp(source, isLoopback);
  if (logs.length === 0) return async (request) => app.fetch(request);

  const [{ adminAccessLog }, { formatEnvironment }] = await Promise.all([
    import("./admin-access-log.ts"),
    import("../engine.ts"),
  ]);
  const clock = new Clock();
  const log = adminAccessLog(logs, {
    environment: formatEnvironment(clock),
    address,
    openLog: (path) => services.openLog(path),
    runtime: () => source.snapshot.runtime,
  });
  return async (request) => {
    const startWall = Date.now();
    const response = await app.fetch(request);
    clock.epoch = Date.now();
    log(request, response, startWall);
    return response;
  };
}
