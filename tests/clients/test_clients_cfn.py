"""EC2 keys made by the stock client; boto3 with them, at both addresses of a real `mantle up`."""

import json

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.clients

TEMPLATE = json.dumps(
    {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {"Word": {"Type": "OS::Heat::TestResource", "Properties": {"value": "hello"}}},
        "Outputs": {"Said": {"Value": {"Fn::GetAtt": ["Word", "output"]}}},
    }
)


def client_of(url: str, key: dict):
    return boto3.client(
        "cloudformation",
        endpoint_url=url,
        region_name="RegionOne",
        aws_access_key_id=key["access"],
        aws_secret_access_key=key["secret"],
    )


@pytest.mark.proves("api: CFN-compatible actions, through boto3")
def test_a_key_of_the_stock_client_opens_both_addresses(plane):
    """Made, listed and deleted by `openstack ec2 credentials`; boto3's own waiters work."""
    key = plane.data("ec2 credentials create")
    listed = plane.data("ec2 credentials list")
    assert key["access"] in {each["Access"] for each in listed}
    alone = client_of(f"{plane.cfn_url}/v1/", key)
    beside = client_of(f"{plane.url}/cfn/v1/", key)
    alone.create_stack(StackName="boto", TemplateBody=TEMPLATE)
    alone.get_waiter("stack_create_complete").wait(
        StackName="boto", WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
    (stack,) = beside.describe_stacks(StackName="boto")["Stacks"]
    assert stack["Outputs"][0]["OutputValue"] == "hello"
    assert plane.data("stack show boto")["stack_status"] == "CREATE_COMPLETE"
    counted = httpx.get(f"{plane.url}/metrics").text
    assert 'mantle_api_answers_total{method="POST",route="/cfn/CreateStack",status="200"} 1.0' in (
        counted
    )
    pages = alone.get_paginator("describe_stack_events").paginate(StackName="boto")
    newest = next(event for page in pages for event in page["StackEvents"])
    assert newest["ResourceStatus"] == "CREATE_COMPLETE"
    beside.delete_stack(StackName="boto")
    plane.openstack("ec2 credentials delete", key["access"])
    with pytest.raises(ClientError, match="access key"):
        alone.list_stacks()
