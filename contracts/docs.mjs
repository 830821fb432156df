// SPDX-License-Identifier: Apache-2.0
//
// docs/contracts.md against the sources: the table of abort codes must name every code as the sources
// do, and the listing of functions is made of sources and tests here. `--write` puts the listing in;
// without, the exit code is 1 where something is missing or not current.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

import { PACKAGE } from "./move.mjs";

const DOCUMENT = join(PACKAGE, "..", "docs", "contracts.md");
const MODEL = join(PACKAGE, "..", "crates/contract-model/tests/model/differential.rs");
const [BEGIN, END] = ["<!-- functions: made by contracts/docs.mjs -->", "<!-- end of functions -->"];

const read = (folder) =>
  readdirSync(join(PACKAGE, folder))
    .filter((name) => name.endsWith(".move"))
    .sort()
    .map((name) => [basename(name, ".move"), readFileSync(join(PACKAGE, folder, name), "utf8")]);

/** Abort codes and public functions of a source, without what is for tests only. */
function parse(text) {
  const own = text.replace(/#\[test_only\][\s\S]*?(?=\n\n(?!\s)|$)/g, "");
  const codes = [...own.matchAll(/const (E\w+): u64 = (\d+);/g)].map(([, name, code]) => ({
    name,
    code: Number(code),
  }));
  const functions = [...own.matchAll(/^public fun (\w+)(?:<[^>]*>)?\(([^)]*)\)/gm)].map(
    ([, name, parameters]) => ({ name, parameters }),
  );
  return { codes, functions };
}

/** Who may call a function, by what it takes. */
function who(parameters, body) {
  if (/&AdminCap/.test(parameters)) return "governance";
  if (/&SlashCap/.test(parameters)) return "SlashCap";
  if (/&ClusterCap/.test(parameters)) return "cluster's capability";
  if (/ENotOwner/.test(body)) return "owner";
  return "anyone";
}

const body = (text, name) => {
  const at = text.search(new RegExp(`^public fun ${name}\\b`, "m"));
  return text.slice(at, text.indexOf("\n}", at));
};

/** Per module: in which test files each function is called, itself or through the fixture. */
function listing(sources, tests, model) {
  const fixture = tests.find(([name]) => name === "fixture")[1];
  const wrappers = [...fixture.matchAll(/^public fun (\w+)[\s\S]*?\n}/gm)];
  const lines = ["| module | function | who | Move tests | histories |", "|---|---|---|---|---|"];
  const untested = [];
  for (const [module, text] of sources) {
    for (const { name, parameters } of parse(text).functions) {
      const qualified = new RegExp(`\\b${module}::${name}\\(`);
      const method = new RegExp(`\\.${name}\\(`);
      const through = wrappers
        .filter(([code]) => qualified.test(code) || method.test(code))
        .map(([, wrapper]) => wrapper);
      const files = tests
        .filter(([file]) => file !== "fixture")
        .filter(([, code]) => {
          const imported = new RegExp(`k3s_daas::${module}\\b|::start\\(|fixture`).test(code);
          return (
            qualified.test(code) ||
            (imported && method.test(code)) ||
            through.some((wrapper) => new RegExp(`(world|setup\\.world)\\.${wrapper}\\(`).test(code))
          );
        })
        .map(([file]) => file.replace(/_tests$/, ""));
      const own = files.includes(module) ? [module] : [];
      const others = files.filter((file) => file !== module);
      const shown = [...own, ...others].slice(0, 3).join(", ");
      if (files.length === 0) untested.push(`${module}::${name}`);
      const inModel = model.includes(`"${module}::${name}"`) ? "yes" : "";
      const caller = who(parameters, body(text, name));
      lines.push(`| \`${module}\` | \`${name}\` | ${caller} | ${shown} | ${inModel} |`);
    }
  }
  return { text: lines.join("\n"), untested };
}

/** What is wrong with the document; nothing when it is current. */
export function problems(write = false) {
  const sources = read("sources");
  const tests = read("tests");
  const document = readFileSync(DOCUMENT, "utf8");
  const found = [];
  const rows = new Map();
  let module = "";
  for (const [, first, numbers, names] of document.matchAll(
    /^\| *(?:`(\w+)`|all)? *\| *([\d, ]+?) *\| *((?:`E\w+`(?:, )?)+) *\|/gm,
  )) {
    module = first ?? module;
    const codes = numbers.split(", ");
    names.split(", ").forEach((name, at) => {
      rows.set(`${module} ${name.replaceAll("`", "")}`, Number(codes[at]));
    });
  }
  const expected = tests.map(([, code]) => code).join("\n");
  for (const [name, text] of sources) {
    for (const { name: code, code: number } of parse(text).codes) {
      if (code !== "EWrongVersion" && rows.get(`${name} ${code}`) !== number) {
        found.push(`the table of abort codes lacks ${name} ${number} ${code}`);
      }
      if (!new RegExp(`\\b${name}::${code}\\b`).test(expected)) {
        found.push(`no Move test expects ${name}::${code}`);
      }
    }
  }
  const { text, untested } = listing(sources, tests, readFileSync(MODEL, "utf8"));
  for (const name of untested) found.push(`no Move test calls ${name}`);
  const [head, rest] = document.split(BEGIN);
  if (rest === undefined) return [...found, `${DOCUMENT} has no listing of functions`];
  const current = `${head}${BEGIN}\n${text}\n${END}${rest.split(END)[1]}`;
  if (write) writeFileSync(DOCUMENT, current);
  else if (current !== document) found.push("the listing of functions: node docs.mjs --write");
  return found;
}

if (process.argv[1]?.endsWith("docs.mjs")) {
  const found = problems(process.argv.includes("--write"));
  for (const problem of found) console.error(`contracts: ${problem}`);
  process.exit(found.length === 0 ? 0 : 1);
}
