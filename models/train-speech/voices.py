"""Who speaks: accents and variants of espeak-ng, and which of them no model is trained on."""
import random

from espeak import Manner

# espeak-ng calls its British accent "en".
ACCENTS = ["en-us", "en-us", "en-us", "en", "en", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc", "en-029"]
HELD_OUT_ACCENT = "en-gb-x-gbcwmd"  # West Midlands

VARIANTS = ["", "m1", "m2", "m4", "m5", "m6", "m7", "f1", "f3", "f4", "f5", "Alex", "Andy", "Annie", "Gene", "Hugo", "Jacky",
            "Lee", "Mario", "Mike", "adam", "anika", "benjamin", "boris", "caleb", "david", "ed", "edward", "iven", "john",
            "klatt", "klatt2", "klatt4", "linda", "marcelo", "max", "michel", "norbert", "pablo", "paul", "quincy", "rob",
            "robert", "sandro", "shelby", "steph", "travis", "victor", "zac"]
HELD_OUT_VARIANTS = ["m3", "m8", "f2", "Andrea", "Michael", "belinda", "miguel", "klatt3", "aunty", "Diogo"]

# Groups of the held-out recordings: which accents and which variants.
GROUPS = {"voices of training": (ACCENTS, VARIANTS), "other voices": (ACCENTS, HELD_OUT_VARIANTS),
          "another accent": ([HELD_OUT_ACCENT], VARIANTS), "both": ([HELD_OUT_ACCENT], HELD_OUT_VARIANTS)}


def pick(rng: random.Random, group="voices of training"):
    accents, variants = GROUPS[group]
    accent, variant = rng.choice(accents), rng.choice(variants)
    return accent + ("+" + variant if variant else "")


def manner(rng: random.Random):
    return Manner(rng.randint(125, 225), min(90, max(10, round(rng.gauss(48, 18)))), rng.randint(20, 85))
