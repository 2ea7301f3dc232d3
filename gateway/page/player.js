// A live video in a <video>: bytes as they arrive, through Media Source Extensions; HLS where a browser has none.
import { SegmentReader } from "./boxes.js";

const KEPT_SECONDS = 60; // behind the picture, for who looks back
const MAX_SAVED_BYTES = 200 * 1024 * 1024;
const RETRY_MILLISECONDS = 1000;
const HLS = "application/vnd.apple.mpegurl";

const once = (target, name, signal) =>
  new Promise((resolve) => target.addEventListener(name, resolve, { once: true, signal }));

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const sameBytes = (left, right) =>
  left.length === right.length && left.every((byte, index) => byte === right[index]);

// Where players wait for each other, so that their videos show the same moment. `open` lets them go at once.
export class Meeting {
  constructor(players) {
    this.missing = players;
    this.opened = new Promise((resolve) => { this.open = resolve; });
  }

  come() {
    this.missing -= 1;
    if (this.missing === 0) this.open();
    return this.opened;
  }
}

export class LivePlayer {
  // Playing begins when all of the `meeting` have something to play; null: alone.
  constructor(video, meeting) {
    this.video = video;
    this.meeting = meeting;
    this.saved = [];
    this.savedBytes = 0;
    this.begun = false;
    this.next = null; // the chunk behind the newest that has come
    this.stalls = 0;
    this.jumps = 0;
    this.abort = new AbortController();
    const { signal } = this.abort;
    // A viewer who read too slowly was left out of some chunks: time goes on behind the gap.
    for (const name of ["waiting", "stalled", "timeupdate"]) video.addEventListener(name, () => this.skipGap(), { signal });
    video.addEventListener("waiting", () => { if (this.playing) this.stalls += 1; }, { signal });
  }

  // `links` has `video(from)`, the address of the video from a chunk on, and `playlist`. Resolves when it has ended.
  async play(links, from, codec) {
    const type = `video/mp4; codecs="${codec}"`;
    if (window.MediaSource && MediaSource.isTypeSupported(type)) return this.stream(links, from, type);
    if (this.video.canPlayType(HLS)) return this.playList(links.playlist);
    throw new Error(`This browser does not play ${type}.`);
  }

  async stream(links, from, type) {
    const source = new MediaSource();
    const address = URL.createObjectURL(source);
    this.video.src = address;
    await once(source, "sourceopen", this.abort.signal);
    URL.revokeObjectURL(address);
    const buffer = source.addSourceBuffer(type);
    // A connection that breaks is made again, and the video goes on with the next chunk.
    while (!(await this.follow(links.video(this.next ?? from), buffer))) await pause(RETRY_MILLISECONDS);
    this.ended = true;
    if (source.readyState === "open") source.endOfStream();
  }

  // False when the connection broke.
  async follow(url, buffer) {
    const response = await this.unlessBroken(fetch(url, { signal: this.abort.signal }));
    if (response === null) return false;
    if (!response.ok) {
      if (this.next !== null && response.status !== 404) return false;
      throw new Error(`The video answered with HTTP status ${response.status}.`);
    }
    const reader = response.body.getReader();
    const segments = new SegmentReader();
    for (;;) {
      const piece = await this.unlessBroken(reader.read());
      if (piece === null) return false;
      if (piece.done || this.abort.signal.aborted) return true;
      for (const segment of segments.read(piece.value)) await this.take(segment, buffer);
    }
  }

  // Null where it fails and trying again may help: something has come already, and the viewer is still there.
  async unlessBroken(promise) {
    try {
      return await promise;
    } catch (error) {
      if (this.abort.signal.aborted || this.next === null) throw error;
      return null;
    }
  }

  async take(segment, buffer) {
    this.save(segment);
    await this.append(buffer, segment.bytes);
    if (!segment.init) this.next = segment.number + 1;
    if (!this.begun && this.video.buffered.length > 0) this.begin();
  }

  async begin() {
    this.begun = true;
    if (this.meeting !== null) await this.meeting.come();
    if (this.abort.signal.aborted) return;
    this.playing = true;
    this.video.currentTime = this.video.buffered.start(0);
    this.video.play().catch(() => { /* the viewer presses play */ });
  }

  // The browser reads everything itself, and there is nothing to save but what the gateway has.
  async playList(url) {
    this.video.src = url;
    this.video.play().catch(() => { /* the viewer presses play */ });
    await once(this.video, "playing", this.abort.signal);
    this.playing = true;
    await once(this.video, "ended", this.abort.signal);
    this.ended = true;
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
        if (video.paused) await once(video, "playing", this.abort.signal); // or there may be nothing to drop
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

  save({ init, bytes }) {
    if (this.savedBytes + bytes.length > MAX_SAVED_BYTES) this.savedAll = false;
    if (this.savedAll === false) return; // what is saved stays playable: whole up to here
    if (init && this.savedInit && sameBytes(this.savedInit, bytes)) return; // of a connection that was made again
    if (init) this.savedInit = bytes;
    this.saved.push(bytes);
    this.savedBytes += bytes.length;
  }

  // Null where the browser has read the video by itself.
  file() { return this.saved.length > 0 ? new Blob(this.saved, { type: "video/mp4" }) : null; }

  stop() {
    this.abort.abort();
    this.playing = false;
  }
}
