// One live session as the page holds it: its events, its player, the times of its changes.
import { control, follow, seconds, videoLinks } from "./api.js";
import { LivePlayer } from "./player.js";

export class Live {
  // `on(name, message)` is told everything that happens; "applied" with the time at which a change shows. One that is
  // not our `own` goes on without us. `meeting`: as LivePlayer has it.
  constructor(described, video, on, own, meeting) {
    this.id = described.id;
    this.own = own;
    this.video = video;
    this.on = on;
    this.started = described.started;
    this.seed = described.request.seed;
    this.over = false;
    this.waiting = new Map(); // changes by the first chunk that shows them
    this.asked = []; // what was changed by this page, in order
    this.player = new LivePlayer(video, meeting);
  }

  start(from) {
    this.unfollow = follow(this.id, (name, message) => this.handle(name, message));
    return this.player.play(videoLinks(this.id), from, this.started.codec_string);
  }

  handle(name, message) {
    if (name === "update_applied") {
      const what = this.asked.shift() ?? "A change";
      const first = Number(message.first_chunk);
      this.waiting.set(first, [...(this.waiting.get(first) ?? []), what]);
      return;
    }
    if (name === "chunk") {
      const number = Number(message.sequence);
      for (const what of this.waiting.get(number) ?? []) {
        this.on("applied", { what, time: seconds(message.presentation_start) });
      }
      this.waiting.delete(number);
    }
    if (name === "ended") this.over = true;
    this.on(name, message);
  }

  async ask(name, body, what) {
    if (what) this.asked.push(what);
    try {
      await control(this.id, name, body);
    } catch (error) {
      if (what) this.asked.splice(this.asked.indexOf(what), 1);
      throw error;
    }
  }

  stop() {
    this.player.stop();
    if (this.unfollow) this.unfollow();
    if (this.own && !this.over) control(this.id, "finish").catch(() => { /* it has ended by itself */ });
    this.over = true;
  }
}
