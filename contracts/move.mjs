// SPDX-License-Identifier: Apache-2.0
//
// Compiles and tests the Move package with Sui's compiler as WebAssembly. The framework's sources
// come out of a crate that cargo keeps in its registry cache; nothing else is downloaded.

import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import * as builder from "@zktx.io/sui-move-builder/full";

/** The folder of the Move package. */
export const PACKAGE = dirname(fileURLToPath(import.meta.url));

/** Where the Move sources of the framework are, from cargo. */
export function frameworkSources() {
  const manifest = join(PACKAGE, "framework", "Cargo.toml");
  const arguments_ = ["metadata", "--format-version", "1", "--locked", "--manifest-path", manifest];
  const options = { encoding: "utf8", maxBuffer: 256 << 20, stdio: ["ignore", "pipe", "pipe"] };
  const cargo = process.env.CARGO ?? "cargo";
  const { packages } = JSON.parse(execFileSync(cargo, arguments_, options));
  const found = packages.find((one) => one.name === "moverox-sui");
  if (!found) throw new Error("cargo metadata names no moverox-sui: see contracts/framework");
  return join(dirname(found.manifest_path), "move");
}

/** The package's files by path: the manifest and every `.move` file under `folders`. */
export function packageFiles(root, folders = ["sources", "tests"]) {
  const files = { "Move.toml": readFileSync(join(root, "Move.toml"), "utf8") };
  const visit = (folder) => {
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) visit(path);
      else if (name.endsWith(".move")) files[relative(root, path)] = readFileSync(path, "utf8");
    }
  };
  for (const folder of folders) {
    const path = join(root, folder);
    if (statSync(path, { throwIfNoEntry: false })) visit(path);
  }
  return files;
}

/** Serves the framework's packages from disk, whatever address they are asked for under. */
class Sources extends builder.MovePackageFetcher {
  constructor(root) {
    super();
    this.root = root;
    this.fetchLocal = async (path) => this.serve(path);
  }

  serve(path) {
    const name = path.split("/").filter(Boolean).at(-1);
    return packageFiles(join(this.root, name), ["sources"]);
  }

  async fetch(_url, _revision, subfolder) {
    return this.serve(subfolder ?? "");
  }

  async fetchFile() {
    return null;
  }

  getResolvedSha() {
    return undefined;
  }
}

async function input(files) {
  await builder.initMovePackageBuilder();
  return { files, fetcher: new Sources(frameworkSources()), ansiColor: false };
}

/** Runs the unit tests of `files`. */
export async function test(files) {
  return builder.testMovePackage(await input(files));
}

/** Compiles `files`: base64 modules, dependencies, digest. */
export async function compile(files) {
  return builder.dumpMovePackage({ ...(await input(files)), lintFlag: "default" });
}
