#!/usr/bin/env python3
"""inference/text/tokenizer_classes.inc: which tokenizer class transformers takes for a name and for a model type. Asks
transformers; needs no PyTorch."""
import os
import pathlib

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import transformers
from transformers.models.auto import tokenization_auto as auto

OUT = pathlib.Path(__file__).resolve().parents[2] / "inference" / "text" / "tokenizer_classes.inc"


def resolved(name):
    """The name of the class that stands behind `name`; None: transformers knows none."""
    try:
        found = auto.tokenizer_class_from_name(name)
    except Exception:
        return None
    if found is None:
        return None
    # A dummy stands for a class whose library is not installed.
    return name if "dummy" in found.__module__ else found.__name__


names = {n for n in dir(transformers) if n.endswith(("Tokenizer", "Backend"))}
names |= {n for n in auto.TOKENIZER_MAPPING_NAMES.values() if n}
names |= {n + "Tokenizer" for n in ("Bloom", "Longformer", "LED", "Electra", "SqueezeBert", "Lxmert", "LayoutLM", "Mvp", "PreTrained")}
classes = {n.removesuffix("Fast"): resolved(n.removesuffix("Fast")) for n in sorted(names)}
types = {t: (c or "TokenizersBackend").removesuffix("Fast") for t, c in auto.TOKENIZER_MAPPING_NAMES.items()}
types = {t: "TokenizersBackend" if c == "MistralCommonBackend" else c for t, c in types.items()}

with OUT.open("w") as out:
    out.write("// Made by tests/parity/make_tokenizer_classes.py from transformers " + transformers.__version__ + ": do not edit.\n")
    out.write("constexpr std::pair<std::string_view, std::string_view> class_names[] = {\n")
    out.writelines(f'    {{"{n}", "{c}"}},\n' for n, c in sorted(classes.items()) if c)
    out.write("};\nconstexpr std::pair<std::string_view, std::string_view> class_of_model_type[] = {\n")
    out.writelines(f'    {{"{t}", "{c}"}},\n' for t, c in sorted(types.items()))
    out.write("};\n// Checkpoints of these name classes that are not theirs.\nconstexpr std::string_view types_with_wrong_classes[] = {\n")
    out.writelines(f'    "{t}",\n' for t in sorted(auto.MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS))
    out.write("};\n")
