/**
 * Runs vectors against a target: each whole, byte by byte, and at seeded random splits. Lanes work side by side.
 */
import type { Chunking, Outcome, Target } from "../support/exchange.ts";
import { judge } from "./judge.ts";
import type { Vector } from "./vector.ts";

export interface Verdict {
  readonly vector: Vector;
  readonly chunking: Chunking;
  readonly faults: readonly string[];
  readonly outcome: Outcome;
}

/** Whole, byte by byte, and `splits` random cuts that depend on the vector and `seed` alone. */
export function chunkings(vector: Vector, splits: number, seed: number): Chunking[] {
  let hash = seed;
  for (const char of vector.id) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) >>> 0;
  return ["whole", "bytes", ...Array.from({ length: splits }, (_, i) => (hash + i * 7919) >>> 0)];
}

export async function runVector(
  target: Target,
  vector: Vector,
  chunking: Chunking,
  lane: number,
): Promise<Verdict> {
  const outcome = await target.exchange(
    {
      profile: vector.profile ?? "main",
      chunking,
      client: vector.client,
      methods: vector.methods ?? [],
      origin: vector.origin ?? [],
      greeting: vector.greeting,
      followUp: vector.expect.client === "keep",
      victim: true,
    },
    lane,
  );
  return { vector, chunking, outcome, faults: judge(vector, outcome) };
}

/** Runs all vectors that the target has a listener for; the verdicts come in the order of the vectors. */
export async function runVectors(
  target: Target,
  vectors: readonly Vector[],
  options: { readonly splits: number; readonly seed: number },
): Promise<Verdict[]> {
  const jobs = vectors
    .filter((vector) => target.has(vector.profile ?? "main"))
    .flatMap((vector) =>
      chunkings(vector, options.splits, options.seed).map((chunking) => ({ vector, chunking })),
    );
  const verdicts: Verdict[] = new Array(jobs.length);
  let next = 0;
  const work = async (lane: number) => {
    while (next < jobs.length) {
      const index = next++;
      verdicts[index] = await runVector(target, jobs[index].vector, jobs[index].chunking, lane);
    }
  };
  await Promise.all(Array.from({ length: target.lanes }, (_, lane) => work(lane)));
  return verdicts;
}
