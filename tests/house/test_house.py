"""Rooms and wings use only what is below them, and heavy headers stay where they belong."""
import os
import pathlib

from house import ROOMS, WINGS, faults, sources

ROOT = pathlib.Path(os.environ.get("TROUPE_SOURCE", pathlib.Path(__file__).parents[2]))


def test_every_include_points_downwards():
    found = [line for path in sources(ROOT) for line in faults(path, (ROOT / path).read_text())]
    assert not found, "\n".join(found)


def test_there_is_something_to_check():
    assert len(sources(ROOT)) > 100
    assert all((ROOT / room).is_dir() for room in ROOMS)


def test_what_points_upwards_is_found():
    assert faults("actors/serving/plan.cpp", '#include "actors/residency/ledger.hpp"\n')
    assert faults("inference/files/a.hpp", '#include "inference/tasks/b.hpp"\n')
    assert faults("inference/model/a.hpp", '#include "inference/loader.hpp"\n'), "a wing may not use its room's root"
    assert faults("config/a.cpp", ' # include "inference/model/model.hpp"\n')
    assert faults("http/json/a.cpp", "#include <ATen/core/Tensor.h>\n")
    assert faults("inference/elsewhere/a.cpp", "")
    assert faults("http/edge/a.cpp", '#include "framer.hpp"\n')


def test_what_points_downwards_is_not():
    assert not faults("actors/residency/a.cpp", '#include "actors/serving/plan.hpp"\n#include "inference/loader.hpp"\n')
    assert not faults("app/main.cpp", '#include "http/api/families.hpp"\n#include <CLI/CLI.hpp>\n')
    assert not faults("inference/torch/a.cpp", "#include <ATen/core/Tensor.h>\n")
    assert not faults("http/core/a.hpp", '#include "http/core/b.hpp"\n// #include "app/cli.hpp"\n')


def test_the_tests_mirror_the_house():
    for room in ROOMS:
        for folder in sorted(p for p in (ROOT / "tests" / room).iterdir() if p.is_dir()):
            assert folder.name in WINGS.get(room, []), f"{folder.relative_to(ROOT)} mirrors no wing"
