// Exact arithmetic on decimal text ("189.50"), as the venue writes it; it never makes a floating-point number of money.

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?$/;

/** A number as whole units and how many decimals they have; null where the text is none. */
export function parse(text) {
  const match = DECIMAL.exec(String(text).trim());
  if (!match || (match[2] === "" && (match[3] ?? "") === "")) return null;
  const fraction = match[3] ?? "";
  const units = BigInt(match[2] + fraction);
  return { units: match[1] === "-" ? -units : units, decimals: fraction.length };
}

function scaled(value, decimals) {
  return value.units * 10n ** BigInt(decimals - value.decimals);
}

function both(left, right) {
  const a = parse(left);
  const b = parse(right);
  if (a === null || b === null) return null;
  const decimals = Math.max(a.decimals, b.decimals);
  return { a: scaled(a, decimals), b: scaled(b, decimals), decimals };
}

function written(units, decimals) {
  const sign = units < 0n ? "-" : "";
  const digits = (units < 0n ? -units : units).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  return decimals ? `${sign}${whole}.${digits.slice(-decimals)}` : sign + whole;
}

/** Negative, zero or positive, as for sort(). NaN where one of both is no number. */
export function compare(left, right) {
  const pair = both(left, right);
  if (pair === null) return NaN;
  return pair.a < pair.b ? -1 : Number(pair.a > pair.b);
}

export function add(left, right) {
  const { a, b, decimals } = both(left, right);
  return written(a + b, decimals);
}

export function subtract(left, right) {
  const { a, b, decimals } = both(left, right);
  return written(a - b, decimals);
}

export function multiply(left, right) {
  const a = parse(left);
  const b = parse(right);
  return written(a.units * b.units, a.decimals + b.decimals);
}

export function isPositive(text) {
  const value = parse(text);
  return value !== null && value.units > 0n;
}

export function isZero(text) {
  const value = parse(text);
  return value !== null && value.units === 0n;
}

/** Whether `text` is a whole number of steps. */
export function isMultiple(text, step) {
  const pair = both(text, step);
  return pair !== null && pair.b > 0n && pair.a % pair.b === 0n;
}

/** The next step above (`direction` 1) or below (-1), never below zero, with as many decimals as are asked for. */
export function stepped(text, step, direction, decimals) {
  const pair = both(text, step);
  if (pair === null || pair.b <= 0n) return text;
  const rest = ((pair.a % pair.b) + pair.b) % pair.b;
  let units = direction > 0 ? pair.a - rest + pair.b : pair.a - (rest === 0n ? pair.b : rest);
  if (units < 0n) units = 0n;
  return fixed(written(units, pair.decimals), decimals);
}

/** With exactly so many decimals; what is cut off is lost (towards zero). */
export function fixed(text, decimals) {
  const value = parse(text);
  if (value === null) return text;
  if (value.decimals <= decimals) return written(scaled(value, decimals), decimals);
  return written(value.units / 10n ** BigInt(value.decimals - decimals), decimals);
}

/** Without zeros at the end of the fraction, but with at least so many decimals. */
export function trimmed(text, least = 0) {
  const point = text.indexOf(".");
  if (point < 0) return least ? fixed(text, least) : text;
  let end = text.length;
  while (end > point + 1 + least && text[end - 1] === "0") end--;
  const short = text.slice(0, end === point + 1 ? point : end);
  return least ? fixed(short, Math.max(least, short.length - point - 1)) : short;
}

/** Thousands apart, for people: "1,234,567.50". Text that is no number stays as it is. */
export function grouped(text) {
  if (text === null || text === undefined || text === "") return "";
  const [whole, fraction] = String(text).split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return (fraction === undefined ? apart : `${apart}.${fraction}`).replace(/^-/, "−");
}

/** With its sign, also where it is above zero. */
export function signed(text) {
  const value = parse(text);
  if (value === null) return "";
  return value.units > 0n ? `+${grouped(text.replace(/^\+/, ""))}` : grouped(text);
}
