// Sending a request of the journal again.
import { api } from "./lib.js";

const OWN_HEADERS = /^(accept|content-type|idempotency-key|prefer|x-.*)$/;
const SHORTENED = /… \(\d+ characters(, sha256 [0-9a-f]+)?\)$/;
const DEFAULT_KEY = "sk-mock";
const SIDE = 512;

/** Whether a request can be sent again: one whose body the journal has, or that has none. */
export const canBeSent = (entry) => entry.endpoint !== "callback" && (entry.request !== null || entry.method === "GET");

/** The body of a request that was refused because it is no JSON: the journal has it as a text; undefined for others. */
export const textOfNoJson = ({ request, rule }) =>
  typeof request === "string" && rule?.id.endsWith("/http/body/syntax") ? request : undefined;

/** Send a request again; return `{status, id, standIns}`: of its answer, and how many pictures others stand in for. */
export async function sendAgain(entry) {
  const { body, standIns } = withStandIns(entry.request);
  const headers = Object.entries(entry.request_headers ?? {}).filter(([name]) => OWN_HEADERS.test(name));
  const key = await keyOf(entry);
  const answer = await fetch(entry.path, {
    method: entry.method,
    headers: { ...Object.fromEntries(headers), ...(key ? { Authorization: `Bearer ${key}` } : {}) },
    // Without a type of its own: the header is the one of the request, if it had one.
    body: body === null ? undefined : new Blob([textOfNoJson(entry) ?? JSON.stringify(body)]),
  });
  await answer.arrayBuffer();
  return { status: answer.status, id: answer.headers.get("x-request-id"), standIns };
}

/** Return the key of a request. The journal shows a part of it: the account with that part has the whole. */
async function keyOf(entry) {
  if (!entry.request_headers?.authorization) return "";
  const { accounts } = await api("GET", `ledger?limit=0&provider=${encodeURIComponent(entry.provider)}`);
  const found = accounts.find(({ key }) => masked(key) === entry.key);
  return found?.key ?? DEFAULT_KEY;
}

const masked = (key) => (key.length > 12 ? `${key.slice(0, 4)}…${key.slice(-4)}` : `${key.slice(0, 4)}…`);

/** Return a body in which plain pictures stand in for those that the journal has shortened. */
function withStandIns(value) {
  let standIns = 0;
  const replaced = (member) => {
    if (typeof member === "string" && SHORTENED.test(member)) {
      if (!member.startsWith("data:")) return member;
      standIns += 1;
      return plainPicture();
    }
    if (Array.isArray(member)) return member.map(replaced);
    if (member === null || typeof member !== "object") return member;
    return Object.fromEntries(Object.entries(member).map(([name, inner]) => [name, replaced(inner)]));
  };
  return { body: replaced(value), standIns };
}

function plainPicture() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#888";
  pen.fillRect(0, 0, SIDE, SIDE);
  return canvas.toDataURL("image/png");
}
