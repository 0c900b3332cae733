"""`clouds.yaml` in the data folder: how to log in here, for every OpenStack client.

It holds the passwords of the first accounts and is readable by its owner only. Who can read the
data folder owns the control plane anyway.
"""

import os
from pathlib import Path
from typing import Any

import yaml

ADMIN = "mantle-admin"
DEMO = "mantle"
REGION = "RegionOne"


def read_passwords(path: Path) -> dict[str, str]:
    """User name to password, from a file written before; empty when there is none."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = data["clouds"].values()
        return {entry["auth"]["username"]: entry["auth"]["password"] for entry in entries}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return {}


def write_clouds(path: Path, base_url: str, passwords: dict[str, str]) -> None:
    """Write it whole, for its owner only."""

    def entry(user: str, project: str) -> dict[str, Any]:
        return {
            "auth": {
                "auth_url": f"{base_url}/identity/v3",
                "username": user,
                "password": passwords[user],
                "project_name": project,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "identity_api_version": 3,
            "region_name": REGION,
        }

    clouds = {DEMO: entry("demo", "demo"), ADMIN: entry("admin", "admin")}
    text = yaml.safe_dump({"clouds": clouds}, sort_keys=False)
    part = path.with_suffix(".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
