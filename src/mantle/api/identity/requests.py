"""Keystone's log-in request, decoded into proofs and a scope."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mantle.access.identity import (
    REFUSED,
    CredentialProof,
    PasswordProof,
    Proof,
    Scope,
    TokenProof,
)
from mantle.model.errors import MantleError, Unauthorized
from mantle.model.identity import DOMAIN_ID, DOMAIN_NAME


def login(body: Mapping[str, Any]) -> tuple[list[Proof], Scope | None]:
    """What a caller offers, and what the token is wanted for."""
    auth = part(body, "auth")
    identity = part(auth, "identity", "auth.identity")
    methods = identity.get("methods")
    if not isinstance(methods, list) or not methods:
        raise MantleError('auth.identity.methods is missing. Send ["password"], for example.')
    return [_proof(method, identity) for method in methods], _scope(auth.get("scope"))


def part(body: Mapping[str, Any], name: str, place: str = "") -> dict[str, Any]:
    """A member that must be an object."""
    value = body.get(name)
    if not isinstance(value, dict):
        raise MantleError(f"{place or name} is missing or no object.")
    return value


def text(body: Mapping[str, Any], name: str) -> str | None:
    """A member that is a string or missing."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise MantleError(f"{name!r} must be a string.")
    return value


def flag(body: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """A member that is true, false or missing."""
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise MantleError(f"{name!r} must be true or false.")
    return value


def moment(body: Mapping[str, Any], name: str) -> float | None:
    """A time in ISO 8601, UTC unless it says otherwise; as seconds since the epoch."""
    value = text(body, name)
    if value is None:
        return None
    try:
        given = datetime.fromisoformat(value)
    except ValueError:
        raise MantleError(f"{name!r} is {value!r}, not a time in ISO 8601.") from None
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


def _proof(method: object, identity: Mapping[str, Any]) -> Proof:
    match method:
        case "password":
            password = part(identity, "password", "auth.identity.password")
            user = part(password, "user", "auth.identity.password.user")
            name, user_id = _user(user)
            return PasswordProof(
                user_id=user_id, user_name=name, password=text(user, "password") or ""
            )
        case "token":
            token = part(identity, "token", "auth.identity.token")
            return TokenProof(token=text(token, "id") or "")
        case "application_credential":
            given = part(identity, method, f"auth.identity.{method}")
            owner = given.get("user")
            name, user_id = _user(owner) if isinstance(owner, dict) else (None, None)
            return CredentialProof(
                credential_id=text(given, "id"),
                credential_name=text(given, "name"),
                user_id=user_id,
                user_name=name,
                secret=text(given, "secret") or "",
            )
        case _:
            raise Unauthorized(REFUSED)


def _user(user: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Name and id, one of them None. A name needs its domain, and there is one domain."""
    user_id = text(user, "id")
    if user_id is not None:
        return None, user_id
    if not _in_domain(user.get("domain")):
        raise Unauthorized(REFUSED)
    return text(user, "name"), None


def _scope(scope: object) -> Scope | None:
    if scope is None:
        return None
    if scope == "unscoped":
        return Scope(unscoped=True)
    if not isinstance(scope, dict):
        raise MantleError("auth.scope is no object.")
    if "unscoped" in scope:
        return Scope(unscoped=True)
    if "project" not in scope:
        # Scopes of a domain or the system are Keystone's own affairs.
        raise Unauthorized(REFUSED)
    project = part(scope, "project", "auth.scope.project")
    project_id = text(project, "id")
    if project_id is not None:
        return Scope(project_id=project_id)
    if not _in_domain(project.get("domain")):
        raise Unauthorized(REFUSED)
    return Scope(project_name=text(project, "name") or "")


def _in_domain(domain: object) -> bool:
    if not isinstance(domain, dict):
        return False
    return domain.get("id") == DOMAIN_ID or domain.get("name") == DOMAIN_NAME
