/** One question to a thread of its own, which ends with its answer: what it takes is not taken from the traffic. */
import { Worker } from "node:worker_threads";

/**
 * Starts the entry file with `start`, which says what to do. `failed` makes an answer of why there is
 * none: the thread ended, or `limit` ms are over. Never rejects.
 */
export function askApart<T>(
  entry: string,
  start: { readonly tulle: string },
  limit: number,
  failed: (reason: string) => T,
): Promise<T> {
  return new Promise((resolve) => {
    const thread = new Worker(new URL(entry), { workerData: start });
    const end = (answer: T): void => {
      clearTimeout(alarm);
      resolve(answer);
      void thread.terminate();
    };
    const alarm = setTimeout(() => end(failed(`is not done after ${limit / 1000} s`)), limit);
    thread.on("message", end);
    thread.on("error", (error: Error) => end(failed(error.message)));
    thread.on("exit", () => end(failed("its thread ended")));
  });
}
