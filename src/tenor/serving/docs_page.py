"""The description of the service as a page, ``/docs``: made of its OpenAPI document, without scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>tenor: the API</title>
<link rel="icon" href="/page/icon.svg">
<link rel="stylesheet" href="/page/style.css">
<link rel="stylesheet" href="/page/docs.css">
</head>
<body>
<main>
"""
_TAIL = "</main>\n</body>\n</html>\n"


def docs_page(api: Mapping[str, Any]) -> bytes:
    """The page of `api`, an OpenAPI document: each route with its parameters, its body and an example."""
    parts = [
        _HEAD,
        f"<h1>{escape(api['info']['title'])} {escape(api['info']['version'])}: the API</h1>\n",
        f"<p>{escape(api['info'].get('description', ''))} For programs: ",
        '<a href="/v1/openapi.json">/v1/openapi.json</a>. Where the service asks for a key, send it as ',
        "<code>Authorization: Bearer KEY</code>. Errors are problems of RFC 9457.</p>\n",
    ]
    for path, methods in api["paths"].items():
        parts += [_route(api, path, method, operation) for method, operation in methods.items()]
    return "".join([*parts, _TAIL]).encode()


def _route(api: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> str:
    name = re.sub(r"\W+", "-", f"{method}{path}").strip("-")
    title = f'<h2 id="{name}"><code>{escape(method.upper())} {escape(path)}</code></h2>'
    parts = ['<section class="card">', title, f"<p>{_text(operation.get('description', ''))}</p>"]
    if parameters := operation.get("parameters"):
        parts.append(_table(("parameter", "in", "takes", "what it is"), map(_parameter, parameters)))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        schema = _named(api, body)
        parts += ["<h3>Body</h3>", _example(schema.get("example")), _fields(schema)]
    answer = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
    schema = _named(api, answer.get("schema", {}))
    if answer.get("example") or schema.get("properties"):
        parts += ["<h3>Answer</h3>", _example(answer.get("example")), _described(schema)]
    return "\n".join([*filter(None, parts), "</section>\n"])


def _parameter(parameter: Mapping[str, Any]) -> tuple[str, ...]:
    takes = _type(parameter["schema"]) + ("" if parameter.get("required") else _default(parameter["schema"]))
    return parameter["name"], parameter["in"], takes, parameter.get("description", "")


def _default(schema: Mapping[str, Any]) -> str:
    return f", by default {json.dumps(schema['default'])}" if "default" in schema else ", may be left out"


def _fields(schema: Mapping[str, Any]) -> str:
    rows = ((name, _type(field)) for name, field in schema.get("properties", {}).items())
    return _table(("field", "takes"), rows)


def _described(schema: Mapping[str, Any]) -> str:
    """What the answer's docstring says of its fields."""
    summary, _, rest = str(schema.get("description", "")).partition("Attributes\n")
    rows: list[list[str]] = []
    for line in rest.splitlines():
        if re.fullmatch(r"\w+", line):
            rows.append([line, ""])
        elif rows and line.startswith("  "):
            rows[-1][1] += f" {line.strip()}"
    return (f"<p>{_text(summary)}</p>" if summary.strip() else "") + _table(("field", "what it is"), rows)


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"] if each.get("type") != "null")
    kind = str(schema.get("type", "any"))
    if kind == "array":
        most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
        return f"list of {_type(schema.get('items', {}))}{most}"
    low, high = schema.get("minimum"), schema.get("maximum")
    return kind if low is None or high is None else f"{kind}, {low} to {high}"


def _named(api: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return api["components"]["schemas"].get(name, schema) if name else schema


def _example(value: Any) -> str:
    return "" if value is None else f"<pre>{escape(json.dumps(value, indent=1, ensure_ascii=False))}</pre>"


def _table(names: tuple[str, ...], rows: Any) -> str:
    cells = ["".join(f"<td>{_text(cell)}</td>" for cell in row) for row in rows]
    if not cells:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in cells)}</tbody></table>"


def _text(text: str) -> str:
    """`text` as HTML; what stands between backticks is code."""
    return re.sub(r"`+([^`]+)`+", r"<code>\1</code>", escape(" ".join(str(text).split())))
