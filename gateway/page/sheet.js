// A contact sheet of what is playing: frames with their times, spread over the whole video.

const COLUMNS = 4;
const MAX_FRAMES = 24;
const FRAME_WIDTH = 160;
const CAPTION = 24;
const GAP = 4;

export class ContactSheet {
  constructor(canvas, video) {
    this.canvas = canvas;
    this.video = video;
    this.clear();
  }

  clear() {
    this.frames = [];
    this.every = 0.5;
    this.draw();
  }

  // To be called now and then with the frame that is shown.
  look() {
    const { video, frames } = this;
    if (video.readyState < 2 || !video.videoWidth) return;
    const last = frames.length > 0 ? frames[frames.length - 1].time : -Infinity;
    const time = video.currentTime;
    if (time - last < this.every) return;
    const picture = document.createElement("canvas");
    picture.width = FRAME_WIDTH;
    picture.height = Math.round((FRAME_WIDTH * video.videoHeight) / video.videoWidth);
    picture.getContext("2d").drawImage(video, 0, 0, picture.width, picture.height);
    frames.push({ time, picture });
    if (frames.length > MAX_FRAMES) {
      this.frames = frames.filter((_, i) => i % 2 === 0);
      this.every *= 2;
    }
    this.draw();
  }

  draw() {
    const { canvas, frames } = this;
    canvas.hidden = frames.length === 0;
    const cell = (frames.length > 0 ? frames[0].picture.height : 80) + CAPTION;
    canvas.width = COLUMNS * (FRAME_WIDTH + GAP) - GAP;
    canvas.height = Math.max(1, Math.ceil(frames.length / COLUMNS)) * cell;
    const context = canvas.getContext("2d");
    context.fillStyle = "#111";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = "#fff";
    context.font = "18px system-ui, sans-serif";
    frames.forEach(({ time, picture }, i) => {
      const x = (i % COLUMNS) * (FRAME_WIDTH + GAP);
      const y = Math.floor(i / COLUMNS) * cell;
      context.drawImage(picture, x, y);
      context.fillText(`${time.toFixed(2)} s`, x + 4, y + cell - 6);
    });
  }

  file() { return new Promise((resolve) => { this.canvas.toBlob(resolve, "image/png"); }); }
}
