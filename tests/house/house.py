"""The order in which the rooms and wings may use each other: pure functions over include lines.

A room may use the ones below it, a wing (a folder of a room; "" is the room's root) the ones below it in its room."""
from __future__ import annotations

import pathlib
import re

ROOMS = ["app", "http", "actors", "cache", "inference", "config"]
WINGS = {
    "http": ["", "pages", "api", "ws", "edge", "core", "json"],
    "actors": ["", "catalog", "artifacts", "sessions", "residency", "serving", "protocol"],
    "cache": ["", "catalog", "artifacts", "prediction"],
    "inference": ["", "programs", "speech", "tasks", "encoders", "image", "audio", "text", "files", "torch", "model"],
}
# Headers of heavyweights, and the only folders that may include them.
FOREIGN = {
    r"<(ATen|c10|torch)/": ["inference/torch", "inference/encoders", "inference/programs", "inference/speech"],
    r"<restinio/": ["http/edge"],
    r"<boost/": ["http/edge", "cache/catalog/redis"],
    r"<caf/": ["actors"],
    r"<hiredis/": ["cache/catalog/redis"],
    r"<(sqlite3|libpq-fe)\.h>": ["cache/catalog/sql"],
    r"<(kissfft/|sndfile\.h|mpg123\.h|soxr\.h|vorbis/)": ["inference/audio"],
    r"<curl/": ["cache/artifacts", "app"],
    r"<CLI/": ["app"],
}

INCLUDE = re.compile(r'^\s*#\s*include\s+("[^"]+"|<[^>]+>)', re.MULTILINE)


def place(path: str) -> tuple[str, str]:
    """Room and wing of a source's path: a wing's own folders belong to it."""
    parts = path.split("/")
    return parts[0], parts[1] if len(parts) > 2 else ""


def faults(path: str, source: str) -> list[str]:
    """What the file at `path` includes and must not, a line each."""
    room, wing = place(path)
    out = []
    if wing not in WINGS.get(room, [""]):
        out.append(f"{path}: {room}/{wing} is no wing: tests/house/house.py names them")
    for named in INCLUDE.findall(source):
        name = named[1:-1]
        if named.startswith("<"):
            for pattern, folders in FOREIGN.items():
                if re.match(pattern, named) and not any(path.startswith(folder + "/") for folder in folders):
                    out.append(f"{path}: {named} belongs to {', '.join(folders)}")
            continue
        other_room, other_wing = place(name)
        if other_room not in ROOMS:
            out.append(f"{path}: \"{name}\" is not written from the repository root")
        elif ROOMS.index(other_room) < ROOMS.index(room):
            out.append(f"{path}: {room} may not use {other_room}, which is above it: \"{name}\"")
        elif other_room == room and wing in (order := WINGS.get(room, [])):
            if other_wing not in order or order.index(other_wing) < order.index(wing):
                out.append(f"{path}: {room}/{wing} may not use {room}/{other_wing}, which is above it: \"{name}\"")
    return out


def sources(root: pathlib.Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for room in ROOMS for p in (root / room).rglob("*.[ch]pp"))
