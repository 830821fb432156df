// SPDX-License-Identifier: Apache-2.0
//
// Runs the package's Move unit tests and, given `.move` files as arguments, those in them too.
// Exit code 0: all passed. 1: a test failed or the package does not compile. 2: could not be run.
//
//   node test.mjs [--only] [file.move ...]      (--only: without the tests in tests/)

import { readFileSync } from "node:fs";
import { basename } from "node:path";

import { isCurrent } from "./build.mjs";
import { problems } from "./docs.mjs";
import { PACKAGE, packageFiles, test } from "./move.mjs";

const only = process.argv.includes("--only");
const extra = process.argv.slice(2).filter((argument) => argument !== "--only");

try {
  const files = packageFiles(PACKAGE, only ? ["sources"] : ["sources", "tests"]);
  for (const path of extra) files[`tests/${basename(path)}`] = readFileSync(path, "utf8");
  const started = performance.now();
  const result = await test(files);
  if (result.error) {
    console.error(result.error);
    console.error(`contracts: ${result.category ?? "failed"}`);
    process.exit(result.category === "compile" || result.category === "test_runner" ? 1 : 2);
  }
  console.log(result.output.trimEnd());
  if (!only && !(await isCurrent())) {
    console.error("contracts: bytecode.json is not what the sources compile to: node build.mjs");
    process.exit(1);
  }
  if (!only) {
    const found = problems();
    for (const problem of found) console.error(`contracts: docs/contracts.md: ${problem}`);
    if (found.length > 0) process.exit(1);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`contracts: ${result.passed ? "all tests passed" : "FAILED"} in ${seconds} s`);
  process.exit(result.passed ? 0 : 1);
} catch (error) {
  console.error(`contracts: can't run the Move tests: ${error.message}`);
  process.exit(2);
}
