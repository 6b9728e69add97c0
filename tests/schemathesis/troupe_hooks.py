"""What schemathesis cannot know of the server that scripts/schemathesis.sh starts.

Names: of those that could be a model's most become registered ones, else nearly every answer would be a 404.
Deadlines: a valid one is made long enough. A server that is told to answer within a microsecond answers 504, as its
document says; a run that is to see no 5xx does not ask for it."""
import re
import zlib

import schemathesis
from schemathesis.specs.openapi.stateful.dependencies import schemas as dependencies

REGISTERED = ["classifier", "numbers"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")
SHORTEST_S = 60


def name_of(value):
    if not isinstance(value, str) or not NAME.fullmatch(value):
        return value
    choice = zlib.crc32(value.encode()) % (len(REGISTERED) + 1)  # the same for the same
    return REGISTERED[choice] if choice < len(REGISTERED) else value


def seconds_of(value):
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return value
    if isinstance(value, bool) or not 0 < seconds < SHORTEST_S:
        return value
    return SHORTEST_S


def adapt(values):
    if not isinstance(values, dict):
        return
    for key in values:
        if key in ("model_name", "model"):
            values[key] = name_of(values[key])
        elif key == "timeout":
            values[key] = seconds_of(values[key])


@schemathesis.hook
def before_call(context, case, kwargs):
    for values in (case.path_parameters, case.query, case.body):
        adapt(values)


# 4.32.5 counts "type": ["number", "null"] among the keys of a set, and ends.
_is_interesting = dependencies._is_interesting_schema


def _is_interesting_of_any_type(schema) -> bool:
    types = schema.get("type") if isinstance(schema, dict) else None
    if isinstance(types, list):
        return any(_is_interesting({**schema, "type": one}) for one in types)
    return _is_interesting(schema)


dependencies._is_interesting_schema = _is_interesting_of_any_type
