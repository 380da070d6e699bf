// What every MCP server of the matrix of eras offers, whatever it is made of; ../python/era_server.py and fixtures/rmcp-server offer
// the same. One process serves one host.
//
//   add {a, b}      the sum
//   revision        the revision of MCP that this call came in
//   count {steps}   reports progress 1/steps … steps/steps, then answers `<steps> steps`
//   ask             asks the person for a name, and answers `accept:<name>`
//   change          adds the tool `extra`, and tells that the list has changed
//   touch           adds one to the resource peer://counter, and tells those who subscribed to it
//   hold            reports progress 1/2, then waits until it is cancelled
//   ended           answers `ended` once a call of `hold` was cancelled
//
// `change` and `touch` wait until the host can hear them: until the stream stands on which they are told.

export const COUNTER = 'peer://counter';

/** What `ask` asks. */
export const QUESTION = {
  message: 'What is your name?',
  requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
};

/** Longest wait of a tool for its host, in milliseconds. Shorter than the host's own, so that the error says what was missing. */
const PATIENCE = 15_000;

/** What the tools share. `heard` is to be resolved when the host can hear changes. */
export class World {
  constructor() {
    this.counter = 0;
    this.extra = false;
    this.heard = deferred();
    this.ended = deferred();
  }

  /**
   * The tools by name. Each is given its arguments and what it may do with the call that it serves:
   *   revision()                the revision of MCP in use
   *   progress({progress, total})
   *   ask(question)             gives `{ answer }`, or `{ instead }`, a result that must be given in place of an answer
   *   change(), touch()         tell the host
   *   signal                    aborts when the call was cancelled
   */
  tools() {
    return {
      add: ({ a, b }) => String(a + b),
      revision: (_, call) => call.revision(),
      count: async ({ steps }, call) => {
        for (let progress = 1; progress <= steps; progress += 1) await call.progress({ progress, total: steps });
        return `${steps} steps`;
      },
      ask: async (_, call) => {
        const { answer, instead } = await call.ask(QUESTION);
        return instead ?? `${answer.action}:${answer.content?.name}`;
      },
      change: async (_, call) => {
        await within(this.heard.promise, 'no stream stands for list changes');
        this.extra = true;
        await call.change();
        return 'changed';
      },
      touch: async (_, call) => {
        await within(this.heard.promise, 'no stream stands for updates');
        this.counter += 1;
        await call.touch();
        return 'touched';
      },
      hold: async (_, call) => {
        await call.progress({ progress: 1, total: 2 });
        if (!call.signal.aborted) {
          await new Promise(resolve => call.signal.addEventListener('abort', resolve, { once: true }));
        }
        this.ended.resolve();
        return 'cancelled';
      },
      ended: async () => {
        await within(this.ended.promise, 'no call of `hold` was cancelled');
        return 'ended';
      },
    };
  }
}

export function deferred() {
  let resolve;
  const promise = new Promise(done => {
    resolve = done;
  });
  return { promise, resolve };
}

async function within(promise, missing) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(missing)), PATIENCE);
  });
  try {
    await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
