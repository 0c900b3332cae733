"""Accounts and tokens as Keystone shows them: pure functions from a record to plain data."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from mantle.access.catalog import service_catalog
from mantle.access.identity import Session
from mantle.model.identity import (
    DOMAIN_ID,
    DOMAIN_NAME,
    STACK_DOMAIN_ID,
    STACK_DOMAIN_NAME,
    STACK_USER,
    Credential,
    Ec2Credential,
    Project,
    User,
)

Data = dict[str, Any]

DOMAIN: Data = {"id": DOMAIN_ID, "name": DOMAIN_NAME}
STACK_DOMAIN: Data = {"id": STACK_DOMAIN_ID, "name": STACK_DOMAIN_NAME}


def when(seconds: float | None) -> str | None:
    """Keystone's time format: UTC, microseconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def version(base_url: str) -> Data:
    """The version document; clients read the address to go on with from its link."""
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{base_url}/identity/v3/"}],
        "media-types": [
            {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}
        ],
    }


def token(session: Session, base_url: str, *, with_catalog: bool = True) -> Data:
    """What a token means."""
    record = session.record
    home = STACK_DOMAIN if session.user.of_stack else DOMAIN
    view: Data = {
        "methods": list(record.methods),
        "user": {
            "id": session.user.id,
            "name": session.user.name,
            "domain": home,
            "password_expires_at": None,
        },
        "audit_ids": [record.audit_id],
        "issued_at": when(record.issued_at),
        "expires_at": when(record.expires_at),
    }
    if session.project is not None:
        view["project"] = {
            "id": session.project.id,
            "name": session.project.name,
            "domain": STACK_DOMAIN if STACK_USER in session.roles else DOMAIN,
        }
        view["is_domain"] = False
        view["roles"] = [{"id": role, "name": role} for role in session.roles]
        if with_catalog:
            view["catalog"] = service_catalog(base_url, session.project.id)
    if session.credential is not None:
        view["application_credential"] = {
            "id": session.credential.id,
            "name": session.credential.name,
            "restricted": not session.credential.unrestricted,
        }
    return view


def user(record: User, base_url: str) -> Data:
    """A user; never the hash."""
    return {
        "id": record.id,
        "name": record.name,
        "domain_id": STACK_DOMAIN_ID if record.of_stack else DOMAIN_ID,
        "enabled": record.enabled,
        "default_project_id": record.default_project_id,
        "description": record.description,
        "email": record.email,
        "password_expires_at": None,
        "options": {},
        "links": _self(base_url, f"users/{record.id}"),
    }


def project(record: Project, base_url: str) -> Data:
    """A project."""
    return {
        "id": record.id,
        "name": record.name,
        "domain_id": DOMAIN_ID,
        "parent_id": DOMAIN_ID,
        "is_domain": False,
        "enabled": record.enabled,
        "description": record.description,
        "options": {},
        "tags": [],
        "links": _self(base_url, f"projects/{record.id}"),
    }


def role(name: str, base_url: str) -> Data:
    """A role; its name is its id."""
    return {
        "id": name,
        "name": name,
        "domain_id": None,
        "description": None,
        "options": {},
        "links": _self(base_url, f"roles/{name}"),
    }


def domain(base_url: str) -> Data:
    """The one domain there is."""
    return {
        "id": DOMAIN_ID,
        "name": DOMAIN_NAME,
        "enabled": True,
        "description": "The default domain",
        "options": {},
        "tags": [],
        "links": _self(base_url, f"domains/{DOMAIN_ID}"),
    }


def credential(record: Credential, base_url: str, secret: str | None = None) -> Data:
    """An application credential; its secret only in the answer that made it."""
    view = {
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "project_id": record.project_id,
        "user_id": record.user_id,
        "roles": [{"id": name, "name": name, "domain_id": None} for name in record.roles],
        "expires_at": when(record.expires_at),
        "unrestricted": record.unrestricted,
        "system": None,
        "access_rules": [],
        "links": _self(base_url, f"users/{record.user_id}/application_credentials/{record.id}"),
    }
    if secret is not None:
        view["secret"] = secret
    return view


def ec2_credential(record: Ec2Credential, secret: str, base_url: str) -> Data:
    """An access key, as OS-EC2 shows it; its owner may always see the secret."""
    path = f"users/{record.user_id}/credentials/OS-EC2/{record.access}"
    return {
        "access": record.access,
        "secret": secret,
        "user_id": record.user_id,
        "tenant_id": record.project_id,
        "trust_id": None,
        "links": _self(base_url, path),
    }


def blob_credential(record: Ec2Credential, secret: str, base_url: str) -> Data:
    """The same as one of Keystone's credentials: its id is the hash of the access id."""
    key = hashlib.sha256(record.access.encode()).hexdigest()
    return {
        "id": key,
        "type": "ec2",
        "user_id": record.user_id,
        "project_id": record.project_id,
        "blob": json.dumps({"access": record.access, "secret": secret}),
        "links": _self(base_url, f"credentials/{key}"),
    }


def listing(name: str, rows: list[Data], base_url: str, path: str) -> Data:
    """A list with the links Keystone puts around every list."""
    links = {**_self(base_url, path), "next": None, "previous": None}
    return {name: rows, "links": links}


def _self(base_url: str, path: str) -> Data:
    return {"self": f"{base_url}/identity/v3/{path}"}
