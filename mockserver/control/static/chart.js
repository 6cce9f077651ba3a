// A chart of amounts over time, drawn by uPlot, which is loaded when the first chart is shown.
import { html, language, moment, useEffect, useRef, useState } from "./lib.js";

const FOLDER = "/__mock__/static/vendor";
const HEIGHT = 220;
const BARS = 40;
const SHORTEST = 60;
const DARK = matchMedia("(prefers-color-scheme: dark)");

let library = null;

/** Return uPlot; its style sheet comes with it. */
function loaded() {
  if (library === null) {
    const sheet = document.createElement("link");
    sheet.rel = "stylesheet";
    sheet.href = `${FOLDER}/uplot.css`;
    document.head.append(sheet);
    library = import("./vendor/uplot.js").then((module) => module.default);
  }
  return library;
}

/** Return the middle of each stretch of time, and the sum of the amounts in it; for a chart, not for a bill. */
export function stretches(charges) {
  const times = charges.map((charge) => charge.created);
  const last = Math.max(...times);
  const first = Math.min(...times, last - SHORTEST);
  const seconds = (last - first) / (BARS - 1);
  const sums = Array(BARS).fill(0);
  for (const charge of charges) sums[Math.round((charge.created - first) / seconds)] += Number(charge.amount);
  // No bar, not one of no height, where nothing was spent.
  return [sums.map((_, at) => first + at * seconds), sums.map((amount) => amount || null)];
}

function options(Plot, width, currency, tip) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const clockTime = { hour: "2-digit", minute: "2-digit" };
  const day = { month: "numeric", day: "numeric" };
  const write = (plot, seconds) => {
    const { min, max } = plot.scales.x;
    const shown = max - min > 2 * 86400 ? day : max - min > 86400 ? { ...day, ...clockTime } : clockTime;
    return new Date(seconds * 1000).toLocaleString(language, max - min < 300 ? { ...shown, second: "2-digit" } : shown);
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: { x: { time: true }, y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [
      { ...axis, space: 90, size: 34, values: (plot, splits) => splits.map((seconds) => write(plot, seconds)) },
      { ...axis, size: 80, values: (_, splits) => splits.map((value) => `${+value.toFixed(6)} ${currency}`) },
    ],
    series: [
      {},
      {
        fill: colour("--s0"),
        stroke: colour("--s0"),
        paths: Plot.paths.bars({ size: [0.8, 40] }),
        points: { show: false },
      },
    ],
    hooks: { setCursor: [(plot) => tip(plot)] },
  };
}

/** What each stretch of time cost, in one currency. Its numbers are in the tables beside it. */
export function Chart({ charges, currency, label }) {
  const holder = useRef(null);
  const plot = useRef(null);
  const [tip, setTip] = useState(null);
  const data = stretches(charges);
  const shown = useRef(data);
  shown.current = data;
  useEffect(() => {
    let isGone = false;
    const draw = () =>
      loaded().then((Plot) => {
        if (isGone) return;
        plot.current?.destroy();
        const point = ({ cursor, over }) => {
          const isLate = cursor.left > over.clientWidth / 2;
          setTip(cursor.idx === null ? null : { at: cursor.idx, left: over.offsetLeft + cursor.left, isLate });
        };
        const { clientWidth } = holder.current;
        plot.current = new Plot(options(Plot, clientWidth, currency, point), shown.current, holder.current);
      });
    const fit = new ResizeObserver(() => plot.current?.setSize({ width: holder.current.clientWidth, height: HEIGHT }));
    fit.observe(holder.current);
    DARK.addEventListener("change", draw);
    draw();
    return () => {
      isGone = true;
      fit.disconnect();
      DARK.removeEventListener("change", draw);
      plot.current?.destroy();
    };
  }, [currency]);
  const last = charges[0]?.id;
  useEffect(() => {
    plot.current?.setData(shown.current);
  }, [last, charges.length]);
  const amount = tip ? (data[1][tip.at] ?? 0) : 0;
  return html`<figure class="chart" role="img" aria-label=${label}>
    <div ref=${holder}></div>
    ${
      tip &&
      html`<p class=${`tip ${tip.isLate ? "before" : ""}`} style=${{ left: `${tip.left}px` }}>
        ${moment(data[0][tip.at])}<br /><b>${+amount.toFixed(6)} ${currency}</b>
      </p>`
    }
  </figure>`;
}
