"""What is printed is text: nothing in it is obeyed, by the terminal or by the library that draws tables."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tenor.cli import console

HOSTILE = "a[b]bold[/b] :apple: \x1b[31mred\x07\x9b2J\rb\x00"
SHOWN = "a[b]bold[/b] :apple: [31mred2Jb"


def test_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    console.line(HOSTILE)
    console.bold(HOSTILE)
    console.note(HOSTILE)
    console.entry("label", HOSTILE)
    console.table([HOSTILE], [[HOSTILE], ["[/]"]])
    out, err = capsys.readouterr()
    assert [line.strip() for line in out.splitlines()] == [SHOWN, SHOWN, f"label      {SHOWN}", SHOWN, SHOWN, "[/]"]
    assert err == f"{SHOWN}\n"


def test_letters_of_any_script_line_breaks_and_tabs_stay(capsys: pytest.CaptureFixture[str]) -> None:
    text = "Ærø\t株価 − 4 %\n… 🙂"
    console.line(text)
    console.line("half a character: \udc80")
    assert capsys.readouterr().out == f"{text}\nhalf a character: \\udc80\n"


@pytest.mark.processes
def test_a_command_starts_without_the_library_of_tables() -> None:
    code = "import sys, tenor.cli; print([name for name in sys.modules if name.partition('.')[0] == 'rich'])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
