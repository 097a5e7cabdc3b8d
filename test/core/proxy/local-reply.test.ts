/** Answers that the proxy gives itself: for gRPC clients in their terms, and as local_reply_config wants them. */
import { describe, expect, test } from "bun:test";
import { get, gist, story } from "../../support/engine-story.ts";
import { route } from "../../support/snapshot-fixture.ts";

const text = (format: string) => ({ kind: "text", format, omitEmptyValues: false, contentType: "" }) as const;

describe("a gRPC client", () => {
  test.each([
    ["application/grpc", true],
    ["application/grpc+proto", true],
    ["application/grpc-web", false],
    ["application/json", false],
  ])("by content-type %s: %j", async (type, grpc) => {
    const s = await story({ origins: [] });
    const { received } = s.client(get("/", `content-type: ${type}\r\n`));
    if (grpc) {
      expect(received).toStartWith("HTTP/1.1 200 OK\r\n");
      expect(received).toContain("content-type: application/grpc\r\n");
      expect(received).toContain("grpc-status: 14\r\n");
      expect(received).toContain("grpc-message: no healthy upstream\r\n");
      expect(received).toEndWith("\r\n\r\n");
    } else expect(gist(received)).toBe("503 no healthy upstream");
    expect(s.logs[0]).toContain(" UH no_healthy_upstream");
    s.expectNothingLeft();
  });
});

describe("what an answer of ours means to a gRPC client", () => {
  // biome-ignore format: one list
  test.each([
    [400, 13], [401, 16], [403, 7], [404, 12], [429, 14], [502, 14], [503, 14], [504, 14],
    [200, 2], [302, 2], [405, 2], [418, 2], [500, 2], [501, 2],
  ])("%d is grpc-status %d", async (status, code) => {
    const action = { kind: "direct_response", status, body: "", bodyFormat: null } as const;
    const s = await story({ routes: [route("/", action)] });
    const { received } = s.client(get("/", "content-type: application/grpc\r\n"));
    expect(received).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(received).toContain(`grpc-status: ${code}\r\n`);
    expect(received).not.toContain("grpc-message");
    s.expectNothingLeft();
  });

  test("grpc-message is percent-encoded", async () => {
    const body = "100% \t\r\n\x7f~ \xc3\xa9";
    const action = { kind: "direct_response", status: 503, body, bodyFormat: null } as const;
    const s = await story({ routes: [route("/", action)] });
    const { received } = s.client(get("/", "content-type: application/grpc\r\n"));
    expect(received).toContain("grpc-message: 100%25 %09%0D%0A%7F~ %C3%A9\r\n");
    s.expectNothingLeft();
  });
});

describe("local_reply_config", () => {
  const only503 = { kind: "status_code", comparison: { op: "EQ", value: 503, runtimeKey: "" } } as const;
  const always = { kind: "status_code", comparison: { op: "GE", value: 0, runtimeKey: "" } } as const;

  test("the first mapper that accepts changes status, body and headers", async () => {
    const mapper = { filter: only503, status: 418, body: "short and stout", bodyFormat: null };
    const header = {
      name: "x-why",
      value: "%RESPONSE_FLAGS%",
      action: "OVERWRITE_IF_EXISTS_OR_ADD",
      keepEmptyValue: false,
    } as const;
    const s = await story({
      origins: [],
      manager: {
        localReply: {
          bodyFormat: null,
          mappers: [
            { ...mapper, headersToAdd: [header] },
            { ...mapper, filter: always, status: 500, headersToAdd: [] },
          ],
        },
      },
    });
    const { received } = s.client(get());
    expect(gist(received)).toBe("418 short and stout");
    expect(received).toContain("x-why: UH\r\n");
    expect(received).toContain("content-length: 15\r\n");
    expect(s.logs).toEqual(["GET / 418 UH no_healthy_upstream"]);
    s.expectNothingLeft();
  });

  test("a mapper's own body format counts more than the one for all", async () => {
    const s = await story({
      manager: {
        localReply: {
          bodyFormat: text("all: %LOCAL_REPLY_BODY%"),
          mappers: [
            {
              filter: only503,
              status: null,
              body: "busy",
              bodyFormat: text("503: %LOCAL_REPLY_BODY%"),
              headersToAdd: [],
            },
          ],
        },
      },
      routes: [
        route("/403", { kind: "direct_response", status: 403, body: "no", bodyFormat: null }),
        route("/503", { kind: "direct_response", status: 503, body: "no", bodyFormat: null }),
      ],
    });
    expect(gist(s.client(get("/403")).received)).toBe("403 all: no");
    expect(gist(s.client(get("/503")).received)).toBe("503 503: busy");
    s.expectNothingLeft();
  });

  test("a body format sees the body that would have been sent", async () => {
    const s = await story({
      origins: [],
      manager: { localReply: { bodyFormat: text("<%RESPONSE_CODE% %LOCAL_REPLY_BODY%>\n"), mappers: [] } },
    });
    expect(gist(s.client(get()).received)).toBe("503 <503 no healthy upstream>\n");
    s.expectNothingLeft();
  });

  test("a JSON document ends with a line feed", async () => {
    const bodyFormat = { kind: "json", format: { code: "%RESPONSE_CODE%" }, omitEmptyValues: false } as const;
    const s = await story({
      origins: [],
      manager: { localReply: { bodyFormat: { ...bodyFormat, contentType: "" }, mappers: [] } },
    });
    const { received } = s.client(get());
    expect(gist(received)).toBe('503 {"code":503}\n');
    expect(received).toContain("content-type: application/json\r\n");
    expect(received).toContain("content-length: 13\r\n");
    s.expectNothingLeft();
  });

  test("an upstream's answer is not a local reply", async () => {
    const s = await story({
      manager: { localReply: { bodyFormat: text("mine"), mappers: [] } },
    });
    expect(gist(s.client(get()).received)).toBe("200 ok");
    s.expectNothingLeft();
  });
});
