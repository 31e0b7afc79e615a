"""Judges the IAM policies of a template with parliament, and says what it finds.

usage: policies_of.py TEMPLATE
"""

import json
import sys

from cfnlint.decode import cfn_yaml
from parliament import analyze_policy_string

ACCOUNT = "eu-west-1:123456789012"
# What a resource of each type has as ARN. The names are those in the template.
ARNS = {
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{ACCOUNT}:table/{{}}",
    "AWS::Events::EventBus": f"arn:aws:events:{ACCOUNT}:event-bus/{{}}",
    "AWS::Events::Rule": f"arn:aws:events:{ACCOUNT}:rule/{{}}",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{ACCOUNT}:log-group:{{}}:*",
    "AWS::SQS::Queue": f"arn:aws:sqs:{ACCOUNT}:{{}}",
    "AWS::Serverless::Function": f"arn:aws:lambda:{ACCOUNT}:function:{{}}",
}

# Actions that parliament holds to take no resource, although AWS documents policies with one: the
# tutorial of Lambda with DynamoDB streams, and that of SAM's gradual deployments.
TAKE_RESOURCES = {
    "codedeploy:PutLifecycleEventHookExecutionStatus",
    "dynamodb:ListStreams",
}


def main(path):
    template = cfn_yaml.load(path)
    resources = template["Resources"]

    def arn(name):
        return ARNS[resources[name]["Type"]].format(name)

    def plain(value):
        """The value with ARNs in place of functions."""
        if isinstance(value, list):
            return [plain(it) for it in value]
        if not isinstance(value, dict):
            return value
        match list(value.items()):
            case [("Fn::GetAtt", [name, "Arn"])]:
                return arn(name)
            case [("Fn::GetAtt", [name, "StreamArn"])]:
                return f"{arn(name)}/stream/2026-11-20"
            case [("Ref", name)] if name.endswith(".Version"):
                return f"{arn(name.removesuffix('.Version'))}:1"
            case [("Fn::Sub", text)]:
                text = text.replace("${AWS::Partition}", "aws")
                text = text.replace("${AWS::Region}:${AWS::AccountId}", ACCOUNT)
                return text.replace("${", "").replace("}", "")
        return {key: plain(it) for key, it in value.items()}

    policies, findings = 0, []
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Role":
            if "ManagedPolicyArns" in properties:
                findings.append(f"{name}: a managed policy allows more than is needed")
            documents = [it["PolicyDocument"] for it in properties["Policies"]]
        elif resource["Type"] == "AWS::SQS::QueuePolicy":
            documents = [properties["PolicyDocument"]]
        elif resource["Type"] == "AWS::Serverless::Function" and "Role" not in properties:
            findings.append(f"{name}: SAM would make a role, with a managed policy")
            continue
        else:
            continue
        for document in map(plain, documents):
            policies += 1
            findings += [f"{name}: {it}" for it in findings_of(document)]
    print(f"{policies} policies, {len(findings)} findings")
    for finding in findings:
        print(finding, file=sys.stderr)
    return 1 if findings or not policies else 0


def findings_of(document):
    for statement in document["Statement"]:
        for action in listed(statement["Action"]):
            if "*" in action:
                yield f"a wildcard in the action {action}"
        for resource in listed(statement["Resource"]):
            # The streams of a log group are named by Lambda, and the group's ARN stands for them.
            if "*" in resource.removesuffix(":*" if ":log-group:" in resource else ""):
                yield f"a wildcard in the resource {resource}"
        # parliament knows identity policies only.
        if statement.pop("Principal", None) and "Condition" not in statement:
            yield "a service may write whoever asks it to"
    for finding in analyze_policy_string(json.dumps(document)).findings:
        if finding.issue == "RESOURCE_MISMATCH":
            if {it["action"] for it in finding.detail} <= TAKE_RESOURCES:
                continue
        yield f"{finding.issue}: {finding.detail} {finding.location}"


def listed(value):
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
