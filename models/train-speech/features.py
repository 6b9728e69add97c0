"""The front-end of Paraformer: Kaldi's filter bank without dither, frames stacked by seven every sixth, and am.mvn."""
import numpy
import torch
import torchaudio.compliance.kaldi as kaldi

from espeak import RATE

MELS, STACKED, EVERY = 80, 7, 6
WIDTH = MELS * STACKED
CHUNK = 10  # stacked frames of 60 ms: what a streaming step takes
FRAME_SAMPLES, SHORT_SAMPLES = 960, 960
FLOOR = float(numpy.log(numpy.finfo(numpy.float32).eps))


def filter_bank(pcm):
    """int16 samples, 400 at least -> [frames of 10 ms, MELS] fp32."""
    wave = torch.from_numpy(pcm.astype(numpy.float32))[None]
    return kaldi.fbank(wave, num_mel_bins=MELS, frame_length=25, frame_shift=10, dither=0.0, energy_floor=0.0,
                       window_type="hamming", sample_frequency=RATE, snip_edges=True)


def steps_of(samples):
    """Whole chunks that a stream of so many samples makes, and the stacked frames of what remains after them; no frames:
    too little remains for a chunk of its own, and what is ahead of the last one is all that its end adds."""
    chunks, left = divmod(samples, CHUNK * FRAME_SAMPLES)
    if left < SHORT_SAMPLES:
        return chunks, 0
    frames = 1 + (samples - 400) // 160
    return chunks, -(-frames // EVERY) - CHUNK * chunks


def stacked(bank, count):
    """[frames, MELS] -> [count, WIDTH]: three copies of the first frame go before, the last one fills the end."""
    at = torch.arange(count)[:, None] * EVERY + torch.arange(STACKED)[None] - 3
    return bank[at.clamp(0, len(bank) - 1)].reshape(count, WIDTH)


def write_mvn(path, shift, scale):
    """Kaldi's nnet text: features become (x + shift) * scale."""
    line = lambda name, v: (f"<{name}> {WIDTH} {WIDTH}\n<LearnRateCoef> 0 [ " + " ".join(f"{x:.7g}" for x in v.tolist()) +
                            " ]\n")
    path.write_text(f"<Nnet>\n<Splice> {WIDTH} {WIDTH}\n[ 0 ]\n" + line("AddShift", shift) + line("Rescale", scale) +
                    "</Nnet>\n")
