/** The regular expressions of admin queries. */

/** Accepts names that contain a match; null for "" (all); a text if the expression is not well-formed. */
export function nameFilter(expression: string): ((name: string) => boolean) | null | string {
  if (expression === "") return null;
  try {
    const regex = new RegExp(expression, "u");
    return (name) => regex.test(name);
  } catch (error) {
    return `Invalid re2 regex: ${(error as Error).message}`;
  }
}
