"""The Dockerfile, by hadolint and by what it must say; the compose file, which must be safe to start on anybody's machine."""

import pathlib
import re
import subprocess
import sys
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())


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
        self.assertRegex(found["base"][0], r"^FROM gcr\.io/distroless/cc-debian12:nonroot ")
        for name in ("base", "gateway", "emulators"):
            self.assertFalse([line for line in found[name] if line.startswith("RUN")], "nothing can run there")
        self.assertIn("USER 65532:65532", found["base"])
        self.assertIn('ENTRYPOINT ["/presence-gateway"]', found["base"])
        check = next(line for line in found["gateway"] if line.startswith("HEALTHCHECK"))
        self.assertTrue(check.endswith('CMD ["/presence-gateway", "health"]'), check)

    def test_it_is_built_from_the_lock_without_a_network_and_without_the_emulators(self):
        found = stages()
        for name, features in (("build", "--no-default-features"), ("build-emulators", "--features emulator")):
            build = next(line for line in found[name] if "cargo build" in line)
            self.assertTrue(build.startswith("RUN --network=none "), build)
            self.assertIn(" --frozen ", build)
            self.assertIn(f" {features} ", build)
        self.assertIn("COPY --from=build /image/presence-gateway /presence-gateway", found["gateway"])
        self.assertFalse([line for line in found["gateway"] if "emulators" in line])
        toolchain = re.search(r"^ARG RUST=(\S+)$", DOCKERFILE, re.M)[1]
        self.assertIn(f'rust-version = "{toolchain}"', (ROOT / "Cargo.toml").read_text())

    def test_what_building_needs_is_not_ignored(self):
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        for needed in ("Cargo.toml", "Cargo.lock", ".cargo", ".sqlx", "src", "migrations", "config.default.toml", "sqlx.toml", "tests", "benches"):
            self.assertNotIn(needed, ignored)
        included = []
        for source in [*ROOT.glob("src/**/*.rs"), *ROOT.glob("*/src/**/*.rs")]:
            for name in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', source.read_text()):
                included.append((source.parent / name).resolve().relative_to(ROOT))
        self.assertIn(pathlib.Path("config.default.toml"), included)
        for path in included:
            self.assertNotIn(path.parts[0], ignored, f"{path} is compiled in")
            self.assertNotEqual(path.suffix, ".md", f"{path} is compiled in")


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
