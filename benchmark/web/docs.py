"""The API's documentation as a page, drawn from its OpenAPI schema without outside scripts."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader


def docs_page(schema: dict[str, Any]) -> str:
    """HTML of the operations of an OpenAPI schema: fields, answers and an example each."""
    environment = Environment(
        loader=PackageLoader("benchmark.web", "static"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    operations = [
        {
            "method": method.upper(),
            "path": path,
            "text": operation.get("description") or operation.get("summary", ""),
            "fields": _fields(operation, schema),
            "answers": [
                (status, answer.get("description", ""))
                for status, answer in sorted(operation["responses"].items())
            ],
        }
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    return environment.get_template("docs.html.j2").render(
        title=schema["info"]["title"], operations=operations, version=schema["info"]["version"]
    )


def _fields(operation: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, str]]:
    content = operation.get("requestBody", {}).get("content", {})
    for body in content.values():
        name = body["schema"].get("$ref", "").rpartition("/")[2]
        found = schema["components"]["schemas"].get(name, {})
        required = found.get("required", [])
        return [
            {
                "name": field,
                "required": "required" if field in required else "optional",
                "kind": _kind(what),
                "text": what.get("description", ""),
                "default": "" if what.get("default") in (None, "") else str(what["default"]),
            }
            for field, what in found.get("properties", {}).items()
        ]
    return []


def _kind(what: dict[str, Any]) -> str:
    if "enum" in what:
        return ", ".join(what["enum"])
    options = [each for each in what.get("anyOf", [what]) if each.get("type") != "null"]
    first = options[0]
    binary = first.get("format") == "binary" or "contentMediaType" in first
    return "file" if binary else first.get("type", "")
