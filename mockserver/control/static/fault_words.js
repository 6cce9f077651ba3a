// A fault as a sentence.
import { t } from "./lib.js";

const WHO = ["provider", "key", "model"];
const EFFECTS = [
  "status",
  "refuse",
  "delay_ms",
  "drop",
  "malformed",
  "fail_images",
  "fail_task",
  "expire_links",
  "callback",
  "callback_origin",
];
const OFTEN = ["times", "probability", "after_seconds", "for_seconds"];
const NO_EFFECT = {
  delay_ms: 0,
  fail_images: 0,
  probability: 1,
  after_seconds: 0,
  refuse: false,
  malformed: false,
  expire_links: false,
};

/** Return the clauses for the members that have an effect. */
function clauses(fault, names) {
  return names
    .filter((name) => fault[name] !== undefined && fault[name] !== null && fault[name] !== NO_EFFECT[name])
    .map((name) => {
      if (["drop", "callback"].includes(name)) return t(`says-${name}-${fault[name]}`);
      const value = name === "probability" ? Math.round(fault[name] * 1000) / 10 : fault[name];
      return t(`says-${name}`, { value });
    });
}

/** Return what a fault does: `Requests to acme are refused with 429 (2 more times).` */
export function sentence(fault) {
  const who = clauses(fault, WHO);
  const often = clauses(fault, OFTEN);
  const requests = who.length > 0 ? t("says-some", { who: who.join(t("says-and")) }) : t("says-all");
  const effects = clauses(fault, EFFECTS).join(t("says-and"));
  return t(often.length > 0 ? "says-often" : "says-always", { requests, effects, often: often.join(t("says-and")) });
}
