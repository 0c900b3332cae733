"""Every endpoint with every role, and with the token of another project.

The tables of routes are the source: an endpoint added without a thought for who may use it is in
these tests from its first day.
"""

import httpx
import pytest
from litestar import Litestar

from mantle.access.policy import POLICY, allows
from mantle.api.heat.routes import ROUTES
from mantle.api.identity.endpoint import ROUTES as IDENTITY_ROUTES

TEMPLATE = {
    "heat_template_version": "2016-04-08",
    "resources": {"r": {"type": "OS::Heat::TestResource"}},
    "outputs": {"o": {"value": 1}},
}
ROLES = {"root": "admin", "maker": "member", "looker": "reader"}


@pytest.fixture(scope="module")
def names(people):
    """What stands for each name in a route's path; all of it belongs to one project."""
    path = people["maker"].create("guarded", TEMPLATE)
    return {
        "name": "guarded",
        "id": path.rsplit("/", 1)[-1],
        "resource": "r",
        "key": "o",
        "event": "none",
        "type": "OS::Heat::None",
        "version": "heat_template_version.2016-04-08",
        "config": "none",
        "deployment": "none",
        "server": "none",
        "snapshot": "none",
    }


def filled(path: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path
    return path


def label(route) -> str:
    return f"{route.method} {route.path}"


def test_every_route_names_a_deed():
    """No endpoint of Heat's is without a policy, and no deed without an endpoint or reason."""
    deeds = {route.deed for route in ROUTES}
    assert deeds <= set(POLICY)
    own = {"plans:create", "plans:show", "operations:index", "operations:show", "clouds:index"}
    own |= {"plans:index", "plans:apply", "plans:delete", "stacks:guard"}
    own |= {"drift:show", "drift:check", "drift:set", "clouds:unmanaged", "clouds:generate"}
    own |= {f"moves:{deed}" for deed in ("create", "show", "apply", "delete")}
    own |= {f"operations:{deed}" for deed in ("retry", "skip", "cancel", "take_over")}
    own |= {"operations:all_projects"}
    own |= {f"policies:{deed}" for deed in ("index", "show", "test", "set", "delete", "operator")}
    own |= {"reconcile:show", "reconcile:apply"}
    own |= {"limits:index", "limits:set", "admin:purge", "types:cloudwide"}
    own |= {"secrets:index", "secrets:create", "secrets:delete"}
    own |= {"servers:index", "hosts:index", "hosts:set"}
    own |= {f"sweeps:{deed}" for deed in ("index", "show", "power", "resize", "migrate", "cancel")}
    assert set(POLICY) - deeds == own | {"self:show", "stacks:index_all_projects"}


@pytest.mark.parametrize("route", ROUTES, ids=label)
@pytest.mark.parametrize("person", ROLES)
def test_a_role_may_exactly_what_the_policy_says(people, names, route, person):
    """403 before anything is read where it does not; anything but 403 where it does."""
    if route.method == "DELETE" and allows({ROLES[person]}, route.deed):
        names = names | {"id": "none"}
    answer = people[person].heat.request(route.method, "/" + filled(route.path, names), json={})
    refused = answer.status_code == 403
    assert refused is not allows({ROLES[person]}, route.deed), answer.text
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize("route", ROUTES, ids=label)
def test_a_foreign_project_is_403_on_every_route(people, names, route):
    """A token of project A does nothing under the address of project B."""
    stranger, ours = people["stranger"], people["maker"]
    url = f"{ours.heat.base_url}{filled(route.path, names)}"
    answer = stranger.heat.request(route.method, url, json={})
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "HTTPForbidden")


@pytest.mark.parametrize("route", [one for one in ROUTES if "{name}" in one.path], ids=label)
def test_a_foreign_stack_is_404_on_every_route(people, names, route):
    """Under one's own address another project's stack does not exist, by name or by id."""
    stranger = people["stranger"]
    body = {"mark_unhealthy": True} if route.path.endswith("{resource}") else {"suspend": None}
    if "{id}" in route.path and route.deed in {"stacks:update", "stacks:preview"}:
        body = {"template": TEMPLATE}
    answer = stranger.heat.request(route.method, "/" + filled(route.path, names), json=body)
    assert answer.status_code == 404, answer.text
    if "{id}" not in route.path:
        by_id = filled(route.path.replace("{name}", "{id}"), names)
        assert stranger.heat.request(route.method, f"/{by_id}", json=body).status_code == 404


def test_foreign_configs_and_deployments_are_404(people):
    """And are in no listing."""
    maker, stranger = people["maker"], people["stranger"]
    config = maker.heat.post("/software_configs", json={"name": "ours"}).json()["software_config"]
    asked = {"config_id": config["id"], "server_id": "s9"}
    made = maker.heat.post("/software_deployments", json=asked).json()["software_deployment"]
    assert stranger.heat.get(f"/software_configs/{config['id']}").status_code == 404
    assert stranger.heat.delete(f"/software_configs/{config['id']}").status_code == 404
    here = f"/software_deployments/{made['id']}"
    for method in ("GET", "PUT", "DELETE"):
        assert stranger.heat.request(method, here, json={}).status_code == 404
    assert stranger.heat.post("/software_deployments", json=asked).status_code == 404
    assert stranger.heat.get("/software_configs").json() == {"software_configs": []}
    assert stranger.heat.get("/software_deployments/metadata/s9").json() == {"metadata": []}


def test_only_an_admin_lists_every_project(people):
    """`global_tenant` adds the project to each row."""
    assert people["maker"].heat.get("/stacks?global_tenant=true").status_code == 403
    rows = people["root"].heat.get("/stacks?global_tenant=true").json()["stacks"]
    assert {row["project"] for row in rows} >= {people["maker"].project_id}


def test_a_reader_sees_no_secret_attributes(people):
    """Whoever may only read is not shown what lets others signal."""
    template = {
        "heat_template_version": "2016-04-08",
        "resources": {"h": {"type": "OS::Heat::WaitConditionHandle"}},
    }
    path = people["maker"].create("handles", template) + "/resources/h"
    seen = {
        name: people[name].heat.get(path).json()["resource"]["attributes"]
        for name in ("maker", "looker")
    }
    assert "signal/" in str(seen["maker"])
    assert "signal/" not in str(seen["looker"])


# --- /v2 -------------------------------------------------------------------------------------

OWN = [
    ("GET", "/stacks", "stacks:index"),
    ("POST", "/stacks", "stacks:create"),
    ("POST", "/validate", "stacks:validate"),
    ("GET", "/stacks/{name}", "stacks:show"),
    ("PUT", "/stacks/{name}", "stacks:update"),
    ("DELETE", "/stacks/nobody", "stacks:delete"),
    ("POST", "/stacks/{name}/cancel", "stacks:action"),
    ("GET", "/stacks/{name}/drift", "drift:show"),
    ("POST", "/stacks/{name}/drift/check", "drift:check"),
    ("GET", "/drift", "drift:show"),
    ("GET", "/stacks/{name}/drift/policy", "drift:show"),
    ("PUT", "/stacks/{name}/drift/policy", "drift:set"),
    ("DELETE", "/stacks/{name}/drift/policy", "drift:set"),
    ("POST", "/stacks/{name}/drift/correct", "drift:set"),
    ("POST", "/stacks/{name}/drift/accept", "stacks:update"),
    ("GET", "/stacks/{name}/hooks", "stacks:show"),
    ("GET", "/stacks/{name}/sinks", "events:index"),
    ("GET", "/secrets", "secrets:index"),
    ("POST", "/secrets", "secrets:create"),
    ("DELETE", "/secrets/nobody", "secrets:delete"),
    ("GET", "/stacks/{name}/snapshots", "snapshots:index"),
    ("POST", "/stacks/{name}/snapshots", "snapshots:create"),
    ("DELETE", "/stacks/{name}/snapshots/none", "snapshots:delete"),
    ("POST", "/stacks/{name}/snapshots/none/restore", "snapshots:restore"),
    ("GET", "/stacks/{name}/export", "stacks:export"),
    ("POST", "/stacks/nobody/abandon", "stacks:abandon"),
    ("POST", "/stacks/adopt", "stacks:create"),
    ("POST", "/stacks/{name}/hooks/clear", "resources:signal"),
    ("GET", "/stacks/{name}/signals?resource=r", "resources:signal"),
    ("POST", "/stacks/{name}/signals", "resources:signal"),
    ("GET", "/stacks/{name}/resources", "resources:index"),
    ("GET", "/stacks/{name}/events", "events:index"),
    ("GET", "/stacks/{name}/events/stream", "events:index"),
    ("GET", "/stacks/{name}/guard", "stacks:show"),
    ("PUT", "/stacks/{name}/protection", "stacks:guard"),
    ("PUT", "/stacks/{name}/lifetime", "stacks:guard"),
    ("GET", "/policies", "policies:index"),
    ("POST", "/policies/test", "policies:test"),
    ("GET", "/policies/nobody", "policies:show"),
    ("PUT", "/policies/nobody", "policies:set"),
    ("DELETE", "/policies/nobody", "policies:delete"),
    ("POST", "/plans", "plans:create"),
    ("GET", "/plans", "plans:index"),
    ("GET", "/plans/none", "plans:show"),
    ("GET", "/plans/none/diff", "plans:show"),
    ("POST", "/plans/none/apply", "plans:apply"),
    ("POST", "/plans/none/continue", "plans:apply"),
    ("DELETE", "/plans/none", "plans:delete"),
    ("POST", "/moves", "moves:create"),
    ("GET", "/moves", "moves:show"),
    ("GET", "/moves/none", "moves:show"),
    ("POST", "/moves/none/apply", "moves:apply"),
    ("DELETE", "/moves/none", "moves:delete"),
    ("GET", "/operations", "operations:index"),
    ("GET", "/operations/none", "operations:show"),
    ("GET", "/operations/none/explain", "operations:show"),
    ("POST", "/operations/none/retry", "operations:retry"),
    ("POST", "/operations/none/skip", "operations:skip"),
    ("POST", "/operations/none/take-over", "operations:take_over"),
    ("POST", "/operations/none/cancel", "operations:cancel"),
    ("GET", "/clouds", "clouds:index"),
    ("GET", "/clouds/simulated", "clouds:index"),
    ("GET", "/clouds/simulated/unmanaged", "clouds:unmanaged"),
    ("POST", "/clouds/simulated/generate", "clouds:generate"),
    ("POST", "/clouds/simulated/adopt", "stacks:create"),
    ("GET", "/clouds/simulated/hosts", "hosts:index"),
    ("GET", "/clouds/simulated/hosts/nobody/servers", "hosts:index"),
    ("GET", "/clouds/simulated/services", "hosts:index"),
    ("POST", "/clouds/simulated/services/nobody", "hosts:set"),
    ("GET", "/servers", "servers:index"),
    ("GET", "/sweeps", "sweeps:index"),
    ("POST", "/sweeps", "sweeps:power"),
    ("GET", "/sweeps/none", "sweeps:show"),
    ("GET", "/sweeps/none/stream", "sweeps:show"),
    ("POST", "/sweeps/none/apply", "sweeps:power"),
    ("POST", "/sweeps/none/cancel", "sweeps:cancel"),
    ("GET", "/limits", "limits:index"),
    ("PUT", "/limits/none/nobody", "limits:set"),
    ("DELETE", "/limits/none/nobody", "limits:set"),
    ("POST", "/admin/purge", "admin:purge"),
    ("POST", "/reconcile/plan", "reconcile:show"),
    ("POST", "/reconcile/apply", "reconcile:apply"),
    ("GET", "/whoami", "self:show"),
]
BODIES = {
    ("POST", "/clouds/simulated/services/nobody"): {"enabled": False, "reason": "r"},
    ("POST", "/sweeps"): {"verb": "reboot", "selector": {"names": ["nobody"]}},
    ("POST", "/secrets"): {"name": "", "payload": "x"},
    ("PUT", "/limits/none/nobody"): {"limit": 1},
    ("POST", "/admin/purge"): {"older_than_seconds": 1e9},
    ("POST", "/reconcile/apply"): {},
    ("POST", "/validate"): {"template": TEMPLATE},
    ("PUT", "/stacks/{name}/drift/policy"): {"policy": "alert"},
    ("POST", "/stacks/adopt"): {"stack_name": "nothing", "document": {}},
    ("POST", "/stacks/{name}/snapshots"): {"name": "n" * 300},
    ("POST", "/plans/none/apply"): {},
    ("POST", "/clouds/simulated/generate"): {"stack_name": "taken"},
    ("POST", "/clouds/simulated/adopt"): {"stack_name": "taken"},
    ("POST", "/moves"): {"kind": "rename_stack", "source": "guarded", "name": "guarded"},
    ("POST", "/stacks/{name}/signals"): {"resource": "r"},
    ("POST", "/stacks/{name}/hooks/clear"): {"resource": "nothing", "hook": "pre-create"},
    ("PUT", "/stacks/{name}/protection"): {"protected": False},
    ("PUT", "/stacks/{name}/lifetime"): {"ttl_seconds": None},
    ("POST", "/policies/test"): {"expression": "true"},
    ("PUT", "/policies/nobody"): {"effect": "deny", "expression": ""},
    ("POST", "/operations/none/retry"): {},
    ("POST", "/operations/none/skip"): {"step": "create r"},
    ("POST", "/operations/none/take-over"): {},
    ("POST", "/operations/none/cancel"): {},
    ("POST", "/stacks"): {"stack_name": "guarded", "template": TEMPLATE},
    ("PUT", "/stacks/{name}"): {"existing": True, "timeout_minutes": 0, "parameters": {"x": 1}},
    ("POST", "/plans"): {"action": "delete", "stack_name": "guarded"},
    ("POST", "/stacks/{name}/cancel"): {"rollback": True},
}


def test_the_table_of_own_routes_is_complete(server):
    """Whatever the application serves under /v2 is in the table above."""
    document = httpx.get(f"{server.base}/v2/openapi.json").json()
    served = {
        (method.upper(), path.removeprefix("/v2").replace("{name_or_id}", "{name}").rstrip("/"))
        for path, item in document["paths"].items()
        for method in item
    }
    tabled = {
        (method, path.partition("?")[0].replace("none", "{id}").replace("nobody", "{name}"))
        for method, path, _ in OWN
    }
    renamed = {
        (
            method,
            path.replace("{snapshot_id}", "{id}")
            .replace("{project_id}", "{id}")
            .replace("{plan_id}", "{id}")
            .replace("{move_id}", "{id}")
            .replace("{operation_id}", "{id}")
            .replace("{sweep_id}", "{id}")
            .replace("{cloud}", "{name}")
            .replace("{host}", "{name}")
            .replace("{service}", "{name}"),
        )
        for method, path in served
    }
    assert renamed == {
        (method, path.replace("/clouds/simulated", "/clouds/{name}")) for method, path in tabled
    }
    assert Litestar


@pytest.mark.parametrize(("method", "path", "deed"), OWN)
@pytest.mark.parametrize("person", ROLES)
def test_own_routes_follow_the_policy(people, names, method, path, deed, person):
    """The same table as Heat's API."""
    body = BODIES.get((method, path))
    answer = people[person].own.request(method, filled(path, names), json=body)
    assert (answer.status_code == 403) is not allows({ROLES[person]}, deed), answer.text
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize(("method", "path", "deed"), [row for row in OWN if "{name}" in row[1]])
def test_own_routes_hide_foreign_stacks(people, names, method, path, deed):
    """By name and by id."""
    body = BODIES.get((method, path))
    for named in (path, path.replace("{name}", "{id}")):
        answer = people["stranger"].own.request(method, filled(named, names), json=body)
        assert answer.status_code == 404


def test_foreign_plans_and_operations_are_404(people):
    """Knowing the id does not help."""
    maker, stranger = people["maker"], people["stranger"]
    body = {"action": "delete", "stack_name": "guarded"}
    plan = maker.own.post("/plans", json=body).json()["plan_id"]
    (operation, *_) = maker.own.get("/operations").json()["operations"]
    assert maker.own.get(f"/plans/{plan}").status_code == 200
    assert stranger.own.get(f"/plans/{plan}").status_code == 404
    assert stranger.own.get(f"/operations/{operation['id']}").status_code == 404
    for verb in ("retry", "skip", "cancel"):
        where = f"/operations/{operation['id']}/{verb}"
        assert stranger.own.post(where, json={"step": "create r"}).status_code == 404
    assert stranger.own.post("/plans", json=body).status_code == 404


# --- identity --------------------------------------------------------------------------------

FOR_ALL = {
    "POST auth/tokens",
    "GET auth/tokens",
    "HEAD auth/tokens",
    "DELETE auth/tokens",
    "GET auth/catalog",
    "GET auth/projects",
    "GET auth/domains",
    "GET roles",
    "GET roles/{role}",
    "GET domains",
    "GET domains/{domain}",
}
OWN_KEYS = {
    ("GET", "credentials"): 200,
    ("POST", "credentials"): 400,
    ("GET", "credentials/{credential}"): 404,
    ("DELETE", "credentials/{credential}"): 404,
}
"""One's own access keys, without the user's name in the path: another's are not there."""


@pytest.mark.parametrize(
    "route", [one for one in IDENTITY_ROUTES if label(one) not in FOR_ALL], ids=label
)
def test_accounts_are_for_admins_and_their_owner(people, base, route):
    """A member does nothing to another's account, and nothing at all to projects and grants."""
    path = route.path.format(
        user="u-stranger", project="p-theirs", role="admin", credential="none", access="none"
    )
    headers = {"X-Auth-Token": people["maker"].token}
    answer = httpx.request(route.method, f"{base}/identity/v3/{path}", headers=headers, json={})
    assert answer.status_code == OWN_KEYS.get((route.method, route.path), 403), answer.text
    assert httpx.request(route.method, f"{base}/identity/v3/{path}").status_code == 401
