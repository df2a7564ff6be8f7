"use strict";

// The scene: decoding the embedded numbers and drawing one instant from above.
// Lengths in metres, angles in radians, map frame with y up, as in the data.

function bytesOf(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return bytes.buffer;
}

function decode(scenario) {
  if (scenario.decoded) return scenario;
  scenario.decoded = true;
  scenario.kind = new Uint8Array(bytesOf(scenario.kind));
  scenario.size = new Uint16Array(bytesOf(scenario.size));
  scenario.xy = new Int32Array(bytesOf(scenario.xy));
  scenario.yaw = new Int16Array(bytesOf(scenario.yaw));
  scenario.speed = new Int16Array(bytesOf(scenario.speed));
  scenario.valid = new Uint8Array(bytesOf(scenario.valid));
  scenario.ttc = new Uint16Array(bytesOf(scenario.ttc));
  for (const signal of scenario.signals) signal.states = new Uint8Array(bytesOf(signal.states));
  for (const clause of scenario.clauses) {
    if (clause.margin) clause.margin = new Float32Array(bytesOf(clause.margin));
  }
  return scenario;
}

function marginOf(scenario) {
  if (typeof scenario.margin === "string") scenario.margin = new Float32Array(bytesOf(scenario.margin));
  return scenario.margin;
}

function polyline(text, origin) {
  const numbers = new Int32Array(bytesOf(text));
  return Array.from(numbers, (value, k) => value / 100 + origin[k % 2]);
}

function tracePath(path, points, close) {
  for (let k = 0; k < points.length; k += 2) {
    if (k) path.lineTo(points[k], points[k + 1]);
    else path.moveTo(points[k], points[k + 1]);
  }
  if (close) path.closePath();
}

function roadLayers(road) {
  if (road.layers) return road.layers;
  const layers = [];
  for (const fill of road.fills) {
    const path = new Path2D();
    for (const ring of fill.rings) tracePath(path, polyline(ring, road.origin), true);
    layers.push({ colour: fill.colour, path });
  }
  const strokes = new Map();
  for (const stroke of road.strokes) {
    const key = JSON.stringify([stroke.colour, stroke.width, stroke.dash]);
    if (!strokes.has(key)) {
      strokes.set(key, { colour: stroke.colour, width: stroke.width, dash: stroke.dash, path: new Path2D() });
    }
    tracePath(strokes.get(key).path, polyline(stroke.points, road.origin), false);
  }
  layers.push(...strokes.values());
  road.layers = layers;
  return layers;
}

// State of agent i at a fractional step, or null where its slot is empty.
function stateAt(scenario, i, at) {
  const n = scenario.agents;
  const last = scenario.steps - 1;
  const a = Math.min(Math.floor(at), last);
  const k = a * n + i;
  if (!scenario.valid[k]) return null;
  const b = Math.min(a + 1, last);
  const m = b * n + i;
  const share = scenario.valid[m] ? at - a : 0;
  const blend = (values, j, l) => values[j] + (values[l] - values[j]) * share;
  let turn = (scenario.yaw[m] - scenario.yaw[k]) / 1e4;
  turn -= 2 * Math.PI * Math.round(turn / (2 * Math.PI));
  const before = (Math.max(a - 1, 0)) * n + i;
  const slower = (scenario.speed[m] - scenario.speed[before]) / 100 / ((Math.max(b - Math.max(a - 1, 0), 1)) * scenario.step);
  return {
    x: scenario.origin[0] + blend(scenario.xy, 2 * k, 2 * m) / 100,
    y: scenario.origin[1] + blend(scenario.xy, 2 * k + 1, 2 * m + 1) / 100,
    yaw: scenario.yaw[k] / 1e4 + turn * share,
    speed: blend(scenario.speed, k, m) / 100,
    ttc: scenario.ttc[k],
    length: scenario.size[2 * i] / 100,
    width: scenario.size[2 * i + 1] / 100,
    kind: scenario.kind[i],
    braking: scenario.valid[before] && slower < -1,
  };
}

function mixed(a, b, share) {
  const part = (hex, k) => parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16);
  const channel = (k) => Math.round(part(a, k) + (part(b, k) - part(a, k)) * share);
  return `rgb(${channel(0)} ${channel(1)} ${channel(2)})`;
}

const KIND_COLOUR = ["vehicle", "heavy", "heavy", "rider", "rider", "person", "creature", "thing"];
const FIRST_SMALL = 3; // motorcycles and everything after them in AgentKind
const STATIC = 7;

function castOf(scenario) {
  const cast = new Map([[0, { names: ["ego"], colour: scenario.palette.ego }]]);
  Object.entries(scenario.roles).forEach(([name, i], order) => {
    if (!cast.has(i)) cast.set(i, { names: [], colour: scenario.palette.roles[order % scenario.palette.roles.length] });
    if (!cast.get(i).names.includes(name)) cast.get(i).names.push(name);
  });
  return cast;
}

class SceneView {
  constructor(canvas, data) {
    this.canvas = canvas;
    this.data = data;
    this.centre = [0, 0];
    this.scale = 8; // px per metre
    this.follow = true;
    this.egoUp = false;
    this.up = Math.PI / 2;
  }

  // Unit: CSS pixels. The map's y axis points up on the screen.
  place(context) {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: w, clientHeight: h } = this.canvas;
    const sin = Math.sin(this.up) * this.scale;
    const cos = Math.cos(this.up) * this.scale;
    const [x, y] = this.centre;
    this.matrix = [sin, -cos, -cos, -sin, w / 2 - sin * x + cos * y, h / 2 + cos * x + sin * y];
    context.setTransform(...this.matrix.map((value) => value * ratio));
  }

  toScreen(x, y) {
    const [a, b, c, d, e, f] = this.matrix;
    return [a * x + c * y + e, b * x + d * y + f];
  }

  toMap(px, py) {
    const [a, b, c, d, e, f] = this.matrix;
    const determinant = a * d - b * c;
    const [u, v] = [px - e, py - f];
    return [(d * u - c * v) / determinant, (a * v - b * u) / determinant];
  }

  draw(scenario, at) {
    const ratio = window.devicePixelRatio || 1;
    const { canvas } = this;
    const [w, h] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
      canvas.width = Math.round(w * ratio);
      canvas.height = Math.round(h * ratio);
    }
    const context = canvas.getContext("2d");
    const palette = scenario.palette;
    const ego = stateAt(scenario, 0, at);
    if (this.follow && ego) this.centre = [ego.x, ego.y];
    this.up = this.egoUp && ego ? ego.yaw : Math.PI / 2;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = palette.ground;
    context.fillRect(0, 0, w, h);
    this.place(context);
    this.drawRoad(context, this.data.maps[scenario.map], palette);
    this.states = [];
    for (let i = 0; i < scenario.agents; i += 1) this.states.push(stateAt(scenario, i, at));
    const cast = castOf(scenario);
    if (palette.darkness) this.drawBeams(context, palette);
    this.drawSignals(context, scenario, Math.min(Math.floor(at), scenario.steps - 1));
    this.drawTrails(context, scenario, at, cast);
    this.drawAgents(context, palette, cast);
    if (ego) this.drawFog(context, scenario, ego, w, h);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.drawRain(context, scenario, at, w, h);
    this.drawTags(context, cast);
  }

  drawRoad(context, road, palette) {
    for (const layer of roadLayers(road)) {
      if (!layer.width) {
        context.fillStyle = palette[layer.colour];
        context.fill(layer.path, "evenodd");
        continue;
      }
      context.strokeStyle = palette[layer.colour];
      context.lineWidth = Math.max(layer.width, 1 / this.scale);
      context.setLineDash(layer.dash || []);
      context.lineDashOffset = layer.dash ? -layer.dash[1] / 2 : 0;
      context.stroke(layer.path);
    }
    context.setLineDash([]);
  }

  drawBeams(context, palette) {
    context.save();
    context.globalCompositeOperation = "screen";
    for (const state of this.states) {
      if (!state || state.kind > FIRST_SMALL) continue;
      const matrix = context.getTransform();
      context.translate(state.x, state.y);
      context.rotate(state.yaw);
      const start = state.length / 2 - 0.2;
      const glow = context.createRadialGradient(start, 0, 0, start, 0, 34);
      glow.addColorStop(0, `rgb(255 240 208 / ${0.22 * palette.darkness})`);
      glow.addColorStop(0.35, `rgb(255 240 208 / ${0.09 * palette.darkness})`);
      glow.addColorStop(1, "rgb(255 240 208 / 0)");
      context.fillStyle = glow;
      for (const share of [1, 0.72, 0.45]) { // nested cones, so that the edge is soft
        context.beginPath();
        context.moveTo(start, -state.width / 2 * share);
        context.quadraticCurveTo(start + 14, -3.2 * share, start + 34, -7.5 * share);
        context.lineTo(start + 34, 7.5 * share);
        context.quadraticCurveTo(start + 14, 3.2 * share, start, state.width / 2 * share);
        context.fill();
      }
      context.setTransform(matrix);
    }
    context.restore();
  }

  drawSignals(context, scenario, step) {
    for (const signal of scenario.signals) {
      const state = signal.states[step];
      if (!state) continue;
      const [[x0, y0], [x1, y1]] = signal.line;
      context.strokeStyle = this.data.signal[state];
      context.lineWidth = Math.max(0.4, 2.5 / this.scale);
      context.beginPath();
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
      context.stroke();
      const radius = Math.max(0.7, 4 / this.scale);
      for (const [size, ink] of [[1.5, "#181c22"], [1, this.data.signal[state]]]) {
        context.fillStyle = ink;
        context.beginPath();
        context.arc(...signal.pole, radius * size, 0, 2 * Math.PI);
        context.fill();
      }
    }
  }

  drawTrails(context, scenario, at, cast) {
    const reach = Math.round(2.5 / scenario.step);
    context.lineCap = "round";
    context.lineJoin = "round";
    this.states.forEach((now, i) => {
      if (!now || now.kind === STATIC) return;
      const own = cast.get(i);
      const from = Math.max(Math.floor(at) - reach, 0);
      const start = stateAt(scenario, i, from);
      if (!start || Math.hypot(now.x - start.x, now.y - start.y) < 0.5) return;
      const fade = context.createLinearGradient(start.x, start.y, now.x, now.y);
      fade.addColorStop(0, "#ffffff00");
      fade.addColorStop(1, own ? `${own.colour}d0` : "#ffffff48");
      context.strokeStyle = fade;
      context.lineWidth = (own ? 2.5 : 1.2) / this.scale;
      context.beginPath();
      context.moveTo(start.x, start.y);
      for (let k = from + 1; k <= at; k += 1) {
        const state = stateAt(scenario, i, k);
        if (state) context.lineTo(state.x, state.y);
      }
      context.lineTo(now.x, now.y);
      context.stroke();
    });
  }

  drawAgents(context, palette, cast) {
    const order = [...this.states.keys()].sort((i, j) => cast.has(i) - cast.has(j) || i - j);
    for (const i of order) {
      const state = this.states[i];
      if (!state) continue;
      const own = cast.get(i);
      const small = state.kind >= FIRST_SMALL && state.kind < STATIC;
      const grown = small ? Math.max(1, 12 / this.scale / Math.max(state.length, state.width)) : 1;
      const [length, width] = [state.length * grown, state.width * grown];
      const colour = own ? own.colour : palette[KIND_COLOUR[state.kind]];
      context.save();
      context.translate(state.x, state.y);
      context.rotate(state.yaw);
      if (own) this.drawRing(context, length, width, colour);
      else if (small) this.drawHalo(context, length, width, palette);
      const night = palette.darkness;
      const inks = [
        colour, mixed(colour, "#ffffff", 0.3 - 0.16 * night), palette.glass, mixed(palette.glass, "#000000", 0.2),
        mixed("#ffffff", "#fff4d6", night), state.braking ? "#ff2e2e" : mixed("#6a2020", "#b81c1c", night),
      ];
      for (const [paint, points] of this.data.glyphs[state.kind]) {
        context.fillStyle = inks[paint];
        context.shadowColor = paint === 5 && state.braking ? "#ff2020" : "transparent";
        context.shadowBlur = paint === 5 && state.braking ? 12 : 0;
        context.beginPath();
        tracePath(context, points.map((v, k) => v * (k % 2 ? width : length)), true);
        context.fill();
      }
      context.restore();
    }
  }

  drawRing(context, length, width, colour) {
    for (const [grow, ink] of [[4.5, `${colour}70`], [2, "#ffffff"]]) {
      const out = grow / this.scale;
      context.fillStyle = ink;
      context.beginPath();
      context.roundRect(-length / 2 - out, -width / 2 - out, length + 2 * out, width + 2 * out, 0.35 * width + out);
      context.fill();
    }
  }

  drawHalo(context, length, width, palette) {
    const out = 2 / this.scale;
    context.fillStyle = `${palette.glass}a0`;
    context.beginPath();
    context.roundRect(-length / 2 - out, -width / 2 - out, length + 2 * out, width + 2 * out, length);
    context.fill();
  }

  // Koschmieder (1924): contrast falls to exp(-3 d / V) at distance d.
  drawFog(context, scenario, ego, w, h) {
    const far = Math.hypot(w, h) / this.scale;
    if (Math.exp(-3 * far / 2 / scenario.visibility) > 0.98) return;
    const veil = context.createRadialGradient(ego.x, ego.y, 0, ego.x, ego.y, far);
    for (let k = 0; k <= 10; k += 1) {
      const share = Math.min(1 - Math.exp(-3 * far * k / 10 / scenario.visibility), 0.72);
      veil.addColorStop(k / 10, scenario.palette.haze + Math.round(255 * share).toString(16).padStart(2, "0"));
    }
    context.fillStyle = veil;
    context.fillRect(ego.x - 2 * far, ego.y - 2 * far, 4 * far, 4 * far);
  }

  drawRain(context, scenario, at, w, h) {
    const rain = scenario.weather === "rain";
    if (!rain && scenario.weather !== "snow") return;
    let seed = Math.floor(at) * 7919 + 17;
    const random = () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed / 4294967296;
    };
    const share = rain ? Math.min(1, 0.25 + scenario.rain / 30) : 0.6;
    context.strokeStyle = rain ? "#dfe9f25c" : "#ffffffc0";
    context.lineCap = "round";
    context.lineWidth = rain ? 1 : 2.4;
    context.beginPath();
    for (let k = 0; k < w * h / 1500 * share; k += 1) {
      const [x, y, fall] = [random() * w, random() * h, 0.6 + random()];
      context.moveTo(x, y);
      context.lineTo(x - (rain ? 3.5 * fall : 0.1), y + (rain ? 13 * fall : 0.1));
    }
    context.stroke();
  }

  drawTags(context, cast) {
    context.font = "600 12px ui-sans-serif, system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const [i, own] of cast) {
      const state = this.states[i];
      if (!state) continue;
      const [x, y] = this.toScreen(state.x, state.y);
      const turn = state.yaw - this.up;
      const [along, across] = [Math.abs(Math.cos(turn)), Math.abs(Math.sin(turn))];
      const text = own.names.join(", ");
      const wide = context.measureText(text).width + 14;
      const reach = (a, b) => Math.max((a * state.length + b * state.width) / 2 * this.scale, 8) + 8;
      // Beside what drives up or down the screen, above what drives across: its lead stays in view.
      const [left, top] = along > across && state.kind < FIRST_SMALL
        ? [x + reach(across, along), y - 9.5]
        : [x - wide / 2, y - reach(along, across) - 19];
      context.fillStyle = own.colour;
      context.beginPath();
      context.roundRect(left, top, wide, 19, 9.5);
      context.fill();
      context.fillStyle = "#ffffff";
      context.fillText(text, left + wide / 2, top + 10);
    }
  }

  // Agent under a point of the screen, the smallest first, or -1.
  agentAt(px, py) {
    const [x, y] = this.toMap(px, py);
    const slack = 6 / this.scale;
    let best = -1;
    (this.states || []).forEach((state, i) => {
      if (!state) return;
      const [dx, dy, cos, sin] = [x - state.x, y - state.y, Math.cos(state.yaw), Math.sin(state.yaw)];
      const inside = Math.abs(dx * cos + dy * sin) <= state.length / 2 + slack
        && Math.abs(dy * cos - dx * sin) <= state.width / 2 + slack;
      if (inside && (best < 0 || state.length < this.states[best].length)) best = i;
    });
    return best;
  }

  fit(scenario) {
    let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let k = 0; k < scenario.valid.length; k += 1) {
      if (!scenario.valid[k]) continue;
      const [x, y] = [scenario.origin[0] + scenario.xy[2 * k] / 100, scenario.origin[1] + scenario.xy[2 * k + 1] / 100];
      [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
    }
    this.centre = [(x0 + x1) / 2, (y0 + y1) / 2];
    this.follow = false;
    this.egoUp = false;
    this.scale = Math.min(this.canvas.clientWidth / (x1 - x0 + 20), this.canvas.clientHeight / (y1 - y0 + 20), 24);
  }
}
