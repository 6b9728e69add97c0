"""Speech with its words' times: libespeak-ng through ctypes.

    say("en-us+f3", "turn on the light.", ...) -> samples at 16 kHz, one span of seconds a word

The library tells where each word and each phoneme begins; a word ends where its last phoneme that is no pause does. One
voice at a time in a process: the library keeps its settings in globals.
"""
import ctypes
import dataclasses

import numpy
from scipy.signal import resample_poly

RATE = 16000

_SYNCHRONOUS, _PHONEME_EVENTS, _UTF8 = 2, 1, 1
_ENDED, _WORD, _PHONEME = 0, 1, 7
_SPEED, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4


class _Value(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("unique", ctypes.c_uint), ("text_position", ctypes.c_int),
                ("length", ctypes.c_int), ("audio_ms", ctypes.c_int), ("sample", ctypes.c_int),
                ("user_data", ctypes.c_void_p), ("value", _Value)]


_Heard = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclasses.dataclass
class Manner:
    words_per_minute: int = 175
    pitch: int = 50  # 0 to 100
    pitch_range: int = 50  # 0 to 100


class _Library:
    def __init__(self):
        self.lib = ctypes.CDLL("libespeak-ng.so.1")
        self.rate = self.lib.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS)
        if self.rate <= 0:
            raise RuntimeError("espeak-ng does not start: is its package installed?")
        self.heard = _Heard(self._take)  # kept alive: the library calls it
        self.lib.espeak_SetSynthCallback(self.heard)
        self.samples, self.events = [], []

    def _take(self, wave, count, events):
        if wave and count > 0:
            self.samples.append(numpy.ctypeslib.as_array(wave, (count,)).copy())
        i = 0
        while events[i].type != _ENDED:
            e = events[i]
            if e.type == _WORD:
                self.events.append(("word", e.audio_ms / 1000, e.text_position - 1))
            elif e.type == _PHONEME:
                self.events.append(("phoneme", e.audio_ms / 1000, e.value.string.decode("utf-8", "replace")))
            i += 1
        return 0


_library = None


def say(voice, text, manner=Manner()):
    """`voice` as espeak-ng names it, with "+variant". ValueError: no such voice. Spans are in the order of the text's
    words; a word that the library has merged with the one before shares that one's time."""
    global _library
    _library = _library or _Library()
    lib = _library.lib
    if lib.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ValueError(f"espeak-ng has no voice {voice}")
    for which, value in ((_SPEED, manner.words_per_minute), (_PITCH, manner.pitch), (_RANGE, manner.pitch_range)):
        lib.espeak_SetParameter(which, value, 0)
    _library.samples, _library.events = [], []
    data = text.encode()
    lib.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
    lib.espeak_Synchronize()
    wave = numpy.concatenate(_library.samples).astype(numpy.float32) / 32768
    return resample_poly(wave, 320, 441).astype(numpy.float32), _spans(text, _library.events)


def _spans(text, events):
    begins = [i for i in range(len(text)) if text[i] != " " and (i == 0 or text[i - 1] == " ")]
    found = {}  # begin of a word in the text -> [start, end]
    current = None
    for i, (kind, at, what) in enumerate(events):
        if kind == "word":
            word = max((b for b in begins if b <= what), default=0)
            current = found.setdefault(word, [at, at])
        elif current is not None and what and not what.startswith("_"):
            later = next((t for k, t, _ in events[i + 1:] if k == "phoneme"), at)
            current[1] = max(current[1], later)
    groups, last = [], None
    for b in begins:
        if b in found:
            last = [found[b], 1]
            groups.append(last)
        elif last is not None:
            last[1] += 1
        else:
            raise ValueError(f"no times of the first word of: {text}")
    spans = []
    for (start, end), words in groups:
        step = (end - start) / words
        spans += [(start + n * step, start + (n + 1) * step) for n in range(words)]
    return spans
