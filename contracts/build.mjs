// SPDX-License-Identifier: Apache-2.0
//
// Compiles the package into bytecode.json, which the binary carries for publishing. `--check` only
// says (exit code 1) whether the file is what the sources compile to.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { PACKAGE, compile, packageFiles } from "./move.mjs";

const PATH = join(PACKAGE, "bytecode.json");

/** The module's own name in its bytecode (the Move binary format: header, tables, self handle). */
function moduleName(bytes) {
  let at = 8; // magic and version
  const uleb = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const tables = new Map();
  const count = uleb();
  let end = 0;
  for (let table = 0; table < count; table++) {
    const kind = bytes[at++];
    const [offset, length] = [uleb(), uleb()];
    tables.set(kind, offset);
    end = Math.max(end, offset + length);
  }
  const content = at;
  at = content + end;
  const self = uleb();
  at = content + tables.get(1); // module handles: address and name
  let name = 0;
  for (let handle = 0; handle <= self; handle++) [, name] = [uleb(), uleb()];
  at = content + tables.get(7); // identifiers
  for (let index = 0; ; index++) {
    const length = uleb();
    if (index === name) return Buffer.from(bytes.slice(at, at + length)).toString();
    at += length;
  }
}

/** What bytecode.json must hold. */
export async function bytecode() {
  const result = await compile(packageFiles(PACKAGE, ["sources"]));
  if (result.error) throw new Error(result.error);
  const modules = result.modules.map((bytecode) => ({
    name: moduleName(Buffer.from(bytecode, "base64")),
    bytecode,
  }));
  const digest = Buffer.from(result.digest).toString("hex");
  const { dependencies } = result;
  return `${JSON.stringify({ digest, dependencies, modules }, null, 2)}\n`;
}

/** Whether bytecode.json is what the sources compile to. */
export async function isCurrent() {
  return readFileSync(PATH, "utf8") === (await bytecode());
}

if (process.argv[1]?.endsWith("build.mjs")) {
  if (process.argv.includes("--check")) process.exit((await isCurrent()) ? 0 : 1);
  writeFileSync(PATH, await bytecode());
}
