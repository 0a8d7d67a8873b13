"""The Helm chart: linted by Helm, rendered by Helm with every set of values in ci/, and looked at as a cluster would.

Helm is its own library, version 4, as PyPI's helm-python-sdk ships it; Kubernetes' schemas are those of kubernetes-validate.
"""

import copy
import json
import pathlib
import re
import shutil
import tempfile
import tomllib
import unittest
import warnings

import helm_python as helm
import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# As it is packaged: with the files that links lead to. The folder goes with this process.
FOLDER = tempfile.TemporaryDirectory()
CHART = pathlib.Path(FOLDER.name) / "presence-gateway"
shutil.copytree(ROOT / "deploy/helm/presence-gateway", CHART)
# The oldest that the chart says it works with, and the newest whose schemas are known here.
KUBERNETES = ["1.30", "1.34", "1.37"]
# Kinds that come with the Prometheus operator, whose schemas are not known here.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}
SECRET_SETTINGS = {
    "databaseUrl": "GATEWAY__DATABASE__URL_FILE",
    "secretsKey": "GATEWAY__SECRETS__KEY_FILE",
    "secretsPreviousKeys": "GATEWAY__SECRETS__PREVIOUS_KEYS_FILE",
    "xphonePassword": "GATEWAY__XPHONE__PASSWORD_FILE",
    "graphClientSecret": "GATEWAY__GRAPH__CLIENT_SECRET_FILE",
    "graphClientCertificate": "GATEWAY__GRAPH__CLIENT_CERTIFICATE_FILE",
    "graphClientKey": "GATEWAY__GRAPH__CLIENT_KEY_FILE",
    "adminBootstrapToken": "GATEWAY__ADMIN__BOOTSTRAP_TOKEN_FILE",
}


def values(name):
    return yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text())


SETS = {path.name.removesuffix("-values.yaml"): values(path.name.removesuffix("-values.yaml")) for path in CHART.glob("ci/*.yaml")}


def rendered(these, **options):
    """Every object of a release, by kind and name."""
    with helm.Chart.load(CHART) as chart:
        manifests = chart.render(these, name="presence-gateway", namespace="telephony", **options)
    objects = {}
    for path, text in manifests.items():
        if path.endswith(".txt"):
            continue
        for manifest in yaml.safe_load_all(text):
            if manifest:
                key = (manifest["kind"], manifest["metadata"]["name"])
                assert key not in objects, f"{key} is made twice"
                objects[key] = manifest
    return objects


def changed(these, path, value):
    """A copy of values with one of them set."""
    these = copy.deepcopy(these)
    at = these
    *way, last = path.split(".")
    for step in way:
        at = at.setdefault(step, {})
    at[last] = value
    return these


def pods(objects):
    """What runs, with the object that makes it."""
    return {key: it["spec"]["template"] for key, it in objects.items() if key[0] in ("Deployment", "Job")}


def only(objects, kind):
    found = [it for key, it in objects.items() if key[0] == kind]
    assert len(found) == 1, f"{len(found)} of {kind}"
    return found[0]


def environment(container):
    return {variable["name"]: variable.get("value") for variable in container["env"]}


class Linted(unittest.TestCase):
    def test_helm_finds_nothing_to_complain_of(self):
        self.assertEqual(set(SETS), {"least", "everything", "single", "net-tcp"})
        for name, these in SETS.items():
            for version in KUBERNETES:
                with self.subTest(values=name, kubernetes=version):
                    report = helm.lint(CHART, these, strict=True, kube_version=f"v{version}.0")
                    grave = [message for message in report["messages"] if message["severity"] > 1]
                    self.assertEqual((report["total_charts_linted"], report["errors"], grave), (1, [], []))

    def test_kubernetes_knows_every_field(self):
        for name, these in SETS.items():
            for key, manifest in rendered(these).items():
                if key[0] in FOREIGN:
                    continue
                for version in KUBERNETES:
                    with self.subTest(values=name, object=key, kubernetes=version), warnings.catch_warnings():
                        warnings.simplefilter("error")
                        kubernetes_validate.validate(manifest, version, strict=True)

    def test_a_field_that_kubernetes_does_not_know_would_be_found(self):
        deployment = only(rendered(SETS["least"]), "Deployment")
        deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(deployment, "1.34", strict=True)


class Rendered(unittest.TestCase):
    def test_what_is_made(self):
        def made(name):
            return sorted(f"{kind} {name}" for kind, name in rendered(SETS[name]))

        fixed = ["Deployment", "Service", "Service"]
        self.assertEqual([line.split()[0] for line in made("single")], fixed)
        self.assertEqual(
            made("least"),
            [
                "Deployment presence-gateway",
                "NetworkPolicy presence-gateway",
                "PodDisruptionBudget presence-gateway",
                "Service presence-gateway",
                "Service presence-gateway-admin",
                "ServiceAccount presence-gateway",
            ],
        )
        more = ["ConfigMap presence-board", "Ingress presence", "Job presence-migrate", "PrometheusRule presence", "ServiceMonitor presence"]
        least = [line.replace("presence-gateway", "presence") for line in made("least")]
        self.assertEqual(made("everything"), sorted(least + more))

    def test_nobody_gets_rights_and_nothing_runs_as_root(self):
        for name, these in SETS.items():
            objects = rendered(these)
            kinds = {key[0] for key in objects}
            self.assertFalse({kind for kind in kinds if "Role" in kind or "Webhook" in kind or "Definition" in kind}, name)
            for key, pod in pods(objects).items():
                spec = pod["spec"]
                with self.subTest(values=name, object=key):
                    self.assertIs(spec["automountServiceAccountToken"], False)
                    for forbidden in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "initContainers"):
                        self.assertNotIn(forbidden, spec)
                    self.assertEqual(spec["securityContext"]["runAsNonRoot"], True)
                    self.assertGreater(spec["securityContext"]["runAsUser"], 0)
                    self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
                    self.assertFalse([volume for volume in spec["volumes"] if "hostPath" in volume])
                    for container in spec["containers"]:
                        context = container["securityContext"]
                        self.assertIs(context["allowPrivilegeEscalation"], False)
                        self.assertIs(context["readOnlyRootFilesystem"], True)
                        self.assertIs(context["privileged"], False)
                        self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
                        self.assertIn("memory", container["resources"]["limits"])
                        self.assertFalse([port for port in container.get("ports", []) if "hostPort" in port])

    def test_the_pods_are_what_the_image_is(self):
        dockerfile = (ROOT / "Dockerfile").read_text()
        user = re.search(r"^USER (\d+):(\d+)$", dockerfile, re.M)
        exposed = {int(port) for line in re.findall(r"^EXPOSE (.*)$", dockerfile, re.M) for port in line.split()}
        deployment = only(rendered(SETS["least"]), "Deployment")
        spec = deployment["spec"]["template"]["spec"]
        context = spec["securityContext"]
        self.assertEqual((context["runAsUser"], context["runAsGroup"]), (int(user[1]), int(user[2])))
        ports = {port["name"]: port["containerPort"] for port in spec["containers"][0]["ports"]}
        self.assertEqual(ports, {"public": 8080, "admin": 8081})
        self.assertLessEqual(set(ports.values()), exposed)
        told = environment(spec["containers"][0])
        self.assertEqual(told["GATEWAY__HTTP__PUBLIC_LISTEN"], "0.0.0.0:8080")
        self.assertEqual(told["GATEWAY__HTTP__ADMIN_LISTEN"], "0.0.0.0:8081")

    def test_secrets_are_mounted_and_never_in_the_environment(self):
        for name, these in SETS.items():
            for key, pod in pods(rendered(these)).items():
                with self.subTest(values=name, object=key):
                    spec, container = pod["spec"], pod["spec"]["containers"][0]
                    mounted = next(mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "secrets")
                    volume = next(volume for volume in spec["volumes"] if volume["name"] == "secrets")["projected"]
                    self.assertEqual(volume["defaultMode"], 0o440)
                    items = [(source["secret"]["name"], item) for source in volume["sources"] for item in source["secret"]["items"]]
                    files = {item["path"]: (secret, item["key"]) for secret, item in items}
                    told = environment(container)
                    with helm.Chart.load(CHART) as chart:
                        merged = chart.merge_values(these)
                    for entry, variable in SECRET_SETTINGS.items():
                        wanted = merged["secrets"][entry]
                        is_used = entry != "xphonePassword" or merged["settings"]["xphone"]["transport"] == "http"
                        if wanted["key"] and is_used:
                            self.assertEqual(files.pop(entry), (wanted["existingSecret"] or merged["existingSecret"], wanted["key"]))
                            self.assertEqual(told[variable], f"{mounted}/{entry}")
                        else:
                            self.assertNotIn(variable, told)
                        self.assertNotIn(variable.removesuffix("_FILE"), told)
                    self.assertEqual(files, {})

    def test_settings_arrive_as_the_gateway_spells_them(self):
        told = environment(only(rendered(SETS["everything"]), "Deployment")["spec"]["template"]["spec"]["containers"][0])
        self.assertEqual(told["GATEWAY__DATABASE__CONNECTIONS_MAX"], "32")
        self.assertEqual(told["GATEWAY__GRAPH__PUSH"], "true")
        self.assertEqual(told["GATEWAY__GRAPH__TENANT_ID"], "00000000-0000-0000-0000-000000000001")
        big = rendered(changed(SETS["least"], "settings.graph.sweep_seconds", 10_000_000))
        self.assertEqual(environment(only(big, "Deployment")["spec"]["template"]["spec"]["containers"][0])["GATEWAY__GRAPH__SWEEP_SECONDS"], "10000000")
        off = environment(only(rendered(SETS["single"]), "Deployment")["spec"]["template"]["spec"]["containers"][0])
        self.assertEqual(off["GATEWAY__GRAPH__PUSH"], "false")
        self.assertNotIn("GATEWAY__HTTP__PUBLIC_URL", off, "an empty value is no value")

    def test_xphone_over_net_tcp_needs_no_log_in(self):
        told = environment(only(rendered(SETS["net-tcp"]), "Deployment")["spec"]["template"]["spec"]["containers"][0])
        self.assertEqual(told["GATEWAY__XPHONE__TRANSPORT"], "net-tcp")
        self.assertEqual(told["GATEWAY__XPHONE__NET_TCP__ADDRESS"], "net.tcp://xphone.example:3344/")
        self.assertEqual(told["GATEWAY__XPHONE__NET_TCP__CERTIFICATE_SHA256"], "0" * 64)
        self.assertEqual(told["GATEWAY__XPHONE__NET_TCP__PRESENCE_STATES__BUSY"], "00000000-0000-0000-0000-000000000003")
        for absent in ["BASE_URL", "ACCOUNT_NAME", "PASSWORD", "PASSWORD_FILE"]:
            self.assertNotIn(f"GATEWAY__XPHONE__{absent}", told)
        policy = only(rendered(SETS["net-tcp"]), "NetworkPolicy")
        self.assertIn("3344", str(policy["spec"]["egress"]))
        with self.assertRaisesRegex(Exception, "secrets.xphonePassword.key is needed"):
            rendered(changed(SETS["least"], "secrets.xphonePassword.key", ""))

    def test_each_service_leads_to_its_listener_of_the_gateways_alone(self):
        for name, these in SETS.items():
            objects = rendered(these)
            labels = only(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
            services = {it["metadata"]["labels"]["app.kubernetes.io/component"]: it for key, it in objects.items() if key[0] == "Service"}
            self.assertEqual(set(services), {"public", "admin"}, name)
            for component, service in services.items():
                self.assertEqual([port["targetPort"] for port in service["spec"]["ports"]], [component])
                self.assertLessEqual(service["spec"]["selector"].items(), labels.items())
            self.assertEqual(services["admin"]["spec"]["type"], "ClusterIP")
            for (kind, job), pod in pods(objects).items():
                if kind == "Job":
                    selector = services["public"]["spec"]["selector"].items()
                    self.assertFalse(selector <= pod["metadata"]["labels"].items(), f"requests would reach {job}")

    def test_only_the_public_listener_can_be_reached_from_outside(self):
        ingress = only(rendered(SETS["everything"]), "Ingress")
        paths = [path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
        self.assertEqual({path["backend"]["service"]["name"] for path in paths}, {"presence"})
        self.assertEqual({path["backend"]["service"]["port"]["name"] for path in paths}, {"public"})
        self.assertEqual({path["pathType"] for path in paths}, {"Exact"})
        public = ["/graph/notifications", "/graph/lifecycle", "/sign-in", "/sign-in/callback"]
        self.assertEqual([path["path"] for path in paths], public)
        without = only(rendered(changed(SETS["everything"], "ingress.signIn", False)), "Ingress")
        self.assertEqual([path["path"] for path in without["spec"]["rules"][0]["http"]["paths"]], public[:2])

    def test_the_network_is_closed_but_for_what_is_named(self):
        policy = only(rendered(SETS["least"]), "NetworkPolicy")["spec"]
        self.assertEqual(policy["policyTypes"], ["Ingress", "Egress"])
        self.assertEqual([[port["port"] for port in rule["ports"]] for rule in policy["ingress"]], [["public"]])
        self.assertEqual([[port["port"] for port in rule["ports"]] for rule in policy["egress"]], [[53, 53], [443, 5432]])
        policy = only(rendered(SETS["everything"]), "NetworkPolicy")["spec"]
        self.assertEqual([[port["port"] for port in rule["ports"]] for rule in policy["ingress"]], [["public"], ["admin"]])
        for rule in policy["ingress"]:
            self.assertEqual(len(rule["from"]), 1)

    def test_a_rolling_update_never_leaves_nobody(self):
        for name, these in SETS.items():
            objects = rendered(these)
            deployment = only(objects, "Deployment")["spec"]
            spec = deployment["template"]["spec"]
            self.assertEqual(deployment["strategy"], {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
            pause = spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            self.assertGreater(spec["terminationGracePeriodSeconds"], pause + 30, "a soft stop takes up to 30 s")
            container = spec["containers"][0]
            self.assertEqual(container["livenessProbe"]["httpGet"]["path"], "/healthz")
            self.assertEqual(container["readinessProbe"]["httpGet"]["path"], "/readyz")
            startup = container["startupProbe"]
            self.assertGreaterEqual(startup["periodSeconds"] * startup["failureThreshold"], 300, "migrations may take minutes")
            budgets = [it for key, it in objects.items() if key[0] == "PodDisruptionBudget"]
            self.assertEqual(len(budgets), deployment["replicas"] > 1)
            for budget in budgets:
                self.assertLess(budget["spec"]["minAvailable"], deployment["replicas"])
                self.assertEqual(budget["spec"]["selector"], deployment["selector"])
            spread = [it["topologyKey"] for it in spec["topologySpreadConstraints"]]
            self.assertIn("topology.kubernetes.io/zone", spread)

    def test_migrations_run_once_before_or_by_whoever_starts(self):
        def arguments(these, kind):
            return only(rendered(these), kind)["spec"]["template"]["spec"]["containers"][0]["args"]

        self.assertEqual(arguments(SETS["least"], "Deployment"), ["serve"])
        self.assertEqual(arguments(SETS["everything"], "Deployment"), ["serve", "--no-migrate"])
        self.assertEqual(arguments(SETS["everything"], "Job"), ["migrate"])
        job = only(rendered(SETS["everything"]), "Job")
        self.assertEqual(job["metadata"]["annotations"]["helm.sh/hook"], "pre-install,pre-upgrade")
        self.assertEqual(job["spec"]["template"]["spec"]["restartPolicy"], "Never")

    def test_prometheus_finds_the_metrics_and_the_rules(self):
        objects = rendered(SETS["everything"])
        monitor = only(objects, "ServiceMonitor")
        service = objects[("Service", "presence-admin")]
        self.assertLessEqual(monitor["spec"]["selector"]["matchLabels"].items(), service["metadata"]["labels"].items())
        public = objects[("Service", "presence")]
        self.assertFalse(monitor["spec"]["selector"]["matchLabels"].items() <= public["metadata"]["labels"].items())
        endpoint = monitor["spec"]["endpoints"][0]
        self.assertEqual((endpoint["port"], endpoint["path"], endpoint["scheme"]), ("admin", "/metrics", "https"))
        self.assertEqual(endpoint["tlsConfig"], {"serverName": "gateway.example"})
        self.assertEqual(monitor["metadata"]["labels"]["release"], "prometheus")
        rules = only(objects, "PrometheusRule")
        self.assertEqual(rules["spec"], yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text()))
        self.assertEqual(rules["metadata"]["labels"]["release"], "prometheus")

    def test_grafana_finds_the_dashboard(self):
        board = only(rendered(SETS["everything"]), "ConfigMap")
        published = json.loads((ROOT / "deploy/grafana/presence-gateway.json").read_text())
        self.assertEqual(json.loads(board["data"]["presence-gateway.json"]), published)
        self.assertEqual(board["metadata"]["labels"]["grafana_dashboard"], "1")

    def test_the_token_for_entra_opens_nothing_in_the_cluster(self):
        spec = only(rendered(SETS["single"]), "Deployment")["spec"]["template"]["spec"]
        volume = next(volume for volume in spec["volumes"] if volume["name"] == "entra-token")
        token = volume["projected"]["sources"][0]["serviceAccountToken"]
        self.assertEqual(token["audience"], "api://AzureADTokenExchange")
        told = environment(spec["containers"][0])
        mount = next(mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == "entra-token")
        self.assertEqual(told["GATEWAY__GRAPH__FEDERATED_TOKEN_FILE"], f"{mount['mountPath']}/{token['path']}")

    def test_whoever_asks_the_admin_listener_speaks_as_it_does(self):
        for name, scheme in (("least", "HTTP"), ("everything", "HTTPS")):
            container = only(rendered(SETS[name]), "Deployment")["spec"]["template"]["spec"]["containers"][0]
            schemes = {container[probe]["httpGet"]["scheme"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
            self.assertEqual(schemes, {scheme})
        told = environment(container)
        self.assertEqual(told["GATEWAY__HTTP__ADMIN_TLS_CERTIFICATE_FILE"], "/etc/certificates/tls.crt")

    def test_room_for_certificates_and_other_volumes(self):
        for key, pod in pods(rendered(SETS["everything"])).items():
            self.assertIn("house-ca", [volume["name"] for volume in pod["spec"]["volumes"]], key)
            mounts = pod["spec"]["containers"][0]["volumeMounts"]
            self.assertIn("/etc/house-ca", [mount["mountPath"] for mount in mounts], key)

    def test_names_stay_short_enough(self):
        with helm.Chart.load(CHART) as chart:
            manifests = chart.render(SETS["everything"] | {"fullnameOverride": "x" * 80}, name="r", namespace="n")
        names = [it["metadata"]["name"] for text in manifests.values() if text.lstrip().startswith(("#", "apiVersion")) for it in yaml.safe_load_all(text) if it]
        self.assertGreater(len(names), 5)
        self.assertLessEqual(max(map(len, names)), 65)


class Refused(unittest.TestCase):
    def refused(self, these, *words):
        with self.assertRaises(helm.HelmError) as caught:
            with helm.Chart.load(CHART) as chart:
                chart.validate_schema(these)
                chart.render(these, name="presence-gateway", namespace="telephony")
        told = str(caught.exception)
        for word in words:
            self.assertIn(word, told)

    def test_defaults_alone_say_what_is_missing(self):
        self.refused({}, "settings.graph.tenant_id is needed")

    def test_values_that_may_not_be(self):
        least = SETS["least"]
        table = [
            ("replicas", 2, ["replicas"]),
            ("replicaCount", 0, ["replicaCount"]),
            ("replicaCount", "two", ["replicaCount"]),
            ("image.tag", "latest", ["tag"]),
            ("image.digest", "sha256:short", ["digest"]),
            ("image.pullPolicy", "Sometimes", ["pullPolicy"]),
            ("settings.graph.tenant_id", "contoso.example", ["tenant_id"]),
            ("settings.graph.cloud", "moon", ["cloud"]),
            ("settings.graph.client_secret", "hunter2", ["client_secret"]),
            ("settings.database", {"url": "postgres://me:hunter2@db/x"}, ["url"]),
            ("settings.secrets", {"key": "c2hvcnQ="}, ["secrets"]),
            ("settings.xphone.password", "hunter2", ["password"]),
            ("settings.admin", {"bootstrap_token": "hunter2"}, ["bootstrap_token"]),
            ("settings.xphone.transport", "carrier-pigeon", ["transport"]),
            ("settings.xphone.net_tcp.address", "https://xphone.example", ["address"]),
            ("settings.xphone.net_tcp.presence_states", {"busy": "Busy"}, ["busy"]),
            ("settings.http.public_url", "http://gateway.example", ["public_url"]),
            ("settings.http.admin_listen", "0.0.0.0:9", ["admin_listen"]),
            ("settings.grpah", {}, ["grpah"]),
            ("settings.graph.Push", True, ["Push"]),
            ("settings.telemetry", {"log_format": "xml"}, ["log_format"]),
            ("secrets.databaseUrl.key", "", ["databaseUrl"]),
            ("secrets.databaseUrl.value", "postgres://me:hunter2@db/x", ["databaseUrl"]),
            ("extraEnv", [{"name": "GATEWAY__XPHONE__PASSWORD", "value": "hunter2"}], ["extraEnv"]),
            ("service.public.type", "ExternalName", ["type"]),
            ("service.admin.type", "LoadBalancer", ["admin"]),
            ("ingress.enabled", True, ["host"]),
            ("networkPolicy.egressPorts", [0], ["egressPorts"]),
            ("resources.limits.memory", "lots", ["memory"]),
            ("serviceMonitor.interval", "often", ["interval"]),
            ("terminationGracePeriodSeconds", 30, ["terminationGracePeriodSeconds"]),
            ("workloadIdentity.expirationSeconds", 60, ["expirationSeconds"]),
            ("securityContext", {"privileged": True}, ["securityContext"]),
        ]
        for path, value, words in table:
            with self.subTest(path=path, value=value):
                self.refused(changed(least, path, value), *words)

    def test_values_that_do_not_go_together(self):
        least = SETS["least"]
        table = [
            (changed(least, "existingSecret", ""), ["existingSecret", "must name a Secret"]),
            (changed(least, "settings.xphone.account_name", ""), ["settings.xphone.account_name is needed"]),
            (changed(least, "settings.xphone.base_url", ""), ["settings.xphone.base_url is needed"]),
            (changed(SETS["net-tcp"], "settings.xphone.net_tcp.address", ""), ["settings.xphone.net_tcp.address is needed"]),
            (changed(SETS["net-tcp"], "settings.xphone.net_tcp.address", "net.tcp://xphone.example:3345"), ["egressPorts", "3345"]),
            (changed(SETS["net-tcp"], "networkPolicy.egressPorts", [443, 5432]), ["egressPorts", "3344"]),
            (changed(least, "settings.http.public_url", ""), ["public_url is needed", "push must be false"]),
            (changed(least, "secrets.graphClientSecret.key", ""), ["exactly one of"]),
            (changed(least, "workloadIdentity.enabled", True), ["exactly one of"]),
            (changed(SETS["everything"], "secrets.graphClientKey.key", ""), ["go together"]),
            (changed(least, "serviceMonitor.enabled", True), ["networkPolicy.adminFrom"]),
            (changed(least, "preStopSleepSeconds", 20), ["terminationGracePeriodSeconds"]),
            (changed(least, "podDisruptionBudget.minAvailable", 2), ["minAvailable"]),
        ]
        for these, words in table:
            with self.subTest(words=words):
                self.refused(these, *words)


class Documented(unittest.TestCase):
    def test_every_value_is_explained_where_it_stands(self):
        lines = (CHART / "values.yaml").read_text().splitlines()
        silent = []
        for number, line in enumerate(lines):
            if not re.match(r"^ *[A-Za-z]\w*:( .*)?$", line):
                continue
            leaf = not line.rstrip().endswith(":")
            if leaf and not lines[number - 1].lstrip().startswith("#"):
                silent.append(f"{number + 1}: {line}")
        self.assertEqual(silent, [])

    def test_the_schema_knows_every_value_and_no_other(self):
        with helm.Chart.load(CHART) as chart:
            defaults, schema = chart.values, chart.schema

        def compare(value, part, path):
            if part.get("additionalProperties") is False and "properties" in part:
                known = {name for name, it in part["properties"].items() if it is not False}
                if path == "":
                    known.discard("global")
                if path != "settings":
                    self.assertEqual(known, set(value), path)
                for name in value:
                    compare(value[name], part["properties"][name], f"{path}.{name}".lstrip("."))

        compare(defaults, schema, "")

    def test_sections_and_secrets_are_those_of_the_gateway(self):
        text = (ROOT / "config.default.toml").read_text()
        uncommented = re.sub(r"^# ([a-z_]+ = )", r"\1", text, flags=re.M)
        gateway = tomllib.loads(uncommented)
        with helm.Chart.load(CHART) as chart:
            sections = chart.schema["properties"]["settings"]["properties"]
        self.assertEqual(set(sections), set(gateway))
        for variable in SECRET_SETTINGS.values():
            section, name = variable.removeprefix("GATEWAY__").lower().split("__")
            self.assertIn(name.removesuffix("_file"), {key.removesuffix("_file") for key in gateway[section]})
            if section != "secrets":
                refused = {key.removesuffix("_file") for key, it in sections[section]["properties"].items() if it is False}
                self.assertIn(name.removesuffix("_file"), refused)

    def test_the_chart_is_of_the_gateways_version(self):
        package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
        with helm.Chart.load(CHART) as chart:
            self.assertEqual(chart.metadata["appVersion"], package["version"])

    def test_what_to_do_next_is_told(self):
        with helm.Chart.load(CHART) as chart:
            notes = chart.render(SETS["least"], name="presence-gateway", namespace="telephony")["presence-gateway/templates/NOTES.txt"]
        self.assertIn("-n telephony exec -it deployment/presence-gateway -- /presence-gateway sign-in", notes)


if __name__ == "__main__":
    unittest.main()
