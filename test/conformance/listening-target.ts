/** The conformance bootstrap in front of raw origins, ready to run vectors over TCP against whoever is started. */
import type { YamlMap } from "../support/bootstrap.ts";
import { freePorts } from "../support/child-process.ts";
import { TcpLane, TcpTarget } from "../support/tcp-target.ts";
import { conformanceBootstrap, PROFILES } from "./profiles.ts";

interface Started {
  stop(): Promise<void>;
}

/** Opens lanes, makes the bootstrap, starts a proxy with it. Null if `start` found nothing to start. */
export async function listeningTarget<T extends Started>(
  name: string,
  laneCount: number,
  start: (bootstrap: YamlMap, port: number, adminPort: number) => Promise<T | null>,
): Promise<TcpTarget | null> {
  const lanes = await Promise.all(Array.from({ length: laneCount }, () => TcpLane.open()));
  const [adminPort, down, ...ports] = await freePorts(PROFILES.length * laneCount + 2);
  const port = (profile: string, lane: number) =>
    PROFILES.includes(profile) ? ports[PROFILES.indexOf(profile) * laneCount + lane] : 0;
  const origins = lanes.map((lane) => lane.port);
  const started = await start(
    conformanceBootstrap(port, origins, adminPort, down),
    ports[ports.length - 1], // listeners are bound in order: when the last one accepts, all do
    adminPort,
  );
  if (started === null) {
    for (const lane of lanes) await lane.close();
    return null;
  }
  return new TcpTarget(name, lanes, port, () => started.stop());
}
