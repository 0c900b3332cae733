"""What user_data means, decided before anything runs."""

import contextlib
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mantle.clouds.local.boot import boot_parts
from mantle.clouds.ports import Refused

MULTIPART = """\
Content-Type: multipart/mixed; boundary="=="
MIME-Version: 1.0

--==
Content-Type: text/x-shellscript; charset="utf-8"
Content-Disposition: attachment; filename="first.sh"

#!/bin/sh
echo first
--==
Content-Type: text/cloud-config

runcmd:
  - echo second
--==
Content-Type: text/plain

#!/bin/sh
echo third
--==--
"""


def run(part, folder):
    path = folder / "part"
    path.write_bytes(part.content)
    path.chmod(0o700)
    return subprocess.run([str(path)], cwd=folder, capture_output=True, text=True, check=False)


def test_a_script_is_run_as_it_is():
    """Its own first line says by what."""
    (part,) = boot_parts("#!/usr/bin/env python3\nprint(1)\n")
    assert part.content == b"#!/usr/bin/env python3\nprint(1)\n"


def test_nothing_boots_nothing():
    """An empty user_data, or one of blanks, is a server without a program."""
    assert boot_parts("") == boot_parts(" \n") == ()


def test_the_parts_of_a_multipart_run_in_order(tmp_path):
    """Scripts, cloud-configs and plain text that is one of them."""
    parts = boot_parts(MULTIPART)
    assert [run(part, tmp_path).stdout for part in parts] == ["first\n", "second\n", "third\n"]
    assert parts[0].name == "first.sh"


def test_cloud_config_writes_files_then_runs_commands(tmp_path):
    """A list is one command with its arguments; a text is for the shell."""
    (part,) = boot_parts(
        "#cloud-config\n"
        "runcmd:\n  - [cat, 'a b/c.txt']\n  - echo $((1 + 1))\n"
        "write_files:\n"
        "  - {path: 'a b/c.txt', content: \"it's\\n\", permissions: '0600'}\n"
        "  - {path: 'a b/c.txt', content: bW9yZQo=, encoding: b64, append: true}\n"
    )
    done = run(part, tmp_path)
    assert (done.stdout, done.returncode) == ("it's\nmore\n2\n", 0)


def test_the_last_command_decides(tmp_path):
    """Its exit code is the boot's, also when a final message is printed."""
    (part,) = boot_parts("#cloud-config\nruncmd: [exit-not-there]\nfinal_message: done\n")
    done = run(part, tmp_path)
    assert (done.stdout, done.returncode) == ("done\n", 127)


@pytest.mark.parametrize(
    ("user_data", "words"),
    [
        ("#cloud-config\npackages: [nginx]\n", "packages.*cannot install packages"),
        ("#cloud-config\nusers: []\nruncmd: []\n", "users"),
        ("#cloud-config\n- 1\n", "not a mapping"),
        ("#cloud-config\nruncmd: [\n", "not YAML"),
        ("#cloud-config\nruncmd: echo\n", "not a list"),
        ("#cloud-config\nruncmd: [{a: 1}]\n", "neither text nor a list"),
        ("#cloud-config\nwrite_files: [{content: x}]\n", "no path"),
        ("#cloud-config\nwrite_files: [{path: x, owner: root}]\n", "owner"),
        ("echo hello\n", "begins with 'echo hello'"),
        ("x" * 65_536, "65536 bytes"),
        (MULTIPART.replace("text/plain", "text/part-handler"), "text/part-handler"),
    ],
)
def test_what_cannot_be_honoured_is_refused(user_data, words):
    """With the reason, and never skipped."""
    with pytest.raises(Refused, match=words):
        boot_parts(user_data)


@given(st.text(max_size=200), st.sampled_from(["", "#!", "#cloud-config\n", "Content-Type: "]))
def test_any_text_is_understood_or_refused(text, start):
    """Nothing a person can write ends in a traceback."""
    with contextlib.suppress(Refused):
        assert isinstance(boot_parts(start + text), tuple)
