"use strict";

// The page: what is chosen, what time it is, and what the keys and buttons do.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const view = new SceneView($("bev"), data);
const state = { index: 0, at: 0, playing: false, rate: 1, theme: null, drawn: 0, run: 0 };

const scenarioNow = () => data.scenarios[state.index];
const signed = (value) => (value >= 0 ? "+" : "−") + (Math.abs(value) < 99.5 ? Math.abs(value).toFixed(2) : "large");

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function buildList() {
  $("page-title").textContent = data.title;
  $("list").replaceChildren(...data.scenarios.map((scenario, index) => {
    const entry = element("li");
    entry.tabIndex = 0;
    const row = element("div", "row");
    row.append(element("span", "name", scenario.event.replaceAll("_", " ") || scenario.place));
    const margin = marginOf(scenario);
    if (margin) {
      const best = margin[bestStep(margin)];
      row.append(element("span", `badge ${best > 0 ? "good" : "bad"}`, Number.isFinite(best) ? signed(best) : "–"));
    }
    entry.append(row, element("div", "sub", `${scenario.light}, ${scenario.weather} · ${scenario.place}`));
    if (margin) entry.append(element("canvas"));
    entry.title = scenario.query;
    entry.addEventListener("click", () => choose(index));
    entry.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(index); });
    return entry;
  }));
  filterList();
}

function filterList() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  [...$("list").children].forEach((entry, index) => {
    const { query, event, place, light, weather, id } = data.scenarios[index];
    const text = [query, event, place, light, weather, id].join(" ").toLowerCase();
    entry.hidden = !words.every((word) => text.includes(word));
    shown += !entry.hidden;
  });
  const total = data.scenarios.length;
  $("count").textContent = shown === total ? String(total) : `${shown} of ${total}`;
}

function drawList() {
  [...$("list").children].forEach((entry, index) => {
    const canvas = entry.querySelector("canvas");
    if (canvas && !entry.hidden) drawSpark(canvas, marginOf(data.scenarios[index]));
  });
}

function chip(label, value) {
  const made = element("span", "chip", `${label} `);
  made.append(element("b", "", value));
  return made;
}

function choose(index, at) {
  state.index = (index + data.scenarios.length) % data.scenarios.length;
  state.playing = false;
  const scenario = decode(scenarioNow());
  const margin = marginOf(scenario);
  state.at = at === undefined ? Math.max(margin ? bestStep(margin) : 0, 0) : at;
  [...$("list").children].forEach((entry, k) => {
    entry.setAttribute("aria-current", String(k === state.index));
    if (k === state.index) entry.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  $("query").textContent = scenario.query || "no query";
  const chips = [["place", scenario.place], ["light", scenario.light], ["weather", scenario.weather]];
  if (scenario.visibility < 5000) chips.push(["visibility", `${Math.round(scenario.visibility)} m`]);
  if (scenario.friction < 0.85) chips.push(["friction", scenario.friction.toFixed(2)]);
  chips.push(["agents", String(scenario.agents)], ["id", scenario.id]);
  $("chips").replaceChildren(...chips.map(([label, value]) => chip(label, value)));
  const best = margin ? margin[bestStep(margin)] : NaN;
  $("verdict").textContent = Number.isNaN(best) ? "" : `${best > 0 ? "satisfied" : "not satisfied"} ${signed(best)}`;
  $("verdict").className = best > 0 ? "good" : "bad";
  $("moment").disabled = !margin;
  $("camera").hidden = !scenario.camera;
  buildClauses(scenario);
  applyTheme();
  view.follow = true;
  setScale();
}

function buildClauses(scenario) {
  const rows = scenario.clauses.map((clause) => {
    const row = element("li");
    row.append(
      element("span", clause.satisfied ? "good" : "bad", clause.satisfied ? "✓" : "✕"),
      element("span", "text", clause.text),
      element("span", "detail", clause.detail),
    );
    if (clause.margin) row.append(element("canvas"));
    return row;
  });
  $("clauses").replaceChildren(...(rows.length ? rows : [element("li", "quiet", "No clauses were recorded.")]));
  if (!rows.length) $("clauses").firstChild.style.display = "block";
}

function applyTheme() {
  const natural = scenarioNow().palette.darkness > 0.7 ? "dark" : "light";
  document.documentElement.dataset.theme = state.theme || natural;
  drawList();
  redraw();
}

// Shows the ego and whoever plays a role at this moment.
function setScale() {
  const scenario = scenarioNow();
  const ego = stateAt(scenario, 0, state.at);
  let [dx, dy] = [26, 12];
  for (const i of castOf(scenario).keys()) {
    const other = ego && stateAt(scenario, i, state.at);
    if (!other) continue;
    dx = Math.max(dx, Math.abs(other.x - ego.x));
    dy = Math.max(dy, Math.abs(other.y - ego.y));
  }
  const { clientWidth: w, clientHeight: h } = view.canvas;
  view.scale = Math.max(3, Math.min(14, w / (2.5 * dx + 14), h / (2.5 * dy + 14)));
  redraw();
}

function redraw() {
  if (!state.drawn) state.drawn = requestAnimationFrame(draw);
}

function draw() {
  state.drawn = 0;
  const scenario = scenarioNow();
  view.draw(scenario, state.at);
  drawTimeline($("timeline"), scenario, state.at);
  drawSpeeds($("speeds"), scenario, state.at);
  [...$("clauses").children].forEach((row, k) => {
    const canvas = row.querySelector("canvas");
    if (canvas) drawStrip(canvas, scenario.clauses[k].margin, Math.floor(state.at));
  });
  drawReadings(scenario);
}

function drawReadings(scenario) {
  const step = Math.min(Math.floor(state.at + 1e-6), scenario.steps - 1);
  const seconds = (k) => (scenario.start + k * scenario.step).toFixed(1);
  const margin = marginOf(scenario);
  const reading = margin && Number.isFinite(margin[step]) ? `   margin ${signed(margin[step])}` : "";
  $("clock").textContent = `${seconds(step)} / ${seconds(scenario.steps - 1)} s${reading}`;
  $("timeline").setAttribute("aria-valuetext", `${seconds(step)} s`);
  $("legend").replaceChildren(...[...castOf(scenario)].map(([i, own]) => {
    const now = stateAt(scenario, i, state.at);
    const label = element("span", "", `${own.names.join(", ")} ${now ? now.speed.toFixed(1) : "–"}`);
    label.style.color = own.colour;
    return label;
  }));
  if (scenario.camera) $("picture").src = `data:image/jpeg;base64,${scenario.camera[step]}`;
  $("play-icon").setAttribute("d", state.playing ? "M3.5 2.5h3.2v11H3.5zM9.3 2.5h3.2v11H9.3z" : "M4 2.5v11L13 8z");
  $("play").setAttribute("aria-label", state.playing ? "Pause" : "Play");
  $("follow").setAttribute("aria-pressed", String(view.follow));
  $("ego-up").setAttribute("aria-pressed", String(view.egoUp));
  const metres = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((m) => m * view.scale >= 60) || 1000;
  $("scale").style.width = `${metres * view.scale}px`;
  $("scale-text").textContent = `${metres} m`;
}

function play(on) {
  state.playing = on;
  if (on && state.at >= scenarioNow().steps - 1) state.at = 0;
  state.run += 1; // an older loop that is still waiting for its frame stops
  const run = state.run;
  let before = null;
  const tick = (now) => {
    if (!state.playing || run !== state.run) return;
    const { steps, step } = scenarioNow();
    if (before !== null) state.at = Math.min(state.at + (now - before) / 1000 * state.rate / step, steps - 1);
    before = now;
    if (state.at >= steps - 1) state.playing = false;
    redraw();
    requestAnimationFrame(tick);
  };
  if (on) requestAnimationFrame(tick);
  redraw();
}

function seek(at) {
  state.playing = false;
  state.at = Math.max(0, Math.min(at, scenarioNow().steps - 1));
  redraw();
}

function toMoment() {
  const margin = marginOf(scenarioNow());
  if (margin) seek(bestStep(margin));
}

function zoom(factor, px, py) {
  const box = view.canvas;
  const [x, y] = [px ?? box.clientWidth / 2, py ?? box.clientHeight / 2];
  const [mx, my] = view.toMap(x, y);
  view.scale = Math.max(0.5, Math.min(80, view.scale * factor));
  if (!view.follow) {
    view.place(box.getContext("2d"));
    const [nx, ny] = view.toMap(x, y);
    view.centre = [view.centre[0] + mx - nx, view.centre[1] + my - ny];
  }
  redraw();
}

function showTip(event) {
  const i = view.agentAt(event.offsetX, event.offsetY);
  const tip = $("tip");
  tip.hidden = i < 0;
  if (i < 0) return;
  const scenario = scenarioNow();
  const agent = view.states[i];
  const own = castOf(scenario).get(i);
  const ttc = agent.ttc === data.never ? "no contact" : `${(agent.ttc / 100).toFixed(2)} s`;
  const rows = [
    ["speed", `${agent.speed.toFixed(1)} m/s · ${(agent.speed * 3.6).toFixed(0)} km/h`],
    ["size", `${agent.length.toFixed(1)} × ${agent.width.toFixed(1)} m`],
    ...(i ? [["TTC to ego", ttc]] : []),
  ];
  const table = element("table");
  for (const [label, value] of rows) {
    const row = table.insertRow();
    row.insertCell().textContent = label;
    row.insertCell().textContent = value;
  }
  tip.replaceChildren(element("b", "", `${data.kinds[agent.kind]} ${i}${own ? ` · ${own.names.join(", ")}` : ""}`), table);
  const left = Math.min(event.offsetX + 14, view.canvas.clientWidth - tip.offsetWidth - 6);
  const above = event.offsetY + 16 + tip.offsetHeight > view.canvas.clientHeight;
  tip.style.left = `${left}px`;
  tip.style.top = `${above ? event.offsetY - tip.offsetHeight - 12 : event.offsetY + 14}px`;
}

function listenCanvas() {
  const canvas = view.canvas;
  let held = null;
  canvas.addEventListener("pointerdown", (event) => {
    held = [event.offsetX, event.offsetY];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) {
      showTip(event);
      return;
    }
    const [x0, y0] = view.toMap(...held);
    const [x1, y1] = view.toMap(event.offsetX, event.offsetY);
    if (view.follow && Math.hypot(event.offsetX - held[0], event.offsetY - held[1]) < 4) return;
    view.follow = false;
    view.centre = [view.centre[0] + x0 - x1, view.centre[1] + y0 - y1];
    held = [event.offsetX, event.offsetY];
    $("tip").hidden = true;
    redraw();
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { held = null; });
  canvas.addEventListener("pointerleave", () => { $("tip").hidden = true; });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
  }, { passive: false });
  const timeline = $("timeline");
  const scrub = (event) => {
    const { left, right } = MARGINS;
    const share = (event.offsetX - left) / (timeline.clientWidth - left - right);
    seek(Math.round(share * (scenarioNow().steps - 1)));
  };
  timeline.addEventListener("pointerdown", (event) => {
    timeline.setPointerCapture(event.pointerId);
    scrub(event);
  });
  timeline.addEventListener("pointermove", (event) => { if (event.buttons) scrub(event); });
}

const toggleFollow = () => { view.follow = !view.follow; redraw(); };
const toggleEgoUp = () => { view.egoUp = !view.egoUp; redraw(); };
const fit = () => { view.fit(scenarioNow()); redraw(); };

function toggleTheme() {
  state.theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  applyTheme();
}

const KEYS = {
  " ": () => play(!state.playing),
  ArrowLeft: () => seek(Math.ceil(state.at - 1)),
  ArrowRight: () => seek(Math.floor(state.at + 1)),
  Home: () => seek(0),
  End: () => seek(scenarioNow().steps - 1),
  m: toMoment,
  f: toggleFollow,
  u: toggleEgoUp,
  t: toggleTheme,
  n: () => choose(state.index + 1),
  p: () => choose(state.index - 1),
  0: fit,
  "+": () => zoom(1.25),
  "=": () => zoom(1.25),
  "-": () => zoom(0.8),
};

function listen() {
  listenCanvas();
  $("play").addEventListener("click", () => play(!state.playing));
  $("back").addEventListener("click", KEYS.ArrowLeft);
  $("forward").addEventListener("click", KEYS.ArrowRight);
  $("moment").addEventListener("click", toMoment);
  $("follow").addEventListener("click", toggleFollow);
  $("ego-up").addEventListener("click", toggleEgoUp);
  $("zoom-in").addEventListener("click", KEYS["+"]);
  $("zoom-out").addEventListener("click", KEYS["-"]);
  $("fit").addEventListener("click", fit);
  $("rate").addEventListener("change", (event) => { state.rate = Number(event.target.value); });
  $("filter").addEventListener("input", () => { filterList(); drawList(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select") || (event.key === " " && event.target.matches("button"))) return;
    const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  new ResizeObserver(() => { drawList(); redraw(); }).observe($("app"));
}

// The address may name a scenario and a time in seconds: viewer.html#3@4.2
const [, first, seconds] = /^#(\d+)(?:@([\d.]+))?$/.exec(window.location.hash) || [];
buildList();
listen();
choose(Number(first) || 0);
if (seconds) seek((Number(seconds) - scenarioNow().start) / scenarioNow().step);
