/**
 * The memory that Node reads sockets into.
 *
 * Left to itself, Node takes 64 KiB for each read and V8 frees them: it marks its whole heap for every 64 MiB that were
 * taken so, which is a fourth of what an upload costs. The `onread` option of `net.connect` gives a socket memory of our
 * own instead. A server has no such option, so it is set where the socket keeps it: under symbols, which a socket made
 * with the option gives away, and with a method of the handle. Where they are not found (`readIntoOurs` answers false),
 * Node reads as it is documented to.
 *
 * - All sockets wait with the same memory, the *shared* one: reading into it and taking the bytes out is one call. So a
 *   connection that waits has no memory of its own. A chunk is what was read, copied; Node does the same with each
 *   read that does not fill its 64 KiB.
 * - A socket that fills it is given a *slab* for the next read, and loses it when it has read all there is, or is
 *   paused. Of slabs there are a few. A slab is used again if nobody has a hold on what was read into it, see
 *   `SocketHandler.passing`; otherwise it belongs to the core, as every chunk, and is forgotten.
 *
 * Law: no byte of memory that somebody may still look at is read into.
 */
import { Socket } from "node:net";

/** Size of the shared memory: most requests come in one read, and it is cheap to copy. */
const SHARED_BYTES = 16 * 1024;
/** Size of a slab. */
const SLAB_BYTES = 256 * 1024;
/** A chunk that fills less of a slab does not keep it from the next: what is to be kept of it is copied. */
const MAX_WASTE = SLAB_BYTES / 2;
/** Slabs that sockets have at most; the others read on through the shared memory. */
const MAX_SLABS = 16;
/** Slabs that are kept for the next socket. */
const MAX_SPARE = 2;
/** Small chunks are parts of an arena: one that is held holds no more than this. */
const ARENA_BYTES = 16 * 1024;
/** A chunk of more than this has memory of its own. */
const MAX_PART = 2 * 1024;

/** A connection as it reads. */
export interface Reader {
  /** The slab that it reads into, or null while it waits with the shared memory. */
  slab: Buffer | null;
  /** The chunk belongs to the reader. */
  onData(chunk: Uint8Array): void;
  /** So many bytes would be passed on at once. */
  passes(length: number): boolean;
  /** The chunk lies in its slab. True if nobody has a hold on it any more. */
  onSlab(chunk: Uint8Array): boolean;
  /** It wants to hear more at once. */
  readonly reads: boolean;
}

/** A socket that reads into memory of ours, and for whom. */
export interface ReadingSocket {
  connection: Reader | null;
}

type Callback = (this: ReadingSocket, length: number, memory: Buffer) => boolean;
type Supply = () => Uint8Array | undefined;

const shared = Buffer.allocUnsafeSlow(SHARED_BYTES);
const spare: Buffer[] = [];
let slabs = 0;
let arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
let used = 0;
/** What `supply` answers: the memory for the next read of the socket that reads now, if that changes. */
let next: Uint8Array | undefined;

/** A chunk with memory of its own, of the first `length` bytes of `memory`. */
function own(memory: Buffer, length: number): Uint8Array {
  const chunk = Buffer.allocUnsafeSlow(length);
  memory.copy(chunk, 0, 0, length);
  return chunk;
}

/** A chunk of the first `length` bytes of the shared memory. */
function takeOut(length: number): Uint8Array {
  if (length > MAX_PART) return own(shared, length);
  if (used + length > ARENA_BYTES) {
    arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
    used = 0;
  }
  shared.copy(arena, used, 0, length);
  const chunk = new Uint8Array(arena.buffer, used, length);
  used += length;
  return chunk;
}

const onRead: Callback = function (length, memory) {
  const { connection } = this;
  next = undefined;
  if (connection === null) return true;
  if (memory === shared) {
    connection.onData(takeOut(length));
    if (length === SHARED_BYTES && connection.reads) next = takeSlab(connection);
    return true;
  }
  let free = true;
  if (length > MAX_WASTE || connection.passes(length)) {
    free = connection.onSlab(new Uint8Array(memory.buffer, 0, length));
  } else connection.onData(own(memory, length));
  if (connection.slab === null) return true; // closed meanwhile
  if (free && length === SLAB_BYTES && connection.reads) return true;
  giveBack(connection, free);
  next = shared;
  return true;
};

const supply: Supply = () => next;

function takeSlab(reader: Reader): Uint8Array | undefined {
  if (slabs === MAX_SLABS) return undefined;
  slabs++;
  const slab = spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
  reader.slab = slab;
  return slab;
}

/** The reader reads no more into its slab, if it has one; `free`: nobody else has a hold on it. */
export function giveBack(reader: Reader, free: boolean): void {
  const { slab } = reader;
  if (slab === null) return;
  reader.slab = null;
  slabs--;
  if (free && spare.length < MAX_SPARE) spare.push(slab);
}

/** Where a socket keeps its `onread`. */
interface Place {
  readonly memory: symbol;
  readonly callback: symbol;
  readonly supply: symbol;
}

function findPlace(): Place | null {
  const holds = (socket: object, value: unknown) =>
    Object.getOwnPropertySymbols(socket).find((key) => (socket as Record<symbol, unknown>)[key] === value);
  const make = (buffer: unknown) => new Socket({ onread: { buffer, callback: onRead } } as never);
  const plain = make(shared);
  const memory = holds(plain, shared);
  const callback = holds(plain, onRead);
  const generator = holds(make(supply), supply);
  if (memory === undefined || callback === undefined || generator === undefined) return null;
  return { memory, callback, supply: generator };
}

const place = findPlace();

/** Has a connected socket read into our memory. False if this Node.js has no such way: then nothing has changed. */
export function readIntoOurs(native: Socket & ReadingSocket): boolean {
  const handle = (native as unknown as { _handle?: { useUserBuffer?(memory: Uint8Array): void } | null })
    ._handle;
  if (place === null || typeof handle?.useUserBuffer !== "function") return false;
  const at = native as unknown as Record<symbol, unknown>;
  at[place.memory] = shared;
  at[place.callback] = onRead;
  at[place.supply] = supply;
  handle.useUserBuffer(shared);
  return true;
}
