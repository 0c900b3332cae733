"""What a server may read about itself, at a URL only it knows.

The API serves `{MANTLE_METADATA_URL}/…` from here: `latest/meta-data/…`, `latest/user-data` as EC2
does, `openstack/latest/meta_data.json` and `openstack/latest/user_data` as OpenStack does.
"""

import msgspec

from mantle.clouds.local.shelf import Entry
from mantle.clouds.local.state import Project, ServerNotes
from mantle.clouds.ports import Server

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
Answer = tuple[str, bytes]


def answer(project: Project, entry: Entry[Server, ServerNotes], path: str) -> Answer | None:
    """Content type and body of a path, or None when there is nothing there."""
    parts = [part for part in path.split("/") if part]
    server = entry.object
    match parts:
        case []:
            return _text("latest/\nopenstack/")
        case ["latest"]:
            return _text("meta-data/\nuser-data")
        case ["openstack"]:
            return _text("latest/")
        case ["openstack", "latest"]:
            return _text("meta_data.json\nuser_data")
        case ["latest", "user-data"] | ["openstack", "latest", "user_data"]:
            return _text(server.spec.user_data) if server.spec.user_data else None
        case ["openstack", "latest", "meta_data.json"]:
            return JSON, msgspec.json.encode(_meta_data(project, entry))
        case ["latest", "meta-data", *rest]:
            return _ec2(_ec2_tree(project, entry), rest)
    return None


def _text(text: str) -> Answer:
    return TEXT, text.encode()


def _fixed(project: Project, entry: Entry[Server, ServerNotes]) -> list[str]:
    ports = [project.ports.get(port_id) for port_id in entry.notes.port_ids]
    return [fixed.ip_address or "" for port in ports if port for fixed in port.object.fixed_ips]


def _floating(project: Project, entry: Entry[Server, ServerNotes]) -> list[str]:
    return [
        floating.object.address
        for floating in project.floating_ips
        if floating.object.port_id in entry.notes.port_ids
    ]


def _public_keys(project: Project, entry: Entry[Server, ServerNotes]) -> dict[str, str]:
    key = project.key_pairs.get(entry.object.spec.key_name or "")
    return {key.object.name: key.object.public_key} if key else {}


def _meta_data(project: Project, entry: Entry[Server, ServerNotes]) -> dict[str, object]:
    server = entry.object
    return {
        "uuid": server.id,
        "name": server.name,
        "hostname": server.name,
        "project_id": project.id,
        "availability_zone": "local",
        "launch_index": 0,
        "meta": dict(server.spec.metadata),
        "public_keys": _public_keys(project, entry),
    }


Tree = dict[str, "str | Tree"]


def _ec2_tree(project: Project, entry: Entry[Server, ServerNotes]) -> Tree:
    server = entry.object
    fixed, floating = _fixed(project, entry), _floating(project, entry)
    keys = _public_keys(project, entry)
    tree: Tree = {
        "ami-id": server.spec.image or "local",
        "hostname": server.name,
        "instance-id": server.id,
        "instance-type": server.spec.flavor,
        "local-hostname": server.name,
        "local-ipv4": fixed[0] if fixed else "",
        "placement": {"availability-zone": "local"},
        "public-ipv4": floating[0] if floating else "",
        "security-groups": "\n".join(server.spec.security_groups or ("default",)),
    }
    if keys:
        tree["public-keys"] = {
            f"{number}": {"openssh-key": key} for number, key in enumerate(keys.values())
        }
    return tree


def _ec2(tree: Tree, path: list[str]) -> Answer | None:
    at: str | Tree = tree
    for part in path:
        if not isinstance(at, dict) or part not in at:
            return None
        at = at[part]
    if isinstance(at, str):
        return _text(at)
    return _text("\n".join(f"{name}/" if isinstance(at[name], dict) else name for name in at))
