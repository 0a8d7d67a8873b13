"""The Dockerfile, by hadolint and by what it must say; the compose file, which must be safe to start on anybody's machine."""

import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
CARGO, COMPILE = ("cargo", "build"), ("deploy/compile",)


def stages():
    """Each stage of the Dockerfile, by name, as its lines; what is continued counts as one."""
    whole = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.M))
    found = {}
    for line in whole.splitlines():
        if start := re.match(r"FROM (\S+) AS (\S+)$", line):
            found[start[2]] = [line]
        elif found and line:
            found[list(found)[-1]].append(line)
    return found


class Dockerfile(unittest.TestCase):
    def test_hadolint_finds_nothing(self):
        linter = pathlib.Path(sys.executable).with_name("hadolint")
        output = subprocess.run([linter, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
        self.assertEqual((output.returncode, output.stdout), (0, ""))

    def test_the_image_to_run_is_the_last_and_has_no_shell(self):
        found = stages()
        self.assertEqual(list(found)[-1], "gateway")
        self.assertEqual(found["base"][0], "FROM ${BASE_IMAGE} AS base")
        self.assertRegex(DOCKERFILE, re.compile(r"^ARG BASE_IMAGE=gcr\.io/distroless/cc-debian12:nonroot$", re.M))
        for name in ("base", "gateway", "emulators"):
            self.assertFalse([line for line in found[name] if line.startswith("RUN")], "nothing can run there")
        self.assertIn("USER 65532:65532", found["base"])
        self.assertIn('ENTRYPOINT ["/presence-gateway"]', found["base"])
        check = next(line for line in found["gateway"] if line.startswith("HEALTHCHECK"))
        self.assertTrue(check.endswith('CMD ["/presence-gateway", "health"]'), check)

    def test_it_is_built_from_the_lock_without_a_network_and_without_the_emulators(self):
        found = stages()
        for name, features in (("build", "--no-default-features"), ("build-emulators", "--features emulator")):
            build = next(line for line in found[name] if "deploy/compile" in line)
            self.assertTrue(build.startswith("RUN --network=none "), build)
            self.assertIn(" --frozen ", build)
            self.assertIn(f" {features} ", build)
            self.assertIn(' && install -D "target/shipped/${PROFILE}/presence-gateway" /image/presence-gateway ', build)
            self.assertIn(' && touch --date="@${SOURCE_DATE_EPOCH}" /image/presence-gateway', build)
        self.assertIn("COPY --from=build /image/presence-gateway /presence-gateway", found["gateway"])
        self.assertFalse([line for line in found["gateway"] if "emulators" in line])
        self.assertIn("\nexec cargo build --locked ", (ROOT / "deploy/compile").read_text())

    def test_both_images_below_can_be_pinned_and_are_of_one_debian(self):
        found = stages()
        self.assertEqual(found["fetch"][0], "FROM ${RUST_IMAGE} AS fetch")
        # The compiler to the patch: another one makes another program.
        toolchain = re.search(r"^ARG RUST_IMAGE=rust:(\d+\.\d+)\.\d+-slim-bookworm$", DOCKERFILE, re.M)[1]
        self.assertIn(f'rust-version = "{toolchain}"', (ROOT / "Cargo.toml").read_text())
        self.assertIn("-debian12:", re.search(r"^ARG BASE_IMAGE=(\S+)$", DOCKERFILE, re.M)[1], "bookworm is Debian 12")

    def test_what_each_profile_makes_lies_in_a_folder_of_its_name(self):
        documented = (ROOT / "docs/installing-containers.md").read_text()
        profiles = re.search(r"^\| `PROFILE` \| `(\w+)`; `(\w+)` ", documented, re.M).groups()
        self.assertIn(f"\nARG PROFILE={profiles[0]}\n", DOCKERFILE)
        # Of cargo's own, `dev` and `test` share the folder `debug`, `bench` that of `release`.
        own = (ROOT / "Cargo.toml").read_text()
        for profile in profiles:
            self.assertNotIn(profile, ("dev", "test", "bench"))
            self.assertIn(f"\n[profile.{profile}]\n", own)

    def test_what_building_needs_is_not_ignored(self):
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        for needed in ("Cargo.toml", "Cargo.lock", ".cargo", ".sqlx", "src", "migrations", "config.default.toml", "sqlx.toml", "tests", "benches"):
            self.assertNotIn(needed, ignored)
        # Cargo holds each file of a vendored crate against its checksum, whatever its name: the last word is about them.
        self.assertEqual(ignored[-1], "!vendor/**")
        self.assertLess(ignored.index("deploy/*"), ignored.index("!deploy/compile"))
        included = []
        for source in [*ROOT.glob("src/**/*.rs"), *ROOT.glob("*/src/**/*.rs")]:
            for name in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', source.read_text()):
                included.append((source.parent / name).resolve().relative_to(ROOT))
        self.assertIn(pathlib.Path("config.default.toml"), included)
        for path in included:
            self.assertNotIn(path.parts[0], ignored, f"{path} is compiled in")
            self.assertNotEqual(path.suffix, ".md", f"{path} is compiled in")


class Compile(unittest.TestCase):
    """deploy/compile, on a small program that names source files of a crate and of its folder of compiled things."""

    def crate(self, registry):
        """A folder that cargo takes for a registry, with one crate."""
        manifest = b'[package]\nname = "small"\nversion = "1.0.0"\nedition = "2024"\n'
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, content in (("Cargo.toml", manifest), ("src/lib.rs", b"pub fn second(of: &[u8]) -> u8 { of[1] }")):
                member = tarfile.TarInfo(f"small-1.0.0/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        (registry / "index/sm/al").mkdir(parents=True)
        (registry / "small-1.0.0.crate").write_bytes(packed.getvalue())
        checksum = hashlib.sha256(packed.getvalue()).hexdigest()
        (registry / "index/sm/al/small").write_text(
            json.dumps({"name": "small", "vers": "1.0.0", "deps": [], "cksum": checksum, "features": {}, "yanked": False})
        )
        return checksum

    def program(self, folder, *commands):
        """What the last of the commands makes, by a cargo that has unpacked no crate yet."""
        checksum = self.crate(folder / "registry")
        (folder / "src").mkdir()
        (folder / "deploy").mkdir()
        shutil.copy(ROOT / "deploy/compile", folder / "deploy/compile")
        (folder / "Cargo.toml").write_text(
            '[package]\nname = "presence-gateway"\nedition = "2024"\n[dependencies]\nsmall = "1"\n[workspace]\n'
        )
        (folder / "Cargo.lock").write_text(
            'version = 4\n[[package]]\nname = "presence-gateway"\nversion = "0.0.0"\ndependencies = ["small"]\n[[package]]\nname = "small"\n'
            f'version = "1.0.0"\nsource = "registry+https://github.com/rust-lang/crates.io-index"\nchecksum = "{checksum}"\n'
        )
        (folder / "build.rs").write_text(
            'fn main() { std::fs::write(std::env::var("OUT_DIR").unwrap() + "/made.rs", "pub fn first(of: &[u8]) -> u8 { of[0] }").unwrap(); }'
        )
        (folder / "src/main.rs").write_text(
            'include!(concat!(env!("OUT_DIR"), "/made.rs"));\n'
            "fn main() { let it = std::env::args().next_back().unwrap(); std::process::exit((first(it.as_bytes()) + small::second(it.as_bytes())).into()); }"
        )
        (folder / "cargo").mkdir()
        (folder / "cargo/config.toml").write_text(
            f'[source.crates-io]\nreplace-with = "here"\n[source.here]\nlocal-registry = "{folder}/registry"\n'
        )
        environment = {name: value for name, value in os.environ.items() if name not in ("CARGO_TARGET_DIR", "RUSTFLAGS", "RUSTC_WRAPPER")}
        environment["CARGO_HOME"] = str(folder / "cargo")
        for command in commands:
            subprocess.run([*command, "--frozen", "--release"], cwd=folder, env=environment, check=True, capture_output=True)
        shipped = "shipped/" if commands[-1] == COMPILE else ""
        return (folder / f"target/{shipped}release/presence-gateway").read_bytes()

    def test_the_same_sources_make_the_same_program_wherever_they_lie(self):
        with tempfile.TemporaryDirectory() as scratch:
            one, other = pathlib.Path(scratch, "one"), pathlib.Path(scratch, "an/other")
            # In the other folder cargo has compiled all of it before, and would take that.
            shipped = [self.program(one / "a", COMPILE), self.program(other / "a", CARGO, COMPILE)]
            self.assertFalse(scratch.encode() in shipped[0], "a folder of this machine is in the program")
            for there in (b"/gateway/target/release/build/presence-gateway-", b"/crates/small-1.0.0/src/lib.rs"):
                self.assertTrue(there in shipped[0], there)
            self.assertTrue(shipped[0] == shipped[1], "two folders make two programs")
            plain = [self.program(folder, CARGO) for folder in (one / "b", other / "b")]
            self.assertFalse(plain[0] == plain[1], "else this would find nothing")


class Compose(unittest.TestCase):
    def test_every_port_is_published_on_loopback_only(self):
        ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
        self.assertEqual(len(ports), 3)
        for port in ports:
            self.assertRegex(port, r"^127\.0\.0\.1:\d+:\d+$")

    def test_every_secret_says_that_it_is_none(self):
        secret = re.compile(r"PASSWORD|SECRET|TOKEN|KEY")
        for name, service in COMPOSE["services"].items():
            for variable, value in service.get("environment", {}).items():
                if secret.search(variable) and value != "gateway":
                    self.assertTrue(value.startswith("example-") or value.startswith("ZXhhbXBsZS"), f"{name}: {variable}")

    def test_what_is_ours_has_nobodys_rights(self):
        for name in ("gateway", "emulators", "prometheus", "hands"):
            service = COMPOSE["services"][name]
            self.assertIs(service["read_only"], True)
            self.assertEqual(service["cap_drop"], ["ALL"])
            self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
            self.assertNotIn("privileged", service)

    def test_stages_and_files_that_it_names_are_there(self):
        for name in ("gateway", "emulators"):
            build = COMPOSE["services"][name]["build"]
            self.assertIn(build["target"], stages())
            self.assertTrue((ROOT / "deploy" / build["context"] / "Dockerfile").is_file())
        for service in COMPOSE["services"].values():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((ROOT / "deploy" / source).is_dir(), source)
                else:
                    self.assertIn(source, COMPOSE["volumes"])
        for name, service in COMPOSE["services"].items():
            tag = service["image"].partition(":")[2]
            self.assertTrue(tag and tag != "latest", f"{name}: {service['image']}")

    def test_playing_people_starts_nothing_that_was_stopped_on_purpose(self):
        self.assertNotIn("depends_on", COMPOSE["services"]["hands"])

    def test_stopping_waits_for_a_soft_stop(self):
        grace = COMPOSE["services"]["gateway"]["stop_grace_period"]
        self.assertGreater(int(grace.removesuffix("s")), 30)

    def test_prometheus_scrapes_where_the_gateway_listens(self):
        settings = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yaml").read_text())
        targets = [target for job in settings["scrape_configs"] for static in job["static_configs"] for target in static["targets"]]
        gateway = COMPOSE["services"]["gateway"]
        port = gateway["environment"]["GATEWAY__HTTP__ADMIN_LISTEN"].split(":")[1]
        self.assertEqual(targets, [f"{gateway['network_mode'].removeprefix('service:')}:{port}"])
        for rules in settings["rule_files"]:
            self.assertTrue((ROOT / "deploy/prometheus" / rules).is_file(), rules)


if __name__ == "__main__":
    unittest.main()
