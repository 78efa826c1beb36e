"""What singer-sdk's flattening needs so that no property is dropped: schemas in its own form, and records to match.

singer-sdk 0.54 drops a property of `anyOf` or `oneOf` whose first branch is not a string, array or object, declares one
without a type a string, and does not turn its values into one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.helpers._flattening import flatten_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_sdk.helpers._flattening import FlatteningOptions

# Of several types, none of which is an object or array that singer-sdk would make text of: a column of JSON.
_ANY = {"type": ["boolean", "integer", "number", "string", "null"]}

_encode = msgspec.json.Encoder(decimal_format="number").encode


def plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Write a schema so that each property has one list of types, and no `anyOf` or `oneOf`."""
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
    """Write out the alternatives of a property; as for its column, what stands next to `anyOf` holds for each."""
    for word in ("anyOf", "oneOf"):
        if isinstance(definition.get(word), list) and definition[word]:
            rest = {key: value for key, value in definition.items() if key not in {"anyOf", "oneOf"}}
            dicts = [branch for branch in definition[word] if isinstance(branch, dict)]
            return [one for branch in dicts for one in _branches({**rest, **branch})]
    return [definition]


def _types(branch: Mapping[str, Any]) -> list[str]:
    """Return the types of a branch; of one without types, or with types that are none, a name that is not one."""
    names = branch.get("type")
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return ["any"]
    return names


def record_flattener(
    schema: Mapping[str, Any],
    options: FlatteningOptions,
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Make the function that flattens the records of a stream.

    Args:
        schema: the stream's schema as singer-sdk flattened it.
        options: how deep, and how names are joined.
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
