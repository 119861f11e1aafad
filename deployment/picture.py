"""Draw the template: what there is, and who reaches what. ``python deployment/picture.py`` writes docs/images/aws.png.

Nodes and arrows are read from template.yaml; only the places are given here, and a resource without one is an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import yaml

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "docs" / "images" / "aws.png"
INK, PAPER, LINE, BLUE, AMBER = "#1f2933", "#ffffff", "#7b8794", "#dbe7f5", "#f7ead2"

# (column, row) of what is shown; everything else is part of the resource that refers to it
PLACES = {
    "HttpApi": (0, 2), "Jwt": (0, 3), "AccessLog": (0, 1),
    "Api": (1, 2), "ApiLog": (1, 1),
    "Bucket": (2, 2), "Key": (2, 3),
    "Refresh": (3, 2), "Task": (4, 3), "RefreshLog": (3, 1),
    "Schedule": (4, 2), "DeadLetters": (4, 1),
    "Alarms": (2, 0), "Cost": (3, 0),
}  # fmt: skip
NAMES = {
    "HttpApi": "HTTP API\nthrottled", "Jwt": "JWT authorizer\n(or API keys)", "AccessLog": "access log",
    "Api": "API function\nzip, reads forecasts", "ApiLog": "log", "Bucket": "S3 bucket\nlake · models · forecasts",
    "Key": "KMS key\neverything at rest", "Refresh": "refresh function\nimage, makes forecasts",
    "Task": "the same image\non Fargate", "RefreshLog": "log", "Schedule": "schedule\nafter the close",
    "DeadLetters": "dead letters", "Alarms": "alarms by mail", "Cost": "budget",
}  # fmt: skip
FOLDED = (
    "AWS::IAM::", "AWS::Lambda::Permission", "AWS::S3::BucketPolicy", "AWS::ApiGatewayV2::Integration",
    "AWS::SNS::Subscription", "AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Stage", "AWS::CloudWatch::Alarm",
    "AWS::ECS::Cluster",
)  # fmt: skip
# what a reference in a helper is an arrow of
OWNERS = {
    "Integration": "HttpApi", "Route": "HttpApi", "Stage": "HttpApi", "ApiRole": "Api", "RefreshRole": "Refresh",
    "ScheduleRole": "Schedule", "TaskRole": "Task", "TaskStartRole": "Task",
}  # fmt: skip

FOLDED_ALONE = {"RefreshPolicy"}
"""Helpers of several owners: each of them reaches what it names."""


def main() -> None:
    """Read, check, draw."""
    resources = read(HERE / "template.yaml")["Resources"]
    homeless = [n for n, r in resources.items() if n not in PLACES and not r["Type"].startswith(FOLDED)]
    if homeless:
        sys.exit(f"picture.py has no place for {', '.join(homeless)}: add them to PLACES.")
    figure, axes = plt.subplots(figsize=(14, 5), dpi=110, facecolor=PAPER)
    axes.set(xlim=(-1.0, 4.5), ylim=(-0.4, 3.4))
    axes.axis("off")
    texts = {"callers": axes.text(-0.8, 2, "callers", ha="center", va="center", color=INK, fontsize=10)}
    for name in (name for name in PLACES if name in resources):
        face = AMBER if name in ("Api", "Refresh", "Task", "Bucket") else BLUE
        box = {"boxstyle": "round,pad=0.5", "facecolor": face, "edgecolor": LINE}
        texts[name] = axes.text(
            *PLACES[name], NAMES[name], ha="center", va="center", color=INK, fontsize=10, bbox=box, zorder=3
        )
    figure.canvas.draw()  # boxes have a size from now on
    arrows = {("callers", "HttpApi"), *edges(resources)}
    for start, end in sorted(arrows):
        begin, stop = texts[start].get_position(), texts[end].get_position()
        axes.annotate(
            "",
            edge(axes, texts[end], begin),
            edge(axes, texts[start], stop),
            arrowprops={"arrowstyle": "-|>", "color": LINE, "linewidth": 1.3, "shrinkA": 0, "shrinkB": 0},
        )
    OUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUT, dpi=110, bbox_inches="tight", metadata={"Software": None})
    print(f"{len(resources)} resources, {len(arrows)} arrows: {OUT.relative_to(HERE.parent)}")


def edge(axes: Any, text: Any, toward: tuple[float, float]) -> tuple[float, float]:
    """Where the line from the middle of `text` to `toward` leaves its box."""
    box = (text.get_bbox_patch() or text).get_window_extent().transformed(axes.transData.inverted())
    x, y = text.get_position()
    dx, dy = toward[0] - x, toward[1] - y
    share = min(box.width / 2 / abs(dx) if dx else 1.0, box.height / 2 / abs(dy) if dy else 1.0)
    return x + share * dx, y + share * dy


def edges(resources: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Who reaches what, helpers' references counted as their owners'. The key is behind everything: no arrows."""
    for name, resource in resources.items():
        owner = OWNERS.get(name, name)
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            continue
        reached = set(references(resource))
        for helper in reached & (FOLDED_ALONE & set(resources)):
            reached |= set(references(resources[helper]))
        for target in sorted(reached):
            end = OWNERS.get(target, target)
            if owner in PLACES and end in PLACES and owner != end and end != "Key" and owner != "Key":
                yield owner, end


def references(value: Any) -> Iterator[str]:
    """The resources that `value` names, in Ref, GetAtt and Sub."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Ref" or key == "Fn::GetAtt":
                yield inner.split(".")[0]
            elif key == "Fn::Sub":
                for part in str(inner).split("${")[1:]:
                    yield part.split("}")[0].split(".")[0]
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def read(path: Path) -> dict[str, Any]:
    """The template, short forms written out."""

    class Loader(yaml.SafeLoader):
        """Knows ``!Ref`` and the like."""

    def short(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
        if isinstance(node, yaml.ScalarNode):
            inner: Any = loader.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            inner = loader.construct_sequence(node, deep=True)
        else:
            inner = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
        return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": inner}

    Loader.add_multi_constructor("!", short)
    document: dict[str, Any] = yaml.load(path.read_text(), Loader)
    return document


if __name__ == "__main__":
    main()
