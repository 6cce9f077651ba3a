// Lengths of time in words.
import { t } from "./lib.js";

const STEPS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** Return the two largest parts of a number of seconds: `1 d 2 h`. */
export function lasting(seconds) {
  let rest = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [name, length] of STEPS) {
    if (rest >= length && parts.length < 2) parts.push(t(`unit-${name}`, { n: Math.floor(rest / length) }));
    rest %= length;
  }
  return parts.join(" ") || t("unit-second", { n: 0 });
}
