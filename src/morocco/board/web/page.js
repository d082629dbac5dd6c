// Every string of the data is set as text, never as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const state = { text: "", task: "all", machine: "", device: "", validity: "", sort: null, down: true };
const open = new Set(); // rows whose details are shown

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// ---- what is shown -------------------------------------------------------------------------

const VALIDITY = {
  "": () => true,
  clean: (row) => row.invalid === 0,
  invalid: (row) => row.invalid > 0,
  complete: (row) => row.complete,
  incomplete: (row) => !row.complete,
};

function visible(machine, index) {
  if (state.machine !== "" && Number(state.machine) !== index) return [];
  const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
  return machine.rows.filter(
    (row) =>
      words.every((word) => row.search.includes(word)) &&
      (!state.device || row.device === state.device || row.device === "both") &&
      (state.task === "all" || state.task in row.views) &&
      VALIDITY[state.validity](row)
  );
}

function sorted(rows) {
  if (!state.sort) return rows;
  const value = (row) => (state.sort === "model" ? row.label : row.views[state.task][state.sort]?.v);
  const sign = state.down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x == null || y == null) return (x == null) - (y == null); // rows without a figure come last
    return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
  });
}

// ---- table ---------------------------------------------------------------------------------

function cell(figure) {
  if (!figure) return el("td", {}, "—");
  const missing = figure.v === null;
  return el(
    "td",
    { title: figure.why },
    figure.rank ? el("span", { class: "chip", title: "rank on this machine" }, `#${figure.rank}`) : null,
    missing ? el("span", { class: "words" }, figure.t) : figure.t,
    figure.i ? el("span", { class: "interval" }, figure.i) : null
  );
}

function heading(key, name, unit, help) {
  const active = state.sort === key;
  const direction = active ? (state.down ? "descending" : "ascending") : null;
  const sort = () => {
    // Figures start with the largest, names with A.
    state.down = active ? !state.down : key !== "model";
    state.sort = key;
    render();
    document.querySelector(`th[data-key="${key}"] button`)?.focus();
  };
  return el(
    "th",
    { scope: "col", "aria-sort": direction, "data-key": key },
    el("button", { type: "button", title: help, onclick: sort }, el("span", { class: "arrow", "aria-hidden": "true" }), name,
      unit ? el("span", { class: "unit" }, unit) : null)
  );
}

function table(machine, rows) {
  const columns = machine.columns;
  const head = el("tr", {}, heading("model", "Model", "", "name in the suite's config"),
    ...columns.map((column) => heading(...column)), heading("runs", "Valid runs", "", "runs that count of all runs, and how many were done again"));
  const body = rows.flatMap((row) => rowNodes(row, columns));
  return el("table", {}, el("caption", { class: "muted", hidden: true }, machine.title), el("thead", {}, head), el("tbody", {}, ...body));
}

function rowNodes(row, columns) {
  const view = row.views[state.task];
  const detail = el("tr", { class: "detail", hidden: true }, el("td", { colspan: columns.length + 2 }));
  const button = el("button", { type: "button", class: "name" }, row.label);
  const show = () => {
    if (open.has(row) && !detail.firstChild.hasChildNodes()) detail.firstChild.append(...details(row, columns));
    detail.hidden = !open.has(row);
    button.setAttribute("aria-expanded", String(open.has(row)));
  };
  button.addEventListener("click", () => { open.has(row) ? open.delete(row) : open.add(row); show(); });
  show();
  const name = el("th", { scope: "row" }, button,
    row.pareto ? el("span", { class: "front", title: "on the Pareto front of score, speed and memory" }, "◆") : null,
    ...row.marks.map((mark) => el("span", { class: "chip mark" }, mark)));
  const runs = runsCell(view.runs);
  return [el("tr", {}, name, ...columns.map(([key]) => cell(view[key])), runs), detail];
}

function runsCell(runs) {
  return el("td", { class: runs.bad ? "bad" : null }, runs.t, runs.i ? el("span", { class: "interval" }, runs.i) : null);
}

function details(row, columns) {
  const tasks = data.tasks.filter(([key]) => key in row.views);
  const head = el("tr", {}, el("th", { scope: "col" }, "Task"),
    ...columns.map(([, name, unit]) => el("th", { scope: "col" }, name, unit ? el("span", { class: "unit" }, unit) : null)),
    el("th", { scope: "col" }, "Load", el("span", { class: "unit" }, "input × batch")), el("th", { scope: "col" }, "Valid runs"));
  const body = tasks.map(([key, title]) => {
    const view = row.views[key];
    return el("tr", {}, el("th", { scope: "row" }, title), ...columns.map(([column]) => cell(view[column])),
      el("td", {}, view.load ?? "—"), runsCell(view.runs));
  });
  const facts = Object.entries(row.facts).flatMap(([key, value]) => [el("dt", { class: "muted" }, key), el("dd", {}, value)]);
  return [
    row.notes.length ? el("ul", {}, ...row.notes.map((note) => el("li", {}, note))) : el("span"),
    el("div", { class: "inner", tabindex: "0", role: "group", "aria-label": `tasks of ${row.label}` },
      el("table", {}, el("thead", {}, head), el("tbody", {}, ...body))),
    el("dl", {}, ...facts),
  ];
}

// ---- chart ---------------------------------------------------------------------------------

const COLOURS = { light: ["#0072b2", "#d55e00"], dark: ["#56b4e9", "#e69f00"] };

function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Powers of ten, and round values between where there is room, as in the printed charts.
function logTicks(values) {
  const [low, high] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
  const choices = [[1, [1, 1.5, 2, 3, 4, 5, 7]], [2.5, [1, 2, 5]], [4, [1, 3]], [Infinity, [1]]];
  const steps = choices.find(([most]) => high - low < most)[1];
  const ticks = [];
  for (let power = Math.floor(low) - 1; power <= Math.ceil(high); power++) {
    ticks.push(...steps.map((step) => Number(`${step}e${power}`)));
  }
  return ticks;
}

function chartSpec(points, phone) {
  const rule = (x, y, lows) => ({
    name: `${lows}_bars`,
    transform: [{ filter: `isValid(datum.${lows}_low) && isValid(datum.${lows}_high)` }],
    mark: { type: "rule", strokeWidth: 1.3, opacity: 0.75 },
    encoding: { ...x, ...y, color: colour },
  });
  const muted = style("--muted");
  const colour = {
    field: "kind", type: "nominal", title: "disc area is",
    scale: { domain: ["GPU RAM", "RAM"], range: COLOURS[theme()] }, legend: { orient: "bottom", symbolType: "circle", values: [...new Set(points.map((point) => point.kind))] },
  };
  const x = { field: "speed", type: "quantitative", scale: { type: "log", nice: false, padding: 24 }, title: "speed, records/s (log scale)", axis: { format: "~s", values: logTicks(points.map((point) => point.speed)), labelOverlap: "greedy" } };
  const y = { field: "score", type: "quantitative", scale: { zero: false, nice: false, padding: 24 }, title: "score", axis: { format: ".2~f" } };
  const most = Math.max(...points.map((point) => point.memory), 1e-9);
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    width: "container", height: phone ? 380 : 500,
    autosize: { type: "fit", contains: "padding" },
    data: { name: "points", values: points },
    layer: [
      { name: "front", transform: [{ filter: "datum.front" }],
        mark: { type: "line", interpolate: "step-before", strokeDash: [5, 4], strokeWidth: 1.2, color: muted },
        encoding: { x, y, order: { field: "speed" } } },
      rule({ x: { ...x, field: "speed_low" }, x2: { field: "speed_high" } }, { y }, "speed"),
      rule({ x }, { y: { ...y, field: "score_low" }, y2: { field: "score_high" } }, "score"),
      // A dot in each disc: a model of little memory would not be seen otherwise.
      { name: "centres", mark: { type: "circle", size: 10, opacity: 1 }, encoding: { x, y, color: colour } },
      { name: "discs",
        mark: { type: "circle", opacity: 0.55, cursor: "pointer" },
        encoding: { x, y, color: colour,
          size: { field: "memory", type: "quantitative", title: "memory, GiB (disc area)",
            scale: { domain: [0, most], range: [30, phone ? 900 : 1600] },
            legend: { orient: "bottom", symbolFillColor: muted, symbolStrokeWidth: 0, format: ".2~g", values: [0.1, 0.4, 0.9].map((share) => Number((most * share).toPrecision(1))) } },
          order: { field: "memory", sort: "descending" },
          tooltip: [
            { field: "label", title: "model" },
            { field: "score_text", title: "score" },
            { field: "speed_text", title: "records/s" },
            { field: "memory_text", title: "memory" },
          ] } },
    ],
  };
}

const ANCHORS = ["right", "left", "top", "bottom", "top-right", "top-left", "bottom-right", "bottom-left"];

// Vega places the names beside the discs and leaves out those that would cover another.
const withNames = (phone) => (spec) => {
  spec.marks.push({
    type: "text", from: { data: "discs_marks" }, interactive: false,
    encode: { enter: { text: { field: "datum.label" }, fill: { value: style("--ink") }, fontSize: { value: phone ? 10 : 11 }, limit: { value: phone ? 100 : 150 } } },
    transform: [{ type: "label", size: { signal: "[max(width, 1), max(height, 1)]" }, avoidBaseMark: true,
      avoidMarks: ["front_marks", "speed_bars_marks", "score_bars_marks"].filter((name) => spec.marks.some((mark) => hasMark(mark, name))),
      anchor: phone ? ANCHORS : [...ANCHORS, ...ANCHORS],
      offset: [...ANCHORS.map(() => 2), ...(phone ? [] : ANCHORS.map(() => 7))] }],
  });
  return spec;
};

const hasMark = (mark, name) => mark.name === name || (mark.marks ?? []).some((child) => hasMark(child, name));

const config = () => {
  const [ink, muted, line] = [style("--ink"), style("--muted"), style("--line")];
  return {
    background: "transparent", font: "Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif", view: { stroke: null },
    axis: { labelColor: ink, titleColor: ink, gridColor: line, domainColor: muted, tickColor: muted, titleFontWeight: "normal" },
    legend: { labelColor: ink, titleColor: ink, titleFontWeight: "normal" },
  };
};

async function draw(section, machine, rows) {
  const shown = new Set(rows.map((row) => machine.rows.indexOf(row)));
  const points = (machine.points[state.task] ?? [])
    .filter((point) => shown.has(point.row))
    .map((point) => {
      const view = machine.rows[point.row].views[state.task];
      const memory = view[point.kind === "RAM" ? "ram" : "gpu_ram"];
      const line = (figure) => `${figure.t} ${figure.i}`;
      return { ...point, score_text: line(view.score), speed_text: line(view.rps), memory_text: `${line(memory)} GiB ${point.kind}` };
    });
  section.chart.hidden = points.length === 0;
  const gone = rows.filter((row) => !points.some((point) => machine.rows[point.row] === row));
  section.caption.textContent = points.length
    ? "Bars: 95 % intervals. Dashed: no other model on this machine is both faster and better. Point at a disc for its figures." +
      (gone.length ? ` Not drawn, as a figure is missing: ${gone.map((row) => row.label).join(", ")}.` : "")
    : "No disc to draw: no model shown has a score, a speed and a memory figure here.";
  section.view?.finalize();
  section.view = null;
  if (!points.length) return;
  const turn = (section.turn = (section.turn ?? 0) + 1);
  const phone = window.innerWidth < 640;
  const options = { actions: false, renderer: "svg", ast: true, config: config(), tooltip: { theme: theme() }, patch: withNames(phone) };
  const result = await vegaEmbed(section.chart, chartSpec(points, phone), options);
  if (turn === section.turn) section.view = result.view;
  else result.view.finalize(); // overtaken by a later change
}

// ---- the page ------------------------------------------------------------------------------

const sections = data.machines.map((machine) => {
  const section = {
    chart: el("div", { class: "chart", role: "img", "aria-label": `score against speed on ${machine.title}; the table has the same figures` }),
    caption: el("figcaption"),
    table: el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `models on ${machine.title}` }),
  };
  section.root = el("section", {}, el("h2", {}, machine.title),
    el("p", { class: "muted" }, `Means of speed are over ${machine.means_over} tasks.` +
      (machine.left_out.length ? ` No model here has a figure for: ${machine.left_out.join(", ")}.` : "")),
    ...machine.notes.map((text) => el("p", { class: "note" }, text)),
    el("figure", {}, section.chart, section.caption), section.table);
  $("machines").append(section.root);
  return section;
});

function render() {
  let shown = 0;
  data.machines.forEach((machine, index) => {
    const section = sections[index];
    const rows = sorted(visible(machine, index));
    shown += rows.length;
    section.root.hidden = rows.length === 0;
    section.table.replaceChildren(table(machine, rows));
    if (!section.root.hidden) draw(section, machine, rows);
  });
  const total = data.machines.reduce((sum, machine) => sum + machine.rows.length, 0);
  const title = data.tasks.find(([key]) => key === state.task)?.[1];
  $("count").textContent = shown
    ? `${shown} of ${total} rows, figures ${title ? `of ${title}` : "over all tasks"}`
    : `none of ${total} rows fits the filters`;
}

function theme() {
  return document.documentElement.dataset.theme;
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").textContent = name === "dark" ? "Light" : "Dark";
  $("theme").setAttribute("aria-label", `switch to the ${name === "dark" ? "light" : "dark"} theme`);
}

const dark = window.matchMedia("(prefers-color-scheme: dark)");
setTheme(dark.matches ? "dark" : "light");
dark.addEventListener("change", (event) => { setTheme(event.matches ? "dark" : "light"); render(); });
$("theme").addEventListener("click", () => { setTheme(theme() === "dark" ? "light" : "dark"); render(); });

$("task").append(el("option", { value: "all" }, "all tasks"), ...data.tasks.map(([key, title]) => el("option", { value: key }, title)));
$("machine").append(el("option", { value: "" }, "any"), ...data.machines.map((machine, index) => el("option", { value: index }, machine.title)));
for (const name of ["text", "task", "machine", "device", "validity"]) {
  $(name).addEventListener("input", (event) => { state[name] = event.target.value; render(); });
}
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("reset", () => {
  Object.assign(state, { text: "", task: "all", machine: "", device: "", validity: "", sort: null });
  render();
});
$("notes").append(
  ...data.notes.map((note) => el("p", { class: "note" }, note)),
  ...(data.refused.length ? [el("details", { class: "note" }, el("summary", {}, `Refused: ${data.refused.length} estimates`),
    el("ul", {}, ...data.refused.map((text) => el("li", {}, text))))] : [])
);
let wide = window.innerWidth < 640;
window.addEventListener("resize", () => { if (window.innerWidth < 640 !== wide) { wide = !wide; render(); } });
render();
