/**
 * Why reading from a client is paused, as bits: it goes on when none is set. One object per exchange; it decides
 * nothing, and a closed socket takes its calls without harm.
 */
/** The upstream's kernel takes no more of the request. */
export const PausedByUpstream = 1;
/** A further request waits behind the one being answered. */
export const PausedByPipeline = 2;
/** The body waits for an upstream connection and the buffer is full. */
export const PausedByBuffer = 4;
/** The client has not read the answers before. */
export const PausedByAnswers = 8;
/** A filter holds as much of the request as it may. */
export const PausedByFilter = 16;
/** All of them. */
export const ANY_REASON = 31;

/** What is read from: a connection, or one stream of many on it. */
export interface Source {
  pause(): void;
  resume(): void;
}

/** Where pauses are counted. */
export interface FlowControlStats {
  downstreamFlowControlPausedReadingTotal: number;
  downstreamFlowControlResumedReadingTotal: number;
}

export class Pressure {
  private readonly source: Source;
  private readonly stats: FlowControlStats;
  private reasons = 0;

  constructor(source: Source, stats: FlowControlStats) {
    this.source = source;
    this.stats = stats;
  }

  /** True if reading is paused for `reason`, among others perhaps. */
  has(reason: number): boolean {
    return (this.reasons & reason) !== 0;
  }

  /** Pauses reading for `reason`. */
  press(reason: number): void {
    if (this.reasons === 0) {
      this.source.pause();
      this.stats.downstreamFlowControlPausedReadingTotal++;
    }
    this.reasons |= reason;
  }

  /** Takes reasons away; reading goes on if none is left. */
  release(reasons: number): void {
    if ((this.reasons & reasons) === 0) return;
    this.reasons &= ~reasons;
    if (this.reasons !== 0) return;
    this.source.resume();
    this.stats.downstreamFlowControlResumedReadingTotal++;
  }
}
