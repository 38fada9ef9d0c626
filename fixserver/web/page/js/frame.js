// Draws each part at most once for each frame of the display, however often the market moves; it never draws a hidden page.

const waiting = new Set();
let asked = false;

/** Have `draw` called with the next frame; asked for twice it is called once. */
export function drawSoon(draw) {
  waiting.add(draw);
  if (!asked) {
    asked = true;
    requestAnimationFrame(drawAll);
  }
}

function drawAll() {
  asked = false;
  const due = [...waiting];
  waiting.clear();
  for (const draw of due) draw();
}
