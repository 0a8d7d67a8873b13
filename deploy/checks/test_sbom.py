"""The bill of materials: valid, the same at each writing, and naming exactly what Cargo says the shipped program is made of."""

import collections
import json
import pathlib
import tempfile
import tomllib
import unittest

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

import sbom

ROOT = pathlib.Path(__file__).resolve().parents[2]


def compiled():
    """What a compiler is really run for when the program is checked as it is shipped (CI has just done so): name, version and kinds of target."""
    checked = ["clippy", *sbom.SHIPPED, "--package", sbom.PROGRAM, "--lib", "--bins", "--message-format=json", "--", "-D", "warnings"]
    found = collections.defaultdict(set)
    for line in sbom.cargo(*checked).splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact":
            source, _, pinned = message["package_id"].rpartition("#")
            name, _, version = pinned.rpartition("@")
            # What lies in a folder of its own name is named by the folder alone.
            name = name or source.rpartition("/")[2]
            if name != sbom.PROGRAM:
                found[(name, version)].update(message["target"]["kind"])
    return found


class BillOfMaterials(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.path = sbom.write(ROOT / "target/sbom/presence-gateway.cdx.json")
        cls.text = cls.path.read_text()
        cls.bom = json.loads(cls.text)

    def named(self, scopes):
        return {(it["name"], it["version"]) for it in self.bom["components"] if it["scope"] in scopes}

    def test_it_is_what_cyclonedx_says_it_must_be(self):
        self.assertEqual(self.bom["specVersion"], "1.6")
        self.assertIsNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(self.text))
        broken = self.text.replace('"bomFormat"', '"bomformat"')
        self.assertIsNotNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken), "the validator looks")

    def test_it_names_exactly_what_is_compiled_for_the_program(self):
        built = compiled()
        self.assertGreater(len(built), 100)
        self.assertEqual(self.named({"required", "excluded"}), set(built))
        macros = {package for package, kinds in built.items() if "proc-macro" in kinds}
        self.assertLessEqual({"serde_derive", "sqlx-macros"}, {name for name, _ in macros})
        self.assertFalse(macros & self.named({"required"}), "a macro is not in the program")
        inside = {name for name, _ in self.named({"required"})}
        self.assertLessEqual({"tokio", "rustls", "aws-lc-sys", "hyper"}, inside)
        self.assertFalse({"cc", "syn", "proc-macro2", "quote"} & inside, "these only build")

    def test_each_is_the_one_in_the_lock(self):
        lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
        locked = {(package["name"], package["version"]): package for package in lock}
        for it in self.bom["components"]:
            package = locked[(it["name"], it["version"])]
            purl = PackageURL.from_string(it["purl"])
            self.assertEqual((purl.type, purl.name, purl.version), ("cargo", it["name"], it["version"]))
            if "source" in package:
                self.assertEqual(it["hashes"], [{"alg": "SHA-256", "content": package["checksum"]}])
                self.assertTrue(it["licenses"][0]["expression"], it["name"])

    def test_what_only_emulators_and_tests_need_is_not_asked_for(self):
        direct = next(it["dependsOn"] for it in self.bom["dependencies"] if it["ref"] == sbom.PROGRAM)
        manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
        optional = {name for name, it in manifest["dependencies"].items() if isinstance(it, dict) and it.get("optional")}
        self.assertIn("x509-cert", optional)
        asked = set(manifest["dependencies"]) - optional
        self.assertEqual({reference.split("@")[0] for reference in direct}, asked)

    def test_it_is_the_same_at_each_writing(self):
        with tempfile.TemporaryDirectory() as folder:
            again = sbom.write(pathlib.Path(folder) / "again.json")
            self.assertEqual(again.read_text(), self.text)

    def test_the_documentation_counts_what_is_there_now(self):
        published = (ROOT / "docs/supply-chain.md").read_text()
        is_there = f"\n\n{sbom.summary()}\n\n" in published
        self.assertTrue(is_there, "put what deploy/sbom --summary prints into docs/supply-chain.md")

    def test_the_summary_counts_all_of_it(self):
        counted = [line.split("|") for line in sbom.summary().splitlines()]
        inside = next(int(cells[2]) for cells in counted if "in the program " in cells[1])
        self.assertEqual(inside, len(self.named({"required"})))
        heading = next(number for number, cells in enumerate(counted) if len(cells) > 1 and "licence" in cells[1])
        self.assertEqual(sum(int(cells[2]) for cells in counted[heading + 2:]), inside)

    def test_who_needs_whom_is_told_of_each(self):
        told = {it["ref"]: it.get("dependsOn", []) for it in self.bom["dependencies"]}
        references = {it["bom-ref"] for it in self.bom["components"]} | {sbom.PROGRAM}
        self.assertEqual(set(told), references)
        direct = {name.split("@")[0] for name in told[sbom.PROGRAM]}
        self.assertLessEqual({"axum", "sqlx", "tokio", "aws-lc-rs"}, direct)


if __name__ == "__main__":
    unittest.main()
