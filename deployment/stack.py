"""What the Makefile asks of AWS: outputs of the stack, whether there is an account, and the way back."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def main() -> None:
    """Run one of the four commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("account", help="Print the account's number; exit 1 without credentials.")
    output = commands.add_parser("output", help="Print one output of a stack.")
    output.add_argument("stack")
    output.add_argument("name")
    offline = commands.add_parser("resources", help="Print what a template makes, without an account.")
    offline.add_argument("template", type=Path)
    offline.add_argument("parameters", nargs="*", metavar="NAME=VALUE")
    back = commands.add_parser("rollback", help="Point the API at the version published before.")
    back.add_argument("stack")
    options = parser.parse_args()
    try:
        if options.command == "account":
            print(boto3.client("sts").get_caller_identity()["Account"])
        elif options.command == "resources":
            resources(options.template, dict(pair.split("=", 1) for pair in options.parameters))
        elif options.command == "rollback":
            rollback(options.stack)
        else:
            print(outputs(options.stack)[options.name])
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"AWS: {error}")
    except KeyError as error:
        sys.exit(f"the stack has no output {error}: deploy it first.")


def outputs(stack: str) -> dict[str, str]:
    """The outputs of `stack` by name."""
    description = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}


def rollback(stack: str) -> None:
    """Point the alias ``live`` at the newest version older than the one that it points at."""
    function = outputs(stack)["ApiFunction"]
    client = boto3.client("lambda")
    now = client.get_alias(FunctionName=function, Name="live")["FunctionVersion"]
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
    numbers = [int(entry["Version"]) for page in pages for entry in page["Versions"] if entry["Version"].isdigit()]
    before = [number for number in numbers if number < int(now)]
    if not before:
        sys.exit(f"version {now} of {function} is the first: there is nothing to go back to.")
    client.update_alias(FunctionName=function, Name="live", FunctionVersion=str(max(before)))
    print(f"{function}: version {now} -> {max(before)}. A model goes back with 'tenor models rollback'.")


def resources(template: Path, parameters: dict[str, str]) -> None:
    """Print each resource of `template` that `parameters` switch on, with its type."""
    document = load(template)
    values = {name: parameters.get(name, spec.get("Default", "")) for name, spec in document["Parameters"].items()}
    unknown = set(parameters) - set(values)
    if unknown:
        sys.exit(f"the template has no parameter {', '.join(sorted(unknown))}; it has {', '.join(sorted(values))}.")
    for name, resource in document["Resources"].items():
        condition = resource.get("Condition")
        if condition is None or holds(document["Conditions"][condition], document["Conditions"], values):
            print(f"  + {name:<16} {resource['Type']}")


def holds(test: Any, conditions: dict[str, Any], values: dict[str, str]) -> bool:
    """Whether a condition of the template holds for these parameters."""
    ((kind, operand),) = test.items()
    if kind == "Condition":
        return holds(conditions[operand], conditions, values)
    if kind == "Fn::Not":
        return not holds(operand[0], conditions, values)
    if kind in ("Fn::And", "Fn::Or"):
        return (all if kind == "Fn::And" else any)(holds(part, conditions, values) for part in operand)
    left, right = [values[side["Ref"]] if isinstance(side, dict) else side for side in operand]  # Fn::Equals
    return bool(left == right)


def load(template: Path) -> dict[str, Any]:
    """The template as a mapping, its short forms written out."""
    from samcli.yamlhelper import yaml_parse

    document: dict[str, Any] = yaml_parse(template.read_text())
    return document


if __name__ == "__main__":
    main()
