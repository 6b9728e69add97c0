"""Makes cache/artifacts/sources/published_weights.inc from the sources of torchvision and torchaudio.

    pip download --no-deps torchvision torchaudio --dest WHEELS
    make_published_weights.py WHEELS

Reads the wheels' Python, runs none of it. Only what is published below the two base addresses is taken."""
from __future__ import annotations

import ast
import pathlib
import re
import sys
import zipfile

VISION = "https://download.pytorch.org/models/"
ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "cache/artifacts/sources/published_weights.inc"


def task_of(module: str) -> str:
    if "keypoint" in module:
        return "keypoint-detection"
    for part, task in (("/detection/", "object-detection"), ("/segmentation/", "image-segmentation"),
                       ("/video/", "video-classification"), ("/optical_flow/", "")):
        if part in module:
            return task
    return "image-classification"


def weights_of(kind: ast.ClassDef) -> list[dict]:
    """The members of one enumeration of weights."""
    members, default = [], ""
    for line in kind.body:
        if not isinstance(line, ast.Assign):
            continue
        name = line.targets[0].id
        if name == "DEFAULT":
            default = line.value.id
            continue
        told = {k.arg: k.value for k in line.value.keywords}
        size = [v.value for k, v in zip(told["meta"].keys, told["meta"].values) if k is not None and k.value == "_file_size"]
        members.append({"version": name, "url": told["url"].value, "size_mb": size[0]})
    for m in members:
        m["default"] = m["version"] == default
    assert sum(m["default"] for m in members) == 1, kind.name
    return members


def vision(wheel: zipfile.ZipFile) -> list[str]:
    rows = []
    for module in sorted(n for n in wheel.namelist() if n.startswith("torchvision/models/") and n.endswith(".py")):
        tree = ast.parse(wheel.read(module))
        kinds = {c.name: weights_of(c) for c in tree.body
                 if isinstance(c, ast.ClassDef) and any(getattr(b, "id", "") == "WeightsEnum" for b in c.bases)}
        for builder in (f for f in tree.body if isinstance(f, ast.FunctionDef)):
            marks = [ast.unparse(d) for d in builder.decorator_list]
            registered = [m for m in marks if m.startswith("register_model(")]
            if not registered:
                continue
            named = re.search(r"name='(\w+)'", registered[0])
            model = named.group(1) if named else builder.name
            legacy = "".join(re.findall(r"weights=\('pretrained', [^)]*?(\w+_\w*Weights\.\w+)\)", " ".join(marks))[:1])
            asked = next(ast.unparse(a.annotation) for a in builder.args.args + builder.args.kwonlyargs if a.arg == "weights")
            kind = re.search(r"(\w+_\w*Weights)\b", asked).group(1)
            for m in kinds[kind]:
                if not m["url"].startswith(VISION):
                    continue
                flags = ["is_default"] * m["default"] + ["is_pretrained"] * (legacy == f"{kind}.{m['version']}")
                rows.append(f'    {{"{model}", "{kind}", "{m["version"]}", "{m["url"].removeprefix(VISION)}", {m["size_mb"]}, '
                            f'"{task_of(module)}", {" | ".join(flags) or "0"}}},')
    return rows


def audio(wheel: zipfile.ZipFile) -> list[str]:
    """Bundles whose files lie below torchaudio/models: those whose path has no folder."""
    rows = []
    for module in sorted(n for n in wheel.namelist() if n.startswith("torchaudio/pipelines/") and n.endswith("impl.py")):
        for line in ast.parse(wheel.read(module)).body:
            if not (isinstance(line, ast.Assign) and isinstance(line.value, ast.Call) and isinstance(line.targets[0], ast.Name)):
                continue
            told = [k.value.value for k in line.value.keywords if k.arg in ("_path", "_tacotron2_path")]
            told += [a.value for a in line.value.args[:1] if isinstance(a, ast.Constant)]
            vocoder = [k.value.value for k in line.value.keywords if k.arg == "_wavernn_path"]
            if not told or "/" in told[0]:
                continue
            name = line.targets[0].id
            task = "text-to-speech" if "_tts" in module else "automatic-speech-recognition" if "_ASR_" in name else ""
            rows.append(f'    {{"{name}", "{told[0]}", "{vocoder[0] if vocoder else ""}", "{task}"}},')
    return rows


def main() -> None:
    found = {p.name.split("-")[0]: p for p in pathlib.Path(sys.argv[1]).glob("*.whl")}
    versions = {name: path.name.split("-")[1] for name, path in found.items()}
    text = [f"// Made by tests/parity/make_published_weights.py from torchvision {versions['torchvision']} and torchaudio "
            f"{versions['torchaudio']}: do not edit.", "constexpr vision_weights vision_table[] = {"]
    text += vision(zipfile.ZipFile(found["torchvision"]))
    text += ["};", "constexpr audio_bundle audio_table[] = {"]
    text += audio(zipfile.ZipFile(found["torchaudio"]))
    text += ["};"]
    OUT.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
