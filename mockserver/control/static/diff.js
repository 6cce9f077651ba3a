// The difference of two JSON values: what was added, removed and changed, and what is the same around it.
import { linesOf } from "./json_lines.js";

const INDENT = "  ";
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const isHolder = (value) => value !== null && typeof value === "object";
const lead = (depth, name) => INDENT.repeat(depth) + (name === undefined ? "" : `${JSON.stringify(name)}: `);
const whole = (sign, value, depth, name) =>
  linesOf(value, Array(depth).fill(0), name).map(({ text }) => ({ sign, text }));

/** Return the lines of two values, each with a sign: " " in both, "-" only in the first, "+" only in the second. */
export function differenceOf(a, b, depth = 0, name = undefined) {
  if (same(a, b)) return whole(" ", a, depth, name);
  if (!isHolder(a) || !isHolder(b) || Array.isArray(a) !== Array.isArray(b))
    return [...whole("-", a, depth, name), ...whole("+", b, depth, name)];
  const [open, close] = Array.isArray(a) ? "[]" : "{}";
  const inner = Array.isArray(a) ? ofItems(a, b, depth + 1) : ofMembers(a, b, depth + 1);
  return [{ sign: " ", text: lead(depth, name) + open }, ...inner, { sign: " ", text: lead(depth) + close }];
}

function ofMembers(a, b, depth) {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.flatMap((name) => {
    if (!Object.hasOwn(b, name)) return whole("-", a[name], depth, name);
    if (!Object.hasOwn(a, name)) return whole("+", b[name], depth, name);
    return differenceOf(a[name], b[name], depth, name);
  });
}

/** Items that are equal stay side by side; between them, one is compared with the other, and the rest was added. */
function ofItems(a, b, depth) {
  const found = [];
  let [i, j] = [0, 0];
  for (const [k, l] of [...commonItems(a, b), [a.length, b.length]]) {
    for (; i < k && j < l; i++, j++) found.push(...differenceOf(a[i], b[j], depth));
    for (; i < k; i++) found.push(...whole("-", a[i], depth));
    for (; j < l; j++) found.push(...whole("+", b[j], depth));
    if (k < a.length) found.push(...whole(" ", a[k], depth));
    [i, j] = [k + 1, l + 1];
  }
  return found;
}

/** Return the places of the longest common subsequence of two lists. */
function commonItems(a, b) {
  const [left, right] = [a.map((item) => JSON.stringify(item)), b.map((item) => JSON.stringify(item))];
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      lengths[i][j] = left[i] === right[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
  const pairs = [];
  for (let [i, j] = [0, 0]; i < a.length && j < b.length; )
    if (left[i] === right[j]) pairs.push([i++, j++]);
    else if (lengths[i + 1][j] >= lengths[i][j + 1]) i++;
    else j++;
  return pairs;
}
