"""The table of all rules. Ids are never used again for something else."""

from mantle.template.lint import clouds, secrets, traps, usage
from mantle.template.lint.rule import Rule, Severity

SYNTAX = "MTL000"
"""Not a rule: what the reader of YAML refuses, and duplicate keys."""

ASKED_OF_THE_CLOUD = "MTL044"
"""Told by lint, which has no cloud; a server that validates asks the cloud instead."""

RULES: tuple[Rule, ...] = (
    Rule(
        id="MTL001", name="join-number", check=traps.join_number,
        title="list_join with a number or boolean",
        why="list_join takes texts, maps and lists. A number or boolean fails, while str_replace "
        "takes both.",
        fix='Quote the literal, or put it through str_replace: {template: "%n%", params: {...}}.',
    ),
    Rule(
        id="MTL002", name="repeat-number", check=traps.repeat_number,
        title="repeat over numbers",
        why="repeat substitutes text, and fails on items that are none.",
        fix="Quote the items.",
    ),
    Rule(
        id="MTL003", name="silent-miss", check=traps.silent_miss,
        title="get_param with a path that leads nowhere",
        why="A path that misses is no error: get_param gives an empty text, and the mistake shows "
        "up in the cloud.",
        fix="Correct the path, or make the parameter a json one that has it.",
    ),
    Rule(
        id="MTL004", name="empty-json", check=traps.empty_json,
        title="json parameter with an empty text",
        why='"" stays a text in a json parameter; functions that want a map fail on it.',
        fix="Write `default: {}`.",
    ),
    Rule(
        id="MTL005", name="list-blanks", check=traps.list_blanks,
        title="blanks or empty items in a comma-delimited list",
        why='Nothing is trimmed: "a, b" holds " b", and "a,,b" an empty item.',
        fix="Leave out the blanks, or write a YAML list.",
    ),
    Rule(
        id="MTL006", name="text-of-map", check=traps.text_of_map,
        title="string parameter with a map or list",
        why="A map given to a string parameter becomes Python's notation of it, which is no JSON.",
        fix="Declare it `type: json`, or comma_delimited_list.",
    ),
    Rule(
        id="MTL007", name="true-text", check=traps.true_text,
        title="boolean in str_replace",
        why='Booleans are written "True" and "False"; most programs want them in lower case.',
        fix='Quote the literal, or choose the text with `if: [condition, "true", "false"]`.',
    ),
    Rule(
        id="MTL008", name="latin-digest", check=traps.latin_digest,
        title="digest of text beyond latin-1",
        why="digest encodes its text as latin-1 and fails on every other character.",
        fix="Keep to latin-1, or give the digest as a parameter.",
    ),
    Rule(
        id="MTL009", name="newer-function", check=traps.newer_function,
        title="function the template's version does not know",
        why="A function newer than the version stays a literal map. Nothing fails before the cloud "
        "is called with it.",
        fix="Raise heat_template_version.",
    ),
    Rule(
        id="MTL010", name="second-constraint", check=traps.second_constraint,
        title="second constraint in one entry",
        why="One entry of `constraints` is one constraint. The others in it are ignored.",
        fix="Give each constraint an entry of its own.",
    ),
    Rule(
        id="MTL011", name="condition-alias", check=traps.condition_alias,
        severity=Severity.ERROR,
        title="condition that is only another's name",
        why="Heat refuses a condition defined as the name of another.",
        fix="Use the other name, or wrap it.",
    ),
    Rule(
        id="MTL012", name="region", check=traps.region, severity=Severity.ERROR,
        title="OS::region",
        why="The pseudo parameter is documented and reserved, and never defined: it always fails.",
        fix="Declare a parameter for the region.",
    ),
    Rule(
        id="MTL013", name="two-keys", check=traps.two_keys,
        title="function with another key beside it",
        why="Only a map with exactly one key can be a call. With two keys it is plain data.",
        fix="Remove the other key; look at the indentation.",
    ),
    Rule(
        id="MTL014", name="condition-function", check=traps.condition_function,
        title="condition function outside of a condition",
        why="`equals`, `not`, `and` and `or` are functions in conditions only.",
        fix="Define a condition and choose with `if`.",
    ),
    Rule(
        id="MTL015", name="null-attribute", check=traps.null_attribute, severity=Severity.NOTE,
        title="path into an attribute inside a text",
        why="A path that misses in get_attr is null, and null in a text is nothing at all.",
        fix="Use str_replace_vstrict (since 2017-09-01), which fails instead.",
    ),
    Rule(
        id="MTL020", name="unused-parameter", check=usage.unused_parameter,
        title="parameter that is not used",
        why="Whoever gives it a value believes that it does something.",
        fix="Remove it.",
    ),
    Rule(
        id="MTL021", name="unused-condition", check=usage.unused_condition,
        title="condition that is not used", fixable=True,
        why="It decides nothing.",
        fix="Remove it.",
    ),
    Rule(
        id="MTL022", name="implied-dependency", check=usage.implied_dependency, fixable=True,
        title="depends_on that a reference implies",
        why="get_resource and get_attr make the dependency; saying it again hides which "
        "depends_on matter.",
        fix="Remove it from depends_on.",
    ),
    Rule(
        id="MTL023", name="case-only", check=usage.case_only,
        title="names that differ by case only",
        why="Both exist, and each is easily taken for the other.",
        fix="Rename one.",
    ),
    Rule(
        id="MTL024", name="live-attribute", check=usage.live_attribute,
        title="`show` in a resource's properties",
        why="`show` is read from the cloud each time and holds times and states, so every update "
        "of the stack may change, or replace, what is made from it.",
        fix="Read the one attribute that is meant.",
    ),
    Rule(
        id="MTL025", name="own-attribute", check=usage.own_attribute, severity=Severity.ERROR,
        title="resource that refers to itself",
        why="It would have to exist before it is made.",
        fix="Move the value into metadata of another resource, or an output.",
    ),
    Rule(
        id="MTL026", name="old-version", check=usage.old_version, severity=Severity.NOTE,
        title="very old template version",
        why="Versions before 2016-10-14 lack conditions, `if`, map_replace, yaql and external_id.",
        fix='Write heat_template_version: "2021-04-16".',
    ),
    Rule(
        id="MTL027", name="drift-policy", check=usage.odd_drift_policy,
        title="`mantle:drift` with an unknown word",
        why="Drift of the resource would be handled as if nothing were said.",
        fix="Write alert, ignore, accept or correct.",
    ),
    Rule(
        id="MTL030", name="secret-shown", check=secrets.not_hidden,
        title="secret parameter that is not hidden",
        why="Its value is shown to everyone who may see the stack.",
        fix="Add `hidden: true`.",
    ),
    Rule(
        id="MTL031", name="secret-literal", check=secrets.hard_coded,
        title="secret in a property",
        why="The template is stored, shown and kept in version control.",
        fix="Read it from a hidden parameter or from OS::Barbican::Secret.",
    ),
    Rule(
        id="MTL032", name="secret-default", check=secrets.default_secret,
        title="secret as a default",
        why="A default is part of the template, and is in use wherever nobody gave a value.",
        fix="Remove the default.",
    ),
    Rule(
        id="MTL033", name="leaking-output", check=secrets.leaking_output,
        title="output that shows a hidden parameter",
        why="Outputs are shown in clear text.",
        fix="Remove the output.",
    ),
    Rule(
        id="MTL040", name="old-type", check=clouds.old_type,
        title="deprecated resource type",
        why="New clouds do not offer it.",
        fix="Use its successor.",
    ),
    Rule(
        id="MTL041", name="old-property", check=clouds.old_property, fixable=True,
        title="deprecated property",
        why="It has another name by now.",
        fix="Use the new name.",
    ),
    Rule(
        id="MTL042", name="open-ssh", check=clouds.open_ssh,
        title="SSH or remote desktop open to the world",
        why="Whatever listens there is found and tried within minutes.",
        fix="Name the networks you come from in remote_ip_prefix.",
    ),
    Rule(
        id="MTL043", name="replacement", check=clouds.replacement, severity=Severity.NOTE,
        title="parameter whose change replaces a resource",
        why="Replacing a server or volume loses what is on it.",
        fix="Declare the parameter `immutable: true`, or look at the plan before every update.",
    ),
    Rule(
        id=ASKED_OF_THE_CLOUD, name="asked-of-the-cloud", check=clouds.asked_of_the_cloud,
        severity=Severity.NOTE,
        title="constraint that only a cloud can check",
        why="Which flavors, images and networks there are, the target cloud knows. Without one "
        "the values are not checked.",
        fix="Run `mantle template validate`, which has the cloud asked.",
    ),
)  # fmt: skip
