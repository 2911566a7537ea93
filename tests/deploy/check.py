"""Checks the container image, the manifests and the list of components against their schemas.

Never: starts a container; the files are only read.
"""

import json
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
CONTAINERFILE = ROOT / "packaging/container/Containerfile"
COMPOSE = ROOT / "examples/container/compose.yaml"
KUBERNETES = ROOT / "examples/kubernetes/portcullis.yaml"
# The oldest and the newest version of Kubernetes that the manifests are for.
VERSIONS = ["1.29", "1.37"]


def must(condition, what):
    if not condition:
        sys.exit(f"error: {what}")


def check_containerfile():
    """The linter has no finding; the image has a user, a health check and no root."""
    hadolint = [TOOLS / "hadolint", "--failure-threshold", "info", CONTAINERFILE]
    subprocess.run(hadolint, check=True)
    parser = DockerfileParser(fileobj=CONTAINERFILE.open("rb"))
    last = []
    for step in parser.structure:
        last = [] if step["instruction"] == "FROM" else last
        last.append((step["instruction"], step["value"]))
    values = dict(last)
    must(values["USER"] == "65532:65532", "the image does not run as an unprivileged user")
    must(values["ENTRYPOINT"] == '["/usr/bin/portcullis"]', "the image has a shell as entry point")
    must("portcullis" in values["HEALTHCHECK"], "the image has no health check")
    for option in ["/etc/portcullis/portcullis.toml", "/var/lib/portcullis/data"]:
        must(option in values["HEALTHCHECK"], f"the health check does not name {option}")
        must(option in values["CMD"], f"the server does not use {option}")
    must("RUN" not in values, "the image has no shell that could run a program")
    must("distroless" in values["FROM"], "the image has more than the server needs")


def check_compose():
    """The file follows the Compose specification, and restricts the container."""
    schema = ["--builtin-schema", "vendor.compose-spec", COMPOSE]
    subprocess.run([TOOLS / "check-jsonschema", "--quiet", *schema], check=True)
    service = yaml.safe_load(COMPOSE.read_text())["services"]["portcullis"]
    must(service["read_only"] is True, "compose.yaml: the root file system can be written")
    must(service["cap_drop"] == ["ALL"], "compose.yaml: the container has capabilities")
    must("no-new-privileges:true" in service["security_opt"], "compose.yaml: new privileges")
    must(service["user"] == "65532:65532", "compose.yaml: another user")
    must(int(service["stop_grace_period"].rstrip("s")) > 20, "compose.yaml: no time to drain")
    # The copy of a valid configuration is in the data directory.
    health = service["healthcheck"]["test"]
    for option in ["--config=/etc/portcullis/portcullis.toml", "--data=/var/lib/portcullis/data"]:
        must(option in health, f"compose.yaml: the health check does not use {option}")
    # A mounted file keeps its content when an editor replaces it, and a reload reads nothing new.
    for folder, _, _ in (one.split(":") for one in service["volumes"] if one.startswith(".")):
        path = COMPOSE.parent / folder
        must(path.is_dir() or not path.exists(), f"compose.yaml: {folder} is a single file")
    must((COMPOSE.parent / service["build"]["context"]).resolve() == ROOT, "another context")
    must((ROOT / service["build"]["dockerfile"]).is_file(), "compose.yaml: no Containerfile")


def check_kubernetes():
    """All objects are valid, and the pod follows the restricted standard for pods."""
    documents = list(yaml.safe_load_all(KUBERNETES.read_text()))
    for document in documents:
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)
    by_kind = {document["kind"]: document for document in documents}
    must(len(by_kind) == len(documents), "two objects have the same kind")
    expected = {"ConfigMap", "Service", "StatefulSet", "PodDisruptionBudget", "NetworkPolicy"}
    must(expected <= set(by_kind), f"missing: {expected - set(by_kind)}")
    labels = by_kind["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    for kind, path in [("Service", ["selector"]), ("NetworkPolicy", ["podSelector", "matchLabels"])]:
        selector = by_kind[kind]["spec"]
        for step in path:
            selector = selector[step]
        must(selector == labels, f"{kind} selects other pods")
    must(by_kind["StatefulSet"]["spec"]["replicas"] == 1, "one server uses a data directory")
    pod = by_kind["StatefulSet"]["spec"]["template"]["spec"]
    must(pod["terminationGracePeriodSeconds"] > 20, "no time to drain")
    must(pod["automountServiceAccountToken"] is False, "the pod has a token of the cluster")
    must(pod["securityContext"]["runAsNonRoot"] is True, "the pod can run as root")
    must(pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", "no seccomp")
    check_volume(pod)
    (container,) = pod["containers"]
    must("--watch" in container["args"], "a renewed certificate is not used")
    check_probes(container)
    context = container["securityContext"]
    must(context["allowPrivilegeEscalation"] is False, "privileges can be escalated")
    must(context["readOnlyRootFilesystem"] is True, "the root file system can be written")
    must(context["capabilities"] == {"drop": ["ALL"]}, "the container has capabilities")
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    claims = by_kind["StatefulSet"]["spec"]["volumeClaimTemplates"]
    known = {one["name"] for one in pod["volumes"]} | {one["metadata"]["name"] for one in claims}
    must(mounted <= known, f"no such volumes: {mounted - known}")


def check_volume(pod):
    """The kubelet does not open the server's private files to the group at each start."""
    policy = pod["securityContext"].get("fsGroupChangePolicy")
    must(policy == "OnRootMismatch", "keys of the volume become readable by the group")
    # The server makes its data directory private; a volume with that mode would be a mismatch.
    (container,) = pod["containers"]
    (path,) = [one["mountPath"] for one in container["volumeMounts"] if one["name"] == "data"]
    (data,) = [one for one in container["args"] if one.startswith("--data=")]
    must(data.startswith(f"--data={path}/"), "the data directory is the volume itself")


def check_probes(container):
    """Probes allow for migrations and for an overloaded node."""
    ports = {port["name"] for port in container["ports"]}
    for name, path, seconds in [
        ("startupProbe", "/health", 600),
        ("livenessProbe", "/health", 60),
        ("readinessProbe", "/ready", 6),
    ]:
        probe = container[name]
        must(probe["httpGet"]["port"] in ports, f"{name}: no such port")
        must(probe["httpGet"]["path"] == path, f"{name}: another path")
        must(probe.get("timeoutSeconds", 1) >= 5, f"{name}: an overloaded node needs more time")
        failing = probe["periodSeconds"] * probe.get("failureThreshold", 3)
        must(failing >= seconds, f"{name}: fails after {failing} s")


def check_sbom(path):
    """The list of components follows the schema of CycloneDX 1.5."""
    text = Path(path).read_text()
    found = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    must(found is None, f"{path}: {found}")
    must(len(json.loads(text)["components"]) > 100, "the list of components is short")


check_containerfile()
check_compose()
check_kubernetes()
for argument in sys.argv[1:]:
    check_sbom(argument)
print("container, manifests and list of components are valid")
