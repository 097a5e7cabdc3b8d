/**
 * Notices that files changed: by watching their directories (so that a file moved into place, or a symbolic link
 * turned, is seen at once) and by looking at them every half second (network file systems, exhausted inotify).
 * Knows nothing about what is in a file.
 *
 * Laws: a file is reported once it has been still for SETTLE ms, so a slow writer is not read half-way; files
 * that change together are reported together; a file that is gone is not reported until it is back.
 */
import { type FSWatcher, statSync, watch } from "node:fs";
import { dirname } from "node:path";

/** Told which files have new content. */
export type OnChange = (paths: readonly string[]) => void;

/** How long a file must have been still, ms. */
const SETTLE = 50;
/** A file that never comes to rest is read anyway after this time, ms. */
const MAX_SETTLE = 500;
/** How often files are looked at without being told to, ms. */
const POLL = 500;

const GONE = "";

/** What tells one content of a file from another without reading it. */
function fingerprint(path: string): string {
  try {
    const { ino, size, mtimeMs, ctimeMs, dev } = statSync(path);
    return `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}`;
  } catch {
    return GONE;
  }
}

interface Watched {
  /** Of the content that was last reported. */
  reported: string;
  /** Of the last look. */
  seen: string;
  /** `performance.now()` when it began to differ from `reported`, 0 = it does not. */
  since: number;
}

export class FileWatch {
  private readonly onChange: OnChange;
  private readonly files = new Map<string, Watched>();
  private readonly directories = new Map<string, FSWatcher | null>();
  private readonly poll: ReturnType<typeof setInterval>;
  private soon: ReturnType<typeof setTimeout> | null = null;

  constructor(onChange: OnChange) {
    this.onChange = onChange;
    this.poll = setInterval(() => this.look(), POLL);
    this.poll.unref();
  }

  /** Makes `paths` the files to watch. A new one counts as known in the state that it is in now. */
  watch(paths: ReadonlySet<string>): void {
    for (const path of this.files.keys()) if (!paths.has(path)) this.files.delete(path);
    for (const path of paths) {
      if (this.files.has(path)) continue;
      const now = fingerprint(path);
      this.files.set(path, { reported: now, seen: now, since: 0 });
    }
    const wanted = new Set([...paths].map((path) => dirname(path)));
    for (const [directory, watcher] of this.directories) {
      if (wanted.has(directory)) continue;
      watcher?.close();
      this.directories.delete(directory);
    }
    for (const directory of wanted) {
      if (!this.directories.has(directory)) this.directories.set(directory, this.open(directory));
    }
  }

  /** Looks no more. */
  close(): void {
    clearInterval(this.poll);
    if (this.soon !== null) clearTimeout(this.soon);
    for (const watcher of this.directories.values()) watcher?.close();
    this.directories.clear();
    this.files.clear();
  }

  /** A directory that cannot be watched is left to the poll. */
  private open(directory: string): FSWatcher | null {
    try {
      const watcher = watch(directory, { persistent: false }, () => this.lookSoon());
      watcher.on("error", () => watcher.close());
      return watcher;
    } catch {
      return null;
    }
  }

  private lookSoon(): void {
    if (this.soon !== null) return;
    this.soon = setTimeout(() => {
      this.soon = null;
      this.look();
    }, SETTLE);
  }

  private look(): void {
    const now = performance.now();
    const settled: string[] = [];
    let unsettled = false;
    for (const [path, file] of this.files) {
      const print = fingerprint(path);
      if (print === file.reported || print === GONE) {
        file.since = 0;
      } else if (file.since !== 0 && (print === file.seen || now - file.since >= MAX_SETTLE)) {
        file.since = 0;
        file.reported = print;
        settled.push(path);
      } else {
        if (file.since === 0) file.since = now;
        unsettled = true;
      }
      file.seen = print;
    }
    if (unsettled) this.lookSoon();
    if (settled.length > 0) this.onChange(settled);
  }
}
