"""Tokens: log in, check, revoke; and what the holder of one may reach."""

from mantle.access.catalog import service_catalog
from mantle.access.identity import Session
from mantle.api.door import Reply, empty
from mantle.api.identity import views
from mantle.api.identity.knock import NOT_AUTHORIZED, Knock
from mantle.api.identity.requests import login
from mantle.model.errors import Forbidden, MantleError, NotFound, Unauthorized


async def log_in(knock: Knock) -> Reply:
    """POST /auth/tokens."""
    proofs, scope = login(knock.call.json_object())
    issued = await knock.identity.log_in(proofs, scope)
    with_catalog = "nocatalog" not in knock.call.query
    body = views.token(issued.session, knock.call.base_url, with_catalog=with_catalog)
    headers = {"X-Subject-Token": issued.token, "Vary": "X-Auth-Token"}
    return Reply(status=201, body={"token": body}, headers=headers)


async def check(knock: Knock) -> Reply:
    """GET and HEAD /auth/tokens."""
    session = await _subject(knock)
    with_catalog = "nocatalog" not in knock.call.query
    body = views.token(session, knock.call.base_url, with_catalog=with_catalog)
    headers = {
        "X-Subject-Token": knock.call.header("x-subject-token"),
        "Vary": "X-Auth-Token",
    }
    return Reply(body={"token": body}, headers=headers)


async def revoke(knock: Knock) -> Reply:
    """DELETE /auth/tokens."""
    await _subject(knock)
    await knock.identity.revoke(knock.call.header("x-subject-token"))
    return empty(204)


async def catalog(knock: Knock) -> Reply:
    """GET /auth/catalog."""
    project = knock.sender.project
    if project is None:
        raise Forbidden("The token is not scoped to a project, so it has no catalog.")
    rows = service_catalog(knock.call.base_url, project.id)
    return Reply(body=views.listing("catalog", rows, knock.call.base_url, "auth/catalog"))


async def projects(knock: Knock) -> Reply:
    """GET /auth/projects."""
    base = knock.call.base_url
    found = await knock.identity.projects_of(knock.sender.user)
    rows = [views.project(project, base) for project in found]
    return Reply(body=views.listing("projects", rows, base, "auth/projects"))


async def domains(knock: Knock) -> Reply:
    """GET /auth/domains: nobody has a role on the domain itself."""
    return Reply(body=views.listing("domains", [], knock.call.base_url, "auth/domains"))


async def _subject(knock: Knock) -> Session:
    """The session of the token asked about: one's own, or, for an admin, anyone's."""
    token = knock.call.header("x-subject-token")
    if not token:
        raise MantleError("X-Subject-Token is missing. Send the token to ask about in it.")
    try:
        session = await knock.identity.session(token)
    except Unauthorized:
        raise NotFound("Could not find the token asked about.") from None
    if session.user.id != knock.sender.user.id and "admin" not in knock.sender.roles:
        raise Forbidden(NOT_AUTHORIZED)
    return session
