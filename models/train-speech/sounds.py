"""What a recording does to a voice, and what is no voice at all. Samples are float32 at 16 kHz, in [-1, 1]."""
import numpy
from scipy.signal import fftconvolve, lfilter

from espeak import RATE


def silence(seconds):
    return numpy.zeros(max(0, int(seconds * RATE)), numpy.float32)


def power(x):
    return float(numpy.mean(numpy.square(x, dtype=numpy.float64))) + 1e-12


def coloured(rng, count):
    """Noise whose spectrum falls by 0 (white) to 2 (brown) powers of the frequency."""
    shape = numpy.fft.rfft(rng.standard_normal(count))
    shape /= numpy.maximum(numpy.arange(len(shape)), 20.0) ** (rng.uniform(0, 2) / 2)
    return numpy.fft.irfft(shape, count)


def hum(rng, count):
    t = numpy.arange(count) / RATE
    base = rng.choice([50.0, 60.0, 100.0, 120.0]) * rng.uniform(0.99, 1.01)
    return sum(rng.uniform(0, 1) / n * numpy.sin(2 * numpy.pi * (base * n * t + rng.uniform())) for n in range(1, 9))


def knocks(rng, count):
    x = numpy.zeros(count)
    for _ in range(rng.integers(1, 6)):
        at, ring = rng.integers(count), int(rng.uniform(0.01, 0.15) * RATE)
        knock = rng.standard_normal(ring) * numpy.exp(-6 * numpy.arange(ring) / ring)
        x[at:at + ring] += rng.uniform(0.3, 1) * knock[:count - at]
    return x + 0.003 * rng.standard_normal(count)


def tones(rng, count):
    """Beeps, chords and sirens."""
    x = numpy.zeros(count)
    for _ in range(rng.integers(1, 5)):
        begin, end = sorted(rng.integers(0, count + 1, 2))
        first, last = rng.uniform(150, 3500, 2) if rng.uniform() < 0.3 else [rng.uniform(150, 3500)] * 2
        glide = first + (last - first) * numpy.linspace(0, 1, count)
        x[begin:end] += (rng.uniform(0.2, 1) * numpy.sin(2 * numpy.pi * numpy.cumsum(glide) / RATE))[begin:end]
    return x + 0.001 * rng.standard_normal(count)


def noise(rng, count):
    kind = rng.choice(["coloured", "hum", "both", "gusts"], p=[0.55, 0.1, 0.2, 0.15])
    x = hum(rng, count) if kind == "hum" else coloured(rng, count)
    x /= numpy.sqrt(power(x))
    if kind == "both":
        x += rng.uniform(0.2, 1) * hum(rng, count)
    if kind == "gusts":
        points = rng.uniform(0.1, 1, max(2, count // 8000 + 2))
        x *= numpy.interp(numpy.linspace(0, 1, count), numpy.linspace(0, 1, len(points)), points)
    return x


def no_speech(rng, count):
    kind = rng.choice(["zeros", "noise", "knocks", "tones", "mixed"], p=[0.1, 0.4, 0.2, 0.15, 0.15])
    if kind == "zeros":
        return numpy.zeros(count, numpy.float32)
    makers = {"noise": [noise], "knocks": [knocks], "tones": [tones], "mixed": [noise, knocks, tones]}[kind]
    x = sum(m(rng, count) * rng.uniform(0.1, 1) for m in makers)
    return at_level(rng, x, -60, -12)


def room(rng, x):
    """Echoes of a small room: noise that decays, the direct sound before it."""
    decay = rng.uniform(0.05, 0.35)
    count = int(decay * RATE)
    echo = rng.standard_normal(count) * numpy.exp(-6.9 * numpy.arange(count) / count)
    echo *= rng.uniform(0.1, 0.7) / numpy.sqrt((echo**2).sum())
    echo[0] = 1
    return fftconvolve(x, echo)[:len(x)]


def microphone(rng, x):
    """A one-pole tilt of the spectrum, up or down, and sometimes a telephone's band."""
    a = rng.uniform(-0.6, 0.6)
    x = lfilter([1, -a], [1], x)
    if rng.uniform() < 0.25:
        spectrum = numpy.fft.rfft(x)
        hz = numpy.fft.rfftfreq(len(x), 1 / RATE)
        spectrum[(hz < rng.uniform(60, 300)) | (hz > rng.uniform(3400, 7500))] *= 0.05
        x = numpy.fft.irfft(spectrum, len(x))
    return x


def at_level(rng, x, least_db, most_db):
    peak = numpy.abs(x).max()
    return (x * (10 ** (rng.uniform(least_db, most_db) / 20) / peak if peak > 0 else 1)).astype(numpy.float32)


def with_noise(rng, x, snr_db):
    """Noise so far below the voice's own power (of where it is loud)."""
    loud = numpy.sort(numpy.square(x))[len(x) // 2:]
    n = noise(rng, len(x))
    return x + n * numpy.sqrt(float(loud.mean() + 1e-12) / power(n) / 10 ** (snr_db / 10))


def recorded(rng, voice, snr_db):
    """`snr_db` None: as the synthesiser made it, but for its level."""
    x = voice.astype(numpy.float64)
    if snr_db is not None:
        if rng.uniform() < 0.4:
            x = room(rng, x)
        if rng.uniform() < 0.5:
            x = microphone(rng, x)
        x = with_noise(rng, x, snr_db)
    return at_level(rng, x, -26, -1)


def pcm(x):
    return numpy.clip(numpy.round(x * 32767), -32768, 32767).astype(numpy.int16)
