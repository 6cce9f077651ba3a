// What the playground is to open with, asked for by another view: a request of a provider's variant.

const KEY = "qwenmock-wanted";

/** Open the playground with a request: `{provider, variant, request}`. Without `request` its documented example. */
export function openInPlayground(wanted) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(wanted));
  } finally {
    location.href = "/__mock__/#playground";
  }
}

/** Return what was asked for, once; null for nothing. */
export function takeWanted() {
  try {
    const wanted = JSON.parse(sessionStorage.getItem(KEY));
    sessionStorage.removeItem(KEY);
    return wanted;
  } catch {
    return null; // storage may be forbidden: the playground then opens with an example
  }
}
