/** A ClientHello (RFC 8446 4.1.2) with the extensions that are looked at: server_name and ALPN. No keys in it. */

const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;

const u16 = (n: number): number[] => [n >> 8, n & 255];
const text = (name: string): number[] => Array.from(name, (c) => c.charCodeAt(0));
const sized = (body: number[]): number[] => [...u16(body.length), ...body];

/** The handshake message, without the record around it. */
export function clientHello(serverName: string, alpn: readonly string[]): Uint8Array {
  const extensions: number[] = [];
  if (serverName !== "") {
    extensions.push(...u16(SERVER_NAME), ...sized(sized([0, ...sized(text(serverName))])));
  }
  if (alpn.length > 0) {
    extensions.push(...u16(ALPN), ...sized(sized(alpn.flatMap((name) => [name.length, ...text(name)]))));
  }
  const random = new Array<number>(32).fill(7);
  const body = [3, 3, ...random, 0, ...sized([0x13, 0x01]), 1, 0, ...sized(extensions)];
  return Uint8Array.from([CLIENT_HELLO, 0, ...u16(body.length), ...body]);
}

/** What such a message asks for; null if it is none. Lengths are trusted: nobody else makes these. */
export function readClientHello(
  message: Uint8Array,
): { readonly serverName: string; readonly alpn: readonly string[] } | null {
  if (message[0] !== CLIENT_HELLO || message.length < 43) return null;
  const at16 = (at: number) => (message[at] << 8) | message[at + 1];
  const string = (at: number, length: number) => String.fromCharCode(...message.subarray(at, at + length));
  let at = 38;
  at += 1 + message[at]; // session id
  at += 2 + at16(at); // cipher suites
  at += 1 + message[at]; // compression methods
  at += 2;
  let serverName = "";
  const alpn: string[] = [];
  while (at + 4 <= message.length) {
    const type = at16(at);
    const end = at + 4 + at16(at + 2);
    if (type === SERVER_NAME) serverName = string(at + 9, at16(at + 7));
    for (let name = at + 6; type === ALPN && name < end; name += 1 + message[name]) {
      alpn.push(string(name + 1, message[name]));
    }
    at = end;
  }
  return { serverName, alpn };
}
