/** x */
export async function runFilter(..._a: unknown[]): Promise<string> {
  return "";
}
