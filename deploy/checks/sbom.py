"""Writes down what the shipped program is made of: a bill of materials in CycloneDX, from Cargo's own resolution of Cargo.lock.

    deploy/sbom [FILE]          writes it (target/sbom/presence-gateway.cdx.json)
    deploy/sbom --summary       prints, as Markdown, how many there are and under which licences

`scope` tells what is in the program (`required`) from what only builds it (`excluded`: build scripts, procedural macros and what those need).
"""

import collections
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = pathlib.Path(__file__).resolve().parents[2]
# As the Dockerfile builds it.
SHIPPED = ["--no-default-features", "--locked"]
PLATFORM = "x86_64-unknown-linux-gnu"
PROGRAM = "presence-gateway"


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def tree(edges, prefix):
    """Lines of `cargo tree` for the program as it is shipped; unlike `cargo metadata` it knows which weak features are off."""
    shape = ["--edges", edges, "--prefix", prefix, "--format", "{p}"]
    return cargo("tree", "--package", PROGRAM, "--target", PLATFORM, *SHIPPED, *shape).splitlines()


def package(line):
    """Name and version in such a line."""
    name, version = line.split()[:2]
    return name, version.removeprefix("v")


def needs():
    """Of each package that takes part, the program included, what it needs."""
    found = collections.defaultdict(set)
    way = []
    for line in filter(None, tree("normal,build", "depth")):
        depth, rest = re.match(r"(\d+)(.*)", line).groups()
        this = package(rest)
        found[this]
        del way[int(depth):]
        if way:
            found[way[-1]].add(this)
        way.append(this)
    return found


def checksums():
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {(package["name"], package["version"]): package.get("checksum") for package in lock["package"]}


def licences():
    metadata = json.loads(cargo("metadata", "--format-version=1", "--locked"))
    return {(it["name"], it["version"]): (it["license"] or "").replace("/", " OR ") for it in metadata["packages"]}


def component(package, scope, checksum, licence):
    name, version = package
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=f"{name}@{version}",
        purl=PackageURL("cargo", None, name, version),
        scope=scope,
        licenses=[LicenseExpression(licence)] if licence else [],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=checksum)] if checksum else [],
    )


def bill():
    graph = needs()
    program = next(it for it in graph if it[0] == PROGRAM)
    inside = {package(line) for line in tree("normal,no-proc-macro", "none") if line}
    sums, known = checksums(), licences()
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, (ROOT / "Cargo.lock").read_text()))
    moment = int(os.environ.get("SOURCE_DATE_EPOCH") or commit_time())
    bom.metadata.timestamp = datetime.datetime.fromtimestamp(moment, datetime.UTC)
    bom.metadata.component = Component(type=ComponentType.APPLICATION, name=PROGRAM, version=program[1], bom_ref=PROGRAM)
    bom.metadata.properties.add(Property(name="cargo:arguments", value=" ".join(SHIPPED)))
    bom.metadata.properties.add(Property(name="cargo:target", value=PLATFORM))
    made = {program: bom.metadata.component}
    for it in graph.keys() - {program}:
        scope = ComponentScope.REQUIRED if it in inside else ComponentScope.EXCLUDED
        made[it] = component(it, scope, sums[it], known[it])
        bom.components.add(made[it])
    for it, needed in graph.items():
        bom.register_dependency(made[it], [made[other] for other in needed])
    return bom


def commit_time():
    """When the commit was made; the bill of one commit is always the same."""
    command = ["git", "log", "-1", "--format=%ct"]
    told = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()
    return told or "0"


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(JsonV1Dot6(bill()).output_as_string(indent=1) + "\n")
    return path


def summary():
    components = list(bill().components)
    inside = [it for it in components if it.scope == ComponentScope.REQUIRED]
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    lines = ["| crates | |", "|---|---|"]
    lines.append(f"| in the program | {len(inside)} |")
    lines.append(f"| besides, to build it (build scripts, macros) | {len(components) - len(inside)} |")
    lines.append(f"| in Cargo.lock (with emulators, tests, the microphone agent and other systems) | {sum('source' in it for it in lock)} |")
    licences = collections.Counter(it.licenses[0].value if it.licenses else "this project's own" for it in inside)
    lines += ["", "| licence of what is in the program | crates |", "|---|---|"]
    lines += [f"| {licence} | {count} |" for licence, count in sorted(licences.items(), key=lambda it: (-it[1], it[0]))]
    return "\n".join(lines)


def main():
    if sys.argv[1:] == ["--summary"]:
        print(summary())
    else:
        print(write(pathlib.Path(sys.argv[1] if sys.argv[1:] else ROOT / "target/sbom/presence-gateway.cdx.json")))


if __name__ == "__main__":
    main()
