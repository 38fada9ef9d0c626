// A long list of rows of one height, of which only those that can be seen are in the page; it knows nothing of what they say.

import { el, mark } from "./dom.js";
import { drawSoon } from "./frame.js";

const MARGIN = 6; // rows beyond the edges

/**
 * `make()` makes a row's element, `fill(element, item)` puts an item in; `choose(item)` is called when one is chosen. The list stays at
 * its end where it was there, as a log does.
 */
export class Rows {
  #make;
  #fill;
  #choose;
  #height;
  #items = [];
  #elements = [];
  #space = el("div", { class: "rows-space" });
  #chosen = null;
  #atEnd = true;

  constructor({ label, height, make, fill, choose }) {
    this.#make = make;
    this.#fill = fill;
    this.#choose = choose;
    this.#height = height;
    this.node = el("div", { class: "rows", role: "listbox", tabindex: "0", "aria-label": label }, this.#space);
    this.node.addEventListener("scroll", () => {
      this.#atEnd = this.node.scrollTop + this.node.clientHeight >= this.#items.length * height - height;
      drawSoon(this.#draw);
    });
    this.node.addEventListener("keydown", (event) => this.#key(event));
    this.node.addEventListener("click", (event) => {
      const place = event.target.closest("[data-place]")?.dataset.place;
      if (place !== undefined) this.choose(this.#items[Number(place)]);
    });
    new ResizeObserver(() => {
      if (this.#atEnd) this.toEnd();
      drawSoon(this.#draw);
    }).observe(this.node);
  }

  get isAtEnd() {
    return this.#atEnd;
  }

  show(items) {
    this.#items = items;
    drawSoon(this.#draw);
  }

  choose(item) {
    this.#chosen = item ?? null;
    this.#choose(this.#chosen);
    drawSoon(this.#draw);
  }

  toEnd() {
    this.#atEnd = true;
    drawSoon(this.#draw);
  }

  #key(event) {
    if (event.target !== this.node || !this.#items.length) return;
    const place = this.#items.indexOf(this.#chosen);
    const page = Math.max(1, Math.floor(this.node.clientHeight / this.#height) - 1);
    const last = this.#items.length - 1;
    const from = place < 0 ? (event.key === "ArrowDown" || event.key === "PageDown" ? this.#first() - 1 : this.#first() + 1) : place;
    const next = { ArrowUp: from - 1, ArrowDown: from + 1, PageUp: from - page, PageDown: from + page, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const to = Math.max(0, Math.min(last, next));
    const top = to * this.#height;
    if (top < this.node.scrollTop) this.node.scrollTop = top;
    if (top + this.#height > this.node.scrollTop + this.node.clientHeight) this.node.scrollTop = top + this.#height - this.node.clientHeight;
    this.#atEnd = to === last;
    this.choose(this.#items[to]);
  }

  #first() {
    return Math.floor(this.node.scrollTop / this.#height);
  }

  #draw = () => {
    const height = `${this.#items.length * this.#height}px`;
    if (this.#space.style.height !== height) this.#space.style.height = height;
    if (this.#atEnd) this.node.scrollTop = this.#items.length * this.#height;
    const first = Math.max(0, this.#first() - MARGIN);
    const count = Math.min(this.#items.length - first, Math.ceil(this.node.clientHeight / this.#height) + 2 * MARGIN);
    while (this.#elements.length < count) {
      const made = this.#make();
      made.setAttribute("role", "option");
      this.#elements.push(made);
      this.#space.append(made);
    }
    let chosen = null;
    this.#elements.forEach((element, index) => {
      element.hidden = index >= count;
      if (index >= count) return;
      const place = first + index;
      const item = this.#items[place];
      const top = `translateY(${place * this.#height}px)`;
      if (element.style.transform !== top) element.style.transform = top;
      mark(element, "data-place", place);
      mark(element, "id", `row-${item.key}`);
      mark(element, "aria-setsize", this.#items.length);
      mark(element, "aria-posinset", place + 1);
      mark(element, "aria-selected", String(item === this.#chosen));
      if (item === this.#chosen) chosen = element;
      this.#fill(element, item, this.#items[place - 1]);
    });
    mark(this.node, "aria-activedescendant", chosen?.id ?? null);
  };
}
