import ast
import re
from pathlib import Path

import tenor.errors
from tenor.errors import TenorError, UnknownSymbolError, did_you_mean
from tenor.syntax import parsed


def test_every_exception_is_drawn_at_the_top_and_descends_from_one_base() -> None:
    classes = {
        name: value
        for name, value in vars(tenor.errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert all(issubclass(c, TenorError) for c in classes.values())
    drawn = re.findall(r"^[│├└─ ]*((?!Everything)[A-Z]\w+) +[a-z]", tenor.errors.__doc__ or "", flags=re.MULTILINE)
    assert sorted(drawn) == sorted(classes)


def test_no_other_module_defines_an_exception() -> None:
    source = Path(tenor.errors.__file__).parent
    elsewhere = [
        f"{path.name}: {node.name}"
        for path in source.rglob("*.py")
        if path.name != "errors.py"
        for node in ast.walk(parsed(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")  # a signal within one module, which nobody else sees
        and any(re.search(r"(Error|Exception|Conflict|MissingObject)$", ast.unparse(base)) for base in node.bases)
    ]
    assert elsewhere == []


def test_did_you_mean_ignores_case_and_stays_silent_when_nothing_is_near() -> None:
    assert did_you_mean("appl", ["AAPL", "MSFT"]) == " Did you mean 'AAPL'?"
    assert did_you_mean("APPL", ["PPL", "AAPL", "MSFT"]) == " Did you mean 'PPL' or 'AAPL'?"
    assert did_you_mean("zzz", ["AAPL", "MSFT"]) == ""


def test_unknown_symbol_suggests_lists_or_says_there_are_none() -> None:
    assert "Did you mean 'MSFT'?" in str(UnknownSymbolError("MSTF", ["AAPL", "MSFT"]))
    assert str(UnknownSymbolError("X", [f"SYM{i}" for i in range(20)])).endswith("SYM14, SYM15 …")
    assert "import" in str(UnknownSymbolError("X", []))


def test_no_room_raises_a_bare_builtin_for_bad_input() -> None:
    source = Path(tenor.errors.__file__).parent
    bare = {"Exception", "BaseException", "RuntimeError", "AssertionError", "KeyError"}
    offenders = [
        f"{path.name}:{node.lineno}"
        for path in source.rglob("*.py")
        for node in ast.walk(parsed(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise)
        and node.exc is not None
        and ast.unparse(node.exc) != "AssertionError"
        # `raise KeyError` and `raise KeyError(...)`; a bare AssertionError marks what can't be reached
        and ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc) in bare
    ]
    assert offenders == []
