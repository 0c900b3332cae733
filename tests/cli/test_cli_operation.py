"""`mantle operation` against a served `/v2`: what is sent, what is shown, and how it exits."""

import json

import pytest

OPERATION = {
    "id": "op-1",
    "stack_id": "s",
    "action": "CREATE",
    "status": "running",
    "reason": "",
    "steps_total": 3,
    "steps_done": 1,
    "started_at": "2026-11-21T08:00:00Z",
    "stuck": [],
}
ASKED = {
    "id": "i",
    "verb": "skip",
    "step": "create web",
    "why": "no quota",
    "by": "ann",
    "asked_at": "2026-11-21T08:01:00Z",
    "before": "failed: quota",
    "settled_at": None,
    "honoured": False,
    "outcome": "",
    "resources": [],
}


def step(key, state, **more):
    return {
        "key": key,
        "resource": key.split()[1],
        "state": state,
        "said": "",
        "since": None,
        "until": None,
        "waits_for": [],
        "calls": 0,
        "errors": 0,
        "last_error": "",
        "error_at": None,
        "next_look_at": None,
        "inner": None,
        "verbs": [],
    } | more


EXPLAINED = {
    "operation": OPERATION,
    "engine": {"id": "e1", "host": "h", "beat_at": None, "epoch": 2, "lease_age_seconds": 4.2},
    "behind": None,
    "steps": [
        step("create net", "done"),
        step(
            "create web",
            "running",
            said="no room",
            since="08:00",
            errors=7,
            calls=7,
            error_at="08:05",
            next_look_at="08:06",
            verbs=["retry", "skip"],
        ),
        step("create dns", "blocked", waits_for=["create web"], verbs=["skip", "cancel"]),
    ],
    "troubles": [{"kind": "retrying", "remedy": "mend that"}],
    "stuck": True,
    "next": "web: asked again",
    "verbs": ["take-over", "cancel"],
    "interventions": [ASKED],
}


def test_an_explanation_says_holder_steps_verbs_and_what_was_asked(shelf, mantle):
    """One line a step, with its verbs; steps that are done are left out."""
    shelf.put("GET", "/v2/operations/op-1/explain", EXPLAINED)
    code, out, _ = mantle("operation", "explain", "op-1")
    assert code == 0
    assert out.splitlines() == [
        "operation  CREATE running, 1 of 3 steps",
        "held by    e1 on h (epoch 2), heard of 4 s ago",
        "next       web: asked again",
        "verbs      take-over, cancel",
        "! retrying: mend that",
        "step\tstate\tsince\twhat\tnext look\tverbs",
        "create web\trunning\t08:00\tno room; refused 7 times, last at 08:05\t08:06\tretry, skip",
        "create dns\tblocked\t\tbehind create web\t\tskip, cancel",
        "2026-11-21T08:01:00Z  ann: skip create web (no quota): not done yet",
    ]


def test_stuck_operations_are_listed_with_what_keeps_them(shelf, mantle):
    """`--stuck` asks the server for them."""
    stuck = {**OPERATION, "stuck": ["A call has not come back"]}
    shelf.put("GET", "/v2/operations", {"operations": [stuck]})
    code, out, _ = mantle("operation", "list", "--stuck")
    assert code == 0
    assert out.splitlines()[1].split("\t")[-1] == "A call has not come back"


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (["retry", "op-1"], "retry", {"step": "", "why": ""}),
        (["retry", "op-1", "web", "--why", "x"], "retry", {"step": "web", "why": "x"}),
        (["skip", "op-1", "create web"], "skip", {"step": "create web", "why": ""}),
        (["take-over", "op-1"], "take-over", {"step": "", "why": ""}),
        (
            ["cancel", "op-1", "web", "--continue"],
            "cancel",
            {"step": "web", "why": "", "go_on": True, "rollback": False, "now": False},
        ),
        (
            ["cancel", "op-1", "--now", "--rollback"],
            "cancel",
            {"step": "", "why": "", "go_on": False, "rollback": True, "now": True},
        ),
    ],
)
def test_a_verb_sends_what_was_asked(shelf, mantle, words, path, body):
    """And says what came of it."""
    answer = {"intervention": ASKED, "operation": OPERATION}
    shelf.put("POST", f"/v2/operations/op-1/{path}", answer, 202)
    code, out, _ = mantle("operation", *words)
    assert code == 0
    assert shelf.sent("POST", f"/v2/operations/op-1/{path}") == [body]
    assert out.splitlines() == [
        f"{words[0]} of 'create web': the engine comes to it. It was failed: quota.",
        "See: mantle operation explain op-1",
    ]


def test_with_json_the_answer_is_one_document(shelf, mantle):
    """Nothing is mixed into it."""
    answer = {"intervention": ASKED, "operation": OPERATION}
    shelf.put("POST", "/v2/operations/op-1/retry", answer, 202)
    code, out, _ = mantle("operation", "retry", "op-1", "--json")
    assert (code, json.loads(out)) == (0, answer)


def test_a_refused_verb_exits_6_with_the_remedy(shelf, mantle):
    """The state does not allow it."""
    shelf.fault(
        "POST",
        "/v2/operations/op-1/retry",
        409,
        "it is complete.",
        kind="Conflict",
        remedy="Update the stack.",
    )
    code, _, err = mantle("operation", "retry", "op-1")
    assert code == 6
    assert "it is complete." in err
    assert "Update the stack." in err


def test_a_skip_needs_a_step(mantle, home):
    """Nothing is sent."""
    code, _, _ = mantle("operation", "skip", "op-1")
    assert (code, home.exists()) == (2, True)
