// A live video in a <video>: bytes as they arrive, through Media Source Extensions.

const KEPT_SECONDS = 60; // behind the picture, for who looks back
const MAX_SAVED_BYTES = 200 * 1024 * 1024;

const once = (target, name) => new Promise((resolve) => target.addEventListener(name, resolve, { once: true }));

export class LivePlayer {
  constructor(video) {
    this.video = video;
    this.saved = [];
    this.savedBytes = 0;
    this.stalls = 0;
    this.jumps = 0;
    this.abort = new AbortController();
    // A viewer who read too slowly was left out of some chunks: time goes on behind the gap.
    const skip = () => this.skipGap();
    for (const name of ["waiting", "stalled", "timeupdate"]) {
      video.addEventListener(name, skip, { signal: this.abort.signal });
    }
    video.addEventListener("waiting", () => { if (this.playing) this.stalls += 1; }, { signal: this.abort.signal });
  }

  // Resolves when the stream has ended.
  async play(url, codec) {
    const type = `video/mp4; codecs="${codec}"`;
    if (!window.MediaSource || !MediaSource.isTypeSupported(type)) {
      throw new Error(`This browser does not play ${type}.`);
    }
    const source = new MediaSource();
    const address = URL.createObjectURL(source);
    this.video.src = address;
    await once(source, "sourceopen");
    URL.revokeObjectURL(address);
    const buffer = source.addSourceBuffer(type);
    const response = await fetch(url, { signal: this.abort.signal });
    if (!response.ok) throw new Error(`The video answered with HTTP status ${response.status}.`);
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.abort.signal.aborted) break;
      this.save(value);
      await this.append(buffer, value);
      if (!this.playing && this.video.buffered.length > 0) this.begin();
    }
    this.ended = true;
    if (source.readyState === "open") source.endOfStream();
  }

  begin() {
    this.playing = true;
    this.video.currentTime = this.video.buffered.start(0);
    this.video.play().catch(() => { /* the viewer presses play */ });
  }

  async append(buffer, bytes) {
    const { video } = this;
    for (;;) {
      try {
        buffer.appendBuffer(bytes);
        await once(buffer, "updateend");
        break;
      } catch (error) {
        if (error.name !== "QuotaExceededError") throw error;
        await this.drop(buffer, Math.max(video.currentTime - 1, 0.1));
      }
    }
    if (video.buffered.length > 0 && video.currentTime - video.buffered.start(0) > 2 * KEPT_SECONDS) {
      await this.drop(buffer, video.currentTime - KEPT_SECONDS);
    }
  }

  async drop(buffer, until) {
    buffer.remove(0, until);
    await once(buffer, "updateend");
  }

  skipGap() {
    const { buffered, currentTime, seeking } = this.video;
    if (!this.playing || seeking) return;
    for (let i = 0; i < buffered.length; i += 1) {
      if (currentTime >= buffered.start(i) && currentTime < buffered.end(i) - 0.05) return;
      if (buffered.start(i) > currentTime) {
        this.jumps += 1;
        this.video.currentTime = buffered.start(i);
        return;
      }
    }
  }

  save(bytes) {
    if (this.savedBytes + bytes.length > MAX_SAVED_BYTES) return; // what is saved stays playable: whole up to here
    this.saved.push(bytes);
    this.savedBytes += bytes.length;
  }

  file() { return new Blob(this.saved, { type: "video/mp4" }); }

  stop() {
    this.abort.abort();
    this.playing = false;
  }
}
