/**
 * What the core promises about the bytes that come next (`SocketHandler.passing`): the memory runtime overwrites
 * whatever was given back, so a promise too many shows as garbage, here and in every simulation. Whether it is made at
 * all is counted.
 */
import { expect, test } from "bun:test";
import type { Filter } from "../../../core/filter/filter.ts";
import { Continue, Pause } from "../../../core/filter/verdict.ts";
import { answers, get, OK, post, type Story, silent, story } from "../../support/engine-story.ts";
import { Http2Peer, POST } from "../../support/http2-peer.ts";

test("a body on its way up and an answer on its way down are given back, heads are not", async () => {
  const s = await story({ origins: [silent] });
  const { network } = s.proxy;
  const client = s.client(post("", 10));
  expect(network.spoiltBytes).toBe(0);
  s.send(client, "01234");
  s.send(client, "56789");
  expect(network.spoiltBytes).toBe(10);
  const [origin] = s.upstream();
  expect(origin.received).toEndWith("\r\n\r\n0123456789");
  s.send(origin, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc");
  s.send(origin, "def");
  expect(client.take()).toEndWith("\r\n\r\nabcdef");
  expect(network.spoiltBytes).toBe(13);
  s.expectNothingLeft();
});

test("data of the chunked coding is given back where it stands alone", async () => {
  const s = await story({ origins: [silent] });
  const client = s.client("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n8\r\n01");
  s.send(client, "23");
  s.send(client, "4567\r\n2\r\n8");
  s.send(client, "9");
  expect(s.proxy.network.spoiltBytes).toBe(3);
  s.send(client, "\r\n0\r\n\r\n");
  expect(s.upstream()[0].received).toEndWith(
    "\r\n\r\n2\r\n01\r\n2\r\n23\r\n4\r\n4567\r\n1\r\n8\r\n1\r\n9\r\n0\r\n\r\n",
  );
  s.expectNothingLeft();
});

test("a tunnel gives back all that it carries", async () => {
  const accepted = "HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n";
  const upgrades = [{ upgradeType: "echo", enabled: true, terminateConnect: false }];
  const s = await story({
    origins: [answers(accepted)],
    manager: { upgrades },
  });
  const client = s.client(get("/", "connection: upgrade\r\nupgrade: echo\r\n"));
  client.take();
  s.send(client, "to the origin");
  s.send(s.upstream()[0], "to the client");
  expect(client.take()).toBe("to the client");
  expect(s.upstream()[0].received).toBe("to the origin");
  expect(s.proxy.network.spoiltBytes).toBe(26);
});

for (const [framing, head, rest] of [
  ["a length", "content-length: 4", "34"],
  ["chunks", "transfer-encoding: chunked", "34\r\n0\r\n\r\n"],
] as const) {
  test(`a request that comes with the end of a body of ${framing} waits unharmed`, async () => {
    const s = await story({ origins: [silent] });
    const first = framing === "chunks" ? "4\r\n12" : "12";
    const client = s.client(`POST /one HTTP/1.1\r\nhost: a.example\r\n${head}\r\n\r\n${first}`);
    s.send(client, `${rest}${get("/two")}`);
    expect(s.proxy.network.spoiltBytes).toBe(0);
    const [origin] = s.upstream();
    origin.take();
    s.send(origin, OK);
    expect(origin.take()).toStartWith("GET /two HTTP/1.1\r\n");
    s.send(origin, OK);
    expect(client.take().match(/200 OK/g)).toHaveLength(2);
    s.expectNothingLeft();
  });
}

test("a body that may have to be sent again is kept", async () => {
  const s = await story({ origins: [silent] });
  const client = s.client(post("", 4, "PUT"));
  s.send(client, "01");
  s.send(client, "23");
  expect(s.proxy.network.spoiltBytes).toBe(0);
  // An answer has begun: there is no other try any more.
  s.send(s.upstream()[0], "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n");
  s.send(s.upstream()[0], "x");
  expect(s.proxy.network.spoiltBytes).toBe(1);
  expect(client.take()).toEndWith("x");
});

test("what passes filters is not given back, either way", async () => {
  const filter: Filter = {
    onRequestBody: () => Continue,
    onResponseBody: (_body, ends) => (ends ? Continue : Pause),
  };
  const s = await story({ origins: [silent], filters: [{ name: "a", create: () => filter }] });
  const client = s.client(post("", 4));
  s.send(client, "0123");
  s.send(s.upstream()[0], "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n");
  s.send(s.upstream()[0], "x");
  expect(s.proxy.network.spoiltBytes).toBe(0);
  s.send(s.upstream()[0], "y");
  expect(client.take()).toEndWith("\r\n\r\nxy");
});

test("HTTP/2 gives back what it reads of bodies; what waits for a window, or for an upstream, is copied", async () => {
  const s = await story({ origins: [silent] });
  const { network, services } = spoilt(s);
  const client = new Http2Peer(s.client(), true);
  client.settings(4, 4);
  client.head(1, POST).data(1, "early"); // no upstream is connected yet
  s.settle();
  expect(services.copied.copiedBytes).toBe(0); // nothing was open when it was read, so it was not lent
  client.head(3, POST).data(3, "wait").data(1, "late", true);
  s.settle();
  expect(services.copied.copiedBytes).toBe(4);
  const before = network.spoiltBytes;
  client.data(3, "now", true);
  s.settle();
  expect(network.spoiltBytes).toBe(before + 9 + 3);
  const [first, second] = s.upstream();
  expect(first.received).toEndWith("5\r\nearly\r\n4\r\nlate\r\n0\r\n\r\n");
  expect(second.received).toEndWith("4\r\nwait\r\n3\r\nnow\r\n0\r\n\r\n");
  s.send(first, "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n01");
  s.send(first, "234567"); // the window has room for two of these
  client.windowUpdate(1, 100);
  s.settle();
  expect(client.heard().slice(1)).toEqual(["1 data 01", "1 data 23", "1 data 4567 end"]);
  s.expectNothingLeft();
});

/** Where what was given back, and what was copied, is counted. */
function spoilt({ proxy }: Story) {
  const { services } = proxy.worker as unknown as { services: { copied: { copiedBytes: number } } };
  return { network: proxy.network, services };
}
