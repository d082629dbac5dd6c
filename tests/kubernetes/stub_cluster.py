"""Snakemake with the Kubernetes plugin's own code and a client that only writes down.

    python stub_cluster.py JOBS.json SNAKEMAKE_ARGUMENTS…

Every job that the plugin would create goes to JOBS.json as it would be sent, and then "fails".
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import kubernetes.client
import kubernetes.config

sent: list[dict[str, Any]] = []
calls: list[str] = []


def create_namespaced_job(_self: Any, namespace: str, body: Any) -> Any:
    asked = kubernetes.client.ApiClient().sanitize_for_serialization(body)
    sent.append({"namespace": namespace, **asked})
    return body


def job_status(*_: Any, **__: Any) -> Any:
    return SimpleNamespace(status=SimpleNamespace(failed=1, succeeded=0))


def no_pods(*_: Any, **__: Any) -> Any:
    return SimpleNamespace(items=[])


def note(name: str) -> Any:
    return lambda *_, **__: calls.append(name)


def main() -> None:
    target, *arguments = sys.argv[1:]
    kubernetes.config.load_kube_config = note("load_kube_config")
    batch, core = kubernetes.client.BatchV1Api, kubernetes.client.CoreV1Api
    batch.create_namespaced_job = create_namespaced_job
    batch.read_namespaced_job_status = job_status
    batch.delete_namespaced_job = note("delete_job")
    core.list_namespaced_pod = no_pods
    core.create_namespaced_secret = note("create_secret")
    core.delete_namespaced_secret = note("delete_secret")
    from snakemake.cli import main as snakemake

    try:
        snakemake(arguments)
    finally:
        with open(target, "w") as file:
            json.dump({"jobs": sent, "calls": calls}, file)


main()
