// A link may lead to one row or card of a view: `#ledger?at=charge-ID`. It is shown and marked when it is there.
import { asked } from "./journal_query.js";
import { useEffect } from "./lib.js";

const MARK = "arrived";
const TOUCHES = ["wheel", "touchmove", "pointerdown", "keydown"];

export function useArrival() {
  useEffect(() => {
    let watchers = [];
    const stop = () => {
      for (const watcher of watchers) watcher.disconnect();
      watchers = [];
    };
    const arrive = () => {
      stop();
      for (const old of document.getElementsByClassName(MARK)) old.classList.remove(MARK);
      const wanted = asked().at;
      if (!wanted) return;
      const show = () => {
        const found = document.getElementById(wanted);
        if (!found) return;
        found.classList.add(MARK);
        found.scrollIntoView({ block: "center" });
      };
      // What is above may come later and move it, until the reader moves the page.
      watchers = [new MutationObserver(() => document.querySelector(`.${MARK}`) ?? show()), new ResizeObserver(show)];
      watchers[0].observe(document.body, { childList: true, subtree: true });
      watchers[1].observe(document.body);
      show();
    };
    arrive();
    addEventListener("hashchange", arrive);
    for (const touch of TOUCHES) addEventListener(touch, stop, { passive: true });
    return () => {
      stop();
      removeEventListener("hashchange", arrive);
      for (const touch of TOUCHES) removeEventListener(touch, stop);
    };
  }, []);
}
