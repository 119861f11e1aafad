"""Links in an import folder: what leads out of it is refused by name, and nothing of its target is quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenor.cli import main
from tenor.store import Lake

ROWS = "Date,Open,High,Low,Close,Volume\n2024-03-04,1,2,1,2,5\n"


@pytest.mark.parametrize("name", ["AAA.csv", "AAA.parquet", "AAA.jsonl", "AAA.txt"])
def test_a_link_out_of_the_folder_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, outside = tmp_path / "in", tmp_path / "outside"
    folder.mkdir()
    outside.write_text("date,hidden-column\n2024-03-04,hidden-cell\n")
    (folder / "BBB.csv").write_text(ROWS)
    (folder / name).symlink_to(outside)
    (folder / "CCC.csv").symlink_to("BBB.csv")  # inside
    for one, other in (("x", "y"), ("y", "x")):
        (folder / f"{one}.csv").symlink_to(folder / f"{other}.csv")
    assert main(["data", "import", str(folder), "--store", str(tmp_path / "lake")]) == 0
    out, err = capsys.readouterr()
    assert f"{name} is a link that leads out of the folder" in out
    assert "hidden" not in out + err
    lake = Lake(tmp_path / "lake")
    assert lake.symbols() == ("BBB", "CCC")
    assert not lake.refusals().astype("str").apply(lambda c: c.str.contains("hidden")).any().any()


def test_a_link_that_is_named_is_read(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text(ROWS)
    (tmp_path / "DDD.csv").symlink_to("kept")
    assert main(["data", "import", str(tmp_path / "DDD.csv"), "--store", str(tmp_path / "lake")]) == 0
    assert Lake(tmp_path / "lake").symbols() == ("DDD",)
