"""What a release is made of: the command, the recipe, the citation, the workflows, the lock."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CONDA = {"duckdb": "python-duckdb"}
"""Names on conda-forge that differ."""


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What a release changes, with an owner in the one place that docs/releasing.md names, and no section prepared."""
    (tmp_path / "conda").mkdir()
    for name in ("pyproject.toml", "CHANGELOG.md", "CITATION.cff", "conda/recipe.yaml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    path = tmp_path / "pyproject.toml"
    path.write_text(path.read_text().replace(f'Homepage = "{homepage(ROOT)}"', 'Homepage = "https://git.example/x/t"'))
    path = tmp_path / "CHANGELOG.md"
    text = re.sub(r"\n## \[[\d.]+\]\n", "", path.read_text(encoding="utf-8"), count=1)
    path.write_text(text, encoding="utf-8")
    return tmp_path


def homepage(root: Path) -> str:
    urls = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    return str(urls["Homepage"])


def test_a_release_dates_the_changelog_and_numbers_every_file(project: Path) -> None:
    before = (project / "CHANGELOG.md").read_text(encoding="utf-8")
    for path, text in script("release").released(project, "9.1.0", dt.date(2030, 1, 2)).items():
        path.write_text(text, encoding="utf-8")
    changed = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert changed["version"] == "9.1.0"
    after = (project / "CHANGELOG.md").read_text(encoding="utf-8")
    # what was unreleased is the new section, and the heading above it is empty and usable
    assert after == before.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [9.1.0] - 2030-01-02\n", 1)
    citation = yaml.safe_load((project / "CITATION.cff").read_text())
    assert (citation["version"], str(citation["date-released"])) == ("9.1.0", "2030-01-02")
    assert yaml.safe_load((project / "conda/recipe.yaml").read_text())["context"]["version"] == "9.1.0"
    # the owner was put in one place, and is everywhere
    assert set(changed["urls"]) == {"Homepage", "Documentation", "Changelog", "Issues"}
    assert all(url.startswith("https://git.example/x/t") for url in [*changed["urls"].values()])
    assert citation["repository-code"] == "https://git.example/x/t"
    with pytest.raises(ValueError, match="nothing under Unreleased"):
        script("release").released(project, "9.2.0", dt.date(2030, 1, 3))


def test_a_prepared_section_gets_its_date(project: Path) -> None:
    path = project / "CHANGELOG.md"
    text = path.read_text(encoding="utf-8").replace("## [Unreleased]\n", "## [Unreleased]\n\n## [9.1.0]\n", 1)
    path.write_text(text, encoding="utf-8")
    after = script("release").released(project, "9.1.0", dt.date(2030, 1, 2))[path]
    assert after == text.replace("## [9.1.0]\n", "## [9.1.0] - 2030-01-02\n", 1)
    with pytest.raises(ValueError, match=re.escape("9.2.0 can't come before 9.1.0")):
        script("release").released(project, "9.2.0", dt.date(2030, 1, 2))
    path.write_text(text.replace("## [Unreleased]\n", "## [Unreleased]\n\n- More.\n", 1), encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape("move them into the section of 9.1.0")):
        script("release").released(project, "9.1.0", dt.date(2030, 1, 2))


@pytest.mark.parametrize("version", ["0.0.9", "0.1.0", "1.0", "v1.0.0", "1.0.0rc1"])
def test_a_version_that_cannot_be_is_refused_in_one_line(project: Path, version: str) -> None:
    with pytest.raises(ValueError, match=re.escape(version)):
        script("release").released(project, version, dt.date(2030, 1, 2))


def test_a_release_is_refused_while_the_owner_is_a_placeholder(project: Path) -> None:
    shutil.copyfile(ROOT / "pyproject.toml", project / "pyproject.toml")
    with pytest.raises(ValueError, match="OWNER"):
        script("release").released(project, "9.1.0", dt.date(2030, 1, 2))


def test_version_and_address_are_the_same_in_every_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    recipe = yaml.safe_load((ROOT / "conda/recipe.yaml").read_text(encoding="utf-8"))
    assert citation["version"] == recipe["context"]["version"] == project["version"]
    addresses = script("release").ADDRESSES
    assert project["urls"] == {"Homepage": homepage(ROOT), **{k: homepage(ROOT) + v for k, v in addresses.items()}}
    assert citation["repository-code"] == homepage(ROOT)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.findall(r"^## \[(\d[^\]]*)\]", changelog, re.MULTILINE)
    assert newest[:1] in ([], [project["version"]]), "the newest section is the package's version"


def test_the_recipe_requires_what_the_package_does() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    recipe: dict[str, Any] = yaml.safe_load((ROOT / "conda/recipe.yaml").read_text())
    wanted = {f"{CONDA.get(r.name, r.name)} {r.specifier}" for r in map(Requirement, project["dependencies"])}
    assert set(recipe["requirements"]["run"]) == {f"python {project['requires-python']}", *wanted}
    assert recipe["context"]["version"] == project["version"]
    assert recipe["build"]["python"]["entry_points"] == [f"tenor = {project['scripts']['tenor']}"]
    assert recipe["about"]["license"] == project["license"]


def test_the_workflows_have_least_rights_and_call_targets_that_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    paths = sorted((ROOT / ".github/workflows").glob("*.yml"))
    assert {path.name for path in paths} == {"deploy.yml", "release.yml", "test.yml"}
    for path in paths:
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] in ({}, {"contents": "read"}), path
        for name, job in workflow["jobs"].items():
            assert "timeout-minutes" in job, (path, name)
            for step in job["steps"]:
                for target in re.findall(r"^make ([a-z][a-z-]*)", step.get("run", ""), re.MULTILINE):
                    assert target in targets, (path, target)
    publish = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}


def test_every_extra_is_locked_for_every_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [Requirement(x) for x in (ROOT / "requirements.lock").read_text().splitlines() if not x.startswith("#")]
    extras = project["optional-dependencies"].items()
    wanted = [Requirement(x) for extra, each in extras if extra not in script("lock").NOT_LOCKED for x in each]
    for python in ("3.11", "3.12", "3.13", "3.14"):
        environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
        locked = {r.name: r for r in lines if r.marker is None or r.marker.evaluate(environment)}
        held = [r for r in lines if r.marker is None or r.marker.evaluate(environment)]
        assert len(held) == len(locked), "one version of each"
        for requirement in wanted:
            if requirement.name != "tenor":
                (pin,) = locked[requirement.name.lower()].specifier
                assert requirement.specifier.contains(pin.version), (python, requirement)


SCHEMAS = {
    "citation-file-format": ["CITATION.cff"],
    "compose-spec": ["compose.yaml"],
    "github-workflows": [".github/workflows/deploy.yml", ".github/workflows/release.yml", ".github/workflows/test.yml"],
    "github-issue-forms": [f".github/ISSUE_TEMPLATE/{name}.yml" for name in ("bug", "forecast", "idea")],
    "github-issue-config": [".github/ISSUE_TEMPLATE/config.yml"],
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_of_others_formats_follow_their_schema(schema: str, tmp_path: Path) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    files = [str(ROOT / name) for name in SCHEMAS[schema]]
    done = subprocess.run([*check, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for file in (ROOT / ".github").rglob("*.yml"):
        assert any(str(file) == str(ROOT / name) for names in SCHEMAS.values() for name in names), file
    # the check can fail
    broken = tmp_path / "broken.yml"
    broken.write_text("no: such thing\n", encoding="utf-8")
    assert subprocess.run([*check, str(broken)], capture_output=True, check=False).returncode == 1


def test_the_recipe_has_the_parts_that_its_format_asks_for_and_its_tests_pass(tmp_path: Path) -> None:
    recipe: dict[str, Any] = yaml.safe_load((ROOT / "conda/recipe.yaml").read_text(encoding="utf-8"))
    parts = {"schema_version", "context", "package", "source", "build", "requirements", "tests", "about"}
    assert set(recipe) == parts
    assert recipe["schema_version"] == 1
    assert recipe["package"] == {"name": "tenor", "version": "${{ version }}"}
    assert recipe["build"]["noarch"] == "python"
    assert (ROOT / "conda" / recipe["source"]["path"]).resolve() == ROOT.resolve()
    assert (ROOT / recipe["about"]["license_file"]).is_file()
    hatchling = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    assert recipe["requirements"]["host"][-1].replace(" ", "") == hatchling[0]
    (imports,) = [test["python"]["imports"] for test in recipe["tests"] if "python" in test]
    (lines,) = [test["script"] for test in recipe["tests"] if "script" in test]
    for code in [f"import {name}" for name in imports]:
        assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
    for line in lines:
        program, *words = line.split()
        assert program == "tenor"
        done = subprocess.run([sys.executable, "-m", "tenor", *words], cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == 0, line


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Word and rest of each instruction, comments left out and continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", "", text)
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in joined.splitlines() if line.strip()]


def test_the_image_runs_as_nobody_on_a_read_only_disk_and_its_commands_exist() -> None:
    steps = instructions(ROOT / "Dockerfile")
    last = steps[max(k for k, (word, _) in enumerate(steps) if word == "FROM") :]
    assert [rest for word, rest in last if word == "USER"] == ["65534:65534"]
    # nothing of the image is made after it became nobody's
    after = [word for word, _ in last[last.index(("USER", "65534:65534")) + 1 :]]
    assert not {"RUN", "COPY", "ADD"} & set(after)
    assert "ADD" not in {word for word, _ in steps}
    assert all(":" in rest.split()[0] for word, rest in steps if word == "FROM"), "each base has a tag"
    for word, rest in steps:
        if word == "COPY" and not rest.startswith("--from"):
            assert all((ROOT / name).exists() for name in rest.split()[:-1]), rest
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["tenor"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["build"] == "."
    assert "privileged" not in service
    assert "user" not in service, "the image's own"
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    (store,) = [rest for word, rest in last if word == "VOLUME"]
    assert service["volumes"] == [f"./lake:{store}"]
    assert ("ENTRYPOINT", '["tenor"]') in last
    (check,) = [rest.partition("CMD ")[2] for word, rest in last if word == "HEALTHCHECK"]
    probe = json.loads(check)
    done = subprocess.run([sys.executable, *probe[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 1  # nothing listens there: unhealthy
    asked = subprocess.run(
        [sys.executable, "-m", "tenor", *service["command"], "--help"], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr


def test_the_bill_of_materials_names_what_is_installed() -> None:
    licences = script("licences")
    packages = licences.installed("tenor")
    assert {"tenor", "numpy", "pandas", "duckdb"} <= set(packages)
    assert "pytest" not in packages
    bill = licences.bill(packages)
    assert bill["metadata"]["component"]["name"] == "tenor"
    references = [each["bom-ref"] for each in bill["components"]]
    assert len(set(references)) == len(references)
    assert json.dumps(licences.bill(packages)) == json.dumps(bill)
