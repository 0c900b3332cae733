"""The functional tests of the Heat project itself, from `heat-tempest-plugin`, run by stestr.

They log in at the embedded Keystone v3 and drive Heat's API with Heat's own client library. Those
that need a service beside Heat and Keystone (they speak to Nova, Neutron or Zaqar themselves) are
left out, each with its reason.
"""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

PACKAGE = "heat_tempest_plugin.tests.functional."

NEUTRON = "speaks to Neutron itself, with its own client"
GLANCE = "speaks to Nova and Glance themselves, with their own clients"
ZAQAR = "needs a Zaqar service"

LEFT_OUT = {
    "test_create_update_neutron_port.": NEUTRON,
    "test_create_update_neutron_subnet.": NEUTRON,
    "test_create_update_neutron_trunk.": NEUTRON,
    "test_encryption_vol_type.": "speaks to Cinder itself, with its own client",
    "test_event_sinks.": ZAQAR,
    "test_extra_route_set.": NEUTRON,
    "test_nova_server_networks.": GLANCE,
    "test_os_wait_condition.": "boots a guest image from Glance that calls back over the network",
    "test_remote_stack.RemoteStackTest.test_stack_create_with_cloud_credential": (
        "reads a credential from Barbican"
    ),
    "test_software_config.ParallelDeploymentsTest.": GLANCE,
    "test_software_config.ZaqarSignalTransportTest.": ZAQAR,
    "test_waitcondition.": ZAQAR,
}
"""The beginning of a test's name, and why it is not run."""

RUN = {
    "test_encrypted_parameter.EncryptedParametersTest": 1,
    "test_external_ref.ExternalReferencesTest": 3,
    "test_hooks.HooksTest": 6,
    "test_preview.StackPreviewTest": 4,
    "test_remote_stack.RemoteStackTest": 6,
    "test_resources_list.ResourcesList": 2,
    "test_stack_events.StackEventsTest": 1,
    "test_stack_outputs.StackOutputsTest": 3,
    "test_stack_tags.StackTagTest": 2,
    "test_template_validate.StackTemplateValidateTest": 9,
    "test_templates.TemplateAPITest": 3,
    "test_unicode_template.StackUnicodeTemplateTest": 4,
}
"""Each class that is run, and how many of its tests; 44 in all."""

CONFIGURATION = """
[oslo_concurrency]
lock_path = {folder}
[service_available]
heat_plugin = true
nova = false
neutron = false
cinder = false
glance = false
[heat_plugin]
auth_url = {auth_url}
username = {username}
password = {password}
project_name = {project_name}
user_domain_name = Default
project_domain_name = Default
user_domain_id = default
project_domain_id = default
region = {region}
minimal_image_ref = cirros
minimal_instance_type = m1.small
fixed_network_name = public
hidden_stack_tag = data-processing-cluster
build_interval = 1
build_timeout = 60
[heat_features_enabled]
stack_cancel = true
multi_cloud = true
"""


@pytest.fixture(scope="session")
def outcomes(plane, clients, tmp_path_factory) -> Mapping[str, str]:
    """What stestr says of each test, by its name below `PACKAGE`; one run for all."""
    folder = tmp_path_factory.mktemp("tempest")
    (tests,) = clients.glob("lib/python3*/site-packages/heat_tempest_plugin/tests/functional")
    cloud = yaml.safe_load((plane.folder / "data" / "clouds.yaml").read_text())["clouds"]["mantle"]
    (folder / "tempest.conf").write_text(
        CONFIGURATION.format(folder=folder, region=cloud["region_name"], **cloud["auth"])
    )
    (folder / ".stestr.conf").write_text(
        f"[DEFAULT]\ntest_path={tests}\ntop_dir={tests.parents[2]}\n"
    )
    environment = plane.environment | {
        "TEMPEST_CONFIG_DIR": str(folder),
        "TEMPEST_CONFIG": "tempest.conf",
        "PYTHONWARNINGS": "ignore",
    }
    excluded = "|".join(re.escape(start) for start in LEFT_OUT)
    stestr = clients / "bin" / "stestr"
    for command in (
        ["init"],
        ["run", "--concurrency", "2", "--exclude-regex", rf"functional\.({excluded})"],
    ):
        done = subprocess.run(
            [stestr, *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    said = done.stdout + done.stderr
    found = dict(
        re.findall(rf"{re.escape(PACKAGE)}(\S+?)(?:\[\S*\])? (?:\[[\d.]+s\] )?\.\.\. (\w+)", said)
    )
    (folder / "output").write_text(said)
    assert found, said
    print(said)
    return found


@pytest.mark.parametrize("name", RUN)
def test_the_heat_projects_own_functional_tests_pass(outcomes: Mapping[str, str], name: str):
    """Every test of the class was run and passed; none skipped itself."""
    ended = {test: how for test, how in outcomes.items() if test.startswith(f"{name}.")}
    assert set(ended.values()) == {"ok"}, ended
    assert len(ended) == RUN[name]


def test_each_test_is_run_or_left_out_for_a_reason(outcomes: Mapping[str, str], clients: Path):
    """A newer plug-in with other tests would be noticed."""
    (folder,) = clients.glob("lib/python3*/site-packages/heat_tempest_plugin/tests/functional")
    known = [start.partition(".")[0] for start in (*RUN, *LEFT_OUT)]
    assert {path.stem for path in folder.glob("test_*.py")} == set(known)
    assert len(outcomes) == sum(RUN.values())
