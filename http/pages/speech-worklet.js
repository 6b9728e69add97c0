// Sound as it comes to 16-bit samples, a tenth of a second at a time, and how loud it was.

registerProcessor("pcm16", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Int16Array(Math.round(sampleRate / 10));
    this.count = 0;
    this.peak = 0;
  }

  process([[channel]]) {
    for (const value of channel || []) {
      const clipped = Math.max(-1, Math.min(1, value));
      this.peak = Math.max(this.peak, Math.abs(clipped));
      this.samples[this.count++] = clipped * 32767;
      if (this.count === this.samples.length) {
        const full = this.samples.slice().buffer;
        this.port.postMessage({samples: full, level: this.peak}, [full]);
        this.count = 0;
        this.peak = 0;
      }
    }
    return true;
  }
});
