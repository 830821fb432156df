"""What a Python client does to a server: usage client.py KUBECONFIG. Talks to the test by lines on its pipes."""
import json
import sys

from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException

config.load_kube_config(sys.argv[1])
core = client.CoreV1Api()


def ask(what):
    print(json.dumps({"do": what}), flush=True)
    assert sys.stdin.readline().strip() == "ok", "the test has gone"


def fails(code, reason, call):
    try:
        call()
    except ApiException as error:
        assert error.status == code, error
        assert json.loads(error.body)["reason"] == reason, error.body
    else:
        raise AssertionError(f"no {code}")


assert "default" in [n.metadata.name for n in core.list_namespace().items]

# Writes and conflicts.
made = core.create_namespaced_config_map("default", {"metadata": {"name": "py"}, "data": {"a": "1"}})
made.data["a"] = "2"
core.replace_namespaced_config_map("py", "default", made)
stale = client.ApiClient().sanitize_for_serialization(made)
fails(409, "Conflict", lambda: core.replace_namespaced_config_map("py", "default", stale))
fails(409, "AlreadyExists", lambda: core.create_namespaced_config_map("default", {"metadata": {"name": "py"}}))
fails(404, "NotFound", lambda: core.read_namespaced_config_map("nothing", "default"))


def apply(manager, value, **more):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"k": value}}
    return core.patch_namespaced_config_map(
        "applied", "default", body, field_manager=manager, _content_type="application/apply-patch+yaml", **more
    )


assert apply("one", "a").data == {"k": "a"}
fails(409, "Conflict", lambda: apply("two", "b"))
assert apply("two", "b", force=True).data == {"k": "b"}

# Pages of what changes meanwhile.
names, versions, token = [], set(), None
while True:
    page = core.list_namespaced_config_map("bulk", limit=500, _continue=token, label_selector="stable")
    names += [i.metadata.name for i in page.items]
    versions.add(page.metadata.resource_version)
    token = page.metadata._continue
    if not token:
        break
assert len(names) == len(set(names)) == 5000, len(names)
assert len(versions) == 1, versions

# A watch that is cut off and goes on where it was.
version = core.list_namespaced_config_map("live").metadata.resource_version
ask("begin")
seen, cut = [], False
while not seen or seen[-1] != "end":
    try:
        for event in watch.Watch().stream(core.list_namespaced_config_map, "live", resource_version=version, timeout_seconds=60):
            assert event["type"] == "ADDED", event
            seen.append(event["object"].metadata.name)
            version = event["object"].metadata.resource_version
            if seen[-1] == "end":
                break
            if len(seen) == 3 and not cut:
                cut = True
                ask("cut")
    except (ApiException, AssertionError):
        raise
    except Exception as error:  # the connection's end has many names
        print(json.dumps({"note": repr(error)}), flush=True)
print(json.dumps({"seen": seen}), flush=True)
