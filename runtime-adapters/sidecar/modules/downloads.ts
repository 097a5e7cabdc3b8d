/**
 * Modules that servers are asked for, beside everything else: a server that takes its time holds up what needs its
 * module and nothing more. Knows nothing of modules but their bytes.
 *
 * Laws: one module is asked for once at a time; a server that failed is left alone for a while, whatever else changes;
 * what nobody wants any more is given up.
 */
import type { RemoteCode } from "../../../filters/wasm/plugin-config.ts";
import { type Fetched, fetchModule } from "./module-source.ts";

/** After this time a server that did not give a module may be asked again, ms. */
const ASK_AGAIN = 30_000;

interface Download {
  /** Null while it is under way. */
  result: Fetched | null;
  /** Somebody has the bytes. */
  taken: boolean;
  readonly abort: AbortController;
  again: ReturnType<typeof setTimeout> | null;
}

export class Downloads {
  private readonly all = new Map<string, Download>();
  private readonly onNews: () => void;

  /** `onNews`: one has ended, or one that failed may be tried again. */
  constructor(onNews: () => void) {
    this.onNews = onNews;
  }

  /** What came of it; null while it is under way, which it is from the first question on. */
  take(code: RemoteCode): Fetched | null {
    const key = JSON.stringify(code);
    const known = this.all.get(key);
    if (known === undefined) {
      this.begin(key, code);
      return null;
    }
    known.taken = known.result !== null;
    return known.result;
  }

  /** Forgets what was taken, and what is not among `wanted`. */
  sweep(wanted: readonly RemoteCode[]): void {
    const keys = new Set(wanted.map((code) => JSON.stringify(code)));
    for (const [key, download] of this.all) {
      const isOver = download.taken && download.result !== null && "bytes" in download.result;
      if (!keys.has(key) || isOver) this.forget(key, download);
    }
  }

  close(): void {
    for (const [key, download] of this.all) this.forget(key, download);
  }

  private begin(key: string, code: RemoteCode): void {
    const download: Download = { result: null, taken: false, abort: new AbortController(), again: null };
    this.all.set(key, download);
    void fetchModule(code, download.abort.signal).then((result) => {
      if (this.all.get(key) !== download) return;
      download.result = result;
      if ("fault" in result) {
        download.again = setTimeout(() => {
          this.all.delete(key);
          this.onNews();
        }, ASK_AGAIN);
        download.again.unref();
      }
      this.onNews();
    });
  }

  private forget(key: string, { abort, again }: Download): void {
    this.all.delete(key);
    abort.abort();
    if (again !== null) clearTimeout(again);
  }
}
