/** Why reading from a client is paused. Bits: reading goes on when none is set. */

/** The upstream's kernel takes no more of the request. */
export const PausedByUpstream = 1;
/** A further request waits behind the one being answered. */
export const PausedByPipeline = 2;
/** The body waits for an upstream connection and the buffer is full. */
export const PausedByBuffer = 4;
