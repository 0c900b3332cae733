"""Types that came from CloudFormation."""
