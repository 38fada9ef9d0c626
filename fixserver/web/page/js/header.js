// The bar at the top: the venue's name, the time there, how the connection is, and who is signed in; it starts nothing by itself.

import { byId, mark, say } from "./dom.js";

const WORDS = { connecting: "connecting", live: "live", stale: "no news, waiting", reconnecting: "reconnecting" };

export function openHeader(stream, session) {
  const show = () => {
    mark(byId("connection"), "data-state", stream.state);
    say(byId("connection-words"), WORDS[stream.state]);
    const trip = stream.roundTripMs === null ? "" : `Round trip ${stream.roundTripMs.toFixed(1)} ms. `;
    mark(byId("connection"), "title", `${trip}Gaps in the numbers: ${stream.gaps}`);
    if (stream.venue) say(byId("venue"), stream.venue);
  };
  stream.changes.listen(show);
  show();
  const showWho = (participant) => {
    byId("who").hidden = participant === null;
    say(byId("who"), participant ?? "");
    byId("sign-in").hidden = participant !== null;
    byId("sign-out").hidden = participant === null;
  };
  session.changes.listen(showWho);
  showWho(session.participant);
  const tick = () => say(byId("clock"), `${new Date().toISOString().slice(11, 19)} UTC`);
  setInterval(tick, 1000);
  tick();
}
