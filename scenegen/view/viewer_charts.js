"use strict";

// The charts: margin over time, speeds, and the thin strips of clauses and list entries.

function sharp(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.max(1, Math.round(w * ratio));
  canvas.height = Math.max(1, Math.round(h * ratio));
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, w, h);
  return { context, w, h };
}

function themeColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function bestStep(margin) {
  let best = -1;
  margin.forEach((value, k) => {
    if (!Number.isNaN(value) && (best < 0 || value > margin[best])) best = k;
  });
  return best;
}

function finiteReach(margin) {
  let reach = 0.1;
  for (const value of margin) if (Number.isFinite(value)) reach = Math.max(reach, Math.abs(value));
  return Math.min(reach, 3);
}

// Runs of equal sign of a margin, as [first step, end step, satisfied].
function runs(margin) {
  const found = [];
  margin.forEach((value, k) => {
    const holds = value > 0;
    const last = found[found.length - 1];
    if (last && last[2] === holds) last[1] = k + 1;
    else found.push([k, k + 1, holds]);
  });
  return found;
}

function drawStrip(canvas, margin, at) {
  const { context, w, h } = sharp(canvas);
  const x = (k) => k / Math.max(margin.length, 1) * w;
  context.beginPath();
  context.roundRect(0, 0, w, h, h / 2);
  context.clip();
  context.fillStyle = themeColour("line");
  context.fillRect(0, 0, w, h);
  context.fillStyle = themeColour("good");
  for (const [from, to, holds] of runs(margin)) {
    if (holds) context.fillRect(x(from), 0, Math.max(x(to) - x(from), 1.5), h);
  }
  if (at === undefined) return;
  context.fillStyle = themeColour("ink");
  context.fillRect(x(at + 0.5) - 1, 0, 2, h);
}

function drawSpark(canvas, margin) {
  const { context, w, h } = sharp(canvas);
  const reach = finiteReach(margin);
  const x = (k) => k / Math.max(margin.length - 1, 1) * w;
  const y = (value) => h / 2 - Math.max(-1, Math.min(1, value / reach)) * (h / 2 - 1.5);
  context.fillStyle = themeColour("soft-good");
  for (const [from, to, holds] of runs(margin)) {
    if (holds) context.fillRect(x(from - 0.5), 0, Math.max(x(to) - x(from), 1.5), h);
  }
  context.strokeStyle = themeColour("quiet");
  context.lineWidth = 1.2;
  context.beginPath();
  margin.forEach((value, k) => context.lineTo(x(k), y(Number.isNaN(value) ? 0 : value)));
  context.stroke();
}

const MARGINS = { left: 40, right: 10, top: 6, bottom: 18 };

function timeTicks(context, scenario, w, h, x) {
  context.font = "11px ui-sans-serif, system-ui, sans-serif";
  context.fillStyle = themeColour("quiet");
  context.textAlign = "center";
  context.textBaseline = "bottom";
  const duration = (scenario.steps - 1) * scenario.step;
  const every = [0.5, 1, 2, 5, 10, 20, 60].find((s) => duration / s <= w / 60) || 120;
  for (let t = 0; t <= duration + 1e-6; t += every) {
    context.fillText(`${Math.round((t + scenario.start) * 10) / 10} s`, Math.max(x(t / scenario.step), MARGINS.left + 8), h - 1);
  }
}

// Margin of the query: green where it is satisfied, the best moment marked, the cursor on top.
function drawTimeline(canvas, scenario, at) {
  const { context, w, h } = sharp(canvas);
  const margin = marginOf(scenario);
  const { left, right, top, bottom } = MARGINS;
  const x = (k) => left + k / Math.max(scenario.steps - 1, 1) * (w - left - right);
  const base = h - bottom;
  const middle = (top + base) / 2;
  context.fillStyle = themeColour("hover");
  context.beginPath();
  context.roundRect(left, top, w - left - right, base - top, 5);
  context.fill();
  timeTicks(context, scenario, w, h, x);
  if (margin) drawMargin(context, margin, x, { left, top, base, middle, w, right });
  const now = x(at);
  context.fillStyle = themeColour("ink");
  context.fillRect(now - 1, top - 4, 2, base - top + 6);
  context.beginPath();
  context.arc(now, top - 1, 5, 0, 2 * Math.PI);
  context.fill();
}

function drawMargin(context, margin, x, box) {
  const { left, top, base, middle, w, right } = box;
  const reach = finiteReach(margin);
  const y = (value) => middle - Math.max(-1, Math.min(1, value / reach)) * ((base - top) / 2 - 3);
  for (const [from, to, holds] of runs(margin)) {
    const x0 = Math.max(x(from - 0.5), left);
    context.fillStyle = themeColour(holds ? "soft-good" : "soft-bad");
    context.fillRect(x0, top, Math.min(x(to - 0.5), w - right) - x0, base - top);
  }
  context.strokeStyle = themeColour("quiet");
  context.lineWidth = 1;
  context.setLineDash([2, 3]);
  context.beginPath();
  context.moveTo(left, middle);
  context.lineTo(w - right, middle);
  context.stroke();
  context.setLineDash([]);
  context.lineWidth = 1.8;
  context.lineJoin = "round";
  for (const holds of [false, true]) { // the same curve twice, cut at zero, in two colours
    context.save();
    context.beginPath();
    context.rect(left, holds ? top : middle, w - left - right, (base - top) / 2);
    context.clip();
    context.strokeStyle = themeColour(holds ? "good" : "bad");
    context.beginPath();
    margin.forEach((value, k) => {
      if (!Number.isNaN(value)) context.lineTo(x(k), y(value));
    });
    context.stroke();
    context.restore();
  }
  context.font = "11px ui-sans-serif, system-ui, sans-serif";
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillStyle = themeColour("quiet");
  context.fillText(`+${reach.toFixed(1)}`, left - 6, top + 6);
  context.fillText("0", left - 6, middle);
  context.fillText(`−${reach.toFixed(1)}`, left - 6, base - 5);
  const best = bestStep(margin);
  if (best < 0) return;
  context.fillStyle = themeColour(margin[best] > 0 ? "good" : "bad");
  context.beginPath(); // a diamond at the moment of the witness
  const [bx, by] = [x(best), y(margin[best])];
  context.moveTo(bx, by - 6);
  context.lineTo(bx + 5, by);
  context.lineTo(bx, by + 6);
  context.lineTo(bx - 5, by);
  context.fill();
}

function drawSpeeds(canvas, scenario, at) {
  const { context, w, h } = sharp(canvas);
  const { left, right, top, bottom } = MARGINS;
  const cast = castOf(scenario);
  const n = scenario.agents;
  let fastest = 5;
  for (const i of cast.keys()) {
    for (let k = 0; k < scenario.steps; k += 1) {
      if (scenario.valid[k * n + i]) fastest = Math.max(fastest, scenario.speed[k * n + i] / 100);
    }
  }
  const every = [1, 2, 5, 10, 20].find((s) => fastest / s <= 4.2) || 50;
  const ceiling = Math.ceil(fastest / every) * every;
  const x = (k) => left + k / Math.max(scenario.steps - 1, 1) * (w - left - right);
  const y = (speed) => h - bottom - Math.max(speed, 0) / ceiling * (h - top - bottom);
  context.font = "11px ui-sans-serif, system-ui, sans-serif";
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.lineWidth = 1;
  for (let speed = 0; speed <= ceiling; speed += every) {
    context.fillStyle = themeColour("line");
    context.fillRect(left, Math.round(y(speed)), w - left - right, 1);
    context.fillStyle = themeColour("quiet");
    context.fillText(String(speed), left - 7, y(speed));
  }
  timeTicks(context, scenario, w, h, x);
  context.lineWidth = 2;
  context.lineJoin = "round";
  for (const [i, own] of [...cast].reverse()) {
    context.strokeStyle = own.colour;
    context.beginPath();
    let pen = false;
    for (let k = 0; k < scenario.steps; k += 1) {
      if (scenario.valid[k * n + i]) {
        if (pen) context.lineTo(x(k), y(scenario.speed[k * n + i] / 100));
        else context.moveTo(x(k), y(scenario.speed[k * n + i] / 100));
      }
      pen = Boolean(scenario.valid[k * n + i]);
    }
    context.stroke();
  }
  context.fillStyle = themeColour("ink");
  context.fillRect(x(at) - 0.75, top, 1.5, h - top - bottom);
}
