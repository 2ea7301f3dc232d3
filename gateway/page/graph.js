// Slack and chunk time of the latest chunks, drawn.

const SHOWN = 80;

export class Graph {
  constructor(canvas) {
    this.canvas = canvas;
    this.points = [];
    window.addEventListener("resize", () => this.draw());
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  clear() {
    this.points = [];
    this.draw();
  }

  // `slack` may be null. All in seconds.
  add(point) {
    this.points.push(point);
    if (this.points.length > SHOWN) this.points.shift();
    this.draw();
  }

  draw() {
    const { canvas, points } = this;
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth || 640;
    const height = canvas.clientHeight || 180;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name);
    context.font = "12px system-ui, sans-serif";
    const values = points.flatMap((point) => [point.slack ?? 0, point.time, point.due]);
    const top = Math.max(0.5, ...values) * 1.1;
    const bottom = Math.min(0, ...values);
    const y = (value) => 8 + (height - 16) * (1 - (value - bottom) / (top - bottom));
    const step = (width - 48) / SHOWN;
    const x = (index) => 44 + index * step;

    context.fillStyle = colour("--soft");
    context.strokeStyle = colour("--line");
    for (const value of [0, top / 2.2, top / 1.1, ...(bottom < 0 ? [bottom] : [])]) {
      context.fillText(value.toFixed(1) + " s", 2, y(value) + 4);
      context.beginPath();
      context.moveTo(40, y(value));
      context.lineTo(width, y(value));
      context.stroke();
    }
    context.fillStyle = colour("--time");
    points.forEach((point, i) => context.fillRect(x(i), y(point.time), Math.max(step - 1, 1), y(0) - y(point.time)));
    this.line(context, points.map((point, i) => [x(i) + step / 2, y(point.due)]), colour("--due"), 1);
    const known = points.map((point, i) => [x(i) + step / 2, point.slack]).filter(([, slack]) => slack !== null);
    this.line(context, known.map(([at, slack]) => [at, y(slack)]), colour("--slack"), 2);
  }

  line(context, corners, colour, width) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    corners.forEach(([x, y], i) => (i === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
    context.stroke();
    context.lineWidth = 1;
  }
}
