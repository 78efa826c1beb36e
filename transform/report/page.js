"use strict";

const charts = JSON.parse(document.getElementById("data").textContent);
const DAY = 864e5; // milliseconds
const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 600px)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function config() {
  const text = { labelColor: colour("muted"), titleColor: colour("muted"), labelFontSize: 12, titleFontSize: 12, titleFontWeight: 400 };
  return {
    background: null,
    font: getComputedStyle(document.body).fontFamily,
    params: [{ name: "second", value: colour("second") }],
    view: { stroke: null },
    axis: { ...text, domainColor: colour("line"), tickColor: colour("line"), gridColor: colour("grid"), labelLimit: narrow.matches ? 90 : 150 },
    axisY: { domain: false, ticks: false, labelPadding: 6 },
    legend: { ...text, orient: "top", gradientLength: 120, gradientThickness: 8, symbolType: "square", titleOrient: "left", offset: 6 },
    bar: { color: colour("first") },
    line: { strokeWidth: 1.75 },
    point: { size: 14, filled: true, color: colour("second") },
    range: { category: [colour("first"), colour("second"), colour("third")], heatmap: [colour("ramp-low"), colour("ramp-high")], ramp: [colour("ramp-low"), colour("ramp-high")] },
  };
}

// Marks need numbers; the page's tables have the exact decimals.
function numbers(chart) {
  return chart.rows.map((row) => {
    const copy = { ...row };
    for (const name of chart.decimals) copy[name] = row[name] === null ? null : Number(row[name]);
    for (const name of chart.days) copy[name] = Date.parse(row[name]);
    return copy;
  });
}

function element(parent, tag, text, name) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (name) made.className = name;
  return parent.appendChild(made);
}

function layout(chart) {
  const target = document.getElementById(`${chart.name}-panels`);
  if (!target) return [];
  target.replaceChildren();
  const all = numbers(chart);
  const drawings = [];
  for (const panel of chart.panels) {
    const values = panel.rows.map((number) => all[number]);
    // Views of a chart without panels are next to each other.
    const box = chart.panels.length > 1 ? element(target, "div", "", "panel") : target;
    if (chart.panels.length > 1) element(box, "h3", panel.title);
    for (const view of chart.views) {
      const spec = structuredClone(view);
      const frame = element(box, "div", "", "view");
      if (spec.title) element(frame, "h4", spec.title);
      const { x, y } = spec.encoding;
      if (x.field === "day") {
        const days = all.map((row) => row.day);
        x.scale = { type: "utc", domain: { expr: `[${Math.min(...days)}, ${Math.max(...days) + DAY - 1}]` } };
      }
      if (chart.same_scale) y.scale = { domainMax: Math.max(...all.map((row) => row[y.field])) };
      Object.assign(spec, {
        $schema: "https://vega.github.io/schema/vega-lite/v6.json",
        description: [chart.title, panel.title, spec.title].filter(Boolean).join("; "),
        width: "container",
        height: view.height.step ? view.height.step * new Set(values.map((row) => row[y.field])).size : view.height,
        autosize: { type: "fit-x", contains: "padding" },
        data: { values },
      });
      delete spec.title;
      // `ast` interprets expressions, which the page's policy does not allow to be compiled.
      drawings.push([element(frame, "div", "", "chart"), spec, { config: config(), actions: false, renderer: "svg", ast: true }]);
    }
  }
  return drawings;
}

async function drawAll() {
  document.body.dataset.drawn = "no";
  // The width of a drawing is known when all of its neighbours are in the page.
  for (const drawing of charts.flatMap(layout)) await vegaEmbed(...drawing);
  document.body.dataset.drawn = "yes";
}

dark.addEventListener("change", drawAll);
narrow.addEventListener("change", drawAll);
drawAll();
