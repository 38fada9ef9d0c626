// Elements from names, attributes and text; it never reads HTML, so nothing that the venue says can become any.

/** `el("td", { class: "price", onclick: f }, "189.50")`; an attribute that is null or false is left out. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Put text in, where it is another than before: a node that is not touched costs no layout. */
export function say(node, text) {
  const only = node.firstChild;
  if (only !== null && only.nodeType === Node.TEXT_NODE && only === node.lastChild) {
    if (only.data !== text) only.data = text;
  } else if (only !== null || text !== "") {
    node.textContent = text;
  }
}

/** Set an attribute where it is another than before; null takes it away. */
export function mark(node, name, value) {
  if (value === null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}

/** Arrow keys move among the children of `list` that `selector` finds; one of them alone is a stop of the Tab key. */
export function rove(list, selector, { across = false } = {}) {
  const [before, after] = across ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
  list.addEventListener("keydown", (event) => {
    const items = [...list.querySelectorAll(selector)].filter((item) => item.offsetParent !== null);
    const place = items.indexOf(document.activeElement);
    const next = {
      [before]: items[place - 1],
      [after]: items[place + 1],
      Home: items[0],
      End: items.at(-1),
    }[event.key];
    if (place < 0 || next === undefined) return;
    event.preventDefault();
    stopAt(items, next);
    next.focus();
  });
  list.addEventListener("focusin", (event) => {
    const item = event.target.closest(selector);
    if (item) stopAt(list.querySelectorAll(selector), item);
  });
}

function stopAt(items, chosen) {
  for (const item of items) mark(item, "tabindex", item === chosen ? "0" : "-1");
}
