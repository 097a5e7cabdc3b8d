/** Bodies that tell whose they are: a storm's requests are named `<who>-<which>-<bytes of the body>`. */

/** The body that belongs to a request: its name over and over, so that a single foreign byte anywhere is noticed. */
export function bodyOf(id: string, length: number): string {
  return `<${id}>`.repeat(Math.ceil(length / (id.length + 2))).slice(0, length);
}

/** The length that the name says, 0 if it says none. */
export function lengthOf(id: string): number {
  return Number(id.split("-")[2]) || 0;
}
