/** Whether an upstream has really switched protocols: nothing becomes a tunnel before that (invariant 6, row E3). */
import { lowerCase } from "../bytes/ascii.ts";
import { webSocketAccept } from "../bytes/websocket-accept.ts";
import type { ResponseHead } from "../http/head.ts";
import { known } from "../http/names.ts";

const UPGRADE = known("upgrade");
const WEBSOCKET_ACCEPT = known("sec-websocket-accept");

/** `asked` is the protocol of the request ("connect" for CONNECT), `key` its Sec-WebSocket-Key or "". */
export function isAccepted(asked: string, key: string, head: ResponseHead): boolean {
  if (asked === "connect") return head.status >= 200 && head.status < 300;
  if (head.status !== 101 || lowerCase(head.fields.getId(UPGRADE) ?? "") !== asked) return false;
  return asked !== "websocket" || head.fields.getId(WEBSOCKET_ACCEPT) === webSocketAccept(key);
}
