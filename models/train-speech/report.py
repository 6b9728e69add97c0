"""REPORT.md's text from what evaluate.py found."""
import voices
from make_data import SNR_DB


def percent(share):
    return f"{100 * share:.1f} %"


def table(head, rows):
    return "\n".join("| " + " | ".join(str(c) for c in row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def flite(found):
    if not found:
        return "Another synthesiser was not tried where this was written: flite is not installed there."
    rates = ", ".join(f"{percent(v)} {k}" for k, v in found["wer"].items())
    return (f"Voices of another synthesiser, flite, which it was never trained on, {found['recordings']} clean recordings, by voice: {rates}.\n"
            "That is the better guess of what it makes of a human voice.")


def written(f):
    r, first = f["recognition"], next(iter(f["recognition"]))
    sizes = f["bytes"]
    return f"""# The speech demo: report

Written by `models/train-speech/evaluate.py` from the models in this folder, through the server's own socket; nothing in it is edited by
hand. `report.json` holds the same numbers.

A streaming Paraformer and a CT-Punc, {sizes["streaming_asr"] / 1e6:.1f} and {sizes["punctuation"] / 1e6:.1f} MB, for {f["vocabulary"]} English words: sentences to a voice
assistant. **They show that the server works; they are no speech recognizer.** They were trained only on speech that espeak-ng made, never heard
a human voice, and of any word that they do not know, or any voice unlike those, they make nonsense: other words of theirs, with confidence.

## Recognition

{r["recordings"]} recordings, {r["words"]} words. No sentence in them was trained on; who speaks them differs by group. Word error rate with
`chunk_size` {first}, by the level of noise (room, microphone and noise are synthetic):

{table(["voices", *SNR_DB], [[g, *[percent(r["groups"][g][lv]) for lv in SNR_DB]] for g in voices.GROUPS]
       + [["all", *[percent(r["levels"][lv]) for lv in SNR_DB]]])}
{len(voices.VARIANTS)} variants of espeak-ng in {len(set(voices.ACCENTS))} accents were trained on. "Other voices" are {len(voices.HELD_OUT_VARIANTS)} variants that were not, "another accent" is
{voices.HELD_OUT_ACCENT} in trained variants, "both" is that accent in those variants.

All recordings together, by what a client may ask for:

{table(["chunk_size and look back", "word error rate", "recordings without any error"],
       [[n, percent(r[n]["wer"]), percent(r[n]["exact"])] for n in r if isinstance(r[n], dict) and "wer" in r[n]])}
{flite(f["another_synthesiser"])}

The computation that training uses hears the same words as the server in {percent(f["agreement"])} of the recordings (the server may compute in bf16).

## Silence and noise

{f["no_speech"]["recordings"]} recordings without speech (digital silence, noise, hum, knocks, beeps): {f["no_speech"]["with_words"]} gave words,
{f["no_speech"]["words_a_minute"]:.2f} words a minute. They are made as the ones in training are; real noises were not tried.

## Marks

{f["punctuation"]["texts"]} texts of one to four held-out sentences, without recognition errors; {percent(f["punctuation"]["whole"])} had every mark right.

{table(["mark", "precision", "recall", "F1", "of them"],
       [[f"`{m}`", *[percent(v[k]) for k in ("precision", "recall", "f1")], v["marks"]]
        for m, v in f["punctuation"]["marks"].items()])}
The grammar is small, so marks follow from words nearly always; texts of another kind get marks by accident.

Sound to text with marks and capitals (`2pass`), whole recordings exactly right: {", ".join(f"{percent(v)} {k}" for k, v in f["end_to_end"].items())}.

## What it gets wrong

{table(["", "the commonest, with their number"],
       [[kind, ", ".join(f"{what} ({n})" for what, n in found)] for kind, found in r["differences"].items()])}
- Words out of the vocabulary: each becomes some word of it, or none.
- Human speech, music with singing, several speakers at once: not trained with, not measured, expect nonsense.
- Held-out sentences come from the same grammar as those of training; what is new is which words meet in them.

## Samples

Held-out noisy recordings of voices or an accent that were not trained on, chosen because they are heard right with each setting above: they
show that it works, not how well.

{table(["file", "text", "voice", "noise"], [[s["file"], s["text"], s["voice"], s["noise"]] for s in f["samples"]])}
Loading took {f["load_ms"]["streaming_asr"]:.0f} ms and {f["load_ms"]["punctuation"]:.0f} ms where this was written.
"""
