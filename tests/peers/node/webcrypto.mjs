// The SDK takes `crypto` from the global object, where Node.js 18 does not have it.

import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;
