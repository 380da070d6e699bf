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

/**
 * Serves `actions`, a function of the query for each path, and answers when it is done: with what it gives as JSON, or with 204.
 * What an action throws is answered as 400. Gives the address.
 */
export async function serveControl(actions, port) {
  const control = await listen(async (req, res) => {
    const { pathname, searchParams } = new URL(req.url, 'http://localhost');
    const action = req.method === 'POST' ? actions[pathname] : undefined;
    if (!action) {
      res.writeHead(404).end();
      return;
    }
    try {
      const answer = await action(searchParams);
      res.statusCode = answer === undefined ? 204 : 200;
      res.end(answer && JSON.stringify(answer));
    } catch (error) {
      res.statusCode = 400;
      res.end(`${error.message}\n`);
    }
  }, port);
  return `http://localhost:${control.address().port}`;
}

/** Ends this process when its stdin ends, so that no server outlives a test process that was killed. */
export function endWithStdin() {
  process.stdin.resume().once('end', () => process.exit(0));
}
