"""The CFN-compatible API: CloudFormation's Query protocol over the same verbs."""
