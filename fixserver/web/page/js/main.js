// Puts the parts together; the one module that knows all of them.

import { Account } from "./account.js";
import { announce } from "./announce.js";
import { Book } from "./book.js";
import { Candles, INTERVALS } from "./candles.js";
import { openChart } from "./chart.js";
import { trimmed } from "./decimal.js";
import { byId } from "./dom.js";
import { openHeader } from "./header.js";
import { openExecutions, openHoldings } from "./holdings.js";
import { openKeys } from "./keys.js";
import { openLadder } from "./ladder.js";
import { Market } from "./market.js";
import { openMarketList } from "./marketlist.js";
import { Messages } from "./messages.js";
import { openOrders } from "./orders.js";
import { openPosition } from "./position.js";
import { Rest } from "./rest.js";
import { Selection } from "./selection.js";
import { Session } from "./session.js";
import { openSignIn } from "./signin.js";
import { openStatistics } from "./statistics.js";
import { Stream } from "./stream.js";
import { openTape } from "./tape.js";
import { openTheme } from "./theme.js";
import { openTicket } from "./ticket.js";
import { Trades } from "./trades.js";
import { openTraffic } from "./traffic.js";
import { openViews } from "./views.js";
import { orderWords, statusWords } from "./words.js";

const RETRY_MS = 2000;

const rest = new Rest();
const stream = new Stream(new URL("/v1/stream", location.href.replace(/^http/, "ws")));
const session = new Session(rest, stream);
const market = new Market(stream, rest);
const selection = new Selection();
const book = new Book(stream);
const trades = new Trades(stream);
const candles = new Candles(stream, rest);
const account = new Account(stream);
const messages = new Messages(stream);

openTheme();
openHeader(stream, session);
const askToSignIn = openSignIn(session);
const markets = openMarketList(market, selection);
openStatistics(market, selection);
const chart = openChart(candles, market, account, selection);
openTape(trades);
const ticket = openTicket({ rest, session, market, book, account, selection, askToSignIn });
const ladder = openLadder(book, market, account, selection, (price) => {
  ticket.price(price);
  views.part("ticket");
});
const traffic = openTraffic({ messages, session, stream, announce, askToSignIn });
const trace = (clOrdId, orderId) => {
  views.view("traffic");
  traffic.trace(clOrdId, orderId);
};
const orders = openOrders({ rest, account, session, announce, trace });
openExecutions({ account, session, trace });
openHoldings({ account, session, market });
openPosition({ account, session, market, selection });
const views = openViews({
  shown: (name) => {
    if (name === "traffic") traffic.redraw();
    if (name === "account") orders.draw();
  },
});

selection.changes.listen((symbol) => {
  book.follow(symbol);
  trades.follow(symbol);
});
session.changes.listen((participant) => {
  if (participant === null) {
    account.close();
    messages.close();
  } else {
    account.open();
    messages.open();
  }
});
account.fills.listen((one) => {
  if (one.status !== "traded") {
    announce(`Trade ${one.status}`, `${one.symbol}: ${trimmed(one.quantity)} at ${one.price}`, "bad");
    return;
  }
  announce(`${one.side === "buy" ? "Bought" : "Sold"} ${trimmed(one.quantity)} ${one.symbol}`, `at ${one.price}`, "good");
});
account.ends.listen((order) => {
  // What one canceled oneself is said where it was done; what the venue ended is news.
  if (order.reason && order.status !== "filled") announce(statusWords(order.status), `${orderWords(order)}: ${order.reason}`, order.status === "rejected" ? "bad" : "plain");
});

function onTrade(act) {
  return () => {
    if (views.name !== "trade") views.view("trade");
    act();
  };
}

const toTicket = (act) => onTrade(() => (views.part("ticket"), act()));
const toAccount = (tab, act = () => {}) => onTrade(() => (views.part("account"), views.tab(tab), act()));
openKeys([
  ["Buy", { B: toTicket(() => ticket.side("buy")) }],
  ["Sell", { S: toTicket(() => ticket.side("sell")) }],
  ["Quantity", { Q: toTicket(() => ticket.focus("quantity")) }],
  ["Price", { P: toTicket(() => ticket.focus("price")) }],
  ["Type of order", { T: toTicket(() => ticket.focus("type")) }],
  ["Ladder: arrows move, Enter takes a price", { L: onTrade(() => (views.part("book"), ladder.focus())) }],
  ["Markets", { M: onTrade(() => (views.part("markets"), markets.focus())) }],
  ["Next market, the one before", { J: onTrade(() => markets.move(1)), K: onTrade(() => markets.move(-1)) }],
  [`Candles of ${INTERVALS.join(", ")}`, Object.fromEntries(INTERVALS.map((interval, index) => [String(index + 1), onTrade(() => chart.choose(interval))]))],
  ["Open orders", { O: toAccount("orders") }],
  ["Executions", { E: toAccount("executions") }],
  ["Holdings and cash", { H: toAccount("holdings") }],
  ["Cancel all orders (twice)", { "Shift+X": toAccount("orders", () => orders.cancelAll()) }],
  ["FIX traffic, and back", { F: () => (views.view(views.name === "traffic" ? "trade" : "traffic"), views.name === "traffic" && traffic.focus()) }],
  ["Dark, light, as the system has it", { D: () => byId("theme").click() }],
  ["Sign in or out", { I: () => (session.participant === null ? askToSignIn() : session.signOut()) }],
]);

async function open() {
  try {
    await market.open();
  } catch (failure) {
    announce("Not there yet", failure.message, "bad");
    setTimeout(open, RETRY_MS);
    return;
  }
  selection.start([...market.instruments.keys()]);
}

session.restore();
stream.connect();
open();
