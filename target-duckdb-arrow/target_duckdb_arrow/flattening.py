"""Schemas and records in a form from which singer-sdk's flattening drops no property.

singer-sdk 0.54 drops a property with `anyOf` or `oneOf` if the first branch is not a string, array or object. It
declares a property without a type as a string, and does not convert its values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_duckdb_arrow.sdk import flatten_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_duckdb_arrow.sdk import FlatteningOptions

# Several types result in a JSON column. Without object and array: singer-sdk would convert these to text.
_ANY = {"type": ["boolean", "integer", "number", "string", "null"]}

_encode = msgspec.json.Encoder(decimal_format="number").encode


def plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Rewrite a schema so that each property has one list of types, without `anyOf` and `oneOf`."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return dict(schema)
    return {**schema, "properties": {name: _plain_property(one) for name, one in properties.items()}}


def _plain_property(definition: Any) -> dict[str, Any]:
    branches = _branches(definition) if isinstance(definition, dict) else []
    types = {name for branch in branches for name in _types(branch)}
    kinds = types - {"null"}
    if len(kinds) != 1 and not (kinds and kinds <= {"integer", "number"}):
        return dict(_ANY)
    typed = [branch for branch in branches if set(_types(branch)) - {"null"}]
    merged = {key: value for branch in reversed(typed) for key, value in branch.items()}
    if len({str(branch.get("format")) for branch in typed}) > 1:
        merged.pop("format", None)
    if kinds == {"object"}:
        properties = [branch["properties"] for branch in typed if isinstance(branch.get("properties"), dict)]
        if properties:
            merged["properties"] = {name: one for part in reversed(properties) for name, one in part.items()}
    return plain_schema({**merged, "type": sorted(types)})


def _branches(definition: dict[str, Any]) -> list[dict[str, Any]]:
    """List the alternatives of a property. Keywords next to `anyOf` apply to each of them."""
    for word in ("anyOf", "oneOf"):
        if isinstance(definition.get(word), list) and definition[word]:
            rest = {key: value for key, value in definition.items() if key not in {"anyOf", "oneOf"}}
            dicts = [branch for branch in definition[word] if isinstance(branch, dict)]
            return [one for branch in dicts for one in _branches({**rest, **branch})]
    return [definition]


def _types(branch: Mapping[str, Any]) -> list[str]:
    """Return the types of a branch, or `any` if it has no valid ones."""
    names = branch.get("type")
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return ["any"]
    return names


def record_flattener(
    schema: Mapping[str, Any],
    options: FlatteningOptions,
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Create the function that flattens the records of a stream.

    Args:
        schema: the stream's schema, flattened by singer-sdk.
        options: the depth, and how names are joined.
    """
    properties = schema["properties"]
    texts = {name for name, one in properties.items() if set(_types(one)) <= {"string", "null"}}

    def flatten(record: dict[str, Any], parents: tuple[str, ...]) -> dict[str, Any]:
        flat: dict[str, Any] = {}
        for name, value in record.items():
            key = flatten_key(name, [*parents], options.separator, max_key_length=options.max_key_length)
            if isinstance(value, dict) and key not in properties and len(parents) < options.max_level:
                flat.update(flatten(value, (*parents, name)))
            elif isinstance(value, (dict, list)) and key in texts:
                flat[key] = _encode(value).decode()
            else:
                flat[key] = value
        return flat

    return lambda record: flatten(record, ())
