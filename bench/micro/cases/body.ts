/** A request body that waits for its connection, or for another try: kept, replayed, dropped. */
import { Body } from "../../../core/filter/body.ts";
import type { MicroCase } from "../micro-case.ts";

function replayed(chunks: number, size: number): MicroCase {
  return {
    name: `body: push, replay and clear ${chunks} × ${size / 1024} KiB`,
    prepare: () => {
      const body = new Body();
      const chunk = new Uint8Array(size);
      const sink = {
        bytes: 0,
        sendBody(_bytes: Uint8Array, start: number, end: number) {
          this.bytes += end - start;
        },
      };
      return (times) => {
        for (let i = 0; i < times; i++) {
          for (let c = 0; c < chunks; c++) body.push(chunk, 0, size);
          body.replay(sink);
          body.clear();
        }
        return sink.bytes;
      };
    },
  };
}

export const BODY: readonly MicroCase[] = [replayed(1, 1024), replayed(16, 65_536)];
