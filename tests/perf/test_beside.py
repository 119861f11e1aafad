"""The frame of `make bench`, with contenders of a few lines that run in processes of their own as all do."""

from __future__ import annotations

import json
import math
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BESIDE = Path(__file__).parents[2] / "perf" / "beside"
NAMES = ("contest", "environments", "growth", "results", "limits", "worker")

FAKE = """
import worker


def prepare(arguments):
    print("libraries print as they like")
    state = {"rounds": 0}

    def run():
        state["rounds"] += 1
        with open(arguments["log"], "a") as log:
            log.write(f"{arguments['as']}{state['rounds']} ")
        if state["rounds"] == arguments.get("dies_in"):
            raise SystemExit(3)
        return {"work": 10.0, "cpu": arguments["cpu"] * state["rounds"], "reached": arguments.get("reached")}

    return run


print("even when they are imported")
worker.serve(prepare)
"""


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module `contest`; its neighbours are in sys.modules until the test ends."""
    monkeypatch.syspath_prepend(str(BESIDE))
    before = {name: sys.modules.pop(name) for name in NAMES if name in sys.modules}
    import contest

    yield contest
    for name in NAMES:
        sys.modules.pop(name, None)
    sys.modules.update(before)


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    path = tmp_path / "fake.py"
    path.write_text(textwrap.dedent(FAKE))
    return path


def contest_of(beside: ModuleType, fake: Path, goals: tuple[Any, ...] = (), **others: dict[str, Any]) -> Any:
    arguments = {"log": str(fake.with_name("log"))}
    contenders = [beside.Contender(name, "tenor", str(fake), {"as": name[0], **own}) for name, own in others.items()]
    return beside.Contest("fake", "a fake job", contenders, goals, arguments, unit="thing", rounds=3)


def test_contenders_run_in_turn_after_a_round_that_does_not_count(beside: ModuleType, fake: Path) -> None:
    rounds = beside.run_rounds(contest_of(beside, fake, tenor={"cpu": 1.0}, rival={"cpu": 5.0}))
    assert fake.with_name("log").read_text().split() == ["t1", "r1", "t2", "r2", "t3", "r3", "t4", "r4"]
    assert [one["cpu"] for one in rounds["tenor"]] == [2.0, 3.0, 4.0]
    assert all(one["wall"] > 0 and one["peak"] > 1 for one in rounds["rival"])


def test_without_a_warm_up_the_first_round_counts(beside: ModuleType, fake: Path) -> None:
    import dataclasses

    contest = dataclasses.replace(contest_of(beside, fake, tenor={"cpu": 1.0}), warm_up=False)
    assert [one["cpu"] for one in beside.run_rounds(contest)["tenor"]] == [1.0, 2.0, 3.0]


def test_a_contender_that_dies_is_named_with_its_status(beside: ModuleType, fake: Path) -> None:
    contest = contest_of(beside, fake, tenor={"cpu": 1.0}, rival={"cpu": 5.0, "dies_in": 2})
    with pytest.raises(RuntimeError, match="rival ended with status 3; its errors stand above"):
        beside.run_rounds(contest)


def test_ratios_are_medians_of_rounds_beside_the_best_rival(beside: ModuleType) -> None:
    def rounds(*cpu: float) -> list[dict[str, float]]:
        return [{"cpu": one, "work": 2.0} for one in cpu]

    contenders = [beside.Contender(name, "tenor", "x.py") for name in ("tenor", "slow", "quick")]
    contest = beside.Contest("c", "c", contenders, [beside.Goal(5), beside.Goal(25, beside="slow")])
    run = {"tenor": rounds(1, 1, 2), "slow": rounds(20, 20, 20), "quick": rounds(6, 4, 8)}
    best, named = beside.judge(contest, run)
    assert (best.rival, best.ratio, best.low, best.high, best.met) == ("quick", 4.0, 4.0, 6.0, False)
    assert (named.rival, named.ratio, named.met) == ("slow", 20.0, False)


def test_more_is_better_where_a_goal_says_so(beside: ModuleType) -> None:
    contenders = [beside.Contender(name, "tenor", "x.py") for name in ("tenor", "rival")]
    contest = beside.Contest("c", "c", contenders, [beside.Goal(3, measure="rate", best="most")])
    (standing,) = beside.judge(contest, {"tenor": [{"rate": 9.0}], "rival": [{"rate": 3.0}]})
    assert standing.ratio == 3.0
    assert standing.met


def test_who_never_reaches_what_is_measured_loses(beside: ModuleType) -> None:
    goals = [beside.Goal(2, measure="reached"), beside.Goal(2, beside="never", measure="reached")]
    contenders = [beside.Contender(name, "tenor", "x.py") for name in ("tenor", "never", "late")]
    contest = beside.Contest("c", "c", contenders, goals)
    nobody, ours, late = [{"reached": None}], [{"reached": 1.0}], [{"reached": 3.0}]
    best, named = beside.judge(contest, {"tenor": ours, "never": nobody, "late": late})
    assert (best.rival, best.ratio) == ("late", 3.0)
    assert math.isinf(named.ratio)
    assert named.met
    best, named = beside.judge(contest, {"tenor": nobody, "never": nobody, "late": late})
    assert (best.ratio, named.ratio, named.met) == (0.0, 0.0, False)


@pytest.fixture
def page(beside: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results go to a folder of the test's own, which has a page to write into."""
    import results

    for name, file in (
        ("FILE", "performance.json"),
        ("PAGE", "performance.md"),
        ("FIGURE", "performance.svg"),
        ("GROWTH", "growth.svg"),
    ):
        monkeypatch.setattr(results, name, tmp_path / file)
    path = tmp_path / "performance.md"
    path.write_text(f"# Speed\n\n{results.BEGIN}\n\nold\n\n{results.END}\n\nProse that stays.\n")
    return path


def test_what_is_written_can_be_read_again_and_prose_stays(beside: ModuleType, fake: Path, page: Path) -> None:
    import results

    goals = (beside.Goal(2), beside.Goal(2, beside="never", measure="reached"))
    others = {"never": {"cpu": 6.0}, "rival": {"cpu": 4.0, "reached": 8.0}}
    contest = contest_of(beside, fake, goals, tenor={"cpu": 1.0, "reached": 2.0}, **others)
    record = results.record(contest, beside.run_rounds(contest), {"flops_a_second": 1.0, "bytes_a_second": 1.0})
    results.write({"fake": record})
    assert results.read() == {"fake": record}
    assert json.loads((page.parent / "performance.json").read_text()) == {"fake": record}
    text = page.read_text()
    assert "old" not in text
    assert text.endswith("Prose that stays.\n")
    assert "| a fake job | rival | CPU time | **4×** | 4× … 4× | 2× | met |" in text
    assert "| a fake job | never | reached | **∞** | ∞ … ∞ | 2× | met |" in text
    assert "| never | 1.8 s |" in text
    assert (page.parent / "performance.svg").read_text().count("a fake job") == 2
    once = [path.read_bytes() for path in sorted(page.parent.glob("performance.*"))]
    results.write({"fake": record})
    assert once == [path.read_bytes() for path in sorted(page.parent.glob("performance.*"))]


def test_a_goal_may_be_of_another_than_the_first(beside: ModuleType) -> None:
    contenders = [beside.Contender(name, "tenor", "x.py") for name in ("whole", "part", "rival")]
    contest = beside.Contest("c", "c", contenders, [beside.Goal(5, beside="rival", of="part")])
    (standing,) = beside.judge(contest, {"whole": [{"cpu": 9.0}], "part": [{"cpu": 1.0}], "rival": [{"cpu": 6.0}]})
    assert standing.ratio == 6.0


GROWING = """
import worker


def prepare(arguments):
    size = arguments["things"]
    return lambda: {"before": 100.0, "step": {"cpu": 0.5 * size**2, "peak": 100.0 + 3 * size}}


worker.serve(prepare)
"""


def test_growth_is_measured_size_by_size_and_its_exponents_are_slopes(
    beside: ModuleType, tmp_path: Path, page: Path
) -> None:
    import growth
    import results

    script = tmp_path / "growing.py"
    script.write_text(GROWING)
    axis = growth.Axis("things", "made up", (10, 100, 1_000), {"others": 2})
    record = growth.measure((axis,), script=str(script))
    (measured,) = record["axes"]
    assert growth.steps(measured) == ["step"]
    assert growth.exponent(measured, "step", "cpu") == pytest.approx(2)
    assert growth.exponent(measured, "step", "peak") == pytest.approx(1)
    results.write({"growth": record})
    assert results.read() == {"growth": record}
    assert "| 10 / 100 / 1,000 things (2 others) | step | 50 / 5,000 / 500,000 | 2.00 |" in page.read_text()
    assert "step: 2.00" in (page.parent / "growth.svg").read_text()


def test_a_result_that_cannot_be_drawn_leaves_all_files_as_they_were(beside: ModuleType, page: Path) -> None:
    import results

    before = page.read_bytes()
    with pytest.raises(KeyError):
        results.write({"fake": {"title": "no goals"}})
    assert page.read_bytes() == before
    assert not (page.parent / "performance.json").exists()


def test_every_contest_has_contenders_that_are_there(beside: ModuleType, tmp_path: Path) -> None:
    import environments

    for path in sorted((BESIDE / "contests").glob("*.py")):
        text = path.read_text()
        scripts = {part.split('"')[0] for part in text.split('"') if part.endswith(".py")}
        assert scripts, path
        for script in scripts:
            assert (BESIDE / "contenders" / script).exists(), f"{path.name} names {script}"
    assert all("==" in wanted for packages in environments.PINNED.values() for wanted in packages)
