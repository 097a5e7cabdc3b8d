/**
 * What the workers of a process tell each other of the health of endpoints, so that not every one of them asks: whoever
 * has asked tells the others, who then wait as if they had asked themselves, and somewhat longer the higher their number.
 * So the first one asks, and the next one if nothing is heard of it.
 */

/** What is known of an endpoint after a check. Plain, structured-cloneable data. */
export interface HealthNote {
  readonly cluster: string;
  /** `EndpointState.text`. */
  readonly endpoint: string;
  /** Of health checks, see `EndpointState.marks`. */
  readonly marks: number;
  /** In a row, as far as they count. */
  readonly successes: number;
  readonly failures: number;
  /** Until it is asked again, ms. */
  readonly wait: number;
  /** The cluster was used there. */
  readonly traffic: boolean;
}

/** A worker among others. */
export interface HealthSharing {
  /** 0 = it asks first. */
  readonly index: number;
  /** Tells the other workers; null = there are none. */
  readonly tell: ((notes: readonly HealthNote[]) => void) | null;
}

/** A worker that is alone. */
export const UNSHARED: HealthSharing = { index: 0, tell: null };

/** Notes of endpoints that are not here are forgotten beyond so many. */
const MAX_STRAY = 1000;
/** The same of a cluster that is not known here yet. */
const MAX_EARLY = 100_000;

/** What was heard of one cluster's endpoints last, whether they are known here yet or not. */
export class HeardHealth {
  private readonly notes = new Map<string, { readonly note: HealthNote; readonly at: number }>();

  hear(note: HealthNote, now: number): void {
    this.notes.delete(note.endpoint);
    this.notes.set(note.endpoint, { note, at: now });
  }

  /** The last note of that endpoint that is not older than what it says to wait, and so many ms; or null. */
  of(endpoint: string, now: number, patience: number): HealthNote | null {
    const heard = this.notes.get(endpoint);
    return heard === undefined || now - heard.at > heard.note.wait + patience ? null : heard.note;
  }

  /** The endpoint is gone: what comes to its address is another one. */
  forget(endpoint: string): void {
    this.notes.delete(endpoint);
  }

  /** Forgets the oldest, if there are far more of them than `endpoints`; null: it is not known how many there will be. */
  trim(endpoints: number | null): void {
    const most = endpoints === null ? MAX_EARLY : 2 * endpoints + MAX_STRAY;
    for (const endpoint of this.notes.keys()) {
      if (this.notes.size <= most) return;
      this.notes.delete(endpoint);
    }
  }
}
