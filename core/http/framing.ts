/** How the end of a message's body is found: on the wire in HTTP/1, as what is known of its length in HTTP/2. */

/** There is none. */
export const NoBody = 0;
/** Its length is known. */
export const ByLength = 1;
/** Its length is not known, and its end shows. */
export const ByChunks = 2;
/** It ends with the connection. */
export const ByClose = 3;
/** The connection is no longer HTTP: CONNECT or a switched protocol. */
export const AsTunnel = 4;
export type Framing = typeof NoBody | typeof ByLength | typeof ByChunks | typeof ByClose | typeof AsTunnel;
