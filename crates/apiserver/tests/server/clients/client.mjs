// What a JavaScript client does to a server: usage client.mjs PACKAGE KUBECONFIG. Talks to the test by lines on its pipes.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [library, config] = process.argv.slice(2);
const k8s = await import(pathToFileURL(library));
const kc = new k8s.KubeConfig();
kc.loadFromFile(config);
const core = kc.makeApiClient(k8s.CoreV1Api);
const objects = k8s.KubernetesObjectApi.makeApiClient(kc);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

async function ask(what) {
  say({ do: what });
  assert.equal((await lines.next()).value, "ok");
}

async function fails(code, reason, call) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.code, code, String(error));
    assert.match(typeof error.body === "string" ? error.body : JSON.stringify(error.body), new RegExp(`"reason":\\s*"${reason}"`));
    return;
  }
  assert.fail(`no ${code}`);
}

const namespaces = await core.listNamespace({});
assert(namespaces.items.some((n) => n.metadata.name === "default"));

// Writes and conflicts.
const namespace = "default";
const made = await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: "js" }, data: { a: "1" } } });
const stale = structuredClone({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "js", resourceVersion: made.metadata.resourceVersion }, data: { a: "3" } });
made.data.a = "2";
await core.replaceNamespacedConfigMap({ namespace, name: "js", body: made });
await fails(409, "Conflict", () => core.replaceNamespacedConfigMap({ namespace, name: "js", body: stale }));
await fails(409, "AlreadyExists", () => core.createNamespacedConfigMap({ namespace, body: { metadata: { name: "js" } } }));
await fails(404, "NotFound", () => core.readNamespacedConfigMap({ namespace, name: "nothing" }));

const apply = (manager, value, force) =>
  objects.patch(
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "applied-js", namespace }, data: { k: value } },
    undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply,
  );
assert.equal((await apply("one", "a")).data.k, "a");
await fails(409, "Conflict", () => apply("two", "b"));
assert.equal((await apply("two", "b", true)).data.k, "b");

// Pages of what changes meanwhile.
const names = [];
const versions = new Set();
let _continue;
do {
  const page = await core.listNamespacedConfigMap({ namespace: "bulk", limit: 500, labelSelector: "stable", _continue });
  names.push(...page.items.map((i) => i.metadata.name));
  versions.add(page.metadata.resourceVersion);
  _continue = page.metadata._continue;
} while (_continue);
assert.equal(names.length, 5000);
assert.equal(new Set(names).size, 5000);
assert.equal(versions.size, 1);

// A watch that is cut off and goes on where it was.
let version = (await core.listNamespacedConfigMap({ namespace: "live" })).metadata.resourceVersion;
await ask("begin");
const seen = [];
let cut = false;
while (seen.at(-1) !== "end") {
  await new Promise((resolve, reject) => {
    new k8s.Watch(kc)
      .watch(
        "/api/v1/namespaces/live/configmaps",
        { resourceVersion: version, timeoutSeconds: 60 },
        (type, object) => {
          if (type !== "ADDED") return reject(new Error(`${type}: ${JSON.stringify(object)}`));
          seen.push(object.metadata.name);
          version = object.metadata.resourceVersion;
          if (seen.at(-1) === "end") resolve();
          if (seen.length === 3 && !cut) {
            cut = true;
            ask("cut").catch(reject);
          }
        },
        (error) => {
          say({ note: String(error) });
          resolve();
        },
      )
      .catch((error) => {
        say({ note: String(error) });
        resolve();
      });
  });
}
say({ seen });
process.exit(0);
