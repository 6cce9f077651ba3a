// Amounts of money: decimals as text, which are added exactly and written one below the other.

const PLACES = 9;
const UNIT = 10n ** BigInt(PLACES);

/** Return a decimal as a whole number of billionths. */
function units(text) {
  const [whole, part = ""] = text.replace("-", "").split(".");
  const value = BigInt(whole) * UNIT + BigInt(part.slice(0, PLACES).padEnd(PLACES, "0"));
  return text.startsWith("-") ? -value : value;
}

/** Return the sum of decimals, without zeros at its end. */
export function sum(texts) {
  const total = texts.reduce((found, text) => found + units(text), 0n);
  const digits = String(total < 0n ? -total : total).padStart(PLACES + 1, "0");
  const part = digits.slice(-PLACES).replace(/0+$/, "");
  return `${total < 0n ? "-" : ""}${digits.slice(0, -PLACES)}${part && `.${part}`}`;
}

const places = (text) => (text.split(".")[1] ?? "").length;

/** Return a function that writes the amounts of a column with the same number of places. */
export function aligned(texts) {
  const most = Math.max(0, ...texts.map(places));
  return (text) => {
    const missing = most - places(text);
    return missing === 0 ? text : `${text}${text.includes(".") ? "" : "."}${"0".repeat(missing)}`;
  };
}
