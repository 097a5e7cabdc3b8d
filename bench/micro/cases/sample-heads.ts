/** The heads that the codec benches read and write: what a load generator, a browser and a service send. */
import { toBytes } from "../../../core/bytes/ascii.ts";

function head(...lines: string[]): Uint8Array {
  return toBytes(`${lines.join("\r\n")}\r\n\r\n`);
}

/** wrk's request: two fields, 45 bytes. */
export const SMALL_REQUEST = head("GET / HTTP/1.1", "Host: 127.0.0.1:8080");

/** A browser's: fifteen fields, about 800 bytes. */
export const BROWSER_REQUEST = head(
  "GET /products/1234/reviews?page=2&sort=newest HTTP/1.1",
  "Host: shop.example.com",
  "Connection: keep-alive",
  'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"',
  "sec-ch-ua-mobile: ?0",
  'sec-ch-ua-platform: "Linux"',
  "Upgrade-Insecure-Requests: 1",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  "Sec-Fetch-Site: same-origin",
  "Sec-Fetch-Mode: navigate",
  "Sec-Fetch-Dest: document",
  "Referer: https://shop.example.com/products/1234",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
  "Cookie: session=3f9b2c7a1d8e4056b7c2f1a09e8d7c6b; basket=17; theme=dark",
);

/** A service's answer: eight fields, about 300 bytes, no body. */
export const RESPONSE = head(
  "HTTP/1.1 200 OK",
  "Date: Fri, 21 Nov 2025 08:45:00 GMT",
  "Content-Type: application/json; charset=utf-8",
  "Content-Length: 0",
  'ETag: W/"1f-9bH3kq0T2u0rVb6dQ1yX2w"',
  "Cache-Control: private, max-age=0, must-revalidate",
  "X-Request-Id: 6f1c1b0e-5f0b-4b60-9a5c-0d7f5f7a3e21",
  "Vary: Accept-Encoding",
  "Strict-Transport-Security: max-age=31536000",
);
