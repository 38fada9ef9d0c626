// Candles and volume of the instrument that is shown, with one's own orders and fills; it draws by TradingView's library.

import { CandlestickSeries, ColorType, CrosshairMode, HistogramSeries, LineStyle, createChart, createSeriesMarkers } from "../vendor/lightweight-charts.js";
import { INTERVALS } from "./candles.js";
import { add, grouped, trimmed } from "./decimal.js";
import { byId, el, mark, say } from "./dom.js";
import * as figures from "./figures.js";
import { drawSoon } from "./frame.js";
import { colour, themeChanges } from "./theme.js";
import { sideWords } from "./words.js";

const KEY = "fixserver-interval";
const EARLIER_FROM = 20; // candles to the left of what is seen, below which older ones are asked for
const SUMMARY_MS = 5000;
const PENDING_MAX = 50; // candles that wait to be drawn, above which all are drawn anew
const WIDTHS = { "1s": 1, "1m": 60, "5m": 300, "1h": 3600, "1d": 86400 }; // seconds

const LINES_MAX = 20; // own prices that are drawn

const sumOf = (orders) => orders.reduce((sum, order) => add(sum, order.leaves), "0");
const secondsOf = (time) => Math.floor(Date.parse(`${time.slice(0, 19)}Z`) / 1000);

export function openChart(candles, market, account, selection) {
  const box = byId("chart");
  let interval = "1m";
  try {
    if (INTERVALS.includes(localStorage.getItem(KEY))) interval = localStorage.getItem(KEY);
  } catch {
    // the usual one then
  }
  // Its own attribution would come with a style sheet that the page's policy forbids; the page says it below the chart.
  const chart = createChart(box, { autoSize: true, layout: { attributionLogo: false } });
  const series = chart.addSeries(CandlestickSeries, { priceLineStyle: LineStyle.Dotted });
  const volume = chart.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
  const markers = createSeriesMarkers(series, []);
  let lines = [];
  let dirty = "all"; // all, last, or nothing
  let pending = new Map(); // time -> candle, of those that changed at the end
  let colours = {};
  let summarised = -SUMMARY_MS;
  let later = null;

  function paint() {
    colours = Object.fromEntries(["panel", "muted", "grid", "line", "buy", "sell", "accent", "buy-bar", "sell-bar", "text", "raised"].map((name) => [name, colour(name)]));
    chart.applyOptions({
      layout: { background: { type: ColorType.Solid, color: colours.panel }, textColor: colours.muted, fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 11 },
      grid: { vertLines: { color: colours.grid }, horzLines: { color: colours.grid } },
      rightPriceScale: { borderColor: colours.line, scaleMargins: { top: 0.1, bottom: 0.24 } },
      timeScale: { borderColor: colours.line, rightOffset: 4, barSpacing: 8, minBarSpacing: 1 },
      crosshair: {
        mode: CrosshairMode.Normal,
        vertLine: { color: colours.muted, labelBackgroundColor: colours.raised },
        horzLine: { color: colours.muted, labelBackgroundColor: colours.raised },
      },
    });
    series.applyOptions({ upColor: colours.buy, downColor: colours.sell, wickUpColor: colours.buy, wickDownColor: colours.sell, borderVisible: false, priceLineColor: colours.muted });
    volume.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    dirty = "all";
    drawSoon(draw);
  }

  // The one place where prices become floating-point numbers: a pixel is as exact as it gets.
  const bar = (candle) => ({ time: secondsOf(candle.time), open: Number(candle.open), high: Number(candle.high), low: Number(candle.low), close: Number(candle.close) });
  const column = (candle) => ({ time: secondsOf(candle.time), value: Number(candle.volume), color: Number(candle.close) >= Number(candle.open) ? colours["buy-bar"] : colours["sell-bar"] });

  function draw() {
    if (dirty === "all") {
      series.setData(candles.list.map(bar));
      volume.setData(candles.list.map(column));
      drawOwn();
    } else {
      for (const candle of pending.values()) {
        series.update(bar(candle));
        volume.update(column(candle));
      }
    }
    dirty = "";
    pending.clear();
    byId("chart-empty").hidden = candles.list.length > 0 || !candles.isThere;
    drawLegend(null);
    summarise();
  }

  function drawLegend(candle) {
    const one = candle ?? candles.list.at(-1);
    const legend = byId("legend");
    if (one === undefined) {
      legend.replaceChildren();
      return;
    }
    const parts = { O: one.open, H: one.high, L: one.low, C: one.close, Vol: trimmed(one.volume) };
    if (legend.childElementCount === 0) for (const name of Object.keys(parts)) legend.append(el("span", {}, `${name} `, el("b")));
    Object.values(parts).forEach((value, index) => say(legend.children[index].lastChild, grouped(value)));
  }

  function summarise() {
    const wait = summarised + SUMMARY_MS - performance.now();
    if (wait > 0) {
      later ??= setTimeout(() => ((later = null), summarise()), wait);
      return;
    }
    summarised = performance.now();
    const last = candles.list.at(-1);
    const words = last === undefined ? "nothing has traded" : `${candles.list.length} candles, the last from ${last.open} to ${last.close}, high ${last.high}, low ${last.low}`;
    mark(box, "aria-label", `Chart of ${selection.symbol}, candles of ${interval}: ${words}`);
  }

  function drawOwn() {
    for (const line of lines) series.removePriceLine(line);
    lines = ["buy", "sell"]
      .flatMap((side) => [...account.restingAt(selection.symbol, side)].map(([price, orders]) => ({ side, price, leaves: sumOf(orders) })))
      .slice(0, LINES_MAX)
      .map(({ side, price, leaves }) =>
        series.createPriceLine({
          price: Number(price),
          color: colours[side],
          lineWidth: 1,
          lineStyle: LineStyle.Dashed,
          axisLabelVisible: true,
          title: `${sideWords(side)} ${figures.quantity(leaves)}`,
        }),
      );
    const width = WIDTHS[interval];
    const first = candles.list.length ? secondsOf(candles.list[0].time) : Infinity;
    const marked = new Map(); // one arrow for a candle and side, however many executions it stands for
    for (const one of account.executions) {
      if (one.symbol !== selection.symbol || one.status === "busted" || secondsOf(one.time) < first) continue;
      const time = Math.floor(secondsOf(one.time) / width) * width;
      const isBuy = one.side === "buy";
      marked.set(`${time} ${one.side}`, { time, position: isBuy ? "belowBar" : "aboveBar", shape: isBuy ? "arrowUp" : "arrowDown", color: colours.accent, size: 1 });
    }
    markers.setMarkers([...marked.values()].sort((a, b) => a.time - b.time));
  }

  function follow() {
    const { symbol } = selection;
    const instrument = market.instrument(symbol);
    if (instrument === undefined) return;
    series.applyOptions({ priceFormat: { type: "price", precision: instrument.price_decimals, minMove: Number(instrument.tick) } });
    chart.applyOptions({ timeScale: { timeVisible: interval !== "1d", secondsVisible: interval === "1s" } });
    candles.follow(symbol, interval);
    chart.timeScale().resetTimeScale();
    summarised = -SUMMARY_MS;
  }

  function choose(name) {
    interval = name;
    try {
      localStorage.setItem(KEY, name);
    } catch {
      // not remembered then
    }
    for (const button of byId("intervals").children) mark(button, "aria-pressed", String(button.textContent === interval));
    follow();
  }

  for (const name of INTERVALS) byId("intervals").append(el("button", { type: "button", "aria-pressed": String(name === interval), onclick: () => choose(name) }, name));
  candles.changes.listen((candle) => {
    if (candle === null) dirty = "all";
    else {
      pending.set(candle.time, candle);
      dirty = dirty === "all" || pending.size > PENDING_MAX ? "all" : "last";
    }
    drawSoon(draw);
  });
  account.changes.listen((what) => what !== "balances" && drawSoon(drawOwn));
  chart.subscribeCrosshairMove((at) => {
    const bar = at.time === undefined ? undefined : candles.list.find((candle) => secondsOf(candle.time) === at.time);
    drawLegend(bar ?? null);
  });
  chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
    if (range !== null && range.from < EARLIER_FROM && candles.list.length >= 100) candles.earlier();
  });
  themeChanges.listen(paint);
  paint();
  selection.changes.listen(follow);
  return { choose };
}
