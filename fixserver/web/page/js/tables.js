// A table that keeps its rows: what stays the same is not touched, so that focus and selection survive; it knows no order.

import { el, mark, say } from "./dom.js";

/**
 * `columns` are { name, title, number, wide, long, write(row) -> text or { text, tone, title }, make(row) -> node }; `keyOf` tells rows apart. A
 * column with `make` has its node made once for a row, which is handed to `update(node, row)` each time.
 */
export class Table {
  #columns;
  #keyOf;
  #rows = new Map(); // key -> { node, cells }
  #body;

  constructor(caption, columns, keyOf) {
    this.#columns = columns;
    this.#keyOf = keyOf;
    const head = columns.map((column) =>
      el("th", { scope: "col", role: "columnheader", class: column.number ? "number" : null }, column.title || el("span", { class: "visually-hidden" }, column.name)),
    );
    this.#body = el("tbody", { role: "rowgroup" });
    this.node = el(
      "table",
      { class: "table", role: "table" },
      el("caption", { class: "visually-hidden" }, caption),
      el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...head)),
      this.#body,
    );
  }

  show(rows) {
    const keys = new Set();
    let before = null;
    for (const row of rows) {
      const key = this.#keyOf(row);
      keys.add(key);
      const shown = this.#rows.get(key) ?? this.#add(key, row);
      this.#columns.forEach((column, index) => this.#write(shown.cells[index], column, row));
      const place = before === null ? this.#body.firstChild : before.nextSibling;
      if (place !== shown.node) this.#body.insertBefore(shown.node, place);
      before = shown.node;
    }
    for (const [key, { node }] of this.#rows) {
      if (keys.has(key)) continue;
      node.remove();
      this.#rows.delete(key);
    }
  }

  #add(key, row) {
    const cells = this.#columns.map((column) => {
      const cell = el("td", { role: "cell", class: [column.number && "number", column.wide && "wide", column.long && "long"].filter(Boolean).join(" ") || null, "data-name": column.title });
      if (column.make) cell.append(column.make(row));
      return cell;
    });
    const node = el("tr", { role: "row", "data-key": key }, ...cells);
    this.#rows.set(key, { node, cells });
    return this.#rows.get(key);
  }

  #write(cell, column, row) {
    if (column.make) {
      column.update?.(cell.firstChild, row);
      return;
    }
    const written = column.write(row);
    const { text, tone = "", title = null } = typeof written === "string" ? { text: written } : written;
    say(cell, text);
    mark(cell, "title", title);
    cell.classList.toggle("buy", tone === "buy");
    cell.classList.toggle("sell", tone === "sell");
    cell.classList.toggle("muted", tone === "muted");
  }
}
