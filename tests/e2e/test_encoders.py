"""Every family of encoders and every task of theirs, served from folders as the hub has them, against the answers of
transformers and sentence-transformers (tests/parity/make_encoders.py made both): through all doors, alone, in lists
and packed beside other lengths."""
import copy
import json
import shutil

import pytest

from driver import FIXTURES
from encoder_doors import Doors, registry_of, task_of
from encoders import assemble, names_in, unpack

ARCHIVES = sorted((FIXTURES / "encoders").glob("*.tar.xz"))
NAMES = [f"{archive.name.split('.')[0]}-{name}" for archive in ARCHIVES for name in names_in(archive)]
SHOWN = 8


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    unpacked, models = tmp_path_factory.mktemp("unpacked"), tmp_path_factory.mktemp("models")
    return {c.name: c for archive in ARCHIVES for c in assemble(unpack(archive, unpacked), models)}


@pytest.fixture(scope="module")
def server(serve_module, checkpoints):
    return serve_module(registry_of(list(checkpoints.values())), {"max_models": len(NAMES)})


def test_there_are_all_families():
    assert len(ARCHIVES) == 11 and len(NAMES) > 90


@pytest.mark.asan
@pytest.mark.parametrize("name", NAMES)
def test_its_task(server, checkpoints, name):
    assert task_of(server, checkpoints[name]) == checkpoints[name].task


def test_a_transformer_in_a_folder_of_its_own(serve, checkpoints, tmp_path):
    """As sentence-transformers before its version 2 saved them: weights, tokenizer and length lie in 0_Transformer."""
    plain = checkpoints["bert-embed"]
    folder, own = tmp_path / "older", tmp_path / "older/0_Transformer"
    shutil.copytree(plain.folder, own)
    for file in ("modules.json", "config_sentence_transformers.json", "1_Pooling"):
        shutil.move(own / file, folder / file)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    (own / "sentence_bert_config.json").rename(own / "sentence_roberta_config.json")
    (folder / "config.json").write_text('{"__version__": "1.0.0"}')
    older = copy.copy(plain)
    older.folder = folder
    server = serve(registry_of([older]))
    assert task_of(server, older) == plain.task
    assert server.model(plain.name)["model_info"]["max_length"] == plain.length
    lines = Doors(server, older).ask("alone") + Doors(server, older).ask("field")
    assert not lines, f"{len(lines)} differences:\n" + "\n".join(lines[:SHOWN])


@pytest.mark.parametrize("door", [pytest.param(door, marks=pytest.mark.asan if door == "beside" else ())
                                  for door in Doors.NAMES])
@pytest.mark.parametrize("name", NAMES)
def test_answers(server, checkpoints, name, door):
    lines = Doors(server, checkpoints[name]).ask(door)
    assert not lines, f"{len(lines)} differences:\n" + "\n".join(lines[:SHOWN])
