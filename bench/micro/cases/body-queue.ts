/** A request body that waits for its connection, or for another try: kept, replayed, dropped. */
import { BodyQueue } from "../../../core/proxy/body-queue.ts";
import type { MicroCase } from "../micro-case.ts";

function replayed(chunks: number, size: number): MicroCase {
  return {
    name: `body queue: push, replay and clear ${chunks} × ${size / 1024} KiB`,
    prepare: () => {
      const queue = new BodyQueue();
      const chunk = new Uint8Array(size);
      const sink = {
        bytes: 0,
        sendBody(_bytes: Uint8Array, start: number, end: number) {
          this.bytes += end - start;
        },
      };
      return (times) => {
        for (let i = 0; i < times; i++) {
          for (let c = 0; c < chunks; c++) queue.push(chunk, 0, size);
          queue.replay(sink);
          queue.clear();
        }
        return sink.bytes;
      };
    },
  };
}

export const BODY_QUEUE: readonly MicroCase[] = [replayed(1, 1024), replayed(16, 65_536)];
