#!/usr/bin/env python3
"""Writes facts.txt: what the JSON schemas don't say about the built-in types.

Usage: facts.py FOLDER > facts.txt

FOLDER holds checkouts of Kubernetes' published modules of the release wanted: `api`, `apimachinery`,
`apiextensions-apiserver`, `kube-aggregator`. Of each struct's declaration the order of its fields, whether a
field is a pointer, whether it is always written, its number on the wire, its literal default and its
enumeration are noted. One line per type; per field `name=number` with `*` pointer, `!` always written,
`~` left out when zero even if it is a struct, `#duration`, `default:…` and `enum:a|b`; `+Type=number` an
inlined message. `name =other` says that a type is declared as another.
"""
import json
import os
import re
import sys

ROOTS = {
    "api": ("io.k8s.api.", ""),
    "apimachinery": ("io.k8s.apimachinery.pkg.", "pkg/"),
    "apiextensions-apiserver": ("io.k8s.apiextensions-apiserver.pkg.apis.", "pkg/apis/"),
    "kube-aggregator": ("io.k8s.kube-aggregator.pkg.apis.", "pkg/apis/"),
}
FIELD = re.compile(r"(?:(\w+)\s+)?([\*\[\]\w\.]+(?:\[[\w\.]+\][\*\[\]\w\.]+)?)\s+`(.*)`")
MODULES = {
    "k8s.io/api/": "io.k8s.api.",
    "k8s.io/apimachinery/pkg/": "io.k8s.apimachinery.pkg.",
    "k8s.io/apiextensions-apiserver/pkg/apis/": "io.k8s.apiextensions-apiserver.pkg.apis.",
    "k8s.io/kube-aggregator/pkg/apis/": "io.k8s.kube-aggregator.pkg.apis.",
}


def wanted(path):
    return (
        path.endswith(".go")
        and not re.search(r"_test\.go|zz_|generated|testing|testdata|applyconfig|/client", path)
        and re.search(r"types[^/]*\.go$|quantity\.go|intstr\.go|/time\.go|micro_time|duration\.go|version/|watch\.go|group_version\.go", path)
    )


def main():
    folder = sys.argv[1]
    structs, enums, constants = {}, {}, {}
    for repo, (prefix, root) in ROOTS.items():
        base = os.path.join(folder, repo, root)
        for where, _, names in sorted(os.walk(base)):
            for name in sorted(names):
                path = os.path.join(where, name)
                if not wanted(path):
                    continue
                text = open(path, encoding="utf-8").read()
                package = os.path.relpath(where, base).replace("/", ".")
                imports = dict(
                    (alias or target.rsplit("/", 1)[-1], target)
                    for alias, target in re.findall(r'^\s+(?:(\w+)\s+)?"([^"]+)"', text, re.M)
                )
                own = prefix + package + "."
                for constant, value in re.findall(r'^\s+(\w+)\s+\w+\s*=\s*"([^"]*)"', text, re.M):
                    constants[own + constant] = value
                for comment, kind in re.findall(r"((?:^//.*\n)+)type (\w+) string", text, re.M):
                    if re.search(r"^// \+enum", comment, re.M):
                        values = re.findall(r'^\s+\w+\s+' + kind + r'\s*=\s*"([^"]*)"', text, re.M)
                        values += re.findall(r'^\s+\w+\s*=\s*' + kind + r'\("([^"]*)"\)', text, re.M)
                        others = re.findall(r'^\s+\w+\s*=\s*' + kind + r'\((?:\w+\.)?(\w+)\)', text, re.M)
                        enums[own + kind] = (values, others)
                for kind, target in re.findall(r"^type (\w+) (?:= )?(v1\w*\.\w+|metav1\.\w+)$", text, re.M):
                    structs[own + kind] = (own, imports, target)
                for kind, body in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", text, re.M | re.S):
                    structs[own + kind] = (own, imports, body)

    # Constants that are declared as another package's are looked up by their bare name.
    bare = {name.rsplit(".", 1)[1]: value for name, value in constants.items()}
    enums = {kind: sorted(set(values + [bare[o] for o in others if o in bare])) for kind, (values, others) in enums.items()}

    def qualified(own, imports, kind):
        if "." not in kind:
            return own + kind
        alias, kind = kind.split(".", 1)
        target = imports.get(alias, "")
        for module, prefix in MODULES.items():
            if target.startswith(module):
                return prefix + target[len(module):].replace("/", ".") + "." + kind
        return ""

    for name in sorted(structs):
        own, imports, body = structs[name]
        if re.fullmatch(r"[\w.]+", body):
            print(name, "=" + qualified(own, imports, body))
            continue
        words, markers = [], []
        for line in body.split("\n"):
            line = line.strip()
            if line.startswith("//"):
                markers.append(line[2:].strip())
                continue
            match = FIELD.match(line)
            if not match:
                if line:
                    markers = []
                continue
            go, kind, tags = match.groups()
            tags = dict(re.findall(r'(\w+):"([^"]*)"', tags))
            if "json" not in tags:
                markers = []
                continue
            json_name, *options = tags["json"].split(",")
            number = tags["protobuf"].split(",")[1] if "protobuf" in tags else "0"
            base = re.sub(r"^map\[[^\]]*\]", "", kind).lstrip("*[]")
            if "inline" in options or (not json_name and go is None):
                if number != "0":
                    words.append(f"+{qualified(own, imports, base)}={number}")
            elif json_name and json_name != "-":
                word = f"{json_name}={number}"
                if kind.startswith("*"):
                    word += "*"
                if "omitempty" not in options and "omitzero" not in options:
                    word += "!"
                if "omitzero" in options:
                    word += "~"
                if base in ("metav1.Duration", "v1.Duration", "Duration"):
                    word += "#duration"
                for marker in markers:
                    default = re.match(r"\+default=(.*)", marker)
                    if default:
                        reference = re.match(r"ref\((\w+)\)", default[1])
                        value = constants[own + reference[1]] if reference else json.loads(default[1])
                        word += " default:" + json.dumps(value, separators=(",", ":")).replace(" ", "\\u0020")
                values = enums.get(qualified(own, imports, base))
                if values:
                    word += " enum:" + "|".join(v.replace(" ", "%20") for v in values)
                words.append(word)
            markers = []
        if words:
            print(name, *words)


main()
