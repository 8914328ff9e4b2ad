"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { classes, ranges, segments, lanes, seconds } = data;
  const PATTERNS = 8;
  const pattern = (place) => (place + Math.floor(place / PATTERNS)) % PATTERNS;
  const audio = document.getElementById("audio");
  const overview = document.getElementById("overview");
  const detail = document.getElementById("detail");
  const now = document.getElementById("now");
  const zoom = document.getElementById("zoom");
  const rows = [...document.querySelectorAll(".segments tbody tr")];
  const peaks = lanes.map((lane) => Int8Array.from(atob(lane.peaks), (sign) => sign.charCodeAt(0)));

  let position = 0; // seconds; the recording's own place once it is loaded
  let playable = false;
  let current = -1; // segment at the position, or the last one before it
  let view = { start: 0, length: seconds };

  const clock = (time) => {
    const tenths = Math.round(Math.max(time, 0) * 10);
    const [hours, minutes, rest] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, (tenths % 600) / 10];
    const two = (number) => String(number).padStart(2, "0");
    return `${hours ? `${hours}:${two(minutes)}` : minutes}:${rest.toFixed(1).padStart(4, "0")}`;
  };

  // Custom colours are texts such as light-dark(...), which a canvas does not know: an element resolves them.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const resolved = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  let inks = {};
  let fills = [];
  const readColours = () => {
    for (const name of ["paper", "raised", "ink", "quiet", "rule", "grid", "first", "wave", "stripe"]) inks[name] = resolved(`--${name}`);
    for (let place = 0; place < PATTERNS; place++) inks[`c${place}`] = resolved(`--c${place}`);
    fills = [];
  };

  // The fill of a class, as in the style: its colour with a pattern over it.
  const fill = (context, place) => {
    if (ranges) return inks.first;
    if (fills[place]) return fills[place];
    const size = 12;
    const tile = document.createElement("canvas");
    const scale = devicePixelRatio || 1;
    tile.width = tile.height = Math.round(size * scale);
    const pen = tile.getContext("2d");
    pen.scale(tile.width / size, tile.width / size);
    pen.fillStyle = inks[`c${place % PATTERNS}`];
    pen.fillRect(0, 0, size, size);
    pen.strokeStyle = pen.fillStyle = inks.stripe;
    pen.lineWidth = 2;
    const kind = pattern(place);
    const lines = (draw) => { for (let at = -size; at <= 2 * size; at += 6) { pen.beginPath(); draw(at); pen.stroke(); } };
    if (kind === 1 || kind === 6) lines((at) => { pen.moveTo(at, size); pen.lineTo(at + size, 0); });
    if (kind === 2 || kind === 6) lines((at) => { pen.moveTo(at, 0); pen.lineTo(at + size, size); });
    if (kind === 3 || kind === 7) lines((at) => { pen.moveTo(0, at + 3); pen.lineTo(size, at + 3); });
    if (kind === 4 || kind === 7) lines((at) => { pen.moveTo(at + 3, 0); pen.lineTo(at + 3, size); });
    if (kind === 5) for (const x of [3, 9]) for (const y of [3, 9]) { pen.beginPath(); pen.arc(x, y, 1.7, 0, 7); pen.fill(); }
    const made = context.createPattern(tile, "repeat");
    made.setTransform(new DOMMatrix().scale(size / tile.width));
    fills[place] = made;
    return made;
  };

  const prepare = (canvas, height) => {
    const [scale, width] = [devicePixelRatio || 1, canvas.clientWidth];
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    context.font = "12px system-ui, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', sans-serif";
    context.textBaseline = "middle";
    return { context, width };
  };

  const wave = (context, lane, { start, length }, width, top, height) => {
    const [values, middle] = [peaks[lane], top + height / 2];
    const count = values.length / 2;
    context.fillStyle = inks.wave;
    for (let x = 0; x < width; x++) {
      const first = Math.floor((start + (x / width) * length) * data.rate);
      const last = Math.max(first + 1, Math.floor((start + ((x + 1) / width) * length) * data.rate));
      let [low, high] = [0, 0];
      for (let at = Math.max(first, 0); at < Math.min(last, count); at++) {
        low = Math.min(low, values[2 * at]);
        high = Math.max(high, values[2 * at + 1]);
      }
      const [above, below] = [(high / 127) * (height / 2), (-low / 127) * (height / 2)];
      context.fillRect(x, middle - above, 1, Math.max(above + below, 1));
    }
  };

  const cut = (context, text, room) => {
    if (context.measureText(text).width <= room) return text;
    let [few, many] = [0, text.length];
    while (few < many) {
      const half = Math.ceil((few + many) / 2);
      if (context.measureText(`${text.slice(0, half)}…`).width <= room) few = half;
      else many = half - 1;
    }
    return few ? `${text.slice(0, few)}…` : "";
  };

  const label = (context, text, x, y, strong) => {
    const width = context.measureText(text).width;
    context.fillStyle = inks.paper;
    context.globalAlpha = 0.86;
    context.fillRect(x - 3, y - 8, width + 6, 16);
    context.globalAlpha = 1;
    context.fillStyle = strong ? inks.ink : inks.quiet;
    context.fillText(text, x, y + 0.5);
  };

  const block = (context, segment, x, width, top, height) => {
    const [, , , place] = segment;
    if (place >= 0) {
      context.fillStyle = fill(context, place);
      context.fillRect(x, top, width, height);
    } else {
      context.strokeStyle = inks.quiet;
      context.setLineDash([4, 3]);
      context.strokeRect(x + 0.5, top + 0.5, Math.max(width - 1, 1), height - 1);
      context.setLineDash([]);
    }
  };

  const ticks = (context, { start, length }, width, y) => {
    const room = 70;
    const step = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000].find((one) => (one / length) * width >= room) ?? 86400;
    for (let time = Math.ceil(start / step) * step; time < start + length; time += step) {
      const x = ((time - start) / length) * width;
      context.fillStyle = inks.rule;
      context.fillRect(x, y - 8, 1, 5);
      context.fillStyle = inks.quiet;
      const text = step < 1 ? clock(time) : clock(time).slice(0, -2);
      context.fillText(text, Math.min(x + 3, width - context.measureText(text).width), y + 2);
    }
  };

  const head = (context, { start, length }, width, height) => {
    const x = ((position - start) / length) * width;
    if (x < 0 || x > width) return;
    context.fillStyle = inks.ink;
    context.fillRect(Math.min(x, width - 2), 0, 2, height);
  };

  const WAVE = 44, BAR = 24, TRACK = 34, AXIS = 22, GAP = 6;

  const drawOverview = () => {
    const [high, bar] = [30, 10];
    const height = lanes.length * (high + bar + GAP) + AXIS;
    const { context, width } = prepare(overview, height);
    const whole = { start: 0, length: seconds };
    lanes.forEach((_, lane) => wave(context, lane, whole, width, lane * (high + bar + GAP), high));
    for (const segment of segments) {
      const [start, end, lane] = segment;
      const x = (start / seconds) * width;
      block(context, segment, x, Math.max(((end - start) / seconds) * width, 1), lane * (high + bar + GAP) + high, bar);
    }
    ticks(context, whole, width, height - 10);
    if (view.length < seconds) {
      context.strokeStyle = inks.first;
      context.lineWidth = 2;
      const [left, wide] = [(view.start / seconds) * width, (view.length / seconds) * width];
      context.strokeRect(Math.max(left, 1), 1, Math.min(Math.max(wide, 3), width - 2), height - AXIS);
    }
    head(context, whole, width, height - AXIS + 4);
  };

  const drawDetail = () => {
    const lane = WAVE + BAR + GAP;
    const tracks = lanes.length * lane + GAP;
    const height = tracks + classes.length * TRACK + AXIS;
    const { context, width } = prepare(detail, height);
    const place = (time) => ((time - view.start) / view.length) * width;
    lanes.forEach((_, number) => wave(context, number, view, width, number * lane, WAVE));
    classes.forEach((_, number) => {
      context.fillStyle = inks.grid;
      context.fillRect(0, tracks + (number + 1) * TRACK - 3, width, 1);
    });
    segments.forEach((segment, number) => {
      const [start, end, own, , answer, values] = segment;
      if (end < view.start || start > view.start + view.length) return;
      const [x, wide] = [place(start), Math.max(place(end) - place(start), 1)];
      const top = own * lane + WAVE;
      block(context, segment, x, wide, top, BAR);
      if (number === current) {
        context.strokeStyle = inks.ink;
        context.lineWidth = 2;
        context.strokeRect(x + 1, top + 1, Math.max(wide - 2, 1), BAR - 2);
        context.lineWidth = 1;
      }
      const left = Math.max(x, 0);
      const room = Math.min(x + wide, width) - left - 10;
      const fits = [answer, answer.replace(/ [\d.]+ %$/, "")].find((one) => context.measureText(one).width <= room);
      const text = fits ?? cut(context, answer, room);
      if (text) label(context, text, left + 5, top + BAR / 2, true);
      values.forEach((value, track) => drawValue(context, value, track, x, wide, tracks + track * TRACK));
    });
    if (lanes.length > 1) lanes.forEach(({ name }, number) => label(context, name, 5, number * lane + 9));
    const told = segments[current]?.[5] ?? [];
    classes.forEach((name, track) => {
      const value = told[track] === undefined ? "" : ` ${ranges ? told[track].toFixed(2) : `${(told[track] / 10).toFixed(1)} %`}`;
      const range = ranges ? ` (${ranges[track].join(" to ")})` : "";
      label(context, cut(context, name, width - 120) + value + range, 5, tracks + track * TRACK + 9, told[track] !== undefined);
    });
    ticks(context, view, width, height - 10);
    head(context, view, width, height - AXIS + 4);
  };

  // The probability of a class as a bar from 0, or a score as a line on its range.
  const drawValue = (context, value, track, x, wide, top) => {
    const room = TRACK - 6;
    const [low, high] = ranges ? ranges[track] : [0, 1000];
    const share = Math.min(Math.max((value - low) / (high - low), 0), 1);
    const y = top + 3 + room * (1 - share);
    if (ranges) {
      context.fillStyle = inks.first;
      context.fillRect(x, y - 1.5, wide, 3);
    } else {
      context.fillStyle = fill(context, track);
      context.fillRect(x, y, wide, top + 3 + room - y);
    }
  };

  let asked = false;
  const draw = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      drawOverview();
      drawDetail();
    });
  };

  const follow = () => {
    if (view.length >= seconds) return;
    const inside = (position - view.start) / view.length;
    if (inside >= 0 && inside <= 0.9) return;
    view.start = Math.min(Math.max(position - 0.1 * view.length, 0), seconds - view.length);
  };

  const mark = (number, shown) => {
    if (number === current) return;
    rows[current]?.removeAttribute("aria-current");
    current = number;
    const row = rows[current];
    if (!row) return;
    row.setAttribute("aria-current", "true");
    if (shown) {
      // Inside the list alone: the page stays where it is.
      const list = row.closest(".list");
      list.scrollTop = row.offsetTop - list.clientHeight / 3;
    }
  };

  const said = () => {
    const segment = segments[current];
    const lane = segment && lanes.length > 1 ? `${lanes[segment[2]].name}: ` : "";
    return segment ? `${clock(segment[0])} to ${clock(segment[1])} · ${lane}${segment[4]}` : "";
  };

  // Takes over a place in the recording; the segment of it is the last one that began.
  const move = (time, number) => {
    position = Math.min(Math.max(time, 0), seconds);
    if (number === undefined) {
      number = -1;
      for (let at = 0; at < segments.length && segments[at][0] <= position + 0.01; at++) number = at;
    }
    mark(number, true);
    if (now.textContent !== said()) now.textContent = said();
    follow();
    draw();
  };

  let wanted = null; // a segment that was asked for: another one may begin with it
  const go = (time, number) => {
    wanted = number ?? null;
    move(time, number);
    if (playable) audio.currentTime = position;
  };
  const step = (by) => {
    const number = Math.min(Math.max(current + by, 0), segments.length - 1);
    if (segments.length) go(segments[number][0], number);
  };

  audio.addEventListener("loadedmetadata", () => { playable = true; if (position) audio.currentTime = position; });
  const heard = () => {
    const exact = wanted !== null && Math.abs(audio.currentTime - segments[wanted][0]) < 0.05;
    move(audio.currentTime, exact ? wanted : undefined);
  };
  audio.addEventListener("timeupdate", heard);
  audio.addEventListener("error", () => { document.getElementById("trouble").hidden = false; });
  if (audio.error) document.getElementById("trouble").hidden = false;
  const frame = () => {
    if (audio.paused) return;
    heard();
    requestAnimationFrame(frame);
  };
  audio.addEventListener("play", frame);

  const toggle = () => {
    if (!playable) return;
    if (audio.paused) audio.play().catch(() => {});
    else audio.pause();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const own = event.target.closest?.("audio, select, input, textarea, summary, a, button:not(.jump)");
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key in steps && !event.target.closest?.("audio, select, input, textarea")) {
      event.preventDefault();
      step(steps[event.key]);
    } else if (event.key === " " && !own) {
      event.preventDefault();
      toggle();
    }
  });
  // Firefox presses a button when Space is released.
  document.addEventListener("keyup", (event) => { if (event.key === " " && event.target.matches?.(".jump")) event.preventDefault(); });
  rows.forEach((row, number) => {
    row.querySelector(".jump").addEventListener("click", () => go(segments[number][0], number));
    row.addEventListener("click", (event) => {
      if (!event.target.closest("button") && getSelection().isCollapsed) go(segments[number][0], number);
    });
  });
  document.getElementById("earlier").addEventListener("click", () => step(-1));
  document.getElementById("later").addEventListener("click", () => step(1));

  // A click on a segment goes to its beginning, one beside it to the time there.
  const clicked = (canvas, seen) => canvas.addEventListener("click", (event) => {
    const time = seen().start + (event.offsetX / canvas.clientWidth) * seen().length;
    const row = lanes.length > 1 && canvas === detail ? Math.floor(event.offsetY / (WAVE + BAR + GAP)) : -1;
    const inside = canvas === detail ? segments.findIndex(([start, end, lane]) => start <= time && time < end && (row < 0 || row >= lanes.length || lane === row)) : -1;
    if (inside >= 0) go(segments[inside][0], inside);
    else go(time);
  });
  clicked(overview, () => ({ start: 0, length: seconds }));
  clicked(detail, () => view);

  for (const [length, text] of [[15, "15 seconds"], [60, "1 minute"], [300, "5 minutes"], [1800, "30 minutes"], [seconds, "all"]]) {
    if (length > seconds || (length === seconds && zoom.lastChild?.value === String(length))) continue;
    const option = document.createElement("option");
    option.value = length;
    option.textContent = text;
    zoom.append(option);
  }
  const usual = document.body.clientWidth < 600 ? 15 : 60; // seconds in which most answers have room
  zoom.value = seconds > usual ? usual : seconds;
  const zoomed = () => {
    view.length = Number(zoom.value);
    view.start = Math.min(Math.max(position - 0.1 * view.length, 0), seconds - view.length);
    draw();
  };
  zoom.addEventListener("change", zoomed);

  // Dark or light by button; at first it is what the reader's system says.
  const theme = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  const name = () => {
    theme.textContent = isDark() ? "Light" : "Dark";
    readColours();
    draw();
  };
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    name();
  });
  dark.addEventListener("change", name);

  for (const part of document.querySelectorAll("#theme, .buttons, figure")) part.hidden = false;
  name();
  zoomed();
  new ResizeObserver(draw).observe(document.querySelector("figure"));
})();
