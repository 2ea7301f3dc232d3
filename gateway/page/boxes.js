// Fragmented MP4 cut where it may be cut: an init segment ("ftyp", "moov"), then fragments ("moof", "mdat").

const text = new TextDecoder("latin1");

export class SegmentReader {
  constructor() {
    this.bytes = new Uint8Array(0);
    this.examined = 0; // whole boxes at the beginning of `bytes` that end no segment yet
    this.number = null;
  }

  // Takes bytes as they come. The segments that they complete: `init`, or the chunk's `number`, and the `bytes`.
  *read(more) {
    const all = new Uint8Array(this.bytes.length + more.length);
    all.set(this.bytes);
    all.set(more, this.bytes.length);
    this.bytes = all;
    for (;;) {
      const view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
      const rest = this.bytes.length - this.examined;
      if (rest < 8) return;
      const size = view.getUint32(this.examined);
      if (size < 8) throw new Error("The video is damaged.");
      if (rest < size) return;
      const kind = text.decode(this.bytes.subarray(this.examined + 4, this.examined + 8));
      // "moof" holds "mfhd" first, whose sequence number counts chunks from one on.
      if (kind === "moof" && size >= 24) this.number = view.getUint32(this.examined + 20) - 1;
      this.examined += size;
      if (kind !== "moov" && kind !== "mdat") continue;
      yield { init: kind === "moov", number: this.number, bytes: this.bytes.slice(0, this.examined) };
      this.bytes = this.bytes.slice(this.examined);
      this.examined = 0;
    }
  }
}
