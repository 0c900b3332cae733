"""The two CloudFormation formats that Heat reads."""
