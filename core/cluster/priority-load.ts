/**
 * How much of the traffic each priority level gets, as Envoy computes it: integers in percent, rounded down,
 * the rest to the first level that can take it.
 *
 * - A level's availability is `healthy / total`, times the overprovisioning factor (140 %: a level stays full
 *   until fewer than 71.4 % of it are healthy), at most 100.
 * - Load fills the levels in order with what each can take; degraded endpoints take what healthy ones leave.
 * - Draining endpoints count neither for nor against a level's health: a level that is being emptied stays full.
 * - When all levels together cannot take 100 %, a level with fewer than the panic threshold of its endpoints
 *   healthy balances over *all* its endpoints; when every level is in panic, load goes by size.
 */

/** What the computation needs to know about one level. */
export interface LevelHealth {
  readonly total: number;
  /** Of those, how many are on their way out and do not count against its health. */
  readonly excluded: number;
  readonly healthy: number;
  readonly degraded: number;
}

/** Percent per level; healthy and degraded together are 100. */
export interface PriorityLoad {
  readonly healthy: number[];
  readonly degraded: number[];
  readonly panic: boolean[];
}

/** `overprovisioningFactor` and `panicThreshold` in percent; no levels at all count as one empty one. */
export function priorityLoad(
  levels: readonly LevelHealth[],
  overprovisioningFactor: number,
  panicThreshold: number,
): PriorityLoad {
  const count = Math.max(1, levels.length);
  const healthyAvailable = new Array<number>(count).fill(0);
  const degradedAvailable = new Array<number>(count).fill(0);
  let available = 0;
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i];
    const counted = level.total - level.excluded;
    if (counted === 0) continue;
    healthyAvailable[i] = Math.min(100, Math.floor((overprovisioningFactor * level.healthy) / counted));
    degradedAvailable[i] = Math.min(100, Math.floor((overprovisioningFactor * level.degraded) / counted));
    available += healthyAvailable[i] + degradedAvailable[i];
  }
  available = Math.min(100, available);

  const load: PriorityLoad = {
    healthy: new Array<number>(count).fill(0),
    degraded: new Array<number>(count).fill(0),
    panic: new Array<boolean>(count).fill(false),
  };
  if (available > 0) {
    let left = distribute(load.healthy, healthyAvailable, 100, available);
    left = distribute(load.degraded, degradedAvailable, left, available);
    // Rounding errors.
    const firstHealthy = healthyAvailable.findIndex((percent) => percent > 0);
    if (firstHealthy >= 0) load.healthy[firstHealthy] += left;
    else load.degraded[degradedAvailable.findIndex((percent) => percent > 0)] += left;
  }
  if (available === 100) return load;

  let allPanic = true;
  for (let i = 0; i < count; i++) {
    const level = levels[i];
    const counted = level === undefined ? 0 : level.total - level.excluded;
    const usable = counted === 0 ? 0 : (level.healthy + level.degraded) / counted;
    load.panic[i] = usable * 100 < panicThreshold;
    allPanic &&= load.panic[i];
  }
  if (allPanic) loadBySize(load, levels);
  else if (available === 0) loadOnFirstUsable(load, levels);
  return load;
}

/** Gives each level what it can take of `left`; returns what nobody took. */
function distribute(load: number[], availability: readonly number[], left: number, total: number): number {
  for (let i = 0; i < load.length; i++) {
    load[i] = Math.min(left, Math.floor((availability[i] * 100) / total));
    left -= load[i];
  }
  return left;
}

/** Less than one percent is available and that is no panic: whoever is there gets all, else level 0 has nobody. */
function loadOnFirstUsable(load: PriorityLoad, levels: readonly LevelHealth[]): void {
  const healthy = levels.findIndex((level) => level.healthy > 0);
  const degraded = healthy >= 0 ? -1 : levels.findIndex((level) => level.degraded > 0);
  if (degraded >= 0) load.degraded[degraded] = 100;
  else load.healthy[Math.max(0, healthy)] = 100;
}

function loadBySize(load: PriorityLoad, levels: readonly LevelHealth[]): void {
  let endpoints = 0;
  for (const level of levels) endpoints += level.total;
  load.healthy.fill(0);
  load.degraded.fill(0);
  let first = 0;
  let left = 100;
  if (endpoints > 0) {
    first = levels.findIndex((level) => level.total > 0);
    for (let i = 0; i < levels.length; i++) {
      load.healthy[i] = Math.floor((100 * levels[i].total) / endpoints);
      left -= load.healthy[i];
    }
  }
  load.healthy[first] += left;
}
