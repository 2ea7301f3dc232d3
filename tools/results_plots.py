"""Two plots as SVG written by hand: points with intervals over a number axis. For make_results.py."""
import html

COLOURS = ("#1f5fa8", "#c2571a", "#2f8f4e", "#8a3fa0", "#a8862b", "#4b4b4b", "#c0392b", "#2a9aa8", "#7b5e42", "#d06fa8")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 440, 70, 250, 40, 55


def ticks(low, high):
    """About five round numbers from low to high."""
    step = 10.0 ** -6
    while (high - low) / step > 6:
        for factor in (2, 2.5, 2):
            step *= factor
            if (high - low) / step <= 6:
                break
    first = int(low / step) - 1
    return [step * number for number in range(first, first + 12) if low - 1e-9 <= step * number <= high + 1e-9]


class Axes:
    def __init__(self, x_range, y_range):
        self.x_range, self.y_range = pad(x_range), pad(y_range)

    def x(self, value):
        low, high = self.x_range
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low)

    def y(self, value):
        low, high = self.y_range
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)


def pad(ends):
    low, high = ends
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1
    return low - room, high + room


def plot(title, x_label, y_label, series):
    """series: {name: [(x, y, low, high, [y of each seed])]}."""
    points = [point for line in series.values() for point in line]
    heights = [value for _, y, low, high, seeds in points for value in (y, low, high, *seeds)]
    axes = Axes((min(point[0] for point in points), max(point[0] for point in points)), (min(heights), max(heights)))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
             text(LEFT, 22, title, size=15), text(LEFT, HEIGHT - 14, x_label), text(8, TOP - 8, y_label)]
    parts += draw_axes(axes)
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        parts += draw_line(axes, sorted(line), colour)
        parts.append(f'<rect x="{WIDTH - RIGHT + 16}" y="{TOP + 20 * number}" width="10" height="10" fill="{colour}"/>')
        parts.append(text(WIDTH - RIGHT + 32, TOP + 9 + 20 * number, name))
    return "\n".join(parts + ["</svg>", ""])


def text(x, y, words, size=12, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{html.escape(words)}</text>'


def draw_axes(axes):
    parts = []
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for value in ticks(*axes.x_range):
        parts.append(f'<line x1="{axes.x(value):.1f}" y1="{TOP}" x2="{axes.x(value):.1f}" y2="{bottom}" stroke="#e4e4e4"/>')
        parts.append(text(axes.x(value), bottom + 18, f"{value:g}", anchor="middle"))
    for value in ticks(*axes.y_range):
        parts.append(f'<line x1="{LEFT}" y1="{axes.y(value):.1f}" x2="{right}" y2="{axes.y(value):.1f}" stroke="#e4e4e4"/>')
        parts.append(text(LEFT - 8, axes.y(value) + 4, f"{value:g}", anchor="end"))
    return parts + [f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}" fill="none" stroke="#888"/>']


def draw_line(axes, line, colour):
    path = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y, *_ in line)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>']
    for x, y, low, high, seeds in line:
        at = axes.x(x)
        parts.append(f'<line x1="{at:.1f}" y1="{axes.y(low):.1f}" x2="{at:.1f}" y2="{axes.y(high):.1f}" stroke="{colour}"/>')
        parts.append(f'<circle cx="{at:.1f}" cy="{axes.y(y):.1f}" r="4" fill="{colour}"/>')
        parts += [f'<circle cx="{at:.1f}" cy="{axes.y(seed):.1f}" r="2.5" fill="white" stroke="{colour}"/>' for seed in seeds]
    return parts
