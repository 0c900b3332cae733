"""`mantle stack` against a served `/v2`: what is sent, what is shown, and how it exits."""

import json

from server_of_v2 import PLAN, RENDERED, STACK, event


def test_a_creation_shows_its_plan_then_its_events_then_its_outputs(shelf, mantle, template):
    """In a pipe every event is one line, and nothing is asked."""
    shelf.creates()
    code, out, err = mantle("stack", "create", "web", "-t", str(template))
    assert (code, err) == (0, "")
    assert out == RENDERED + (
        "02:00:01  server  CREATE_IN_PROGRESS\n"
        "02:00:02  server  CREATE_COMPLETE\n"
        "url  http://127.64.0.2:8080\n"
    )


def test_a_creation_sends_the_template_as_text(shelf, mantle, template):
    """The server can then say line and column."""
    shelf.creates()
    mantle("stack", "create", "web", "-t", str(template), "-p", "a=b=c", "--rollback")
    (sent,) = shelf.sent("POST", "/v2/stacks")
    assert sent == {
        "stack_name": "web",
        "cloud": "",
        "template": template.read_text(),
        "template_name": str(template),
        "files": {},
        "parameters": {"a": "b=c"},
        "disable_rollback": False,
    }


def test_json_is_one_document(shelf, mantle, template):
    """Neither plan nor events are mixed into it."""
    shelf.creates()
    code, out, _ = mantle("stack", "create", "web", "-t", str(template), "--json")
    assert code == 0
    assert json.loads(out)["stack"]["status"] == "CREATE_COMPLETE"


def test_no_wait_returns_at_once(shelf, mantle, template):
    """The operation is durable; nobody needs to watch."""
    shelf.creates()
    code, out, _ = mantle("stack", "create", "web", "-t", str(template), "--no-wait")
    assert code == 0
    assert out.endswith(f"web {STACK['id']} accepted; the operation runs.\n")


def test_a_failed_creation_exits_1_and_says_why(shelf, mantle, template):
    """With the command that tells more."""
    shelf.creates(final="CREATE_FAILED", reason="Resource CREATE failed: server: no memory")
    code, out, err = mantle("stack", "create", "web", "-t", str(template))
    assert code == 1
    assert "02:00:02  server  CREATE_FAILED  no memory" in out
    assert err == (
        "error: web ended CREATE_FAILED: Resource CREATE failed: server: no memory\n"
        "  What happened, in order: mantle stack events web\n"
    )


def test_a_rolled_back_creation_is_a_failure(shelf, mantle, template):
    """ROLLBACK_COMPLETE ended well as a rollback, but not as what was asked for."""
    shelf.creates(final="ROLLBACK_COMPLETE")
    assert mantle("stack", "create", "web", "-t", str(template))[0] == 1


def test_problems_show_their_line_with_a_caret(shelf, mantle, template):
    """As a compiler would: place, line, caret, path, remedy."""
    problem = {
        "code": "unknown-type",
        "message": "There is no resource type OS::Nova::Servr.",
        "path": "resources.server.type",
        "file": str(template),
        "line": 4,
        "column": 11,
        "remedy": "Did you mean OS::Nova::Server?",
    }
    shelf.fault("POST", "/v2/plans", 400, "two problems", problems=[problem])
    code, out, err = mantle("stack", "create", "web", "-t", str(template))
    assert (code, out) == (3, "")
    assert err == (
        f"{template}:4:11: error: There is no resource type OS::Nova::Servr.\n"
        "  at resources.server.type\n"
        "  4 |     type: OS::Nova::Servr\n"
        "    |           ^\n"
        "  Did you mean OS::Nova::Server?\n"
        "\n"
        "1 problem; nothing was changed.\n"
    )


def test_every_refusal_has_its_exit_code(shelf, mantle):
    """Scripts tell them apart without reading text."""
    codes = {}
    for status in (400, 401, 403, 404, 409, 500, 503):
        shelf.fault("GET", "/v2/stacks/web", status, "No.")
        codes[status] = mantle("stack", "show", "web")[0]
    assert codes == {400: 3, 401: 5, 403: 5, 404: 4, 409: 6, 500: 8, 503: 8}


def test_a_wrong_command_line_is_usage(shelf, mantle):
    """Unknown verbs, options and malformed parameters all exit 2."""
    assert mantle("stack", "crate")[0] == 2
    assert mantle("stack", "list", "--colour")[0] == 2
    assert mantle("stack", "create", "web")[0] == 2
    assert mantle("stack", "update", "web")[0] == 2


def test_a_parameter_without_a_value_is_named(shelf, mantle, template):
    """The offending text is quoted."""
    code, _, err = mantle("stack", "create", "web", "-t", str(template), "-p", "size")
    assert (code, err) == (2, "error: -p 'size' is not of the form NAME=VALUE.\n")


def test_nobody_answering_exits_7(home, mantle, monkeypatch):
    """The address and where it was read from are named."""
    monkeypatch.setenv("OS_AUTH_URL", "http://127.0.0.1:9/identity/v3")
    monkeypatch.setenv("OS_PASSWORD", "x")
    code, _, err = mantle("stack", "list")
    assert code == 7
    assert err.startswith("error: Mantle does not answer at http://127.0.0.1:9/identity/v3:")


def test_an_update_watches_only_what_is_new(shelf, mantle, template):
    """Events of the creation are not told again: the stream begins after the last of them."""
    shelf.creates()
    shelf.put("GET", "/v2/stacks/web/events", {"events": [event(2, "server", "COMPLETE")]})
    shelf.put("PUT", "/v2/stacks/web", {"stack": STACK, "operation": {}, "plan": None}, 202)
    code, _, _ = mantle("stack", "update", "web", "--existing", "-p", "members=4")
    assert code == 0
    (sent,) = shelf.sent("PUT", "/v2/stacks/web")
    assert sent == {
        "parameters": {"members": "4"},
        "existing": True,
        "clear_parameters": [],
    }


def test_a_deleted_stack_that_is_gone_is_deleted(shelf, mantle):
    """Nothing at the end of a deletion is success."""
    shelf.put("POST", "/v2/plans", {"plan_id": "p", "plan": PLAN, "rendered": "Plan\n"}, 201)
    shelf.put("GET", "/v2/stacks/web/events", {"events": []})
    shelf.put("DELETE", "/v2/stacks/web", {"stack": STACK, "operation": {}, "plan": None}, 202)
    stream = f"/v2/stacks/{STACK['id']}/events/stream"
    shelf.put("GET", stream, [("end", {"operation": {}})])
    assert mantle("stack", "delete", "web")[0] == 0


def test_plan_chooses_between_creation_and_update(shelf, mantle, template):
    """By whether the stack exists."""
    made = {"plan_id": "p", "plan": PLAN, "rendered": RENDERED}
    shelf.put("POST", "/v2/plans", made, 201)
    assert mantle("stack", "plan", "web", "-t", str(template))[:2] == (0, RENDERED)
    shelf.put("GET", "/v2/stacks/web", {"stack": STACK})
    mantle("stack", "plan", "web", "-t", str(template))
    assert [body["action"] for body in shelf.sent("POST", "/v2/plans")] == ["create", "update"]


def test_list_in_a_pipe_is_tab_separated(shelf, mantle):
    """One heading line, then one line a stack."""
    shelf.put("GET", "/v2/stacks", {"stacks": [STACK]})
    _, out, _ = mantle("stack", "list")
    heading, line = out.splitlines()
    assert heading == "name\tstatus\tcreated\tid"
    assert line.split("\t")[::3] == ["web", STACK["id"]]


def test_one_output_is_its_bare_value(shelf, mantle):
    """Made for `curl "$(mantle stack outputs web url)"`."""
    shelf.put("GET", "/v2/stacks/web", {"stack": STACK})
    assert mantle("stack", "outputs", "web", "url") == (0, "http://127.64.0.2:8080\n", "")


def test_an_unknown_output_names_those_there_are(shelf, mantle):
    """And exits 4."""
    shelf.put("GET", "/v2/stacks/web", {"stack": STACK})
    code, _, err = mantle("stack", "outputs", "web", "uri")
    assert (code, err) == (4, "error: Stack 'web' has no output 'uri'.\n  It has: url.\n")


def test_a_name_cannot_leave_its_place_in_the_path(shelf, mantle):
    """Slashes and question marks are part of a name, so the server sees one odd name."""
    assert mantle("stack", "show", "../clouds?x=1")[0] == 4
    assert shelf.requests[-1][1] == "/v2/stacks/..%2Fclouds%3Fx%3D1"


def test_a_refusal_as_json(shelf, mantle):
    """Programs get code, type and message."""
    shelf.fault("GET", "/v2/stacks/web", 404, "The stack 'web' could not be found.")
    code, out, err = mantle("stack", "show", "web", "--json")
    assert (code, err) == (4, "")
    assert json.loads(out)["error"] == {
        "exit_code": 4,
        "type": "EntityNotFound",
        "message": "The stack 'web' could not be found.",
        "remedy": "",
        "problems": [],
    }
