// What each version of mcp-remote makes of a command line. Reads a list of { version, args } as JSON on stdin, and writes a
// list of { hash, port }. The versions stand beside this file in node_modules.
import { readdirSync, readFileSync } from "node:fs";

const asked = JSON.parse(readFileSync(0, "utf8"));
const versions = new Map();

async function parserOf(version) {
  const dist = new URL(`./node_modules/${version}/dist/`, import.meta.url);
  for (const name of readdirSync(dist).filter((name) => name.startsWith("chunk-"))) {
    const chunk = await import(new URL(name, dist));
    if (chunk.parseCommandLineArgs) return chunk;
  }
  throw new Error(`${version} has no parser`);
}

const answers = [];
for (const { version, args } of asked) {
  if (!versions.has(version)) versions.set(version, await parserOf(version));
  const chunk = versions.get(version);
  const read = await chunk.parseCommandLineArgs(args, "usage");
  // Early versions hash the address alone, where they need it.
  const hash = read.serverUrlHash ?? chunk.getServerUrlHash(read.serverUrl);
  answers.push({ hash, port: read.callbackPort });
}
process.stdout.write(JSON.stringify(answers));
process.exit(0);
