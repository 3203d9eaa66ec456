// Draws what <div class="plot" data-plot="URL"> asks for. The answer is JSON:
// {x: {label, unit, values, log?, time?}, y: {label, unit, log?, range?, ticks?}, series: [{label, values, style}], bands?, marks?}
// style: one of "own", "healthy", "edge", "second", "limit", which is dashed; bands: [[upper, lower]] indices of series that enclose an area;
// marks: [{label, from, to?, style}] upright lines or spans on x.
"use strict";
(() => {
  const HEIGHT = 280;
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--plot-${name}`).trim();

  const utc = (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC");

  // A step of that many seconds or more, its label, and what is added where year, day or minute begin.
  const DAY = "\n{YYYY}-{MM}-{DD}";
  const TIMES = [
    [31536000, "{YYYY}", null, null, null, null, null, null, 1],
    [2419200, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
    [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
    [60, "{HH}:{mm}", DAY, null, "\n{MM}-{DD}", null, null, null, 1],
    [1, "{HH}:{mm}:{ss}", DAY, null, "\n{MM}-{DD}", null, null, null, 1],
  ];

  const axisOf = (part) => ({
    ...(part.time ? {values: TIMES} : {}),
    ...(part.ticks ? {splits: () => part.ticks, filter: (_, ticks) => ticks, values: (_, ticks) => ticks.map(String)} : {}),
    label: part.unit ? `${part.label} (${part.unit})` : part.label,
    stroke: color("ink"), grid: {stroke: color("grid"), width: 1}, ticks: {stroke: color("grid"), width: 1},
    font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 20,
  });

  // Values between two gaps: no line goes through them.
  const alone = (values) => values.flatMap((value, i) => value != null && values[i - 1] == null && values[i + 1] == null ? [i] : []);

  // What the legend says of the point under the cursor; nothing where there is none.
  const numberAt = (_, value) => value == null ? "" : String(Number(value.toPrecision(4)));
  const minuteOf = uPlot.fmtDate("{YYYY}-{MM}-{DD} {HH}:{mm}");
  const timeAt = (_, value) => value == null ? "" : minuteOf(utc(value));

  const seriesOf = (part) => ({
    label: part.label,
    value: numberAt,
    stroke: part.style === "edge" ? "transparent" : color(part.style),
    width: part.style === "own" ? 1.6 : 1,
    points: {show: part.style !== "edge", size: 6, fill: color(part.style), ...(part.points ? {} : {filter: () => alone(part.values)})},
    ...(part.points ? {paths: () => null} : {}),
    dash: part.style === "limit" ? [5, 4] : undefined,
  });

  const overlay = (plot) => ({hooks: {
    drawClear: [(u) => { for (const mark of plot.marks || []) if ("to" in mark) span(u, mark); }],
    draw: [(u) => {
      const taken = [];
      for (const mark of plot.marks || []) {
        if (!("to" in mark)) upright(u, mark, taken);
        else if (mark.style === "mark") caption(u, mark, Math.max(u.valToPos(mark.from, "x", true), u.bbox.left), taken);
      }
    }],
  }});

  const span = (u, mark) => {
    const left = Math.max(u.valToPos(mark.from, "x", true), u.bbox.left);
    const right = Math.min(u.valToPos(mark.to, "x", true), u.bbox.left + u.bbox.width);
    if (right <= left) return;
    u.ctx.save();
    u.ctx.globalAlpha = 0.18;
    u.ctx.fillStyle = color(mark.style);
    u.ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
    u.ctx.restore();
  };

  const upright = (u, mark, taken) => {
    const at = u.valToPos(mark.from, "x", true);
    if (at < u.bbox.left || at > u.bbox.left + u.bbox.width) return;
    stroke(u, mark.style, [[at, u.bbox.top], [at, u.bbox.top + u.bbox.height]]);
    caption(u, mark, at, taken);
  };

  // A label that would cover the one before it in its row is left out; its line or span stays.
  const caption = (u, mark, at, taken) => {
    u.ctx.save();
    u.ctx.fillStyle = color("ink");
    u.ctx.textAlign = "left";
    u.ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    const row = mark.row || 0, width = u.ctx.measureText(mark.label).width;
    if (at + 3 >= (taken[row] || 0) && at + width < u.bbox.left + u.bbox.width + 12) {
      u.ctx.fillText(mark.label, at + 3, u.bbox.top + (12 + 13 * row) * devicePixelRatio);
      taken[row] = at + width + 8;
    }
    u.ctx.restore();
  };

  const stroke = (u, style, points) => {
    u.ctx.save();
    u.ctx.strokeStyle = color(style);
    u.ctx.lineWidth = devicePixelRatio;
    u.ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    u.ctx.beginPath();
    points.forEach(([x, y], i) => i ? u.ctx.lineTo(x, y) : u.ctx.moveTo(x, y));
    u.ctx.stroke();
    u.ctx.restore();
  };

  const optionsOf = (plot, width) => ({
    width, height: HEIGHT,
    tzDate: utc,
    scales: {
      x: {time: Boolean(plot.x.time), distr: plot.x.log ? 3 : 1},
      y: {distr: plot.y.log ? 3 : 1, ...(plot.y.range ? {range: () => plot.y.range} : {})},
    },
    axes: [axisOf(plot.x), {...axisOf(plot.y), size: 62}],
    series: [{label: plot.x.unit ? `${plot.x.label} (${plot.x.unit})` : plot.x.label, value: plot.x.time ? timeAt : numberAt}, ...plot.series.map(seriesOf)],
    bands: (plot.bands || []).map((pair) => ({series: pair.map((i) => i + 1), fill: color(pair[0] === 0 ? "self" : "band")})),
    cursor: {drag: {x: true, y: false}},
    legend: {live: true},
    plugins: [overlay(plot)],
  });

  // Draws, and returns what takes the drawing away again.
  const draw = (place, plot) => {
    place.replaceChildren();
    const width = () => Math.max(240, place.clientWidth);
    const data = [plot.x.values, ...plot.series.map((part) => part.values)];
    const drawn = new uPlot(optionsOf(plot, width()), data, place);
    const observer = new ResizeObserver(() => drawn.setSize({width: width(), height: HEIGHT}));
    observer.observe(place);
    return () => {
      observer.disconnect();
      drawn.destroy();
    };
  };

  const load = async (place) => {
    try {
      const answer = await fetch(place.dataset.plot, {headers: {accept: "application/json"}});
      const plot = await answer.json();
      if (plot.absent) { say(place, plot.absent); return; }
      let clear = draw(place, plot);
      const again = () => {
        clear();
        clear = draw(place, plot);
      };
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    } catch {
      say(place, "This figure could not be loaded; load the page again.");
    }
  };

  const say = (place, text) => {
    const said = document.createElement("p");
    said.className = "absent";
    said.textContent = text;
    place.replaceChildren(said);
  };

  const drawAll = () => {
    for (const place of document.querySelectorAll("[data-plot]:not([data-drawn])")) {
      place.dataset.drawn = "";
      load(place);
    }
  };
  drawAll();
  document.addEventListener("htmx:after:swap", drawAll);
})();
