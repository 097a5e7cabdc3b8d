/** What secrets are called in a snapshot, and what they were called by whoever asked for them. */
import { describe, expect, test } from "bun:test";
import { secretKey, secretName } from "../../../core/config/secret-key.ts";

describe("secrets", () => {
  test("of one name from different files are different, and keep their name", () => {
    const asked = [
      ["default", "/a.yaml"],
      ["default", "/b@c.yaml"],
      ["default@/a.yaml", "/a.yaml"],
      ["user@host", "/a.yaml"],
      ["user%40host", "/a.yaml"],
      ["100%", "/a@b"],
      ["tls_certificate:x", "/a.yaml"],
      ["", "/a.yaml"],
    ] as const;
    const keys = asked.map(([name, path]) => secretKey(name, path));
    expect(new Set(keys).size).toBe(asked.length);
    expect(keys.map(secretName)).toEqual(asked.map(([name]) => name));
    expect(keys[0]).toBe("default@/a.yaml");
  });

  test("that stand in the document have no name", () => {
    expect(secretName("validation_context:0123456789abcdef")).toBe("");
    expect(secretName("")).toBe("");
  });
});
