// A server with HTTP/2 and TLS before another with plain HTTP/1.1. It refuses every third POST before it reads it, nine in all,
// as servers do that are about to end a connection (RFC 9113 §8.7). Says its port, and at the end of stdin how often it did.
//
//   node refusing.mjs CERTIFICATE KEY PORT refused-stream|goaway|goaway-error

import fs from "node:fs";
import http from "node:http";
import http2 from "node:http2";

const [certificate, key, to, how] = process.argv.slice(2);
const { NGHTTP2_REFUSED_STREAM, NGHTTP2_NO_ERROR, NGHTTP2_ENHANCE_YOUR_CALM } = http2.constants;
let posts = 0;
let refused = 0;
const leaving = new WeakSet();

const server = http2.createSecureServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) });

server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  // What was on its way when the connection was called off.
  if (leaving.has(stream.session)) return;
  // After those that open the session.
  if (headers[":method"] === "POST" && ++posts > 3 && posts % 3 === 0 && refused < 9) {
    refused++;
    if (how === "refused-stream") {
      stream.close(NGHTTP2_REFUSED_STREAM);
    } else {
      const code = how === "goaway" ? NGHTTP2_NO_ERROR : NGHTTP2_ENHANCE_YOUR_CALM;
      leaving.add(stream.session);
      // What is in flight before this stream is finished; this one is not looked at.
      stream.session.goaway(code, stream.id - 2);
    }
    return;
  }
  forward(stream, headers);
});

function forward(stream, headers) {
  const own = Object.entries(headers).filter(([name]) => !name.startsWith(":"));
  const request = http.request({
    host: "127.0.0.1",
    port: Number(to),
    method: headers[":method"],
    path: headers[":path"],
    headers: Object.fromEntries(own),
  });
  request.on("response", (answer) => {
    if (stream.destroyed) return answer.destroy();
    const { connection, "transfer-encoding": coding, "keep-alive": alive, ...rest } = answer.headers;
    stream.respond({ ":status": answer.statusCode, ...rest });
    answer.pipe(stream);
  });
  request.on("error", () => stream.close());
  stream.on("error", () => request.destroy());
  stream.on("close", () => request.destroy());
  stream.pipe(request);
}

server.on("sessionError", () => {});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume().on("end", () => {
  console.log(refused);
  process.exit();
});
