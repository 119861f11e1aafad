"""What the service says of the versions: what each beats, and how it came to be the champion or not."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tenor.registry import registry_of
from tenor.serving.schemas import ModelsResponse, from_plain
from tenor.serving.versions import beats, version_rows


def verdict(ours: float, ewma: float) -> str:
    side = "lower than" if ours < ewma else "not lower than"
    return f"the loss of the forecast variance (QLIKE), {ours}, is {side} that of an EWMA, {ewma}; …"


@pytest.mark.parametrize(
    ("validation", "expected"),
    [
        ({"1": {"error_reduction": -0.1, "verdict": verdict(0.5, 0.6)}}, {"volatility": [1], "returns": []}),
        ({"1": {"error_reduction": 0.01, "verdict": verdict(0.7, 0.6)}}, {"volatility": [], "returns": [1]}),
        ({"1": {"error_reduction": -0.1, "verdict": verdict(0.7, 0.6)}}, {"volatility": [], "returns": []}),
        ({"5": {"error_reduction": None}, "20": {}}, {"volatility": [], "returns": []}),
    ],
)
def test_what_a_version_beats(validation: dict[str, dict[str, object]], expected: dict[str, list[int]]) -> None:
    assert beats(validation) == expected


def test_the_versions_of_a_trained_store(trained: Path, http: httpx.Client) -> None:
    registry = registry_of(str(trained))
    (row,) = version_rows(registry)
    card = registry.open("champion").card()
    assert row["version"] == registry.champion()
    assert set(row["names"]) == {"champion", "latest"}
    # the sentence that training writes is the one that is looked for
    told = [
        int(h) for h, results in card["validation"].items() if "is lower than that of an EWMA" in results["verdict"]
    ]
    assert all("that of an EWMA" in results["verdict"] for results in card["validation"].values())
    assert row["beats"]["volatility"] == told
    assert row["contest"] is None
    models = from_plain(ModelsResponse, http.get("/v1/models").json())
    assert [each.version for each in models.registry] == [row["version"]]


def test_a_contest_is_noted_with_what_it_said(tmp_path: Path) -> None:
    registry = registry_of(str(tmp_path))
    assert registry.contests() == {}
    registry.note_contest("a" * 12, against="b" * 12, promoted=False, why="loss 2 against 1: not shown to be better.")
    registry.note_contest("c" * 12, against="b" * 12, promoted=True, why="loss 1 against 2: better.")
    registry.note_contest("a" * 12, against="c" * 12, promoted=True, why="it was promoted by hand.")
    contests = registry.contests()
    assert set(contests) == {"a" * 12, "c" * 12}
    assert contests["a" * 12]["promoted"]
    assert contests["a" * 12]["against"] == "c" * 12
    registry.objects.put("contests.json", b"{damaged")
    assert registry.contests() == {}
