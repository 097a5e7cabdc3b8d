/** Asking a parsed head for a field, the first time (bytes become a string) and again. */
import { Fields } from "../../../core/http/fields.ts";
import { known } from "../../../core/http/names.ts";
import { DEFAULT_LIMITS } from "../../../core/http1/limits.ts";
import { RequestParser } from "../../../core/http1/request-parser.ts";
import type { MicroCase } from "../micro-case.ts";
import { parsedRequest } from "./parsed-head.ts";
import { BROWSER_REQUEST } from "./sample-heads.ts";
import { SilentSink } from "./silent-sink.ts";

const COOKIE = known("cookie");
const X_REQUEST_ID = known("x-request-id");

function asked(name: string, ask: (fields: Fields) => string | null): MicroCase {
  return {
    name: `header get: ${name}`,
    prepare: () => {
      const { fields } = parsedRequest(BROWSER_REQUEST);
      return (times) => {
        let length = 0;
        for (let i = 0; i < times; i++) length += ask(fields)?.length ?? 1;
        return length;
      };
    },
  };
}

const FIRST_TIME: MicroCase = {
  name: "header get: parse, then ask for the cookie (72 bytes)",
  prepare: () => {
    const parser = new RequestParser(new SilentSink(), DEFAULT_LIMITS, "ALLOW", { copiedBytes: 0 });
    return (times) => {
      let length = 0;
      for (let i = 0; i < times; i++) {
        parser.feed(BROWSER_REQUEST);
        length += parser.head.fields.getId(COOKIE)?.length ?? 0;
        parser.next();
      }
      return length;
    };
  },
};

const SET: MicroCase = {
  name: "header set: an id and a new name, then remove both",
  prepare: () => {
    const fields = new Fields();
    fields.add("user-agent", "curl/8");
    return (times) => {
      let count = 0;
      for (let i = 0; i < times; i++) {
        fields.setId(X_REQUEST_ID, "6f1c1b0e-5f0b-4b60-9a5c-0d7f5f7a3e21");
        fields.set("x-team", "payments");
        count += fields.count;
        fields.clear();
      }
      return count;
    };
  },
};

export const HEADER_GET: readonly MicroCase[] = [
  asked("known name, there", (fields) => fields.getId(COOKIE)),
  asked("known name, missing", (fields) => fields.getId(X_REQUEST_ID)),
  asked("other name, there", (fields) => fields.get("sec-fetch-mode")),
  asked("other name, missing", (fields) => fields.get("x-tenant")),
  FIRST_TIME,
  SET,
];
