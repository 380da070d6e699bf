// What the servers of this folder share: a listener on loopback and the port through which a test tells them what to do.

import { createServer } from 'node:http';

/** Listens on loopback, on any port for 0; the port is `server.address().port`. */
export function listen(handler, port) {
  return new Promise((resolve, reject) => {
    const server = createServer(handler);
    server.once('error', reject);
    server.listen(Number(port), 'localhost', () => resolve(server));
  });
}

/** Serves `actions`, a function for each path, and answers when it is done; gives the address. */
export async function serveControl(actions, port) {
  const control = await listen(async (req, res) => {
    const action = req.method === 'POST' ? actions[req.url] : undefined;
    await action?.();
    res.writeHead(action ? 204 : 404).end();
  }, port);
  return `http://localhost:${control.address().port}`;
}

/** Ends this process when its stdin ends, so that no server outlives a test process that was killed. */
export function endWithStdin() {
  process.stdin.resume().once('end', () => process.exit(0));
}
