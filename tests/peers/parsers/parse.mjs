// Reads the files that are named, each as its ending says, and writes what they say as one JSON array.
import { readFileSync } from "node:fs";
import { parse as parseJson, printParseErrorCode } from "jsonc-parser";
import { parse as parseToml } from "smol-toml";
import { parse as parseYaml } from "yaml";

function read(path) {
  const text = readFileSync(path, "utf8").replace(/^\uFEFF/, "");
  if (path.endsWith(".toml")) return parseToml(text);
  if (path.endsWith(".yaml")) return parseYaml(text);
  const errors = [];
  const value = parseJson(text, errors, { allowTrailingComma: true });
  if (errors.length > 0) throw new Error(`${path}: ${printParseErrorCode(errors[0].error)} at ${errors[0].offset}`);
  return value;
}

const values = process.argv.slice(2).map(read);
process.stdout.write(JSON.stringify(values, (_, value) => (typeof value === "bigint" ? Number(value) : value)));
